"""The way to a cluster: its address, a scheduler's file, or workers of this machine."""

from __future__ import annotations

import gc
import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneclass.cluster.calls import distributed_package, translated
from oneclass.cluster.machines import check_machines
from oneclass.errors import ClusterError, InputError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 20
GONE_SECONDS = 10
"""How long workers of this machine look for one that does not answer; Dask's own is 30."""
WORKERS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), 1),
    "MALLOC_TRIM_THRESHOLD_": 1 << 28,
    "MALLOC_MMAP_THRESHOLD_": 1 << 25,
}
"""The environment of workers of this machine. Dask's own has the C library give back all memory at
once, down to 64 kB, and take it anew for each image: a quarter more of the processor's time."""
EXPECTED = (
    "expected a scheduler's address such as tcp://host:8786, its file (dask scheduler "
    "--scheduler-file), or local:4 for 4 workers of this machine"
)
WRITTEN_SECONDS = 0.5
"""How long a scheduler that starts may take to write its file, which appears empty."""
QUIET = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""Ctrl-C reaches all processes of a terminal; what it means to workers, the command says."""


@contextmanager
def connected(cluster: Any) -> Iterator[Client]:
    """A client of a cluster; what is opened here is closed here.

    Args:
        cluster: the scheduler's address, such as tcp://host:8786; its file; local:N for N workers
            of this machine with one thread each; or a client of Dask, which is left open.

    Raises:
        InputError: it is none of these.
        ClusterError: nobody answers, or a machine differs from this one.
        MissingDependencyError: Dask is not installed.
    """
    distributed = distributed_package()
    if isinstance(cluster, distributed.Client):
        check_machines(cluster)
        yield cluster
        return
    with translated(), _opened(distributed, cluster) as client:
        check_machines(client)
        yield client


@contextmanager
def _opened(distributed: Any, cluster: Any) -> Iterator[Any]:
    text = str(cluster)
    if local := re.fullmatch(r"local:(\d+)", text):
        with _local(distributed, int(local[1])) as client:
            yield client
        return
    file = Path(text) if Path(text).is_file() else None
    address = _in_file(file) if file else text
    if "://" not in address and not re.fullmatch(r"[^/\s:]+:\d+", address):
        raise InputError(f"cluster is {text!r}: {EXPECTED}.")
    # One that found nobody is collected when Python likes, and closes itself then, for which it
    # takes a lock that a new one holds while it starts: that would wait for ever.
    gc.collect()
    try:
        client = distributed.Client(
            None if file else address, scheduler_file=file, timeout=CONNECT_SECONDS
        )
    except ValueError as error:
        raise InputError(f"cluster is {text!r} ({error}): {EXPECTED}.") from error
    except (OSError, TimeoutError) as error:
        raise ClusterError(
            f"cluster {text}: no scheduler answers there ({error}). Is it running ('dask "
            "scheduler'), and is the address right?"
        ) from error
    with _quiet(), client:
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """What a client of ours logs of a scheduler that is gone, our error says in one sentence."""
    logger = logging.getLogger("distributed.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _in_file(file: Path) -> str:
    """The address in the file of a scheduler.

    Raises:
        InputError: there is none in it.
    """
    until = time.monotonic() + WRITTEN_SECONDS
    while True:
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            if time.monotonic() > until:
                raise InputError(
                    f"cluster is {str(file)!r}, which is no file of a scheduler; {EXPECTED}."
                ) from error
        time.sleep(0.05)


@contextmanager
def _local(distributed: Any, n_workers: int) -> Iterator[Any]:
    if not n_workers:
        raise InputError("cluster is 'local:0': expected at least one worker, as in local:2.")
    import dask

    settings = {
        "distributed.worker.preload": [QUIET],
        "distributed.scheduler.allowed-failures": 10,
        "distributed.worker.daemon": True,
        "distributed.nanny.pre-spawn-environ": WORKERS,
        # A killed neighbour refuses connections, and Dask tries again for so long.
        "distributed.comm.timeouts.connect": f"{GONE_SECONDS}s",
    }
    with (
        dask.config.set(settings),
        _started(distributed, n_workers) as workers,
        # What comes back need not go through the scheduler: these workers can be reached.
        distributed.Client(workers, direct_to_workers=True) as client,
    ):
        yield client


def _started(distributed: Any, n_workers: int) -> Any:
    """Workers of this machine.

    Raises:
        ClusterError: they end before they have begun.
    """
    try:
        return distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        )
    except RuntimeError as error:
        raise ClusterError(
            f"cluster local:{n_workers}: its workers cannot be started ({error}) Each of them "
            "imports the script that asks for it: there, what calls oneclass belongs under if "
            "__name__ == '__main__':."
        ) from error

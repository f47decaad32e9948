"""Calls of Dask, which raises errors of many kinds where a cluster is gone: here they are one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from oneclass.errors import ClusterError, MissingDependencyError, OneclassError
from oneclass.system.host.machine import pip_install

if TYPE_CHECKING:
    from distributed import Client, Future

LOOK_SECONDS, ALONE_SECONDS = 5, 300
"""How often to see whether there are workers, and how long to wait for some when there are none."""


@contextmanager
def translated() -> Iterator[None]:
    """What Dask raises where a cluster is gone, as one error that says what to do.

    Raises:
        ClusterError: it is.
    """
    distributed = distributed_package()
    from concurrent.futures import CancelledError

    try:
        yield
    except distributed.scheduler.KilledWorker as error:
        raise ClusterError(
            f"cluster: workers were lost again and again over one task ({error.task}). Do they run "
            "out of memory? Give them more, or smaller chunks; their logs say why they ended."
        ) from error
    except OneclassError:
        raise
    except (CancelledError, distributed.comm.CommClosedError, TimeoutError) as error:
        raise _gone(error) from error


@contextmanager
def calling(client: Client, *waited: Future) -> Iterator[None]:
    """As `translated`, around nothing but calls of Dask: theirs is every OSError then.

    Args:
        client: the one that is called; closed, it raises errors of many kinds.
        waited: whose results are waited for: what such a task raised is its own.

    Raises:
        ClusterError: the cluster is gone.
    """
    with translated():
        try:
            yield
        except Exception as error:
            own = isinstance(error, OneclassError) or any(one.status == "error" for one in waited)
            lost = isinstance(error, OSError) or client.status in ("closing", "closed")
            if lost and not own:
                raise _gone(error) from error
            raise


def _gone(error: Exception) -> ClusterError:
    # Of a task that was cancelled, Dask's sentence stands behind its name.
    said = getattr(error, "msg", None) or str(error) or type(error).__name__
    return ClusterError(
        f"cluster: the scheduler is gone, or lost what it had to do ({' '.join(said.split())}). "
        "Start it again and repeat the command; with a cache (--cache) no finished image is "
        "computed anew."
    )


def result_of(client: Client, future: Future) -> Any:
    """What a future holds, waited for as long as there are workers, or some may come back.

    Raises:
        ClusterError: the cluster is gone, or has been without workers for `ALONE_SECONDS`.
    """
    alone_since: float | None = None
    with calling(client, future):
        while True:
            try:
                return future.result(timeout=LOOK_SECONDS)
            except TimeoutError:
                if future.done():  # it came meanwhile, or the error is its own
                    return future.result()
            now = time.monotonic()
            if client.nthreads():
                alone_since = None
            elif alone_since is None:
                alone_since = now
            elif now - alone_since > ALONE_SECONDS:
                raise ClusterError(
                    f"cluster: it has had no worker for {ALONE_SECONDS} seconds. Their logs say "
                    "why they ended. Start some and repeat the command; with a cache (--cache) no "
                    "finished image is computed anew."
                )


def distributed_package() -> Any:
    """The package.

    Raises:
        MissingDependencyError: it is not installed.
    """
    with suppress(ImportError):
        import distributed

        return distributed
    raise MissingDependencyError(f"a cluster needs Dask. {pip_install('cluster')}")

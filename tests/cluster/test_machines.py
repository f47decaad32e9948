"""Clusters of processes of their own: machines that differ, and a scheduler that goes away."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array
import distributed
import numpy as np
import pytest

import oneclass
from commands import oneclass as command
from conftest import stripes, write_images
from oneclass import Detector
from oneclass.cluster import ClusterRows, connected, rows_of
from oneclass.cluster.given import read_chunk
from oneclass.cluster.machines import Installed, check_machines, installed
from oneclass.cluster.tasks import Tasks
from oneclass.errors import ClusterError, InputError
from oneclass.svm import nu_path

DASK = [sys.executable, "-m", "dask"]
SOURCE = Path(oneclass.__file__).parents[1]


@contextmanager
def process(*words: str, path: Path = SOURCE) -> Iterator[subprocess.Popen[bytes]]:
    """A program of Dask's, with another place to look for packages first."""
    environment = {**os.environ, "PYTHONPATH": str(path)}
    started = subprocess.Popen(
        [*DASK, *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A scheduler, and its file."""
    file = folder / "scheduler.json"
    words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with process("scheduler", *words) as started:
        wait_for(lambda: file.is_file() and file.read_text().endswith("}"))
        yield file, started


def worker(file: Path, name: str, path: Path = SOURCE) -> Any:
    words = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name]
    return process("worker", "--scheduler-file", str(file), *words, path=path)


def wait_for(holds: Any) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.linux
def test_a_machine_with_another_oneclass_or_none_is_refused_by_name(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE / "oneclass", tmp_path / "other/oneclass", ignore=ignored)
    changed = tmp_path / "other/oneclass/statistics.py"
    changed.write_text(changed.read_text() + "\n# changed\n")
    (tmp_path / "none/oneclass").mkdir(parents=True)
    (tmp_path / "none/oneclass/__init__.py").write_text("raise ImportError('not here')")
    with scheduler(tmp_path) as (file, _):
        with (
            worker(file, "other", tmp_path / "other"),
            pytest.raises(ClusterError, match=r"(?s)is refused: its files .* digest .*install the"),
            connected(file),
        ):
            pass
        with (
            worker(file, "none", tmp_path / "none"),
            pytest.raises(ClusterError, match=r"has no oneclass. Install there .*cluster"),
            connected(file),
        ):
            pass


@pytest.mark.linux
def test_the_command_line_with_a_schedulers_file_and_a_scheduler_that_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneclass.cluster.clients.CONNECT_SECONDS", 8)  # to come back, too
    write_images(tmp_path / "normal", stripes(30, seed=1))
    (tmp_path / "normal/cut.png").write_bytes(b"\x89PNG")
    with scheduler(tmp_path) as (file, started), worker(file, "one"):
        options = ["--backbone", "greyscale", "--size", "8", "--cluster", str(file)]
        done = command("fit", tmp_path / "normal", "-o", tmp_path / "there.oneclass", *options)
        assert done.returncode == 3, done.stderr
        assert "cut.png" in done.stderr
        with connected(file) as client:
            rows = client.submit(np.ones, (9000, 4), pure=False)
            there = ClusterRows(client, [rows])
            begin = Tasks.begin

            def begin_and_end(tasks: Tasks, what: str) -> None:
                if what == "score":
                    started.send_signal(signal.SIGKILL)
                    started.wait()
                begin(tasks, what)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Tasks, "begin", begin_and_end)
                with pytest.raises(ClusterError, match="the scheduler is gone") as told:
                    nu_path(there, [0.5])
            assert "\n" not in str(told.value)
            assert "-lost" not in str(told.value)  # Dask's name for it, and the task's
    here = command("fit", tmp_path / "normal", "-o", tmp_path / "here.oneclass", *options[:-2])
    assert here.returncode == 3
    models = [(tmp_path / name).read_bytes() for name in ("here.oneclass", "there.oneclass")]
    assert models[0] == models[1]


@pytest.mark.slow
@pytest.mark.linux
def test_a_scheduler_that_goes_loses_no_finished_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneclass.cluster.clients.CONNECT_SECONDS", 8)
    monkeypatch.setattr("oneclass.cluster.extraction.IMAGES_A_TASK", 5)
    settings: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}
    cache = tmp_path / "rows"
    write_images(tmp_path / "normal", stripes(300, seed=1))
    with scheduler(tmp_path) as (file, started), worker(file, "one"):

        def end_it(done: int, _: int) -> None:
            if done == 100:
                started.send_signal(signal.SIGKILL)
                started.wait()

        there = Detector(**settings, cluster=file, cache=cache)
        with pytest.raises(ClusterError, match=r"(?s)the scheduler is gone.*--cache"):
            there.fit(tmp_path / "normal", progress=end_it)
    again = Detector(**settings, cache=cache).fit(tmp_path / "normal")
    assert again.cache_use.found >= 100
    assert again.cache_use.found + again.cache_use.computed == 300
    again.save(tmp_path / "again")
    Detector(**settings).fit(tmp_path / "normal").save(tmp_path / "alone")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "alone").read_bytes()


@pytest.mark.linux
def test_a_cluster_without_workers_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneclass.cluster.calls.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("oneclass.cluster.calls.ALONE_SECONDS", 1)
    with scheduler(tmp_path) as (file, _), worker(file, "one") as only, connected(file) as client:
        there = ClusterRows(client, [client.submit(np.ones, (9000, 4), pure=False)])
        only.kill()
        with pytest.raises(ClusterError, match="no worker for 1 seconds"):
            nu_path(there, [0.5])


@pytest.mark.linux
def test_a_cluster_without_workers_is_helped_by_the_command_that_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scheduler is there: to start that again, as was advised, would not help."""
    monkeypatch.setattr("oneclass.cluster.machines.WORKER_SECONDS", 1)
    with scheduler(tmp_path) as (file, _):
        with pytest.raises(ClusterError, match="none came in 1 seconds") as told, connected(file):
            pass
        shown = re.search(r"Start some \('dask (worker (.+?))'\)", str(told.value))
        assert shown
        words, address = shown[1].split(), shown[2]
        with (
            distributed.Client(address) as own,
            pytest.raises(ClusterError, match="Start some"),
            connected(own),
        ):
            pass
        monkeypatch.setattr("oneclass.cluster.machines.WORKER_SECONDS", 60)
        with process(*words, "--no-nanny", "--no-dashboard"), connected(file) as client:
            assert client.submit(int, pure=False).result() == 0


@pytest.mark.linux
def test_a_scheduler_that_goes_before_a_worker_came_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("oneclass.cluster.clients.CONNECT_SECONDS", 2)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        scheduler(tmp_path) as (file, started),
        distributed.Client(scheduler_file=file, timeout=2) as own,
    ):

        def look(client: distributed.Client) -> None:
            started.kill()
            started.wait()
            check_machines(client)

        monkeypatch.setattr("oneclass.cluster.clients.check_machines", look)
        with pytest.raises(ClusterError, match="the scheduler is gone"), connected(file):
            pass
        assert "Traceback" not in capfd.readouterr().err
        with pytest.raises(ClusterError, match="the scheduler is gone"), connected(own):
            pass
        with pytest.raises(ClusterError, match="the scheduler is gone"):
            rows_of(dask.array.ones((3, 2)), client=own)


def test_rows_that_no_client_or_no_worker_can_have_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distributed.client._get_global_client", lambda: None)
    with pytest.raises(ClusterError, match="there is no client of Dask"):
        rows_of(tmp_path / "rows.npy")
    with pytest.raises(InputError, match=r"rows.npy: the worker on .* cannot read it"):
        read_chunk(str(tmp_path / "rows.npy"), 0, 1)


@pytest.mark.parametrize("content", ["tcp://127.0.0.1:9", "{}", "[1]", '{"address": 3}', "\0"])
def test_a_file_that_is_of_no_scheduler_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="its file"), connected(str(tmp_path / "file")):
        pass


@pytest.mark.parametrize("address", ["http://127.0.0.1:8786", "tcp://127.0.0.1"])
def test_an_address_of_another_kind_is_wrong_and_not_silent(address: str) -> None:
    with pytest.raises(InputError, match="such as tcp://host:8786"), connected(address):
        pass


@pytest.mark.linux
def test_a_script_that_starts_workers_is_told_where_its_calls_belong(tmp_path: Path) -> None:
    """Each worker imports it, and would start workers of its own."""
    write_images(tmp_path / "normal", stripes(6, seed=1))
    detector = "Detector(backbone='greyscale', size=(8, 8), cluster='local:1')"
    asks = f"{detector}.fit({str(tmp_path / 'normal')!r})"
    for line, code in ((f"print({asks})", 1), (f"if __name__ == '__main__': print({asks})", 0)):
        script = tmp_path / "script.py"
        script.write_text(f"from oneclass import Detector\n{line}\n", encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, script], capture_output=True, text=True, timeout=100, check=False
        )
        assert ended.returncode == code, ended.stderr
        assert ("belongs under if __name__ == '__main__':" in ended.stderr) == bool(code)


def test_nobody_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneclass.cluster.clients.CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError, match="no scheduler answers"), connected("tcp://127.0.0.1:9"):
        pass


def test_differences_are_told_in_words() -> None:
    here = installed()
    assert here.difference(here) == ""
    other = Installed("0.0.1", here.digest, here.versions)
    assert here.difference(other) == f"it has oneclass 0.0.1, this machine has {here.oneclass}"
    old = Installed(here.oneclass, here.digest, (("numpy", "1.0"), *here.versions[1:]))
    assert here.difference(old).startswith("it has numpy 1.0, this machine has ")

"""Slow proofs: workers killed at ten random points of a fit, a score and a solve; and Ctrl-C."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import Detector, load
from oneclass.cluster import ClusterRows, connected, extraction
from oneclass.cluster.tasks import Tasks
from oneclass.svm import nu_path

pytestmark = [pytest.mark.slow, pytest.mark.linux]
SMALL: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}
N = 60


@pytest.fixture
def three() -> Iterator[Any]:
    """Workers of each test's own: Dask gives up one that is killed while it starts again."""
    with connected("local:3") as client:
        yield client


def kill_one(client: Any, draw: random.Random) -> None:
    client.wait_for_workers(1)
    os.kill(draw.choice(list(client.run(os.getpid, on_error="ignore").values())), signal.SIGKILL)


def killing_at(client: Any, draw: random.Random, at: int) -> Callable[[int, int], None]:
    def progress(done: int, _: int) -> None:
        if done == at:
            kill_one(client, draw)

    return progress


@pytest.mark.parametrize("seed", range(10))
def test_fit_and_score(
    three: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(extraction, "IMAGES_A_TASK", 2)
    draw, folder = random.Random(seed), tmp_path / "normal"
    write_images(folder, stripes(N, seed=1))
    here, there = Detector(**SMALL).fit(folder), Detector(**SMALL, cluster=three)
    there.fit(folder, progress=killing_at(three, draw, draw.randint(1, N - 1)))
    files = tmp_path / "here", tmp_path / "there"
    assert here.save(files[0]) == there.save(files[1])
    one = load(files[0]).score(folder)
    other = load(files[0], cluster=three).score(
        folder, progress=killing_at(three, draw, draw.randint(1, N - 1))
    )
    assert one.predictions == other.predictions


@pytest.mark.parametrize("seed", range(10))
def test_solve(three: Any, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    draw = random.Random(seed)
    rows = np.abs(np.random.default_rng(0).normal(size=(9000, 24))).astype("float32")
    parts = [three.submit(np.array, part, pure=False) for part in np.array_split(rows, 9)]

    def digest() -> str:
        path = nu_path(ClusterRows(three, parts), [0.05, 0.5])
        return hashlib.sha256(path.coef.tobytes() + path.offset.tobytes()).hexdigest()

    wanted = digest()
    rounds, total = iter(range(1000)), Tasks.total
    at = draw.randint(1, 12)

    def total_and_kill(tasks: Tasks, futures: Any) -> Any:
        if next(rounds) == at:
            kill_one(three, draw)
        return total(tasks, futures)

    monkeypatch.setattr(Tasks, "total", total_and_kill)
    assert digest() == wanted
    assert next(rounds) > at


def test_a_worker_that_stands_still_stops_nothing(
    three: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "IMAGES_A_TASK", 2)
    folder, pids = tmp_path / "normal", list(three.run(os.getpid).values())
    write_images(folder, stripes(N, seed=1))

    def stop_for_a_while(done: int, _: int) -> None:
        if done == 10:
            os.kill(pids[0], signal.SIGSTOP)
            threading.Timer(8, os.kill, (pids[0], signal.SIGCONT)).start()

    here, there = Detector(**SMALL).fit(folder), Detector(**SMALL, cluster=three)
    there.fit(folder, progress=stop_for_a_while)
    assert here.save(tmp_path / "here") == there.save(tmp_path / "there")


def test_ctrl_c_writes_what_is_finished_and_ends_the_workers(tmp_path: Path) -> None:
    folder = tmp_path / "normal"
    write_images(folder, stripes(1500, seed=1))
    Detector(**SMALL).fit(sorted(folder.iterdir())[:30]).save(tmp_path / "model")
    words = ["score", tmp_path / "model", folder, "--json", "-o", tmp_path / "out"]
    command = [sys.executable, "-m", "oneclass", *map(str, words), "--cluster", "local:2"]
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert started.stdout is not None
    started.stdout.readline()
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    _, stderr = started.communicate(timeout=120)
    assert started.returncode == 130, stderr
    assert "Traceback" not in stderr
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert not record["complete"]
    assert 1 <= record["scored"] < 1500
    until = time.monotonic() + 30
    while any_left(started.pid):
        assert time.monotonic() < until, "a worker is left"
        time.sleep(0.1)


def any_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True

"""One parallel map: in order, lazy, bounded, and gone when its user is; and how many threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.system.host import workers
from oneclass.system.host.workers import ordered_map, quotas, worker_count


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_results_are_those_of_map_in_its_order(items: list[int], n: int, ahead: int) -> None:
    def slow(item: int) -> int:
        time.sleep(item / 3000)
        return item * item

    assert list(ordered_map(slow, items, n, ahead=ahead)) == [item * item for item in items]


@pytest.mark.parametrize(("n", "ahead"), [(1, 1), (2, 3), (4, None)])
def test_no_more_is_drawn_than_may_be_ahead(n: int, ahead: int | None) -> None:
    drawn = 0

    def endless() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    found = ordered_map(lambda item: item, endless(), n, ahead=ahead)
    assert drawn == 0
    for taken in range(1, 50):
        assert next(found) == taken
        assert drawn <= taken + (ahead or workers.AHEAD * n)
    found.close()


def test_a_single_item_starts_no_thread() -> None:
    found = ordered_map(lambda _: threading.current_thread(), ["alone"], 4)
    assert list(found) == [threading.current_thread()]


def test_so_many_work_at_once_and_no_more() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def counted(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1

    list(ordered_map(counted, range(30), 3))
    assert most == 3


@pytest.mark.parametrize("how", ["close", "raise in the function", "raise in the items"])
def test_who_stops_early_leaves_nothing_behind(how: str) -> None:
    before, done = threading.active_count(), []

    def items() -> Iterator[int]:
        for item in range(1000):
            if how == "raise in the items" and item == 20:
                raise ZeroDivisionError
            yield item

    def work(item: int) -> None:
        time.sleep(0.002)
        if how == "raise in the function" and item == 5:
            raise ZeroDivisionError
        done.append(item)

    found = ordered_map(work, items(), 2)
    if how == "close":
        next(found)
        found.close()
    else:
        with pytest.raises(ZeroDivisionError):
            list(found)
    assert threading.active_count() == before
    assert len(done) < 40


@pytest.mark.linux
def test_an_interrupt_ends_it_at_once() -> None:
    code = (
        "import os, signal, threading, time\n"
        "from oneclass.system.host.workers import ordered_map\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    list(ordered_map(lambda _: time.sleep(0.1), range(10**6), 2, ahead=10**4))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "interrupted\n"


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


CGROUP, TREE = "proc/self/cgroup", "sys/fs/cgroup"
SHARES = {
    "no groups": ({}, []),
    "2, the container's own root": (
        {CGROUP: "0::/\n", f"{TREE}/cpu.max": "150000 100000\n"},
        [1.5],
    ),
    "2, no share": ({CGROUP: "0::/\n", f"{TREE}/cpu.max": "max 100000\n"}, []),
    "2, below another": (
        {
            CGROUP: "0::/kube/pod\n",
            f"{TREE}/kube/cpu.max": "200000 100000\n",
            f"{TREE}/kube/pod/cpu.max": "max 100000\n",
        },
        [2.0],
    ),
    "1": (
        {
            CGROUP: "5:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n",
            f"{TREE}/cpu,cpuacct/docker/a/cpu.cfs_quota_us": "50000\n",
            f"{TREE}/cpu,cpuacct/docker/a/cpu.cfs_period_us": "100000\n",
        },
        [0.5],
    ),
    "1, seen from inside": (
        {
            CGROUP: "4:cpuacct,cpu:/docker/a\n0::/\n",
            f"{TREE}/cpu/cpu.cfs_quota_us": "300000\n",
            f"{TREE}/cpu/cpu.cfs_period_us": "100000\n",
        },
        [3.0],
    ),
    "1, no share": (
        {
            CGROUP: "4:cpu:/\n",
            f"{TREE}/cpu/cpu.cfs_quota_us": "-1\n",
            f"{TREE}/cpu/cpu.cfs_period_us": "100000\n",
        },
        [],
    ),
    "nonsense": ({CGROUP: "0::/\nx\n", f"{TREE}/cpu.max": "many 0\n"}, []),
}


@pytest.mark.parametrize("name", SHARES)
def test_a_containers_share_is_read_from_its_files(name: str, tmp_path: Path) -> None:
    files, expected = SHARES[name]
    assert quotas(written(tmp_path, files)) == expected


@pytest.mark.parametrize(("share", "expected"), [("50000", 1), ("150000", 2), ("99900000", 7)])
def test_as_many_threads_as_cores_and_share_allow(
    share: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {CGROUP: "0::/\n", f"{TREE}/cpu.max": f"{share} 100000\n"}
    monkeypatch.setattr(workers, "ROOT", written(tmp_path, files))
    monkeypatch.setattr(workers, "_cores", lambda: 7)
    assert worker_count() == expected
    assert worker_count(3) == 3


def test_without_any_of_these_files_the_cores_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ROOT", tmp_path)
    for name in ("process_cpu_count", "sched_getaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    for cores, expected in ((5, 5), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert worker_count() == expected
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3}, raising=False)
    assert worker_count() == 2
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    assert worker_count() == 3

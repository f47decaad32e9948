"""Work for many threads: how many there are, and one map that keeps order and little in memory."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 4
"""For each worker: enough that none waits where items differ in size."""
ROOT = Path("/")


def worker_count(threads: int | None = None) -> int:
    """How many threads to work with.

    Args:
        threads: what the user gave; None for one on each core that this process may use, of which
            a container's share of the processor may allow fewer: 1.5 cores are two threads.
    """
    if threads is not None:
        return threads
    return max(1, min([_cores(), *(math.ceil(quota) for quota in quotas(ROOT))]))


def quotas(root: Path) -> list[float]:
    """The shares of the processor, in cores, of this process's control groups and all above them.

    Args:
        root: of the file system with `proc` and `sys`.
    """
    found: list[float] = []
    for version, mount, group in _groups(root):
        for folder in (mount / group, *(mount / group).parents):
            if folder.is_relative_to(mount):
                with suppress(OSError, ValueError, ZeroDivisionError):
                    found += _quota(version, folder)
    return found


def ordered_map(
    function: Callable[[T], R],
    items: Iterable[T],
    workers: int,
    *,
    ahead: int | None = None,
) -> Generator[R, None, None]:
    """`function` of every item, by many threads, in the order of the items.

    Items are drawn in the caller's thread, when there is room for them. Whoever stops early (closes
    the iterator, raises, is interrupted) waits for what is being computed and for nothing else.

    Args:
        function: called in the threads; what it raises is raised here, at its item's turn.
        items: drawn one by one; there may be more of them than fit into memory.
        workers: threads, at least 1.
        ahead: the most items that are begun, or done and not yet taken; None for four a worker.
    """
    rest, most = iter(items), ahead or AHEAD * workers
    with ThreadPoolExecutor(workers) as pool:
        begun = deque(pool.submit(function, item) for item in islice(rest, most))
        try:
            while begun:
                result = begun.popleft().result()
                begun.extend(pool.submit(function, item) for item in islice(rest, 1))
                yield result
        finally:
            for future in begun:
                future.cancel()


def _cores() -> int:
    """Cores that this process may run on."""
    if told := getattr(os, "process_cpu_count", None):  # from Python 3.13 on
        return told() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(root: Path) -> Iterator[tuple[int, Path, str]]:
    """(version, where its tree is mounted, path in the tree) of each group with a share."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        tree = root / "sys/fs/cgroup"
        if number == "0" and not controllers:
            yield 2, tree, group.strip("/")
        elif "cpu" in controllers.split(","):
            places = [tree / controllers, tree / "cpu"]
            yield 1, next((p for p in places if p.is_dir()), places[-1]), group.strip("/")


def _quota(version: int, folder: Path) -> list[float]:
    """The share that one group's files name, or none."""
    if version == 2:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    else:
        quota, period = (
            (folder / f"cpu.cfs_{what}_us").read_text(encoding="ascii").strip()
            for what in ("quota", "period")
        )
    return [int(quota) / int(period)] if quota != "max" and int(quota) > 0 else []

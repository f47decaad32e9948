"""Work for many threads: how many there are, and one map that keeps order and little in memory."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from oneclass.system.host.groups import ROOT, groups
from oneclass.system.host.memory import available

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 4
"""For each worker: enough that none waits where items differ in size."""
A_WORKER = 128 << 20
"""Bytes that a worker needs for ordinary images."""


def worker_count(threads: int | None = None) -> int:
    """How many threads to work with.

    Args:
        threads: what the user gave; None for one on each core that this process may use, of which
            a container's share of the processor may allow fewer: 1.5 cores are two threads. Where
            memory is scarce there are fewer in either case.
    """
    free = available()
    fitting = [] if free is None else [free // A_WORKER]
    wanted = [_cores(), *map(math.ceil, quotas(ROOT))] if threads is None else [threads]
    return max(1, min([*wanted, *fitting]))


def quotas(root: Path) -> list[float]:
    """The shares of the processor, in cores, of this process's control groups and all above them.

    Args:
        root: of the file system with `proc` and `sys`.
    """
    found: list[float] = []
    for version, mount, group in groups(root, "cpu"):
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

    Items are drawn in the caller's thread, when there is room for them; a single one is worked on
    there, too, since that costs less than to start a thread. Whoever stops early (closes
    the iterator, raises, is interrupted) waits for what is being computed and for nothing else.

    Args:
        function: called in the threads; what it raises is raised here, at its item's turn.
        items: drawn one by one; there may be more of them than fit into memory.
        workers: threads, at least 1.
        ahead: the most items that are begun, or done and not yet taken; None for four a worker.
    """
    rest, most = iter(items), ahead or AHEAD * workers
    first = list(islice(rest, min(2, most)))
    if len(first) == 1 < most:
        yield function(first[0])
        return
    rest = chain(first, rest)
    with _Pool(workers) as pool:
        begun: deque[Future[R]] = deque()
        try:
            begun.extend(pool.submit(function, item) for item in islice(rest, most))
            while begun:
                result = begun.popleft().result()
                begun.extend(pool.submit(function, item) for item in islice(rest, 1))
                yield result
        finally:
            for future in begun:
                future.cancel()


class _Pool(ThreadPoolExecutor):
    """Goes on with the threads that it has where the system grants no more."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:  # can't start new thread
            if not self._threads:
                raise MemoryError("not even one thread can be started") from None


def _cores() -> int:
    """Cores that this process may run on."""
    if told := getattr(os, "process_cpu_count", None):  # from Python 3.13 on
        return told() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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

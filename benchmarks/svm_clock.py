"""Seconds, memory and the machine's own limits, for the solver's benchmark."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

_AGAIN = 2.0  # what takes longer is not repeated


@dataclass(frozen=True)
class Run:
    """What some work gave, how long it took, and how much memory it added while it ran."""

    value: Any
    seconds: float
    peak_bytes: int


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    """The median wall time; the first call warms up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> Run:
    """Do some work once, or where it is quick three times, of which the median time counts."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # else freed memory that is still ours hides what is added
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = peak_bytes()
    times = []
    while not times or (len(times) < 3 and times[0] < _AGAIN):
        start = clock()
        value = work()
        times.append(clock() - start)
    return Run(value, statistics.median(times), peak_bytes() - before)


def peak_bytes() -> int:
    """Peak resident memory since this program began (getrusage would include its parent's)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0])


def machine() -> dict[str, Any]:
    """How fast this machine multiplies big matrices and reads memory."""
    square = np.ones((4096, 4096), np.float32)
    line = np.ones(64 << 20, np.float32)
    return {
        "cpu": re.findall(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())[0],
        "cores": os.cpu_count(),
        "threads": max(pool["num_threads"] for pool in threadpool_info()),
        "numpy": np.__version__,
        "product_gflops_big": 2 * 4096**3 / seconds(lambda: square @ square) / 1e9,
        "memory_gb_per_s": line.nbytes / seconds(lambda: line @ line) / 1e9,
    }

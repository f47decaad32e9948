"""The solver on rows in a file: memory, passes, and what one pass costs beside reading alone."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.rows import as_rows
from oneclass.svm import nu_path
from svm_clock import machine, peak_bytes, seconds
from svm_rows import NUS, Make, mapped_file


def solve_file(file: Path, n_rows: int, n_columns: int, pipe: Any) -> None:
    """In a process of its own, so that its peak memory is the solver's."""
    rows = np.memmap(file, np.float32, "r", shape=(n_rows, n_columns))
    start = time.perf_counter()
    path = nu_path(rows, NUS, tol=1e-4)
    taken = time.perf_counter() - start
    pipe.send(
        {
            "n_rows": n_rows,
            "seconds": taken,
            "n_passes": path.n_passes,
            "largest_gap": float(path.dual_gap.max()),
            "peak_gb": peak_bytes() / 1e9,
        }
    )


def one_file(file: Path, n_rows: int, n_columns: int) -> dict[str, Any]:
    """Solve the first rows of the file; beside it, time reading them and one matrix product."""

    def floor() -> None:
        for block in as_rows(rows).blocks():
            block @ coefs.T

    def read() -> None:
        for block in as_rows(rows).blocks():
            block.max()

    rows = np.memmap(file, np.float32, "r", shape=(n_rows, n_columns))
    coefs = np.ones((len(NUS), n_columns), np.float32)
    floor_seconds = seconds(floor)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=solve_file, args=(file, n_rows, n_columns, theirs))
    child.start()
    result: dict[str, Any] = ours.recv()
    child.join()
    floor_seconds = (floor_seconds + seconds(floor)) / 2
    result["read_gb_per_s"] = 4 * n_rows * n_columns / seconds(read) / 1e9
    result["floor_seconds"] = floor_seconds
    result["pass_seconds"] = result["seconds"] / result["n_passes"]
    result["per_million"] = result["pass_seconds"] / n_rows * 1e6
    return result


def on_file(sizes: list[int], make: Make) -> dict[str, Any]:
    """Solve ever more rows of one file, which is made for it and removed."""
    n_columns = 1280
    file = mapped_file(max(sizes), n_columns, make)
    try:
        results = [one_file(file, n_rows, n_columns) for n_rows in sizes]
    finally:
        file.unlink()
    return {"n_columns": n_columns, "results": results, "machine": machine()}

"""Measure the solver against its peers, in one process and on the same rows.

    python benchmarks/bench_svm.py              every part
    python benchmarks/bench_svm.py small        one part: small, wide, mapped or union
    python benchmarks/bench_svm.py mapped --rows 100000
    python benchmarks/bench_svm.py render       only the tables, from the results kept

Every part replaces its own entry in benchmarks/results/svm.json, and every run writes the tables
into docs/solver.md. The parts small and union need torch and the folder named by ONECLASS_DATA
(MNIST and AlexNet's weights); what they compute from it is kept under ONECLASS_CACHE, by default
the folder for temporary files.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from oneclass.rows import FileRows
from oneclass.statistics import auroc
from oneclass.svm import fit_halfspaces, halfspace_scores, nu_path
from svm_rows import digits, mapped_file, synthetic
from svm_tables import render

NUS = np.linspace(0.01, 0.99, 21)  # the paper's
RESULTS = Path(__file__).parent / "results" / "svm.json"


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    """The median wall time; the first call warms up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


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


def limits(rows: np.ndarray) -> dict[str, float]:
    """One pass's matrix product on these rows, next to the two physical limits."""
    coefs = np.ones((len(NUS), rows.shape[1]), np.float32)
    taken = seconds(lambda: rows @ coefs.T)
    flops = 2.0 * rows.size * len(NUS)
    return {"product_seconds": taken, "product_gflops": flops / taken / 1e9, **machine()}


def small(args: argparse.Namespace) -> dict[str, Any]:
    from svm_peers import compare

    rows = digits()
    train, test = rows["train_five"], (rows["test_five"], rows["test_two"], rows["test_even"])
    runs = []
    for _ in range(5):
        start = time.perf_counter()
        path = nu_path(train, NUS)
        runs.append(time.perf_counter() - start)
    peers = compare(train, NUS, path, libsvm_nus=3, liblinear_nus=len(NUS), test=test)
    return {
        "rows": "AlexNet P5 of MNIST fives, unit length",
        "shape": train.shape,
        "seconds": statistics.median(runs),
        "runs": runs,
        "n_passes": path.n_passes,
        "largest_gap": float(path.dual_gap.max()),
        "peers": peers,
        "limits": limits(train),
    }


def wide(args: argparse.Namespace) -> dict[str, Any]:
    from svm_peers import compare

    rows = synthetic(20_180, 15_680)
    start = time.perf_counter()
    path = nu_path(rows, NUS)
    taken = time.perf_counter() - start
    return {
        "rows": "synthetic, unit length",
        "shape": rows.shape,
        "seconds": taken,
        "n_passes": path.n_passes,
        "largest_gap": float(path.dual_gap.max()),
        "limits": limits(rows),
        "peers": compare(rows, NUS, path, libsvm_nus=0, liblinear_nus=3),
    }


def peak_bytes() -> int:
    """Peak resident memory since this program began (getrusage would include its parent's)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0])


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
        for block in FileRows(file, (n_rows, n_columns), np.float32).blocks():
            block @ coefs.T

    def read() -> None:
        for _ in FileRows(file, (n_rows, n_columns), np.float32).blocks():
            pass

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


def on_file(sizes: list[int]) -> dict[str, Any]:
    n_columns = 1280
    file = mapped_file(max(sizes), n_columns)
    try:
        results = [one_file(file, n_rows, n_columns) for n_rows in sizes]
    finally:
        file.unlink()
    return {"n_columns": n_columns, "results": results, "machine": machine()}


def mapped(args: argparse.Namespace) -> dict[str, Any]:
    """10,000 rows to ``--rows``: memory, passes, seconds per pass."""
    return on_file([n for n in (10_000, 30_000, 100_000, 300_000) if n < args.rows] + [args.rows])


def union(args: argparse.Namespace) -> dict[str, Any]:
    """AUROC of unions of half-spaces, for three ways to make their scores comparable."""
    rows = digits()
    tasks = [("five", "two"), ("five", "even"), ("odd", "two"), ("odd", "even")]
    table = []
    for nu in (0.1, 0.5):
        for count in (1, 4, 16, 64, 2048):
            for normal in ("five", "odd"):
                fitted = fit_halfspaces(rows[f"train_{normal}"], count, nu=nu)
                length = np.linalg.norm(fitted.coef, axis=1)
                for scale, by in (("raw", 1.0), ("norm", length), ("offset", fitted.offset)):
                    coef, offset = fitted.coef / np.reshape(by, (-1, 1)), fitted.offset / by
                    score = {
                        name: halfspace_scores(rows[f"test_{name}"], coef, offset)[0]
                        for name in (normal, "two", "even")
                    }
                    table += [
                        {
                            "nu": nu,
                            "n_halfspaces": count,
                            "scale": scale,
                            "task": f"{normal} against {odd}",
                            "auroc": auroc(-score[normal], -score[odd]),
                        }
                        for mine, odd in tasks
                        if mine == normal
                    ]
    return {"rows": "AlexNet P5, 2,048 training rows, 512 + 512 test rows", "table": table}


PARTS = {"small": small, "wide": wide, "mapped": mapped, "union": union}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "render"], help="default: all")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the mapped file")
    args = parser.parse_args()
    for name in args.parts or PARTS:
        if name == "render":
            continue
        print(f"{name} ...", flush=True)
        result = PARTS[name](args)
        result["command"] = f"python benchmarks/bench_svm.py {name}"
        if name == "mapped" and args.rows != 1_000_000:
            result["command"] += f" --rows {args.rows}"
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(kept | {name: result}, indent=1) + "\n")
        print(json.dumps(result, indent=1), flush=True)
    render(json.loads(RESULTS.read_text()), Path(__file__).parents[1] / "docs" / "solver.md")


if __name__ == "__main__":
    main()

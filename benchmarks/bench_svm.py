"""Measure the solver against its peers, in one process and on the same rows.

    python benchmarks/bench_svm.py              every part
    python benchmarks/bench_svm.py small        one part; --help names them
    python benchmarks/bench_svm.py robust --quick           print some matrices, keep nothing
    python benchmarks/bench_svm.py robust --only "boards"   the same for those so named
    python benchmarks/bench_svm.py mapped --rows 100000
    python benchmarks/bench_svm.py render       only the tables, from the results kept

Every part replaces its own entry in benchmarks/results/svm.json, and every run writes the tables
into docs/solver.md. The parts small, clusters and union, and the real rows of robust and beyond,
need the folder named by ONECLASS_DATA, AlexNet's rows torch as well; what is computed from it is
kept under ONECLASS_CACHE, by default the folder for temporary files.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.rows import as_rows
from oneclass.statistics import auroc
from oneclass.svm import cluster_rows, fit_halfspaces, halfspace_scores, nu_path
from svm_clock import machine, run, seconds
from svm_mapped import on_file
from svm_robust_tables import line, summary
from svm_rows import NUS, digits, spread, synthetic
from svm_tables import render

RESULTS = Path(__file__).parent / "results" / "svm.json"


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


def mapped(args: argparse.Namespace) -> dict[str, Any]:
    """10,000 rows to ``--rows``: memory, passes, seconds per pass."""
    sizes = [n for n in (10_000, 30_000, 100_000, 300_000) if n < args.rows]
    return on_file([*sizes, args.rows], synthetic)


def mapped_spread(args: argparse.Namespace) -> dict[str, Any]:
    """The same where many rows share the weight."""
    sizes = [n for n in (10_000, 100_000) if n < args.rows]
    title = "Memory-mapped float32, spread out"
    return {"rows": title, "passes": 40, **on_file([*sizes, args.rows], spread)}


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


def robust(args: argparse.Namespace) -> dict[str, Any]:
    """Rows of many kinds against every peer; each line is printed when it is known."""
    from svm_robust import robust as on_matrices

    found = []
    for one in on_matrices(quick=args.quick, only=args.only):
        found.append(one)
        print(line(one), flush=True)
    if found:
        print(summary(found), flush=True)
    return {"matrices": found, "machine": machine()}


def beyond(args: argparse.Namespace) -> dict[str, Any]:
    """Rows and nu that robust leaves out, beside liblinear; each line is printed when known."""
    from svm_beyond import beside_liblinear, cases
    from svm_beyond import line as beyond_line

    found = []
    for case in cases():
        found.append(beside_liblinear(case))
        print(" | ".join(beyond_line(found[-1])), flush=True)
    return {"cases": found, "machine": machine()}


def clusters(args: argparse.Namespace) -> dict[str, Any]:
    """Half-spaces of many clusters of real patches; what clustering takes of it, apart."""
    from svm_matrices import PATCHES

    rows, unions = PATCHES.rows(), []
    for k in (256, 1024):
        clustered = run(lambda k=k: cluster_rows(as_rows(rows), k, 0))
        labels = clustered.value[0]
        solved = run(lambda labels=labels: fit_halfspaces(rows, labels=labels, nu=0.1))
        fitted = run(lambda k=k: fit_halfspaces(rows, k, nu=0.1))
        unions.append(
            {
                "n_halfspaces": k,
                "clustering_seconds": clustered.seconds,
                "solving_seconds": solved.seconds,
                "seconds": fitted.seconds,
                "n_passes": fitted.value.n_passes,
                "largest_gap": float(fitted.value.dual_gap.max()),
                "peak_mb": fitted.peak_bytes / 1e6,
            }
        )
    return {"rows": PATCHES.name, "shape": rows.shape, "unions": unions, "machine": machine()}


PARTS = {
    "robust": robust,
    "beyond": beyond,
    "small": small,
    "wide": wide,
    "clusters": clusters,
    "mapped": mapped,
    "mapped-spread": mapped_spread,
    "union": union,
}


def keep(name: str, result: dict[str, Any]) -> None:
    """Replace one part's entry in the results."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(kept | {name: result}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "render"], help="default: all")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the mapped file")
    parser.add_argument("--quick", action="store_true", help="robust: some matrices, not kept")
    parser.add_argument("--only", default="", help="robust: the matrices so named, not kept")
    args = parser.parse_args()
    for name in args.parts or PARTS:
        if name == "render":
            continue
        print(f"{name} ...", flush=True)
        result = PARTS[name](args)
        if name == "robust" and (args.quick or args.only):
            continue
        result["command"] = f"python benchmarks/bench_svm.py {name}"
        if name.startswith("mapped") and args.rows != 1_000_000:
            result["command"] += f" --rows {args.rows}"
        keep(name, result)
        print(json.dumps(result, indent=1), flush=True)
    render(json.loads(RESULTS.read_text()), Path(__file__).parents[1] / "docs" / "solver.md")


if __name__ == "__main__":
    main()

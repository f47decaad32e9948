"""What a solve on a hundred machines would take: arithmetic on what was measured on one.

    python benchmarks/cluster_model.py [--rows N] [--columns N] [--nu N] [--machines N] [--cores N]

It takes a task's cost, the passes and their bytes from results/cluster.json (bench_cluster.py), and
the seconds of a pass over a million rows in a file, on two cores, from results/svm.json
(bench_svm.py).
No machine but one was there: this is a model, not a measurement. Computing grows with rows and
columns, bytes with columns and the number of nu (bands up to their limit), scheduling with chunks.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
FAN = 8
COLUMNS, NUS = 1280, 21
"""Of what was measured."""
BANDS, LINK = 192e6, 1.2e9
"""Most bytes that a gathering pass brings, and bytes a second between two machines (10 Gbit/s)."""
CHUNKS = (26_208, 1_000_000, 10_000_000)
"""Rows of one; the first is that of `rows_of`."""


def read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def tasks_of(chunks: int) -> int:
    """Tasks of one round: one a chunk, and the tree above them."""
    total, level = chunks, chunks
    while level > 1:
        level = math.ceil(level / FAN)
        total += level
    return total


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {
        "rows": 1_000_000_000, "columns": COLUMNS, "nu": NUS, "machines": 100, "cores": 16
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    measured, passes = read("cluster.json"), read("cluster.json")["solving"]["sent"]
    task = measured["overhead"]["processor_ms_a_task"] / 1e3
    million = read("svm.json")["mapped"]["results"][-1]["per_million"]
    rounds, back = sum(one["rounds"] for one in passes), sum(one["back"] for one in passes)
    out = sum(one["out"] for one in passes)
    larger = asked.columns / COLUMNS * asked.nu / NUS
    far_back = sum(min(larger * one["back"], max(BANDS, one["back"])) for one in passes)

    spent = measured["solving"]["processor_seconds"]
    here, there = spent.values()
    n_rows = measured["solving"]["rows"]
    n_tasks = rounds * (tasks_of(math.ceil(n_rows / CHUNKS[0])) + 1)  # and what is told to all
    rest = max(there - here - n_tasks * task, 0.0)
    print(
        f"measured, {n_rows:,} rows: local:2 took {there - here:.1f} s more of the processor;\n"
        f"{n_tasks:,} tasks at {1e3 * task:.1f} ms are {n_tasks * task:.1f} s of it; the other "
        f"{rest:.1f} s, counting rows around thresholds\nand moving "
        f"{(out + back) / 1e6:.0f} MB, are taken to grow with the rows of a machine"
    )
    print(
        f"\n{asked.rows:,} x {asked.columns}, {asked.nu} nu, {asked.machines} machines of "
        f"{asked.cores} cores, {len(passes)} passes:\n"
    )
    print("| rows of a chunk | tasks a round | computing, s | scheduling, s | sending, s |")
    print("| --- | --- | --- | --- | --- |")
    for chunk in CHUNKS:
        chunks = math.ceil(asked.rows / chunk)
        most = math.ceil(chunks / asked.machines) * min(chunk, asked.rows)  # of one machine
        wider = asked.columns / COLUMNS
        computing = len(passes) * most / 1e6 * million * wider * 2 / asked.cores
        computing += rest * most / n_rows / asked.cores
        levels = math.ceil(math.log(chunks, FAN))
        sending = (larger * out * math.log2(asked.machines) + FAN * levels * far_back) / LINK
        scheduling = rounds * tasks_of(chunks) * task
        print(
            f"| {chunk:,} | {tasks_of(chunks):,} | {computing:,.0f} | {scheduling:,.0f} | "
            f"{sending:,.0f} |"
        )


if __name__ == "__main__":
    main()

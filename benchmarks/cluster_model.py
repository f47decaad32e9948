"""A model of what a solve on a cluster costs; nothing is simulated but the arithmetic.

    python benchmarks/cluster_model.py

It takes what benchmarks/bench_cluster.py measured (results/cluster.json), predicts that run from
its parts, and then another size.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

RESULTS = Path(__file__).parent / "results/cluster.json"
FAN = 8
ROUNDS = {"survey": 1, "score": 5, "gather": 1}
"""Times that this machine asks and waits: extremes, two counts, a fetch, and one for certifying."""


@dataclass(frozen=True)
class Cluster:
    """Rows, and machines for them.

    Attributes:
        rows, columns, nus: of the problem.
        workers: machines.
        flops: of one machine, in a product with as many columns as there are nu.
        chunk: rows of one.
        task: seconds of the scheduler for a task.
        answer: seconds from a question to its answer where nothing is computed.
        link: bytes a second between two machines.
        band: rows that come back for each nu.
    """

    rows: float
    columns: int
    nus: int
    workers: int
    flops: float
    chunk: float
    task: float
    answer: float
    link: float
    band: float = 256

    @property
    def chunks(self) -> int:
        return math.ceil(self.rows / self.chunk)

    def computing(self) -> float:
        """Seconds of one pass's product on the machine that has most chunks."""
        own = math.ceil(self.chunks / self.workers) * self.chunk
        return 2 * own * self.columns * self.nus / self.flops

    def scheduling(self, what: str) -> float:
        """Seconds of one pass in which the scheduler hands out tasks."""
        tasks = self.chunks * (1 + 1 / (FAN - 1))
        return ROUNDS[what] * (tasks * self.task + self.answer)

    def out(self) -> float:
        """Bytes to each worker in one pass."""
        return 8.0 * self.nus * self.columns

    def back(self, what: str) -> float:
        """Bytes to this machine in one pass; each node of the tree sends as many."""
        bands = 4.0 * self.nus * self.band * self.columns
        return {"survey": 15e6, "score": 0.5e6 * self.nus / 21, "gather": bands}[what]

    def sending(self, what: str) -> float:
        """Seconds: out to all by way of each other, and up the tree, level by level."""
        levels = max(1, math.ceil(math.log(max(self.chunks, 2), FAN)))
        return (
            self.out() * math.log2(2 * self.workers) + FAN * levels * self.back(what)
        ) / self.link

    def seconds(self, what: str) -> tuple[float, float, float]:
        return self.computing(), self.scheduling(what), self.sending(what)


def solve(cluster: Cluster, passes: dict[str, int]) -> tuple[float, float, float]:
    """Seconds of all passes: computing, scheduling, sending."""
    each = [[count * s for s in cluster.seconds(what)] for what, count in passes.items()]
    computing, scheduling, sending = (sum(column) for column in zip(*each, strict=True))
    return computing, scheduling, sending


def main() -> None:
    found = json.loads(RESULTS.read_text())
    solved, cost = found["solving"], found["overhead"]
    passes = {what: sum(one["what"] == what for one in solved["sent"]) for what in ROUNDS}
    # What of the one process's time is not the scheduler's gives the rate of a product.
    here = solved["processor_seconds"]["one process, two threads"]
    flops = 2 * solved["rows"] * 1280 * 21 * sum(passes.values()) / here
    run = Cluster(
        solved["rows"], 1280, 21, 2, flops, 26_000, cost["processor_ms_a_task"] / 1e3, 0.01, 1e9
    )
    print(
        f"as measured, processor seconds of a solve of {solved['rows']:,} rows: "
        f"{solved['processor_seconds']['local:2']:.1f}"
    )
    computing, scheduling, _ = solve(run, passes)
    print(f"from its parts: {2 * computing + scheduling:.1f} (two workers' products + tasks)\n")
    hundred = replace(run, rows=1e9, workers=100, flops=16 * flops, link=1.2e9)
    print("| chunks of | tasks a round | computing, s | scheduling, s | sending, s |")
    print("| --- | --- | --- | --- | --- |")
    for chunk in (26_000, 1_000_000, 10_000_000):
        one = replace(hundred, chunk=chunk)
        times = " | ".join(f"{t:,.0f}" for t in solve(one, passes))
        print(f"| {chunk:,} rows, {chunk * 5120 / 1e9:.1f} GB | {one.chunks:,} | {times} |")
    print(
        f"\n{sum(passes.values())} passes as measured; each sends {hundred.out() / 1e6:.2f} MB to "
        f"a worker and at most {hundred.back('gather') / 1e6:.0f} MB back, at any number of rows."
    )


if __name__ == "__main__":
    main()

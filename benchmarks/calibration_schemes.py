"""Measure the false alarms, the detections and the AUROC of ways to calibrate.

    ONECLASS_DATA=/path/to/data python benchmarks/calibration_schemes.py

Ways: plain cross-validation (held-out scores against the score of the model itself), CV+ (each
fold against the scores of its own sister model), CV-minmax (the lowest of the sisters' scores) and
splits that hold back a quarter or a half. Real data as in choose_defaults.py, the default layer, a
promised rate of 5 %, eight draws of the training images each. Prints Markdown and writes
benchmarks/results/calibration.json; with --write, the tables go into docs/calibration.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from choose_defaults import SCALE, Data, Task, data_sets
from oneclass.backbones import DEFAULT, Backbone
from oneclass.conformal.calibration import Method, Plan, fit_and_calibrate
from oneclass.detector.collecting import DEFAULT_LAYER, choose_n_halfspaces
from oneclass.representations import PretrainedLayers
from oneclass.representations.extraction import BATCH
from oneclass.rows.layers import Layers
from oneclass.statistics import auroc

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs" / "calibration.md"
MARK = "<!-- the table of benchmarks/calibration_schemes.py -->"
RATE, DRAWS, SIZES = 0.05, 8, (50, 100, 200, 500, 1000)
WAYS = ("plain", "CV+", "CV-minmax", "split 1/4", "split 1/2")
Scores = NDArray[np.float64]


def rows_of(data: Data) -> NDArray[np.float32]:
    network = Backbone.open(DEFAULT)
    representation = PretrainedLayers(network, Layers.parse(DEFAULT_LAYER, network.has_layer))
    prepared = (representation.prepare(image, SCALE) for image in data.images)
    batches = iter(lambda: [p for _, p in zip(range(BATCH), prepared, strict=False)], [])
    return np.concatenate([representation.rows(batch) for batch in batches])


def scores_of(rows: NDArray[np.float32], coef: NDArray, offset: Scores) -> Scores:
    return -(rows @ coef.T.astype(np.float32) - offset).max(axis=1)


def p_values(normal: Scores, new: Scores) -> Scores:
    at_least = len(normal) - np.searchsorted(np.sort(normal), new, side="left")
    return (at_least + 1) / (len(normal) + 1)


def draw(
    train: NDArray[np.float32], tests: list[NDArray[np.float32]], seed: int
) -> Iterator[tuple[str, list[Scores], list[Scores]]]:
    """(way, p-values of normal and anomalous images, their scores) for one training set."""
    n = len(train)
    for method, held in ((Method.CROSS, n), (Method.SPLIT, n // 4), (Method.SPLIT, n // 2)):
        k = choose_n_halfspaces(None, n if method is Method.CROSS else n - held)
        fitted, c = fit_and_calibrate(
            train, np.arange(n), Plan(method, n, held, RATE), nu=0.1, n_halfspaces=k, seed=seed
        )
        scores = [scores_of(test, fitted.coef, fitted.offset) for test in tests]
        if method is Method.SPLIT:
            yield f"split 1/{n // held}", [p_values(c.normal_scores, s) for s in scores], scores
            continue
        yield "plain", [p_values(c.normal_scores, s) for s in scores], scores
        sisters = [
            [
                scores_of(test, c.fold_coef[c.fold_member == f], c.fold_offset[c.fold_member == f])
                for f in range(5)
            ]
            for test in tests
        ]
        plus = []
        for by_fold in sisters:
            counts = [
                p_values(c.normal_scores[c.fold == f], s) * ((c.fold == f).sum() + 1) - 1
                for f, s in enumerate(by_fold)
            ]
            plus.append((np.sum(counts, axis=0) + 1) / (n + 1))
        yield "CV+", plus, scores
        lowest = [np.min(by_fold, axis=0) for by_fold in sisters]
        yield "CV-minmax", [p_values(c.normal_scores, s) for s in lowest], lowest


def measure(rows: NDArray[np.float32], task: Task) -> list[dict]:
    found = []
    pool = np.r_[task.train, task.normal]
    for n in SIZES:
        if n + 100 > len(pool):
            break
        seen: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
        for seed in range(DRAWS):
            order = np.random.default_rng(seed).permutation(pool)
            tests = [rows[order[n : n + 500]], rows[task.anomalous]]
            for way, (normal, odd), scores in draw(rows[order[:n]], tests, seed):
                rates = (float((normal <= RATE).mean()), float((odd <= RATE).mean()))
                seen[way].append((*rates, auroc(*scores)))
        found += [
            {
                "data": task.data, "task": task.name, "images": n, "way": way,
                "false_alarms": np.mean(figures, axis=0)[0],
                "spread": np.std(figures, axis=0)[0],
                "detected": np.mean(figures, axis=0)[1],
                "auroc": np.mean(figures, axis=0)[2],
            }
            for way, figures in seen.items()
        ]  # fmt: skip
    return found


def table(found: list[dict]) -> str:
    lines = [
        "| task | images | " + " | ".join(WAYS) + " |",
        "|---|---|" + "---|" * len(WAYS),
    ]
    for start in range(0, len(found), len(WAYS)):
        some = found[start : start + len(WAYS)]
        cells = [
            f"{100 * f['false_alarms']:.1f} ± {100 * f['spread']:.1f}, "
            f"{100 * f['detected']:.0f}, {f['auroc']:.3f}"
            for f in some
        ]
        name = f"{some[0]['data']} {some[0]['task']}"
        lines.append(f"| {name} | {some[0]['images']} | " + " | ".join(cells) + " |")
    means = ["**mean**", ""]
    for way in WAYS:
        mine = [f for f in found if f["way"] == way]
        mean = {key: np.mean([f[key] for f in mine]) for key in ("detected", "auroc", "spread")}
        worst = max(f["false_alarms"] for f in mine)
        alarms = np.mean([f["false_alarms"] for f in mine])
        means.append(
            f"{100 * alarms:.1f} ± {100 * mean['spread']:.1f} (worst {100 * worst:.1f}), "
            f"{100 * mean['detected']:.0f}, {mean['auroc']:.3f}"
        )
    return "\n".join([*lines, "| " + " | ".join(means) + " |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    write = parser.parse_args().write
    found: list[dict] = []
    for data in data_sets():
        if data.name != "MNIST-5k":  # MNIST itself has more
            rows = rows_of(data)
            for task in data.tasks:
                if not task.name.endswith("/2"):
                    found += measure(rows, task)
    text = table(found)
    print(text)
    (ROOT / "results" / "calibration.json").write_text(json.dumps(found, indent=1) + "\n")
    if write:
        before, _, after = PAGE.read_text(encoding="utf-8").split(MARK)
        PAGE.write_text(f"{before}{MARK}\n\n{text}\n\n{MARK}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()

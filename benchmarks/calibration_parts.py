"""Measure ways to calibrate in which one model and one threshold decide.

    ONECLASS_DATA=/path/to/data python benchmarks/calibration_parts.py --cache /tmp/maps

Whole images of three sets of defects, digits, freight and faces; many random draws of n normal
images to learn from, the others to count false alarms at a promised rate of 5 %. Ways: plain (the
model of all images, against held-out scores of five sisters), the mean and the least of the
sisters' scores, CV+, a split, and parts: each part of the images learns its own half-spaces, the
model is their union, and a held-out score leaves those of an image's own part out. Prints Markdown
and writes benchmarks/results/calibration_parts.json.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from choose_defaults import data_sets
from oneclass.statistics import auroc
from oneclass.svm import fit_halfspaces
from patch_heads import Parts, Rows, deal, fit_whole_parts, joined, unit, whole_row
from patch_sets import SIZES, maps_of, pictures

RATE, FOLDS = 0.05, 5
DRAWS = {30: 10, 60: 8, 150: 6, 300: 4, 1000: 2}
RESULTS = Path(__file__).parent / "results" / "calibration_parts.json"
Scores = NDArray[np.floating]
Way = tuple[str, Scores, list[Scores], int]
"""Its name, held-out scores, scores of normal and of odd test images, half-spaces kept."""


def pools() -> Iterator[tuple[str, Rows, NDArray[np.int64], NDArray[np.int64]]]:
    """Every task: its name, the rows of a set, which of them are normal, which odd."""
    for name in ("deeppcb", "magnetic_tile", "elpv_mono"):
        found = pictures(name)
        rows = kept_rows(name, len(found.files), found.read)
        yield name, rows, np.r_[found.train, found.normal], found.odd
    for data in data_sets():
        if data.name == "MNIST":
            continue
        rows = kept_rows(data.name, len(data.images), data.images.__getitem__)
        for task in data.tasks:
            if not task.name.endswith("/2"):
                normal = np.r_[task.train, task.normal]
                yield f"{data.name} {task.name}", rows, normal, task.anomalous


def kept_rows(name: str, count: int, read: object) -> Rows:
    maps = maps_of(name, count, read, "224", SIZES["224"])
    return np.stack([whole_row(maps, i) for i in range(count)])


def p_values(held: Scores, new: Scores) -> Scores:
    """Of each new score, the share of held-out ones and itself that are at least as large."""
    at_least = len(held) - np.searchsorted(np.sort(held), new, side="left")
    return (at_least + 1) / (len(held) + 1)


def union(rows: Rows, per: int, seed: int) -> Parts:
    """One half-space for `per` images, unit directions and one offset."""
    k = max(1, min(64, len(rows) // per))
    return joined([unit(fit_halfspaces(rows, k, nu=0.1, seed=seed).coef.astype(np.float32))])


def with_sisters(rows: Rows, tests: list[Rows], per: int, seed: int) -> Iterator[Way]:
    fold = deal(len(rows), FOLDS, 1000 + seed)
    full = union(rows, per, seed)
    sisters = [union(rows[fold != k], per, seed) for k in range(FOLDS)]
    held = np.empty(len(rows))
    for k, sister in enumerate(sisters):
        held[fold == k] = sister.scores(rows[fold == k])
    by_sister = [np.stack([s.scores(test) for s in sisters]) for test in tests]
    size, together = full.columns.shape[1], sum(s.columns.shape[1] for s in sisters)
    yield f"plain, n/{per}", held, [full.scores(test) for test in tests], size
    yield f"mean of sisters, n/{per}", held, [s.mean(0) for s in by_sister], together
    yield f"least of sisters, n/{per}", held, [s.min(0) for s in by_sister], together


def by_parts(rows: Rows, tests: list[Rows], per: int, n_parts: int, seed: int) -> Way:
    part = deal(len(rows), n_parts, 2000 + seed)
    model = fit_whole_parts(rows, part, per, 128, seed)
    apart = model.by_part(rows)
    apart[np.arange(len(rows)), part] = np.inf
    scores = [model.scores(test) for test in tests]
    return f"{n_parts} parts, n/{per}", apart.min(axis=1), scores, model.columns.shape[1]


def cross(rows: Rows, tests: list[Rows], seed: int) -> tuple[float, float, float, float]:
    """Today's CV+, own offsets, n/12: false alarms, found, AUROC, half-spaces kept."""
    fold, n = deal(len(rows), FOLDS, 1000 + seed), len(rows)
    counts, size = [np.zeros(len(t)) for t in tests], 0

    def score(fitted: object, some: Rows) -> Scores:
        return (fitted.offset - some @ fitted.coef.T).min(axis=1)  # type: ignore[attr-defined]

    def fit(some: Rows) -> object:
        return fit_halfspaces(some, max(1, min(64, len(some) // 12)), nu=0.1, seed=seed)

    full = fit(rows)
    for k in range(FOLDS):
        sister = fit(rows[fold != k])
        normal = score(sister, rows[fold == k])
        size += len(sister.coef)  # type: ignore[attr-defined]
        for count, test in zip(counts, tests, strict=True):
            count += p_values(normal, score(sister, test)) * (len(normal) + 1) - 1
    rates = [float(((c + 1) / (n + 1) <= RATE).mean()) for c in counts]
    area = auroc(*(score(full, test) for test in tests))
    return *rates, area, size + len(full.coef)  # type: ignore[attr-defined]


def split(rows: Rows, tests: list[Rows], per: int, seed: int) -> Way:
    held = np.random.default_rng(seed).permutation(len(rows)) < len(rows) // 4
    model = union(rows[~held], per, seed)
    scores = [model.scores(test) for test in tests]
    return f"split 1/4, n/{per}", model.scores(rows[held]), scores, model.columns.shape[1]


def draw(rows: Rows, tests: list[Rows], seed: int) -> Iterator[tuple[str, tuple[float, ...]]]:
    yield "CV+, own offsets, n/12 (today)", cross(rows, tests, seed)
    ways = [*with_sisters(rows, tests, 12, seed), *with_sisters(rows, tests, 6, seed)]
    ways.append(split(rows, tests, 6, seed))
    for n_parts in (5, 10):
        ways += [by_parts(rows, tests, per, n_parts, seed) for per in (6, 3)]
    for name, held, scores, size in ways:
        rates = [float((p_values(held, s) <= RATE).mean()) for s in scores]
        yield name, (*rates, auroc(*scores), float(size))


def table(found: list[dict]) -> str:
    """False alarms (the worst task's), anomalies found, AUROC, half-spaces: a column for each n."""
    numbers = sorted({f["images"] for f in found})
    lines = ["| way | " + " | ".join(f"n = {n}" for n in numbers) + " |"]
    lines.append("|---" * (len(numbers) + 1) + "|")
    for way in dict.fromkeys(f["way"] for f in found):
        cells = []
        for n in numbers:
            own = np.array([f["figures"] for f in found if (f["way"], f["images"]) == (way, n)])
            rate, hits, area, size = own.mean(axis=0)
            worst = 100 * own[:, 0].max()
            cells.append(
                f"{100 * rate:.1f} ({worst:.1f}), {100 * hits:.0f}, {area:.3f}, {size:.0f}"
            )
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cache", help="a folder for the maps")
    if cache := parser.parse_args().cache:
        os.environ["ONECLASS_CACHE"] = cache
    found: list[dict] = []
    for task, rows, normal, odd in pools():
        for n, draws in DRAWS.items():
            if n + 80 > len(normal):
                continue
            seen: dict[str, list[tuple[float, ...]]] = {}
            for seed in range(draws):
                order = np.random.default_rng(seed).permutation(normal)
                tests = [rows[order[n : n + 400]], rows[odd[:300]]]
                for way, figures in draw(rows[order[:n]], tests, seed):
                    seen.setdefault(way, []).append(figures)
            for way, some in seen.items():
                figures = np.mean(some, axis=0).tolist()
                found.append({"task": task, "images": n, "way": way, "figures": figures})
            print(task, n, flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()

"""Measure what patches should be: heads, sizes, layers, image scores, and `both` with whole images.

    ONECLASS_DATA=/path/to/data python benchmarks/choose_patches.py --cache /tmp/maps join layers

Three real sets of defects (defects/*.tar), and for `join` digits, freight and faces as well. Maps
are computed once and kept under --cache (about 5 GB). Prints Markdown tables and writes
benchmarks/results/choose_patches.json; a set that a table has already is replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from choose_defaults import data_sets
from oneclass.statistics import auroc
from oneclass.svm import fit_halfspaces
from patch_heads import (
    Rows,
    coreset,
    deal,
    directions,
    fit_patch_parts,
    fit_whole_parts,
    joined,
    patch_rows,
    sample_patches,
    spherical_kmeans,
    whole_row,
)
from patch_measures import IMAGE_SCORES, pixel_measures
from patch_sets import SIZES, Maps, maps_of, pictures

RESULTS = Path(__file__).parent / "results" / "choose_patches.json"
OWN_SIZE = {"deeppcb": "640", "magnetic_tile": "own", "elpv_mono": "288"}
LAYERS = ("block_4", "block_10")
N_PARTS, N_PATCH_HALFSPACES = 5, 510
Figures = dict[str, float]


@dataclass
class Limits:
    """How many pictures of a set are used, at most: to learn from, and of each kind to test on."""

    learnt: int | None = None
    tested: int | None = None


LIMITS = Limits()


class Task:
    """Which pictures of a set are learnt from and tested on, at one size."""

    def __init__(
        self, name: str, count: int, read: Callable, size: str,
        parts: Sequence[NDArray[np.int64]], masks: Callable[[], list],
    ) -> None:  # fmt: skip
        self.name, self._masks = name, masks
        self.train, self.normal, self.odd = parts
        self.maps: Maps = maps_of(name.split()[0], count, read, size, SIZES[size])
        self._rows: dict[tuple[str, ...], dict] = {}

    def rows(self, index: int, layers: tuple[str, ...] = LAYERS) -> tuple[Rows, tuple[int, int]]:
        kept = self._rows.setdefault(layers, {})
        if index not in kept:
            rows, grid = patch_rows(self.maps, index, layers)
            kept[index] = rows.astype(np.float16), grid
        return kept[index][0].astype(np.float32), kept[index][1]

    def whole(self, indices: NDArray[np.int64]) -> Rows:
        return np.stack([whole_row(self.maps, i) for i in indices])

    def masks(self) -> list:
        return self._masks()


def defect_task(name: str, size: str, seed: int) -> Task:
    """A set at one size; where there are limits, the seed draws."""
    found, random = pictures(name), np.random.default_rng(seed)
    train = np.sort(random.permutation(found.train)[: LIMITS.learnt])
    normal = np.sort(random.permutation(found.normal)[: LIMITS.tested])
    odd = np.sort(random.permutation(len(found.odd))[: LIMITS.tested])

    def masks() -> list:
        return [found.mask(int(number)) for number in odd] if found.masks else []

    return Task(name, len(found.files), found.read, size, (train, normal, found.odd[odd]), masks)


def small_tasks() -> list[Task]:
    """Digits, freight and faces: pictures that are small themselves."""
    tasks = []
    for data in data_sets():
        for task in data.tasks if data.name != "MNIST" else ():
            if not task.name.endswith("/2"):
                parts = (task.train[:150], task.normal[:120], task.anomalous[:120])
                read = data.images.__getitem__
                name = f"{data.name} {task.name}"
                tasks.append(Task(name, len(data.images), read, "224", parts, list))
    return tasks


def measured(
    task: Task, score: Callable[[Rows], Rows], layers: tuple[str, ...] = LAYERS,
    names: Sequence[str] = ("worst 1 %",),
) -> Figures:  # fmt: skip
    """Image AUROC by each image score, pixel AUROC, AU-PRO, milliseconds an image."""
    started, grids = time.perf_counter(), []
    for indices in (task.normal, task.odd):
        found = (task.rows(i, layers) for i in indices)
        grids.append([score(rows).reshape(grid) for rows, grid in found])
    seconds = time.perf_counter() - started
    figures = {
        name: auroc(*(np.array([IMAGE_SCORES[name](g) for g in some]) for some in grids))
        for name in names
    }
    if masks := task.masks():
        figures["pixel"], figures["AU-PRO"] = pixel_measures(*grids, masks)
    return figures | {"ms": 1000 * seconds / (len(task.normal) + len(task.odd))}


def heads(seed: int, report: Callable) -> None:
    """One scale for all: directions, their number, offsets, banks."""
    for name, size in OWN_SIZE.items():
        task = defect_task(name, size, seed)
        sample = sample_patches(lambda i, t=task: t.rows(i)[0], task.train, 30_000, seed)
        for k in (256, 512, 1024):
            found, radius = directions(sample, k, seed)
            for share in (0.0, 0.5, 1.0):
                columns = np.ascontiguousarray(found.T)
                label = f"{k} SVMs, nu .1, own offset x {share:g}"
                head = with_offsets(columns, share * radius)
                report(name, label, measured(task, head))
            centres, _ = spherical_kmeans(sample, k, seed)
            report(name, f"{k} k-means centres", measured(task, joined([centres]).scores))
        parts = fit_patch_parts(
            lambda i, t=task: t.rows(i)[0], task.train, deal(len(task.train), N_PARTS, seed),
            N_PATCH_HALFSPACES, seed,
        )  # fmt: skip
        names = tuple(IMAGE_SCORES)
        report(name, "510 SVMs in 5 parts", measured(task, parts.scores, names=names))
        bank = coreset(sample, 3000, seed)
        report(name, "memory bank, coreset of 3,000", measured(task, joined([bank]).scores))


def with_offsets(columns: Rows, offsets: Rows) -> Callable[[Rows], Rows]:
    return lambda rows: (offsets - rows @ columns).min(axis=1)


def sizes(seed: int, report: Callable) -> None:
    """The side in pixels."""
    for name, some in (
        ("deeppcb", ("224", "320", "448", "640")),
        ("magnetic_tile", ("224", "320", "448", "own224", "own")),
        ("elpv_mono", ("224", "288", "448")),
    ):
        for size in some if name in OWN_SIZE else ():
            report(name, size, measured_parts(defect_task(name, size, seed), LAYERS, seed))


def layers(seed: int, report: Callable) -> None:
    """Which layers are joined."""
    for name, size in OWN_SIZE.items():
        for some in ("4+10", "7+10", "4+7+10", "10+14", "4+14", "4+10+14", "4+10+15"):
            own = tuple(f"block_{n}" for n in some.split("+"))
            report(name, some, measured_parts(defect_task(name, size, seed), own, seed))


def measured_parts(task: Task, own: tuple[str, ...], seed: int) -> Figures:
    part = deal(len(task.train), N_PARTS, seed)
    fitted = fit_patch_parts(
        lambda i: task.rows(i, own)[0], task.train, part, N_PATCH_HALFSPACES, seed
    )
    return measured(task, fitted.scores, own)


Scores = tuple[NDArray, NDArray, NDArray]
"""Of held-out normal images, of normal and of odd test images."""


def whole_scores(task: Task, seed: int) -> Scores:
    part = deal(len(task.train), N_PARTS, seed)
    rows = task.whole(task.train)
    fitted = fit_whole_parts(rows, part, 3, 128, seed)
    held = np.array([fitted.scores(row[None], p)[0] for row, p in zip(rows, part, strict=True)])
    return held, fitted.scores(task.whole(task.normal)), fitted.scores(task.whole(task.odd))


def patch_scores(task: Task, seed: int) -> Scores:
    part = deal(len(task.train), N_PARTS, seed)
    fitted = fit_patch_parts(lambda i: task.rows(i)[0], task.train, part, N_PATCH_HALFSPACES, seed)

    def score(index: int, without: int | None = None) -> float:
        rows, grid = task.rows(index)
        return IMAGE_SCORES["worst 1 %"](fitted.scores(rows, without).reshape(grid))

    held = np.array([score(i, p) for i, p in zip(task.train, part, strict=True)])
    return held, *(np.array([score(i) for i in some]) for some in (task.normal, task.odd))


def today(task: Task, seed: int) -> float:
    """AUROC of whole images with each half-space's own offset, one for 12 images."""
    rows = task.whole(task.train)
    fitted = fit_halfspaces(rows, min(64, len(rows) // 12), nu=0.1, seed=seed)
    tests = (task.whole(task.normal), task.whole(task.odd))
    return auroc(*((fitted.offset - t @ fitted.coef.T).min(axis=1) for t in tests))


def on_scale(scores: Scores) -> Scores:
    held = scores[0]
    return tuple((s - held.mean()) / held.std() for s in scores)


def join(seed: int, report: Callable) -> None:
    """Whole images, patches, and both with several weights of the whole image."""
    whole_tasks = {name: defect_task(name, "224", seed) for name in OWN_SIZE}
    for task in [*(defect_task(n, s, seed) for n, s in OWN_SIZE.items()), *small_tasks()]:
        same = whole_tasks.get(task.name, task)
        whole, patches = whole_scores(same, seed), patch_scores(task, seed)
        report(task.name, "today", {"image": today(same, seed)})
        report(task.name, "whole images", {"image": auroc(*whole[1:])})
        report(task.name, "patches", {"image": auroc(*patches[1:])})
        far, (w, p) = float(np.median(whole[0])), (on_scale(whole), on_scale(patches))
        ratio = patches[0].std() / whole[0].std()
        weights = {"1": 1, ".5": 0.5, ".35": 0.35, ".2": 0.2}
        weights |= {f"min(1, {c} / m)^2": min(1, c / far) ** 2 for c in (0.05, 0.07, 0.1)}
        weights |= {f"min(1, {c} sd_p / sd_w)": min(1, c * ratio) for c in (0.2, 0.3, 0.5)}
        for label, g in weights.items():
            both = [a + g * b for a, b in zip(p[1:], w[1:], strict=True)]
            report(task.name, f"both, whole x {label}", {"image": auroc(*both)})
        larger = [np.maximum(a, b) for a, b in zip(p[1:], w[1:], strict=True)]
        report(task.name, "both, the larger", {"image": auroc(*larger)})


TABLES = {"heads": heads, "sizes": sizes, "layers": layers, "join": join}


def markdown(title: str, found: dict[str, dict[str, Figures]]) -> str:
    """A line a setting; the figures of each set, the means over the seeds."""
    names = list(found)
    lines = [f"### {title}", "", "| setting | " + " | ".join(names) + " |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for setting in dict.fromkeys(s for some in found.values() for s in some):
        cells = [
            " ".join(
                f"{v:.0f} ms" if key == "ms" else f"{v:.3f}"
                for key, v in found[n].get(setting, {}).items()
                if key in ("image", "worst 1 %", "pixel", "AU-PRO", "ms")
            )
            for n in names
        ]
        lines.append(f"| {setting} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def run(title: str, seeds: int) -> dict[str, dict[str, Figures]]:
    """The means over the seeds, by set and setting."""
    every: dict[str, dict[str, list[Figures]]] = {}

    def report(name: str, setting: str, figures: Figures) -> None:
        every.setdefault(name, {}).setdefault(setting, []).append(figures)
        print(name, setting, {k: round(v, 3) for k, v in figures.items()}, flush=True)

    for seed in range(seeds):
        TABLES[title](seed, report)
    return {
        name: {
            setting: {key: float(np.mean([f[key] for f in some])) for key in some[0]}
            for setting, some in settings.items()
        }
        for name, settings in every.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="+", choices=list(TABLES))
    parser.add_argument("--cache", help="a folder for the maps")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", nargs="*", default=list(OWN_SIZE), help="of those with defects")
    parser.add_argument("--learnt", type=int, help="pictures of a set to learn from, at most")
    parser.add_argument("--tested", type=int, help="test pictures of each kind, at most")
    arguments = parser.parse_args()
    LIMITS.learnt, LIMITS.tested = arguments.learnt, arguments.tested
    for name in OWN_SIZE.keys() - set(arguments.sets):
        del OWN_SIZE[name]
    if arguments.cache:
        os.environ["ONECLASS_CACHE"] = arguments.cache
    for title in arguments.tables:
        found = run(title, arguments.seeds)
        print(markdown(title, found))
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        others = kept.get(title, {}).get("figures", {})
        figures = {**others, **found}
        kept[title] = {"seeds": arguments.seeds, **vars(LIMITS), "figures": figures}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()

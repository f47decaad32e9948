"""What of whole images is looked at beside patches: other rows of them, all else as it is.

    ONECLASS_DATA=/path/to/data python benchmarks/whole_images.py [--seeds N] [--one-pass] [SET ...]

The default detector, learnt from three quarters of the normal images; then whole images anew, by
other rows. "Means" are averages over the cells of a layer's grid, "deviations" each channel's
standard deviations over a cell. Prints for each set AUROC where the whole image counts a quarter
and half as much as patches, false alarms in % at 5 % with half, m (docs/smalldefects.md), and the
AUROC of whole images alone; and the latter for digits, freight and faces. Means over the draws.
With --one-pass whole images are seen at the size of patches, as the detector sees them: up to
block_10 in the pass of patches. Without it they are seen at the network's own size.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from choose_defaults import SCALE, data_sets
from oneclass import Detector
from oneclass.backbones import DEFAULT, Backbone
from oneclass.conformal.calibration import Calibration, make_plan, one_of_each
from oneclass.conformal.parts import FittedUnion, deal, fit_union
from oneclass.detector import fitting, learning
from oneclass.detector.views import choose_n_halfspaces
from oneclass.representations.maps import pool
from oneclass.representations.preparation import prepare
from oneclass.rows.layers import unit
from oneclass.statistics import auroc
from patch_levels import SHARE, SIZES
from patch_measures import print_means
from patch_sets import Pictures, pictures

LAYERS = ("block_2", "block_4", "block_10", "block_14")
OTHERS, LEARNT, TESTED = "others", 150, 120
Part = tuple[str, str, int]
"""Layer, "mean" or "deviation", grid."""
Way = Sequence[tuple[float, Sequence[Part]]]
"""Shares of a row's squared length, and what has them, each part alike."""
Rows = NDArray[np.float32]
MEANS: Sequence[Part] = (("block_2", "mean", 7), ("block_14", "mean", 2))


def varied(layers: Sequence[int], *grids: int) -> Sequence[Part]:
    """Deviations of some blocks, each on a grid of its own or all on one."""
    each = grids if len(grids) == len(layers) else grids * len(layers)
    return [(f"block_{n}", "deviation", grid) for n, grid in zip(layers, each, strict=True)]


WAYS: dict[str, Way] = {
    "means alone (before)": [(1, MEANS)],
    "deviations alone": [(1, varied((2, 14), 1))],
    **{f"means x {share:g}, deviations": [(share, MEANS), (1 - share, varied((2, 14), 1))]
       for share in (0.02, 0.04, 0.1, 0.3)},
    "means x 0.04, deviations of block_14": [(0.04, MEANS), (0.96, varied((14,), 1))],
    "means x 0.04, of block_4+10+14": [(0.04, MEANS), (0.96, varied((4, 10, 14), 1))],
    "means x 0.04, of 2 x 2 cells": [(0.04, MEANS), (0.96, varied((2, 14), 2))],
    "means x 0.04, of 3 x 3 cells": [(0.04, MEANS), (0.96, varied((2, 14), 3))],
    "deviations of block_2@7+block_14@2": [(1, varied((2, 14), 7, 2))],
    "deviations of block_4+block_10": [(1, varied((4, 10), 1))],
    **{f"means x 0.04 of block_2@7+block_10@2, deviations of {name} in {n} x {n} cells": [
        (0.04, (("block_2", "mean", 7), ("block_10", "mean", 2))), (0.96, varied(layers, n))]
       for name, layers in (("block_2+10", (2, 10)), ("block_2+4+10", (2, 4, 10)))
       for n in (1, 2, 3, 4)},
}  # fmt: skip


@dataclass(frozen=True)
class Wholes:
    """The parts of all images' rows."""

    parts: dict[Part, Rows]

    def rows(self, way: Way) -> Rows:
        found = [unit(self.parts[part], len(some), share) for share, some in way for part in some]
        return np.concatenate(found, axis=1)


def wholes(images: Iterator[NDArray[Any]], size: tuple[int, int] | None = None) -> Wholes:
    """Of 8-bit images, at a size or at the network's own."""
    wanted = {part for way in WAYS.values() for _, some in way for part in some}
    found: dict[Part, list[Rows]] = {part: [] for part in wanted}
    network = Backbone.open(DEFAULT)
    session = network.session(LAYERS, threads=1)
    own = replace(network.spec.preprocessing, evened=True)
    own = own if size is None else replace(own, size=size)
    for pixels in images:
        maps = session(prepare(pixels, SCALE, own)[None])
        values = dict(zip(LAYERS, maps, strict=True))
        for part, rows in found.items():
            rows.append(_part(values[part[0]], part[1], part[2]))
    return Wholes({part: np.concatenate(rows) for part, rows in found.items()})


def _part(maps: Rows, kind: str, grid: int) -> Rows:
    """(1, d) means or deviations of (1, c, h, w) over a grid."""
    if kind == "mean":
        return pool(maps, grid).reshape(1, -1)
    apart = maps - maps.mean(axis=(2, 3), keepdims=True)
    variance = pool(apart**2, grid) - pool(apart, grid) ** 2
    return np.sqrt(variance.clip(0)).reshape(1, -1)


@dataclass(frozen=True)
class Learnt:
    """What a fit went by: which pictures in which order, their parts and copies; its patches."""

    order: NDArray[np.int64]
    folds: NDArray[np.int64]
    copies: NDArray[np.int64]
    patches: FittedUnion
    tested: list[NDArray[np.float64]]


def learnt(found: Pictures, seed: int) -> Learnt:
    """The default detector, and its patches' scores of the normal and the odd test pictures."""
    random = np.random.default_rng(seed)
    some = np.sort(random.permutation(found.train)[: round(SHARE * len(found.train))])
    collect, fit_both, seen = fitting.collect_rows, learning._fit_both, []

    def collected(*given: Any, **more: Any) -> Any:
        seen.append(collect(*given, **more))
        return seen[-1]

    def fitted(views: Any, folds: Any, copies: Any, *given: Any) -> Any:
        made = fit_both(views, folds, copies, *given)
        seen.append((folds, copies, made.fits[1]))
        return made

    with (
        patch.object(fitting, "collect_rows", collected),
        patch.object(learning, "_fit_both", fitted),
    ):
        detector = Detector(threads=1).fit([found.files[i] for i in some])
    told = [list(detector.explain([found.files[i] for i in kind]))
            for kind in (found.normal, found.odd)]  # fmt: skip
    tested = [np.array([one.prediction.score - one.offset for one in kind]) for kind in told]
    return Learnt(some[np.array(seen[0].indices)], *seen[1], tested)


def whole_union(rows: Rows, folds: NDArray[np.int64]) -> FittedUnion:
    n = choose_n_halfspaces(None, len(rows))
    return fit_union(rows, folds, nu=0.1, n_halfspaces=n, seed=0, one_scale=True)


def measured(name: str, seed: int, one_pass: bool) -> Iterator[tuple[str, list[float]]]:
    """Each way's figures, of a set of defects."""
    found = pictures(name)
    by, every = learnt(found, seed), _of_set(name, one_pass)
    near = by.patches.held_out
    for way, made in WAYS.items():
        rows = every.rows(made)
        whole = whole_union(rows[by.order], by.folds)
        own = [whole.union.image_scores(rows[kind]) for kind in (found.normal, found.odd)]
        known = np.isfinite(near) & np.isfinite(whole.held_out)
        unit_weight = near[known].std() / whole.held_out[known].std()
        joined = [[p + g * unit_weight * w for p, w in zip(by.tested, own, strict=True)]
                  for g in (0.25, 0.5)]  # fmt: skip
        held = one_of_each(near + 0.5 * unit_weight * whole.held_out, by.copies)
        alarms = 100 * float((joined[1][0] > Calibration(np.sort(held)).threshold(0.05)).mean())
        far = float(np.median(whole.held_out[known]) + 1 - whole.union.offset[0])
        yield way, [auroc(*joined[0]), auroc(*joined[1]), alarms, far, auroc(*own)]


@cache
def _of_set(name: str, one_pass: bool) -> Wholes:
    found = pictures(name)
    size = SIZES[name] if one_pass else None
    return wholes((found.read(i) for i in range(len(found.files))), size)


def others(_: str, seed: int) -> Iterator[tuple[str, list[float]]]:
    """Each way's AUROC of whole images alone, of digits, freight and faces."""
    told: dict[str, list[float]] = {way: [] for way in WAYS}
    folds = deal(np.arange(LEARNT), make_plan(LEARNT, 0.05), seed, None)
    for learnt_from, normal, odd in _other_sets():
        for way, made in WAYS.items():
            union = whole_union(learnt_from.rows(made), folds).union
            tests = (union.image_scores(some.rows(made)) for some in (normal, odd))
            told[way].append(auroc(*tests))
    yield from told.items()


@cache
def _other_sets() -> list[list[Wholes]]:
    """Of each task what is learnt from, and normal and odd images."""
    return [
        [
            wholes(data.images[i] for i in some)
            for some in (task.train[:LEARNT], task.normal[:TESTED], task.anomalous[:TESTED])
        ]
        for data in data_sets()
        if data.name != "MNIST"
        for task in data.tasks
        if not task.name.endswith("/2")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=[*SIZES, OTHERS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--one-pass", action="store_true")
    asked = parser.parse_args()
    seeds = list(range(asked.seeds))
    print_means(
        asked.sets,
        seeds,
        lambda name, seed: (
            others(name, seed) if name == OTHERS else measured(name, seed, asked.one_pass)
        ),
    )


if __name__ == "__main__":
    main()

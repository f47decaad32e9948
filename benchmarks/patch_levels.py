"""The edge of a map, and an image's own level: what an image's score is made of, each beside it.

    ONECLASS_DATA=/path/to/data python benchmarks/patch_levels.py [--mixed | --areas] [SET ...]

Patches alone, learnt from three quarters of the normal images, as `fit` does. "The level of .25" is
what a quarter of a picture's positions lie above; of it a fixed share is taken off, or so many
"spreads": standard deviations of the spared pictures' scores over those of their levels. Prints
AUROC, false alarms in % at 5 %, anomalies found in % and, with masks, AU-PRO, each the mean over
the draws.
With --mixed the normal images of both halves are dealt anew by chance, so that those to test on
are of the same kind as those learnt from; without it they are the set's own. With --areas AUROC
alone is printed, of defects that cover so much of the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choose_defaults import SCALE
from oneclass.backbones import DEFAULT, Backbone
from oneclass.conformal.calibration import Calibration, make_plan
from oneclass.conformal.level import MOST, SLOPE
from oneclass.conformal.parts import deal, fit_union
from oneclass.conformal.products import LEVEL_SHARE
from oneclass.representations import PatchLayers
from oneclass.statistics import auroc
from patch_measures import pixel_measures, print_means
from patch_sets import Pictures, pictures

SIZES = {"deeppcb": (640, 640), "magnetic_tile": (288, 256), "elpv_mono": (288, 288)}
AREAS = (0, 0.02, 0.1, 1)
LAYERS = (("block_4", None), ("block_10", None))
SHARE, RATE, SHARES = 0.75, 0.05, (0.003, 0.03)
Floats = NDArray[np.floating[Any]]


def rows_of(found: Pictures, edge: int) -> tuple[PatchLayers, NDArray[np.float16]]:
    """(n, p, d) positions of all pictures of a set."""
    layers = PatchLayers(
        Backbone.open(DEFAULT), LAYERS, size=SIZES[found.name], edge=edge, row_dtype="float16"
    )
    return layers, np.concatenate(
        [layers.rows(layers.prepare(found.read(i), SCALE)[None]) for i in range(len(found.files))]
    )


def worst(maps: Floats, share: float = 0.01) -> Floats:
    """(n,) the mean of the worst share of positions of (n, p) maps."""
    n = max(1, round(share * maps.shape[1]))
    return np.asarray(-np.sort(-maps, axis=1)[:, :n].mean(axis=1))


class Learnt:
    """Maps of held-out, of normal, of odd and of spared pictures, with no level taken off.

    Attributes:
        maps: (n, p) of each kind; those of the spared pictures, the first part's, by its own
            half-spaces, the others by half-spaces that have not seen them.
        along: (n, p) likewise, how far each position lies from the direction of levels.
    """

    def __init__(self, rows: NDArray[np.float16], train: Any, normal: Any, odd: Any) -> None:
        n = len(train)
        own = rows[train]
        folds = deal(np.arange(n), make_plan(n, RATE), 0, None)
        fitted = fit_union(
            own, folds, nu=0.1, n_halfspaces=510, seed=0, one_scale=True, n_worst=1, whitened=True
        )
        union = replace(fitted.union, level=None)
        first = union.only(fitted.part == 0)
        direction = first.coef.mean(axis=0, dtype=np.float64).astype(np.float32)
        judges = {fold: union.only(fitted.part != fold) for fold in range(1, int(folds.max()) + 1)}
        judged = [(judges[fold], i) for fold, i in zip(folds, train, strict=True) if fold]
        spared = [(first, i) for fold, i in zip(folds, train, strict=True) if not fold]
        every = (judged, [(union, i) for i in normal], [(union, i) for i in odd], spared)
        self.maps = [np.stack([judge.row_scores(rows[i]) for judge, i in some]) for some in every]
        self.along = [np.stack([-(union.seen(rows[i]) @ direction) for _, i in some])
                      for some in every]  # fmt: skip

    def levels(self, above: float) -> list[Floats]:
        """(n,) of each kind, the level that a share of a picture's positions lies above."""
        rank = max(1, round(above * self.along[0].shape[1]))
        return [-np.partition(-along, rank - 1, axis=1)[:, rank - 1] for along in self.along]


def ways(learnt: Learnt, named: str) -> Iterator[tuple[str, list[Floats]]]:
    """Names, and maps of held-out, normal and odd pictures."""
    yield named, learnt.maps[:3]
    ratio = float(worst(learnt.maps[3]).std() / learnt.levels(LEVEL_SHARE)[3].std())
    taken = less(learnt, learnt.levels(LEVEL_SHARE), min(MOST, SLOPE * ratio))
    yield f"{named}, less the level as it is", taken


def other_levels(learnt: Learnt, named: str) -> Iterator[tuple[str, list[Floats]]]:
    """Likewise, with other levels, and other shares of them."""
    for above in (0.5, 0.25, 0.1):
        levels = learnt.levels(above)
        way = f"{named}, less the level of {above:g}"
        ratio = float(worst(learnt.maps[3]).std() / levels[3].std())
        for share in (0.5, 1.0):
            yield f"{way} x {share:g}", less(learnt, levels, share)
        for spreads in (0.3, 0.4, 0.5):
            yield f"{way}, {spreads} spreads", less(learnt, levels, spreads * ratio)


def less(learnt: Learnt, levels: list[Floats], share: float) -> list[Floats]:
    return [m - share * one[:, None] for m, one in zip(learnt.maps[:3], levels[:3], strict=True)]


def figures(
    maps: list[Floats], grid: tuple[int, int], masks: list[Any], share: float = 0.01
) -> Any:
    held, normal, odd = (worst(one, share) for one in maps)
    limit = Calibration(np.sort(held)).threshold(RATE)
    told = [auroc(normal, odd), *(100 * float((one > limit).mean()) for one in (normal, odd))]
    if not masks:
        return told
    grids = [[m.reshape(grid).astype(np.float32) for m in some] for some in maps[1:]]
    return [*told, pixel_measures(*grids, masks)[1]]


def by_area(maps: list[Floats], shares: NDArray[np.float64]) -> list[float]:
    """AUROC of the odd pictures whose defects cover a share of them, for each of `AREAS`."""
    normal, odd = worst(maps[1]), worst(maps[2])
    some = [odd[(shares > low) & (shares <= high)] for low, high in pairwise(AREAS)]
    return [auroc(normal, scores) if len(scores) else np.nan for scores in some]


def measured_by_area(found: Pictures, seed: int, kept: dict[int, Any]) -> Iterator[Any]:
    """As `measured`, of the level as it is."""
    random = np.random.default_rng(seed)
    train = random.permutation(found.train)[: round(SHARE * len(found.train))]
    if 1 not in kept:
        kept[1] = rows_of(found, 1)
    learnt = Learnt(kept[1][1], np.sort(train), found.normal, found.odd)
    shares = np.array([found.mask(i).mean() for i in range(len(found.odd))])
    for way, maps in ways(learnt, "edge covered"):
        yield way, by_area(maps, shares)


def measured(found: Pictures, seed: int, mixed: bool, kept: dict[int, Any]) -> Iterator[Any]:
    random = np.random.default_rng(seed)
    train = random.permutation(found.train)[: round(SHARE * len(found.train))]
    normal = found.normal
    if mixed:
        every = random.permutation(np.concatenate([found.train, found.normal]))
        train, normal = every[: len(train)], every[len(train) :]
    masks = [found.mask(i) for i in range(len(found.odd))] if found.masks else []
    for edge, named in ((0, "edge as it comes"), (1, "edge covered")):
        if edge not in kept:
            kept[edge] = rows_of(found, edge)
        layers, rows = kept[edge]
        learnt = Learnt(rows, np.sort(train), normal, found.odd)
        others = other_levels(learnt, named) if edge else ()
        for way, maps in chain(ways(learnt, named), others):
            yield way, figures(maps, layers.grid, [] if mixed else masks)
        for share in SHARES:
            told = figures(learnt.maps[:3], layers.grid, [], share)
            yield f"{named}, worst {100 * share:g} %", told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--mixed", action="store_true", help="deal normal images anew")
    parser.add_argument("--areas", action="store_true", help="by the size of defects")
    asked = parser.parse_args()
    kept: dict[str, dict[int, Any]] = {}

    def of(name: str, seed: int) -> Iterator[tuple[str, list[float]]]:
        rows = kept.setdefault(name, {})
        if asked.areas:
            return measured_by_area(pictures(name), seed, rows)
        return measured(pictures(name), seed, asked.mixed, rows)

    print_means(asked.sets, list(range(asked.seeds)), of)


if __name__ == "__main__":
    main()

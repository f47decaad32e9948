"""Ideas for patches that were measured and not taken, each on the same rows as what was done.

    ONECLASS_DATA=/path/to/data python benchmarks/patch_ideas.py [--seeds 0 1] [SET ...]

100 normal pictures to learn from, 50 normal and 50 odd ones to test on, drawn anew for each seed.
Prints AUROC of images by the worst hundredth of positions, and AU-PRO where a set has masks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choose_defaults import SCALE
from oneclass.backbones import DEFAULT, Backbone
from oneclass.conformal.calibration import PARTS
from oneclass.conformal.parts import fit_union
from oneclass.conformal.union import worst_mean
from oneclass.representations import PatchLayers
from oneclass.statistics import auroc
from patch_heads import inverse_root, unit
from patch_measures import pixel_measures, print_means
from patch_sets import pictures

SIZES = {"deeppcb": (448, 448), "magnetic_tile": (288, 256), "elpv_mono": (288, 288)}
LAYERS = (("block_4", None), ("block_10", None))
LEARNT, TESTED, MARGIN = 100, 50, 32
SHRUNK = (0.3, 0.1)
"""How much of the covariance is that of a sphere; the last one is the Gaussian's."""
Maps = list[NDArray[np.float64]]
Score = Callable[[NDArray[Any]], NDArray[np.float64]]


class Mirrored(PatchLayers):
    """Pictures go on beyond their edges as their mirror images; those positions are cut off."""

    def compute(self, batch: Any) -> Any:
        planes, found = np.asarray(batch), []
        around = [(0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)]
        for values in self.session(np.pad(planes, around, "reflect")):
            cut = values.shape[2] * MARGIN // (planes.shape[2] + 2 * MARGIN)
            found.append(values[:, :, cut:-cut, cut:-cut])
        return found


def half_spaces(train: NDArray[Any], seed: int) -> Score:
    """1 - the largest cosine to the directions of all parts, without rows whitened beside them."""
    part = np.random.default_rng(seed).permutation(len(train)) % PARTS
    union = fit_union(
        train, part, nu=0.1, n_halfspaces=510, seed=seed, one_scale=True, n_worst=1
    ).union
    return lambda row: union.row_scores(row) + 1 - union.offset[0]


def spread_out(train: NDArray[Any], score: Score, share: float) -> Score:
    """Each position's score divided by its spread in normal pictures, shrunk to the mean of all."""
    variance = np.var([score(row) for row in train], axis=0)
    spread = np.sqrt(share * variance / variance.mean() + 1 - share)
    return lambda row: score(row) / spread


def whitening(train: NDArray[Any], share: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """The mean of normal positions, and the square root of their shrunk inverse covariance."""
    rows = train.reshape(-1, train.shape[2])[::7].astype(np.float64)
    return rows.mean(axis=0), inverse_root(np.cov(rows.T), share)


def white(rows: NDArray[Any], root: NDArray[Any]) -> NDArray[Any]:
    """(..., d) rows through a linear map, of unit length again."""
    flat = (rows.reshape(-1, rows.shape[-1]) @ root).astype(np.float32)
    return unit(flat).reshape(rows.shape)


def ways(train: NDArray[Any], seed: int) -> Iterator[tuple[str, Score]]:
    now = half_spaces(train, seed)
    yield "as it is", now
    yield "divided by each position's spread, a quarter", spread_out(train, now, 0.25)
    yield "divided by each position's spread, half", spread_out(train, now, 0.5)
    for share in SHRUNK:
        mean, root = whitening(train, share)
        over = half_spaces(white(train, root), seed)
        yield (
            f"half-spaces of whitened rows, covariance shrunk by {share:g}",
            lambda row, root=root, over=over: over(white(row, root)),
        )

    def gaussian(row: NDArray[Any]) -> NDArray[np.float64]:
        return (((row - mean) @ root) ** 2).sum(axis=1)

    yield "Mahalanobis, one Gaussian", gaussian
    some = train[:: max(1, len(train) // 20)].astype(np.float32)
    spreads = [np.std([score(row) for row in some]) for score in (now, gaussian)]
    for share in (0.5, 1.0):
        yield (
            f"as it is + {share:g} x Mahalanobis, each over its spread",
            lambda row, share=share: now(row) / spreads[0] + share * gaussian(row) / spreads[1],
        )


def measured(name: str, seed: int) -> Iterator[tuple[str, list[float]]]:
    """Each way's AUROC and, with masks, AU-PRO."""
    found, random, network = pictures(name), np.random.default_rng(seed), Backbone.open(DEFAULT)
    odd = random.permutation(len(found.odd))[:TESTED]
    drawn = [
        random.permutation(found.train)[:LEARNT],
        random.permutation(found.normal)[:TESTED],
        found.odd[odd],
    ]
    masks = [found.mask(int(number)) for number in odd] if found.masks else []
    for kind in (PatchLayers, Mirrored):
        layers = kind(network, LAYERS, size=SIZES[name], row_dtype="float16")
        rows = [
            np.stack([layers.rows(layers.prepare(found.read(i), SCALE)[None])[0] for i in some])
            for some in drawn
        ]
        for way, score in ways(rows[0], seed):
            maps: list[Maps] = [[score(row.astype(np.float32)) for row in one] for one in rows[1:]]
            yield (
                way if kind is PatchLayers else f"mirrored by {MARGIN} pixels",
                figures(maps, layers, masks),
            )
            if kind is Mirrored:
                break


def figures(maps: Sequence[Maps], layers: PatchLayers, masks: list[Any]) -> list[float]:
    scores = [np.array([worst_mean(one, layers.n_worst) for one in some]) for some in maps]
    if not masks:
        return [auroc(*scores)]
    grids = [[one.reshape(layers.grid).astype(np.float32) for one in some] for some in maps]
    return [auroc(*scores), pixel_measures(*grids, masks)[1]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SIZES))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    asked = parser.parse_args()
    print_means(asked.sets, asked.seeds, measured)


if __name__ == "__main__":
    main()

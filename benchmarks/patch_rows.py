"""Other rows, half-spaces and image scores for patches, each beside what is done now.

    ONECLASS_DATA=/path/to/data python benchmarks/patch_rows.py PART [SET ...] --cache /tmp/maps

PART is one of:

- rows: layers weighed otherwise, centred, scaled by channel, whitened. 300 half-spaces.
- heads: nu, the number of half-spaces, a memory bank of 15,000 positions.
- parts: positions near the half-spaces of several parts; half-spaces of rare positions left out.
- maps: the share of positions that make an image's score, and maps that are smoothed before.
- twice: rows beside their whitened ones, or of a length that whitening gives them. It is learnt
  from one part of ten alone, so that held-out images of the others have had no share in it.

Prints a line a way: AUROC of images and, with masks, AU-PRO, each the mean over --seeds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.whitening import (
    DIRECTIONS,
    HALF,
    SHRUNK,
    WHITE,
    learn_whitening,
    root,
)
from oneclass.rows import ArrayRows
from oneclass.statistics import auroc
from oneclass.svm import fit_halfspaces
from patch_heads import Rows, inverse_root, unit
from patch_measures import pixel_measures, print_means, smooth, worst
from patch_sets import SIZES, Maps, fine, maps_of, pictures

LAYERS, PARTS = ("block_4", "block_10"), 10
SIZES["288 x 256"] = lambda height, width: (288, 256)
SMALL = {"deeppcb": "448", "magnetic_tile": "288 x 256", "elpv_mono": "288"}
OWN = {**SMALL, "deeppcb": "640"}
LEARNT = {"deeppcb": (60, 40), "magnetic_tile": (100, 100), "elpv_mono": (100, 80)}
"""For `twice`: pictures to learn from, and to test on of each kind. Elsewhere 60, 40 and 40."""
Layers = tuple[Rows, ...]
"""(p, c) of each layer, of one picture."""
See = Callable[[Layers], Rows]
Grids = list[list[NDArray[np.float32]]]
"""Of normal and of odd pictures."""


@dataclass(frozen=True)
class Picture:
    layers: Layers
    grid: tuple[int, int]


def positions(maps: Maps, index: int) -> Picture:
    """Each layer's positions with their neighbours, on the finest grid, before they are joined."""
    found = [maps.get(layer, index) for layer in LAYERS]
    grid, parts = found[0].shape[2:], []
    for values in found:
        near = fine(values, grid)
        flat = np.ascontiguousarray(near[0].reshape(near.shape[1], -1).T)
        parts.append(flat.astype(np.float16))
    return Picture(tuple(parts), (grid[0], grid[1]))


class Draw:
    """Pictures of a set, drawn by a seed."""

    def __init__(self, name: str, size: str, seed: int, learnt: int, tested: int) -> None:
        found, random = pictures(name), np.random.default_rng(seed)
        train = np.sort(random.permutation(found.train)[:learnt])
        normal = np.sort(random.permutation(found.normal)[:tested])
        odd = np.sort(random.permutation(len(found.odd))[:tested])
        maps = maps_of(name, len(found.files), found.read, size, SIZES[size])
        self.train, self.normal, self.odd = (
            [positions(maps, i) for i in some] for some in (train, normal, found.odd[odd])
        )
        self.masks = [found.mask(int(n)) for n in odd] if found.masks else []
        self.fold = np.random.default_rng(0).permutation(learnt) % PARTS

    def part(self, number: int) -> list[Picture]:
        return [self.train[i] for i in np.flatnonzero(self.fold == number)]

    def samples(self, see: See, most: int) -> list[Rows]:
        """Of each part an even share of `most` rows."""
        random, found = np.random.default_rng(0), []
        for number in range(PARTS):
            own = np.concatenate([see(one.layers) for one in self.part(number)])
            if len(own) > most // PARTS:
                picked = random.choice(len(own), most // PARTS, replace=False)
                own = own[np.sort(picked)]
            found.append(own)
        return found

    def maps(self, score: Callable[[Layers], Rows]) -> Grids:
        return [
            [score(one.layers).reshape(one.grid) for one in some]
            for some in (self.normal, self.odd)
        ]

    def figures(self, grids: Grids, share: float = 0.01) -> list[float]:
        scores = [np.array([worst(share)(grid) for grid in some]) for some in grids]
        found = [auroc(*scores)]
        return [*found, pixel_measures(*grids, self.masks)[1]] if self.masks else found


def joined(layers: Sequence[Rows], weights: Sequence[float] = (1, 1)) -> Rows:
    """As it is done now: each layer of unit length, and the whole."""
    total = np.sqrt(sum(one * one for one in weights))
    parts = [
        unit(one.astype(np.float32)) * np.float32(weight / total)
        for one, weight in zip(layers, weights, strict=True)
    ]
    return np.concatenate(parts, axis=1)


def directions(samples: Sequence[Rows], k: int, nu: float = 0.1) -> Rows:
    """(k, d) unit directions of all parts."""
    each = max(1, round(k / len(samples)))
    found = [fit_halfspaces(some, each, nu=nu, seed=0, tol=1e-3).coef for some in samples]
    return unit(np.concatenate(found).astype(np.float32))


def nearest(rows: Rows, columns: Rows) -> Rows:
    """(p,) 1 - the largest cosine to (d, k) directions."""
    blocks = [rows[start : start + 2048] @ columns for start in range(0, len(rows), 2048)]
    return np.concatenate([1 - one.max(axis=1) for one in blocks])


def scored(draw: Draw, see: See, found: Rows) -> Grids:
    columns = np.ascontiguousarray(found.T)
    return draw.maps(lambda layers: nearest(see(layers), columns))


BANK = "memory bank, 15,000 positions"


def bank(samples: Sequence[Rows]) -> Rows:
    every = np.concatenate(samples)
    return every[np.random.default_rng(0).choice(len(every), 15_000, replace=False)]


Way = tuple[str, Grids, float]
"""Its name, its maps, and the share of positions that makes an image's score."""


def rows(draw: Draw) -> Iterator[Way]:
    for name, see, back in other_rows(draw):
        found = directions(draw.samples(see, 15_000), 300)
        if back is None:
            yield name, scored(draw, see, found), 0.01
        else:
            yield name, scored(draw, joined, unit(found @ back)), 0.01


def other_rows(draw: Draw) -> Iterator[tuple[str, See, Rows | None]]:
    """Ways to make rows, and a matrix where directions go back through one."""
    some = [
        np.concatenate([one.layers[i][::5] for one in draw.train]).astype(np.float32)
        for i in range(len(LAYERS))
    ]
    mean, spread = [one.mean(0) for one in some], [one.std(0) for one in some]
    units = [unit(one) for one in some]
    both = unit(np.concatenate(units, axis=1))
    yield "as it is", joined, None
    yield "first layer x 2", lambda parts: joined(parts, (2, 1)), None
    yield "second layer x 2", lambda parts: joined(parts, (1, 2)), None
    yield (
        "unit length of the whole alone",
        lambda parts: unit(np.concatenate(parts, axis=1).astype(np.float32)),
        None,
    )
    yield (
        "each layer less its mean",
        lambda parts: joined([one - m for one, m in zip(parts, mean, strict=True)]),
        None,
    )
    yield (
        "each channel over its spread",
        lambda parts: joined([one / s for one, s in zip(parts, spread, strict=True)]),
        None,
    )
    covariance = np.cov(both.T)
    for share in (0.3, 0.7):
        matrix = inverse_root(covariance, share).astype(np.float32)
        yield (
            f"whitened, shrunk by {share:g}",
            lambda parts, matrix=matrix: unit(joined(parts) @ matrix),
            None,
        )
    fourth = inverse_root(covariance, 0.05, 0.25).astype(np.float32)
    yield "whitened by half, shrunk by .05", lambda parts: unit(joined(parts) @ fourth), None
    inner = [inverse_root(np.cov(one.T), SHRUNK).astype(np.float32) for one in units]
    yield (
        "whitened layer by layer, shrunk by .3",
        lambda parts: joined(
            [unit(one.astype(np.float32)) @ m for one, m in zip(parts, inner, strict=True)]
        ),
        None,
    )
    matrix = inverse_root(covariance, SHRUNK).astype(np.float32)
    yield (
        "directions of whitened rows, plain rows",
        lambda parts: unit(joined(parts) @ matrix),
        matrix,
    )


def heads(draw: Draw) -> Iterator[Way]:
    samples = draw.samples(joined, 50_000)
    for k, nu in ((510, 0.1), (510, 0.02), (510, 0.5), (1530, 0.1)):
        yield f"{k} half-spaces, nu {nu:g}", scored(draw, joined, directions(samples, k, nu)), 0.01
    yield BANK, scored(draw, joined, bank(samples)), 0.01


def maps(draw: Draw) -> Iterator[Way]:
    found = scored(draw, joined, directions(draw.samples(joined, 50_000), 510))
    for sigma in (0.0, 0.7, 1.0, 1.5):
        grids = [[smooth(grid, sigma) for grid in some] for some in found]
        for share in (0.001, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05):
            if share == 0.01 or not sigma:
                yield f"smoothed by {sigma:g} positions, worst {100 * share:g} %", grids, share


def parts(draw: Draw) -> Iterator[Way]:
    samples = draw.samples(joined, 50_000)
    fits = [fit_halfspaces(some, 51, nu=0.1, seed=0, tol=1e-3) for some in samples]
    found = [unit(fit.coef.astype(np.float32)) for fit in fits]
    by_part = [scored(draw, joined, one) for one in found]
    stacked = [[np.sort(np.stack(one), axis=0) for one in zip(*some, strict=True)]
               for some in zip(*by_part, strict=True)]  # fmt: skip
    reduced: dict[str, Callable[[Any], Any]] = {
        "nearest part": lambda one: one[0],
        "second nearest part": lambda one: one[1],
        "mean of the two nearest": lambda one: one[:2].mean(axis=0),
        "mean of all parts": lambda one: one.mean(axis=0),
    }
    for name, reduce in reduced.items():
        yield name, [[reduce(one) for one in some] for some in stacked], 0.01
    for share in (0.01, 0.03, 0.1):
        kept = []
        for fit, one in zip(fits, found, strict=True):
            order = np.argsort(fit.n_rows)
            held = np.cumsum(fit.n_rows[order]) / fit.n_rows.sum()
            kept.append(np.delete(one, order[held < share], axis=0))
        name = f"without half-spaces of the rarest {100 * share:g} % of positions"
        yield name, scored(draw, joined, np.concatenate(kept)), 0.01


def twice(draw: Draw) -> Iterator[Way]:
    """Whitened as well: side by side, or in the length of rows alone."""

    def directions_of(see: See, k: int = 510) -> Grids:
        return scored(draw, see, directions(draw.samples(see, 20_000), k))

    yield "plain, 510 half-spaces", directions_of(joined), 0.01
    taught = np.concatenate([joined(one.layers)[::2] for one in draw.part(0)])
    matrix = inverse_root(np.cov(taught.T), SHRUNK).astype(np.float32)

    def both(layers: Layers) -> Rows:
        plain = joined(layers)
        return np.concatenate([plain, unit(plain @ matrix)], axis=1) * HALF

    yield "rows and whitened rows side by side", directions_of(both), 0.01
    for white, few in ((0.5, 151), (0.5, 64), (0.55, 64), (0.6, 64)):
        found = learn_whitening(ArrayRows(taught), white=white, directions=few)
        assert found is not None, "positions differ"
        stretch = root(found)

        def longer(layers: Layers, stretch: Rows = stretch) -> Rows:
            return unit(joined(layers) @ stretch)

        name = f"length, whitened by {white:g} in {few} directions"
        yield name, directions_of(longer), 0.01
        if (white, few) == (WHITE, DIRECTIONS):
            yield f"{name}, 255", directions_of(longer, 255), 0.01
            yield f"{name}, {BANK}", scored(draw, longer, bank(draw.samples(longer, 20_000))), 0.01


MEASURED: dict[str, Callable[[Draw], Iterator[Way]]] = {
    "rows": rows, "heads": heads, "maps": maps, "parts": parts, "twice": twice
}  # fmt: skip


def draw_for(part: str, name: str, seed: int) -> Draw:
    size = (SMALL if part in ("rows", "parts") else OWN)[name]
    return Draw(name, size, seed, *(LEARNT[name] if part == "twice" else (60, 40)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=list(MEASURED))
    parser.add_argument("sets", nargs="*", default=list(OWN))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--cache", help="a folder for maps, about 5 GB")
    asked = parser.parse_args()
    if asked.cache:
        os.environ["ONECLASS_CACHE"] = asked.cache

    def measured(name: str, seed: int) -> Iterator[tuple[str, list[float]]]:
        draw = draw_for(asked.part, name, seed)
        for way, grids, share in MEASURED[asked.part](draw):
            yield way, draw.figures(grids, share)

    print_means(asked.sets, asked.seeds, measured)


if __name__ == "__main__":
    main()

"""What is measured of maps: image AUROC by several image scores, pixel AUROC, AU-PRO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oneclass.evaluation.pixels import Marked, PixelMeasures, count_pixels

Map = NDArray[np.float32]


def smooth(grid: Map, sigma: float) -> Map:
    """Gaussian, sigma in positions of the grid."""
    return ndimage.gaussian_filter(grid, sigma, mode="nearest") if sigma else grid


def worst(share: float) -> Callable[[Map], float]:
    """The mean of the worst share of positions, one at least."""

    def score(grid: Map) -> float:
        n = max(1, round(share * grid.size))
        return float(np.sort(grid.ravel())[::-1][:n].mean())

    return score


def top(n: int) -> Callable[[Map], float]:
    return lambda grid: float(np.sort(grid.ravel())[::-1][:n].mean())


IMAGE_SCORES: dict[str, Callable[[Map], float]] = {
    "max": top(1),
    "worst .3 %": worst(0.003),
    "worst 1 %": worst(0.01),
    "worst 3 %": worst(0.03),
    "worst 10 %": worst(0.1),
    "top 5": top(5),
    "top 20": top(20),
    "smooth 1 max": lambda g: float(smooth(g, 1).max()),
    "smooth 2 max": lambda g: float(smooth(g, 2).max()),
    "smooth 1 worst 1 %": lambda g: worst(0.01)(smooth(g, 1)),
    "smooth 1 worst .3 %": lambda g: worst(0.003)(smooth(g, 1)),
    "mean": lambda g: float(g.mean()),
    "1 % less median": lambda g: worst(0.01)(g) - float(np.median(g)),
    "1 % + mean": lambda g: worst(0.01)(g) + float(g.mean()),
}


def pixel_measures(
    normal: Sequence[Map], odd: Sequence[Map], masks: Sequence[NDArray[np.bool_]]
) -> tuple[float, float]:
    """AUROC of pixels, and AU-PRO to 30 % of false positives, as `oneclass evaluate` has them.

    The maps of normal pictures are enlarged to the size of the first mask.
    """

    def marked() -> Iterator[Marked]:
        for grid in normal:
            yield grid, masks[0].shape, None
        for grid, mask in zip(odd, masks, strict=True):
            yield grid, mask.shape, mask

    found = PixelMeasures(count_pixels(marked)).of(range(len(odd)))
    assert found is not None, "a mask has a region"
    return found.auroc.value, found.au_pro_30.value


def print_means(
    sets: Sequence[str],
    seeds: Sequence[int],
    measured: Callable[[str, int], Iterable[tuple[str, list[float]]]],
) -> None:
    """Print each way's figures as they come, and then a table of their means over the seeds.

    Args:
        sets: the names of the sets.
        seeds: of the draws.
        measured: the ways and their figures, of a set and a seed.
    """
    every: dict[str, dict[str, list[list[float]]]] = {}
    for name in sets:
        for seed in seeds:
            for way, told in measured(name, seed):
                every.setdefault(way, {}).setdefault(name, []).append(told)
                print(name, seed, way, [round(one, 4) for one in told], flush=True)
    print("| way | " + " | ".join(sets) + " |\n" + "|---" * (len(sets) + 1) + "|")
    for way, found in every.items():
        means = [np.mean(found[name], axis=0) for name in sets]
        print(f"| {way} | " + " | ".join(" ".join(f"{x:.3f}" for x in m) for m in means) + " |")

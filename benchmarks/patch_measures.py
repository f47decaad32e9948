"""What is measured of maps: image AUROC by several image scores, pixel AUROC, AU-PRO."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

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


def enlarge(grid: Map, shape: tuple[int, int]) -> Map:
    """Bilinear, to (height, width)."""
    return np.asarray(
        Image.fromarray(grid.astype(np.float32)).resize(shape[::-1], Image.Resampling.BILINEAR)
    )


def pixel_measures(
    normal: Sequence[Map],
    odd: Sequence[Map],
    masks: Sequence[NDArray[np.bool_]],
    limit: float = 0.3,
) -> tuple[float, float]:
    """Pixel AUROC, and AU-PRO: the mean overlap with each region, up to `limit` false positives.

    Bergmann et al. 2021, "The MVTec anomaly detection dataset", section 4.2.2. The negatives are
    the pixels outside of all regions, of all test pictures; every seventh of them is looked at.
    """
    shape = masks[0].shape
    outside, regions, inside = [], [], []
    for grid in normal:
        outside.append(enlarge(grid, shape).ravel()[::7])
    for grid, mask in zip(odd, masks, strict=True):
        fine = enlarge(grid, mask.shape)
        outside.append(fine[~mask][::7])
        inside.append(fine[mask])
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [np.sort(fine[labels == r]) for r in range(1, count + 1)]
    negatives, positives = np.sort(np.concatenate(outside)), np.concatenate(inside)
    below = np.searchsorted(negatives, positives, side="left")
    upto = np.searchsorted(negatives, positives, side="right")
    area = float((below + upto).mean() / (2 * len(negatives)))
    rates = np.linspace(0, limit, 91)
    places = np.minimum(((1 - rates) * len(negatives)).astype(int), len(negatives) - 1)
    overlap = [
        np.mean([1 - np.searchsorted(r, t, side="left") / len(r) for r in regions])
        for t in negatives[places]
    ]
    return area, float(np.trapezoid(overlap, rates) / limit)

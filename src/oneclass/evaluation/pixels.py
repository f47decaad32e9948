"""What is measured of maps: AUROC of pixels, and AU-PRO, from counts at thresholds.

AU-PRO (Bergmann et al. 2021, "The MVTec Anomaly Detection Dataset", section 4.2.2) is the mean
overlap with each connected region of the masks, integrated over the share of false positives up to
a limit, and divided by that limit. Negatives are the pixels outside of all regions, in all test
pictures.

A map is enlarged to its mask's own pixels (bilinear), and these are counted between thresholds: one
for each .005 % of the pixels outside up to 5 %, and one for each .1 % beyond. So of each picture a
few thousand counts are held and not its pixels, whatever its size; bootstraps over pictures are
sums of these counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oneclass.evaluation.ranking import DRAWS, Figure, of_draws
from oneclass.images.components import connected
from oneclass.statistics import drawn_weights
from oneclass.system.arrays import Array, Mask

FINE = np.arange(0, 0.05, 5e-5)
LEVELS = np.concatenate([FINE, np.arange(0.05, 1, 1e-3), [1.0]])
"""Shares of the pixels outside at or above each threshold, about."""
MOST_SAMPLED = 1 << 22
"""Values from which the thresholds are chosen."""
LIMITS = (0.3, 0.05)
Grid = NDArray[np.float32]
Marked = tuple[Grid, tuple[int, int], Mask | None]
"""A map, the picture's (height, width), and its mask; None where nothing is odd."""
Counts = NDArray[np.float32]


@dataclass(frozen=True)
class Pixels:
    """What is said of pixels.

    Attributes:
        auroc: the chance that a pixel in a region is odder than one outside.
        au_pro_30, au_pro_5: AU-PRO to 30 % and to 5 % of false positives.
        n_regions: connected regions in the masks.
    """

    auroc: Figure
    au_pro_30: Figure
    au_pro_5: Figure
    n_regions: int


@dataclass(frozen=True)
class PixelCounts:
    """Counts of pixels between thresholds, from the lowest to the highest.

    Attributes:
        normal: (n, t) of each normal picture.
        outside: (m, t) of each odd picture, outside of its regions.
        inside: (m, t) of each odd picture, inside of its regions.
        overlap: (m, t) the same, each region as a share of its size, summed over the regions.
        regions: (m,) connected regions in each odd picture.
    """

    normal: Counts
    outside: Counts
    inside: Counts
    overlap: Counts
    regions: NDArray[np.float32]


def enlarge(grid: Grid, shape: tuple[int, int]) -> Grid:
    """Bilinear, to (height, width)."""
    image = Image.fromarray(np.ascontiguousarray(grid, np.float32))
    return np.asarray(image.resize(shape[::-1], Image.Resampling.BILINEAR))


def count_pixels(pictures: Callable[[], Iterable[Marked]]) -> PixelCounts:
    """Count the pixels of all pictures.

    Args:
        pictures: gives all of them, twice: to choose the thresholds, and to count.
    """
    thresholds = _thresholds(pictures())
    n_bins = len(thresholds) + 1
    normal, outside, inside, overlap, regions = [], [], [], [], []
    for grid, shape, mask in pictures():
        bins = np.searchsorted(thresholds, enlarge(grid, shape), side="right")
        if mask is None:
            normal.append(_counted(bins, n_bins))
            continue
        labels, n_regions = connected(mask)
        outside.append(_counted(bins[~mask], n_bins))
        inside.append(_counted(bins[mask], n_bins))
        sizes = np.bincount(labels[mask], minlength=n_regions + 1).astype(np.float64)
        shares = 1 / sizes[labels[mask]] if n_regions else None
        overlap.append(_counted(bins[mask], n_bins, shares))
        regions.append(n_regions)
    parts = [np.reshape(part, (-1, n_bins)) for part in (normal, outside, inside, overlap)]
    return PixelCounts(parts[0], parts[1], parts[2], parts[3], np.array(regions, np.float32))


def _counted(bins: NDArray[np.intp], n: int, weights: Array | None = None) -> Counts:
    return np.bincount(bins.ravel(), weights, minlength=n).astype(np.float32)


def _thresholds(pictures: Iterable[Marked]) -> Grid:
    """Quantiles of the values outside of all regions, as they are on the maps' own grids."""
    values: list[Grid] = []
    step, n_values = 1, 0
    for grid, _, mask in pictures:
        calm = grid.ravel() if mask is None else grid[~_shrunk(mask, grid.shape)]
        values.append(np.asarray(calm[::step], np.float32))
        n_values += len(values[-1])
        if n_values > MOST_SAMPLED:
            values, step = [np.concatenate(values)[::2]], 2 * step
            n_values = len(values[0])
    found = np.concatenate(values)
    chosen = np.quantile(found, 1 - LEVELS, method="lower").astype(np.float32)
    above_all = np.nextafter(chosen.max(), np.float32(np.inf), dtype=np.float32)
    return np.unique(np.append(chosen, above_all))


def _shrunk(mask: Mask, shape: Sequence[int]) -> Mask:
    """Which positions of a grid have something of the mask in them."""
    image = Image.fromarray(mask.astype(np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BOX)) > 0


class PixelMeasures:
    """Figures of counts, with bootstraps over pictures: the same draws for all kinds of defect.

    Args:
        counts: of all pictures.
        seed: of the bootstraps.
    """

    def __init__(self, counts: PixelCounts, *, seed: int = 0) -> None:
        self._counts, self._seed = counts, seed
        # No picture more that is odd all over: one would leave nothing of AU-PRO 5 %.
        self._normal = _weights(len(counts.normal), seed)[:, :-1] @ counts.normal

    def of(self, chosen: Sequence[int]) -> Pixels | None:
        """Measure all normal pictures and some of the odd ones.

        Args:
            chosen: indices of odd pictures.

        Returns:
            None where these have no region, or nothing lies outside.
        """
        counts, some = self._counts, np.asarray(chosen, np.intp)
        n_regions = counts.regions[some].sum()
        if not n_regions or not (counts.normal.sum() + counts.outside[some].sum()):
            return None
        weights = _weights(len(some), self._seed + 1)
        outside = _from_the_top(self._normal + weights[:, :-1] @ counts.outside[some])
        false = outside / np.maximum(outside[:, -1:], 1)
        auroc = _figure(weights, false, counts.inside[some], 1.0)
        pro_30, pro_5 = (_figure(weights, false, counts.overlap[some], limit) for limit in LIMITS)
        return Pixels(auroc, pro_30, pro_5, int(n_regions))


def _weights(n: int, seed: int) -> NDArray[np.float32]:
    """(1 + draws, n + 1): each of n pictures once, and none that nobody saw; then bootstraps."""
    drawn = drawn_weights(n, np.random.default_rng(seed), DRAWS)
    return np.vstack([np.append(np.ones(n), 0.0), drawn]).astype(np.float32)


def _figure(weights: NDArray[np.float32], false: Array, counts: Counts, limit: float) -> Figure:
    """The area under what is found of regions, to a limit of false positives.

    Of the picture that nobody saw nothing is found, or all at once; its regions are as large and
    as many as those of the others on average.

    Args:
        weights: (b, m + 1) of the pictures; the first row those of what was seen.
        false: (b, t + 1) shares of false positives.
        counts: (m, t) of the pictures, in their regions.
        limit: as of `area`.
    """
    worst, best = np.zeros((2, 1, counts.shape[1]), np.float32)
    worst[:, 0] = best[:, -1] = counts.sum() / len(counts)
    areas = []
    for unseen in (worst, best):
        inside = _from_the_top(weights @ np.vstack([counts, unseen]))
        areas.append(area(false, inside / inside[:, -1:], limit))
    return of_draws(*areas)


def _from_the_top(counts: NDArray[np.floating]) -> Array:
    """(b, t + 1): how much lies at or above each threshold, from none to all."""
    sums = np.cumsum(counts[:, ::-1], axis=1, dtype=np.float64)
    return np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)


def area(x: Array, y: Array, limit: float) -> Array:
    """The areas under curves from x = 0 to a limit, as shares of the limit.

    Args:
        x: (b, t) ascending, from 0 to 1; straight lines lie between the points.
        y: (b, t).
        limit: above 0, at most 1; a line that crosses it counts up to there.

    Returns:
        (b,).
    """
    wide = np.diff(x, axis=1)
    inside = np.diff(np.minimum(x, limit), axis=1)
    share = np.divide(inside, wide, out=np.zeros_like(wide), where=wide > 0)
    ends = y[:, :-1] + (y[:, 1:] - y[:, :-1]) * share
    return np.asarray((inside * (y[:, :-1] + ends) / 2).sum(axis=1) / limit)

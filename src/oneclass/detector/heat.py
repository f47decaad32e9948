"""A score, taken apart over the image: exact, since every half-space is linear.

The anomaly score by the winning half-space is offset - w . x, and the product is a sum over the
positions of the layers' maps. What is shown at a position is how much less of it there is than in
the normal images of that half-space:

    map_p = mean of w_p . x_p over those images - w_p . x_p
    score = offset of the map + sum over p of map_p

The offset of the map is the score of an image that is average everywhere. Layers with maps of
different sizes share the finest one's grid: a coarser position spreads its term evenly over the
area that it stands for, so sums stay what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.calibration import Calibration, one_of_each
from oneclass.conformal.parts import FittedUnion
from oneclass.conformal.union import ImageScore, Joined, Union
from oneclass.detector.predictions import Prediction
from oneclass.detector.regions import Region, regions
from oneclass.detector.settings import image_size
from oneclass.errors import InputError
from oneclass.representations import MapShape, Representation
from oneclass.rows import RowBlocks, RowSource, as_rows, map_blocks
from oneclass.svm import halfspace_scores

CALM_QUANTILE = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """Where an image's anomaly score comes from.

    Attributes:
        prediction: the same as `Detector.score` gives.
        anomaly_map: (h, w) float64; above 0 where the image is odder than normal images are there.
        offset: the score of an image that is average everywhere. `anomaly_map.sum() + offset` is
            the score, up to rounding.
        n_worst: 0; but of a model of patches the number of positions: the map holds each one's own
            score, and the mean of so many largest, plus the offset, is the score. The offset is
            then what the whole image adds: 0 where it is not looked at.
    """

    prediction: Prediction
    anomaly_map: Floats
    offset: float
    n_worst: int = 0

    def regions(self, threshold: float, size: tuple[int, int] | None = None) -> tuple[Region, ...]:
        """Where the map lies above a threshold, the region with the largest value first.

        Args:
            threshold: such as `Detector.pixel_threshold`.
            size: (height, width) of the picture, of whose pixels the regions tell; None for the
                map's own positions.

        Raises:
            InputError: `threshold` is no number, or `size` is not two whole numbers above 0.
        """
        return regions(self.anomaly_map, *_checked(threshold, size))


def _checked(threshold: Any, size: Any) -> tuple[float, tuple[int, int] | None]:
    """What `Explanation.regions` was given; it raises what that says."""
    if not isinstance(threshold, Real):
        raise InputError(
            f"threshold is {threshold!r}: expected a number, such as Detector.pixel_threshold."
        )
    if isinstance(size, Integral):  # as a setting it would be both, but few pictures are squares
        raise InputError(f"size is {size!r}: expected (height, width), such as (480, 640).")
    return float(threshold), None if size is None else image_size("size", size)


@dataclass(frozen=True)
class Heat:
    """What normal images look like, position by position.

    Attributes:
        calm: (k, h, w) float32, for each half-space the mean of w_p . x_p over its normal images;
            (k, 0, 0) where a layer has no map, and for patches.
        heat_scale: (1,) float64, the largest value in the map of a normal image, exceeded by one
            held-out image in twenty.
        normal_peaks: (n,) float64, ascending, the largest value in the map of each held-out normal
            image, copies once; (0,) where a layer has no map, and of models from before this was
            kept.

    Raises:
        ValueError: the peaks are not in order.
    """

    ARRAYS: ClassVar = ("calm", "heat_scale", "normal_peaks")

    calm: NDArray[np.float32]
    heat_scale: Floats
    normal_peaks: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if self.normal_peaks.ndim != 1 or (np.diff(self.normal_peaks) < 0).any():
            raise ValueError(f"normal_peaks of shape {self.normal_peaks.shape}, or not in order")

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """From what a model file holds; one of before has no peaks.

        Raises:
            ValueError, KeyError: it makes no sense.
        """
        held = {name: arrays[name] for name in cls.ARRAYS if name in arrays}
        return cls(**{"normal_peaks": np.zeros(0), **held})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """By the names that they have in a model file; peaks that are not known are left out."""
        held = {name: getattr(self, name) for name in self.ARRAYS}
        return {
            name: array
            for name, array in held.items()
            if array is not self.normal_peaks or len(array)
        }

    def pixel_threshold(self, rate: float) -> float:
        """The value of a map that at most a share of normal images exceeds anywhere.

        It is to the largest value of an image's map what `Calibration.threshold` is to its score.

        Args:
            rate: the share, as low as so many peaks support.

        Raises:
            InputError: there are no peaks.
        """
        if not len(self.normal_peaks):
            raise InputError(
                "this model holds no largest values of normal images' maps, which a threshold for "
                "pixels is made of: it was fitted before they were kept. Fit it again, or give "
                "more images to 'oneclass update' if its rows were kept."
            )
        return Calibration(self.normal_peaks).threshold(rate)


def learn_heat(
    rows: RowSource,
    fitted: FittedUnion,
    representation: Representation,
    pictures: NDArray[np.int64],
) -> Heat:
    """What the maps of normal images look like, and held out how large they get.

    Args:
        rows: (n, d) of the normal images.
        fitted: to these rows.
        representation: what made them.
        pictures: (n,) images that show the same share a number.
    """
    union = fitted.union
    flat = np.zeros((len(union.coef), 0, 0), np.float32)
    if None in representation.map_shapes:
        return Heat(flat, np.zeros(1))
    if representation.n_worst:
        return _heat(flat, fitted.peaks, pictures)
    maps = representation.require_maps()
    learnt = np.isin(fitted.folds, fitted.part)
    calm = _calm(rows.chosen(learnt), union, maps)
    peaks = np.full(len(fitted.folds), np.nan)
    for fold, judges in fitted.judges():
        members = fitted.folds == fold
        largest = partial(_peaks, union.only(judges), calm[judges], maps)
        peaks[members] = np.concatenate(list(map_blocks(largest, rows.chosen(members))))
    return _heat(calm, peaks, pictures)


def _heat(calm: NDArray[np.float32], peaks: Floats, pictures: NDArray[np.int64]) -> Heat:
    """With the largest values of images' maps, NaN where an image was not held out."""
    known = np.isfinite(peaks)
    return Heat(calm, _positive_quantile(peaks[known]), one_of_each(peaks, pictures))


def explain_row(
    prediction: Prediction,
    row: NDArray[np.floating[Any]],
    seen: ImageScore,
    union: Union | Joined,
    heat: Heat,
    maps: tuple[MapShape, ...],
) -> Explanation:
    """Take one image's score apart.

    Args:
        prediction: of the image.
        row: (d,) its row, or (p, d) its patches.
        seen: what the union found when it scored the row.
        union: the model's half-spaces.
        heat: of the model.
        maps: of the representation.
    """
    if union.n_worst:
        scores = seen.positions.reshape(maps[0][1:])
        return Explanation(prediction, scores, seen.rest, union.n_worst)
    assert isinstance(union, Union), "positions are scored above"
    winner = seen.winner
    calm = heat.calm[winner].astype(np.float64)
    there = _terms(row[None].astype(np.float64), union.wide[winner][None], maps)[0]
    return Explanation(prediction, calm - there, float(union.offset[winner] - calm.sum()))


def spread(values: Floats, height: int, width: int) -> Floats:
    """Put maps onto a finer grid: every position is shared out evenly over its area.

    Args:
        values: (n, h, w).
        height: of the finer grid, at least h.
        width: of the finer grid, at least w.

    Returns:
        (n, height, width) float64 with the same sums.
    """
    if values.shape[1:] == (height, width):
        return values
    down, across = _shares(values.shape[1], height), _shares(values.shape[2], width)
    return np.asarray(down @ values @ across.T)


def _shares(n: int, finer: int) -> Floats:
    """(finer, n): which share of each of n equal parts of a line lies in each of `finer` parts."""
    edges, cells = np.arange(n + 1) / n, np.arange(finer + 1) / finer
    overlap = np.minimum(cells[1:, None], edges[1:]) - np.maximum(cells[:-1, None], edges[:-1])
    shares = np.clip(overlap, 0, None)
    return np.asarray(shares / shares.sum(axis=0))


def _terms(rows: Floats, coef: Floats, maps: tuple[MapShape, ...]) -> Floats:
    """(n, h, w): w_p . x_p at every position of the finest map, for each row and its own w."""
    height, width = max(m[1] for m in maps), max(m[2] for m in maps)
    total = np.zeros((len(rows), height, width))
    start = 0
    for channels, h, w in maps:
        part = slice(start, start + channels * h * w)
        shape = (len(rows), channels, h, w)
        products = (rows[:, part] * coef[:, part]).reshape(shape).sum(axis=1)
        total += spread(products, height, width)
        start = part.stop
    return total


def _calm(
    rows: NDArray[np.float32] | RowBlocks, union: Union, maps: tuple[MapShape, ...]
) -> NDArray[np.float32]:
    """(k, h, w): the mean terms of the rows that each half-space wins; of all where it wins none.

    Terms are linear in the row, so those of the mean row are the mean of the terms.
    """
    coef = union.coef.astype(np.float32)
    sums, counts = np.zeros(coef.shape), np.zeros(len(coef))

    def add(_: int, block: NDArray[np.floating[Any]]) -> None:
        winners = halfspace_scores(block, coef, union.offset)[1]
        for winner in np.unique(winners):
            won = block[winners == winner]
            sums[winner] += won.sum(axis=0, dtype=np.float64)
            counts[winner] += len(won)

    for _ in map_blocks(add, as_rows(rows)):
        pass
    means = np.tile(sums.sum(axis=0) / counts.sum(), (len(coef), 1))
    won_any = counts > 0
    means[won_any] = sums[won_any] / counts[won_any, None]
    return _terms(means, union.wide, maps).astype(np.float32)


def _peaks(
    union: Union,
    calm: NDArray[np.float32],
    maps: tuple[MapShape, ...],
    _: int,
    rows: NDArray[np.floating[Any]],
) -> Floats:
    """(n,) the largest value in the anomaly map of each of some rows."""
    winners = union.winners(rows)
    terms = _terms(rows.astype(np.float64), union.wide[winners], maps)
    return np.asarray((calm[winners] - terms).max(axis=(1, 2)))


def _positive_quantile(largest: Floats) -> Floats:
    """(1,) the calm quantile; a little above 0 where every map is flat."""
    tiny = float(np.finfo(np.float32).tiny)
    return np.array([max(float(np.quantile(largest, CALM_QUANTILE)), tiny)])

"""A union of half-spaces as a scorer of images: the one place where an image's score is made.

A row's anomaly score is how far it lies outside of all half-spaces: the smallest offset - w . x,
negative inside. An image is one row, or it is many, one for each of its positions; then it is as
odd as its worst positions are on average, less what is odd about nearly all of them: a picture
that is rougher all over has no defect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.products import Largest
from oneclass.conformal.whitening import seen

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImageScore:
    """An image's anomaly score, and what it was made of: its map needs no second product.

    Attributes:
        score: of the image.
        positions: (p,) float64, the scores of its positions; (1,), its own, where it is one row.
        rest: what the score holds besides the mean of the worst positions: nothing but where whole
            images and patches are joined.
        winner: the half-space whose score it is, where the image is one row; of positions -1.
    """

    score: float
    positions: Floats
    rest: float = 0.0
    winner: int = -1


@dataclass(frozen=True)
class Union:
    """Half-spaces, with the values that a model file keeps.

    Attributes:
        coef: (k, c) float16 or float32, k >= 1; c is d, the columns of a row, or with the whitening
            of a model of before 2 d.
        offset: (k,) float64.
        n_worst: 0 where an image is one row; else an image's score is the mean of so many largest
            scores of its positions.
        narrow: whether products are made in float32, which is twice as fast for many positions.
        whitening: (r, d) float32, by which rows are given their length, or of a model of before
            (d, d), through which they are seen a second time; None where taken as they are.
        level: (c,) float32, the direction along which an image's own level is found, which all its
            positions are spared (`conformal.products`); None where there is none. Of one offset.
    """

    coef: NDArray[np.floating[Any]]
    offset: Floats
    n_worst: int = 0
    narrow: bool = False
    whitening: NDArray[np.float32] | None = None
    level: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.coef.ndim != 2 or not len(self.coef):
            raise ValueError(f"coef of shape {self.coef.shape}")
        if self.offset.shape != (len(self.coef),):
            raise ValueError(
                f"offset of shape {self.offset.shape} for {len(self.coef)} half-spaces"
            )
        if self.whitening is not None and not self._is_whitened():
            raise ValueError(
                f"whitening of shape {self.whitening.shape} for half-spaces of {self.coef.shape}"
            )

        whitened = self.narrow and self.whitening is not None
        if self.level is not None and not (whitened and self.level.shape == self.coef.shape[1:]):
            raise ValueError(
                f"level of shape {self.level.shape} for half-spaces of {self.coef.shape}"
            )

    def _is_whitened(self) -> bool:
        """Whether the whitening is one for half-spaces of so many columns."""
        assert self.whitening is not None
        width, shape = self.coef.shape[1], self.whitening.shape
        return shape[1:] == (width,) or shape == (width // 2,) * 2

    @property
    def n_columns(self) -> int:
        """Of the rows that are scored."""
        return int((self.coef if self.whitening is None else self.whitening).shape[1])

    @cached_property
    def wide(self) -> Floats:
        """(k, d) in the memory order that a product with one row takes without a copy."""
        return np.asfortranarray(self.coef, dtype=np.float64)

    @cached_property
    def _columns(self) -> NDArray[np.floating[Any]]:
        return np.ascontiguousarray(self.coef.T, dtype=np.float32) if self.narrow else self.wide.T

    @cached_property
    def _largest(self) -> Largest:
        return Largest(self.coef, self.offset, self.whitening, self.level)

    def margins(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """(n, k): w . x - offset of (n, d) rows and every half-space; positive inside."""
        dtype = self._columns.dtype
        given = np.ascontiguousarray(self.seen(rows), dtype)
        products: NDArray[np.floating[Any]] = given @ self._columns
        products -= self.offset.astype(dtype)
        return products

    def seen(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """(n, d) rows as half-spaces see them, (n, c)."""
        if self.whitening is None:
            return rows
        return seen(np.asarray(rows, np.float32), self.whitening, self.coef.shape[1])

    def row_scores(self, rows: NDArray[np.floating[Any]]) -> Floats:
        """(n,) float64 anomaly scores of (n, d) rows, each by itself: no level is taken off."""
        if not self.narrow:
            return np.asarray(-self.margins(rows).max(axis=1).astype(np.float64))
        return np.asarray(-self._largest.of(rows).astype(np.float64))

    def positions(self, rows: NDArray[np.floating[Any]]) -> Floats:
        """(p,) float64 anomaly scores of an image's (p, d) positions."""
        if not self.narrow:
            return self.row_scores(rows)
        return np.asarray(-self._largest.of_image(rows, max(1, self.n_worst)).astype(np.float64))

    def worst(self, rows: NDArray[np.floating[Any]]) -> Floats:
        """The largest anomaly scores of (p, d) rows, `n_worst` of them or one, the largest first.

        Those of `positions`, for a part of the work where there are many rows.
        """
        n = max(1, self.n_worst)
        if not self.narrow:
            return np.sort(self.row_scores(rows))[::-1][:n]
        return np.asarray(-self._largest.smallest(rows, n).astype(np.float64))

    def nearly_worst(self, rows: NDArray[np.floating[Any]]) -> Floats:
        """What `worst` gives, but for rounding: for scores that are only compared, with a slack."""
        if not self.narrow:
            return self.worst(rows)
        found = self._largest.nearly_smallest(rows, max(1, self.n_worst))
        return np.asarray(-found.astype(np.float64))

    def worst_and_level(self, rows: NDArray[np.floating[Any]]) -> tuple[Floats, float]:
        """The largest scores of an image's (p, d) positions, `n_worst` of them or one, the largest
        first, with its level on, and the level."""
        found, level = self._largest.smallest_and_level(rows, max(1, self.n_worst))
        return np.asarray(-found.astype(np.float64)), -level

    def only(self, halfspaces: NDArray[np.bool_]) -> Union:
        """With some of the half-spaces alone."""
        return replace(self, coef=self.coef[halfspaces], offset=self.offset[halfspaces])

    def look(self, row: NDArray[np.floating[Any]]) -> ImageScore:
        """Score an image.

        It does not depend on other images: a product over several would differ in its last bits
        with their number.

        Args:
            row: (d,); or (p, d), its positions.
        """
        if row.ndim > 1:
            positions = self.positions(row)
            return ImageScore(worst_mean(positions, self.n_worst), positions)
        margins = self.margins(row[None])[0]
        winner = int(margins.argmax())
        own = np.array([-margins[winner]], np.float64)
        return ImageScore(float(own[0]), own, winner=winner)

    def image_score(self, row: NDArray[np.floating[Any]]) -> float:
        """The anomaly score alone of an image's (d,) row or (p, d) positions: that of `look`."""
        return float(self.worst(row).mean()) if row.ndim > 1 else self.look(row).score

    def image_scores(self, images: Iterable[NDArray[np.floating[Any]]]) -> Floats:
        """(n,) float64: the scores of several images, each by itself."""
        return np.fromiter((self.image_score(image) for image in images), np.float64)

    def winners(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        """(n,) for each of (n, d) rows the half-space whose score it has."""
        best: NDArray[np.intp] = np.argmax(
            self.seen(rows).astype(np.float64) @ self.wide.T - self.offset, axis=1
        )
        return best


@dataclass(frozen=True)
class Joined:
    """Two unions that see an image as a whole and position by position; their scores are added.

    Attributes:
        whole: of whole images; its rows are the first columns of an image's row.
        patches: of positions, (p, d) in the columns behind.
        weight: of the whole image's score.
    """

    whole: Union
    patches: Union
    weight: float

    def __post_init__(self) -> None:
        if not self.weight >= 0 or self.patches.n_worst < 1:
            raise ValueError(f"a weight of {self.weight}, {self.patches.n_worst} worst positions")

    @property
    def n_worst(self) -> int:
        """Of the patches."""
        return self.patches.n_worst

    def look(self, row: NDArray[np.floating[Any]]) -> ImageScore:
        """Score an image, of its (n,) row."""
        whole, positions = self._parts(row)
        seen = self.patches.look(positions)
        rest = self.weight * self.whole.image_score(whole)
        return ImageScore(seen.score + rest, seen.positions, rest)

    def image_score(self, row: NDArray[np.floating[Any]]) -> float:
        """The anomaly score alone of an image's (n,) row: that of `look`."""
        whole, positions = self._parts(row)
        return self.patches.image_score(positions) + self.weight * self.whole.image_score(whole)

    def _parts(
        self, row: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """The whole image's row, and those of its positions."""
        width, depth = self.whole.n_columns, self.patches.n_columns
        return row[:width], row[width:].reshape(-1, depth)


def worst_mean(scores: Floats, n_worst: int) -> float:
    """The mean of the largest scores, the largest first."""
    return float(np.sort(scores)[::-1][:n_worst].mean())

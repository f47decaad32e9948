"""Scores of all rows by the rows themselves, in their own dtype; products for those of a few.

Where a program is over a few of the rows at a time, most of the matrix of scalar products is never
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks
from oneclass.svm._products import Products, many

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]

_AT_ONCE = 1 << 20  # numbers that are widened together


class RowProducts:
    """Scalar products of n rows, with a weighted sum of them.

    The sum is kept in float64, so the scores of a few rows are exact; those of all rows are within
    the roundings of the rows' dtype.

    Attributes:
        rows: (n, d), float32 or float64.
        squares: (n,) of the rows.
    """

    def __init__(self, rows: Floats) -> None:
        self.rows = rows
        self.squares: Array = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
        self._weights = np.zeros(len(rows))
        self._sum = np.zeros(rows.shape[1])
        self._last = _Part.none(rows.shape[1])

    def moved(self, scores: Array, now: Array, goal: Array) -> Array:
        """(n,) the scores at the weights `goal`; the other arguments are as for `Products`."""
        return np.asarray(self.rows @ self._at(goal).astype(self.rows.dtype), dtype=np.float64)

    def part(self, ids: Ints, scores: Array, now: Array, goal: Array) -> tuple[Products, Array]:
        """As `Products.part`, in float64."""
        before, first = self._last, len(self._last.ids)
        if not first or not np.array_equal(ids[:first], before.ids):
            before, first = _Part.none(self.rows.shape[1]), 0
        self._last = before.with_more(ids[first:], self._wide(ids[first:]))
        rows = self._last.rows
        return self._last.products(), np.asarray(rows @ self._at(goal))

    def exactly(self, weights: Array) -> Array:
        """(n,) the scores at these weights in float64."""
        total, n = self._at(weights), len(self.rows)
        together = max(_AT_ONCE // self.rows.shape[1], 1)
        parts = [
            self._wide(np.arange(i, min(i + together, n))) @ total for i in range(0, n, together)
        ]
        return np.concatenate(parts)

    def whole(self) -> tuple[Products, bool]:
        """Of all rows, and whether they were multiplied in float64."""
        return products_of(ArrayRows(self.rows))

    def _at(self, weights: Array) -> Array:
        """(d,) the rows' sum with these weights; only rows that move cost anything."""
        step = weights - self._weights
        moving = np.flatnonzero(step)
        together = max(_AT_ONCE // self.rows.shape[1], 1)
        for first in range(0, len(moving), together):
            some = moving[first : first + together]
            self._sum += step[some] @ self._wide(some)
        self._weights = weights.copy()
        return self._sum

    def _wide(self, ids: Ints) -> Array:
        return self.rows[ids].astype(np.float64, copy=False)


@dataclass(frozen=True)
class _Part:
    """Some of the rows, and their products where those are wanted: few of the next ones are new."""

    ids: Ints
    rows: Array
    matrix: Array | None

    @classmethod
    def none(cls, n_columns: int) -> _Part:
        return cls(np.zeros(0, np.intp), np.zeros((0, n_columns)), np.zeros((0, 0)))

    def with_more(self, ids: Ints, rows: Array) -> _Part:
        together = np.concatenate([self.rows, rows])
        matrix = None
        if self.matrix is not None and not many(*together.shape):
            across = self.rows @ rows.T
            matrix = np.block([[self.matrix, across], [across.T, rows @ rows.T]])
        return _Part(np.concatenate([self.ids, ids]), together, matrix)

    def products(self) -> Products:
        if self.matrix is None:
            return Products.of_rows(self.rows)
        return Products.of(self.matrix, self.rows)


def products_of(rows: RowBlocks) -> tuple[Products, bool]:
    """Of all rows, and whether they were multiplied in float64."""
    if many(rows.n_rows, rows.n_columns):
        return Products.of_rows(_together(rows)), True
    exact = rows.dtype == np.float64
    short = exact and rows.n_columns < rows.n_rows
    return Products.of(gram_matrix(rows), _together(rows) if short else None), exact


def _together(rows: RowBlocks) -> Array:
    blocks = [block.astype(np.float64, copy=False) for block in rows.blocks()]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def gram_matrix(rows: RowBlocks) -> Array:
    """(n, n) float64: scalar products, multiplied in the dtype of the rows."""
    blocks = list(rows.blocks())
    if len(blocks) == 1:
        return np.asarray(blocks[0] @ blocks[0].T, dtype=np.float64)
    gram = np.empty((rows.n_rows, rows.n_rows))
    starts = np.cumsum([0, *map(len, blocks)])
    for i, one in enumerate(blocks):
        mine = slice(starts[i], starts[i + 1])
        for j, other in enumerate(blocks[: i + 1]):
            theirs = slice(starts[j], starts[j + 1])
            products = one @ other.T
            gram[mine, theirs] = products
            if j < i:
                gram[theirs, mine] = products.T
    return gram

"""Some columns of rows, as rows: what several representations have put side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows.blocks import ArrayRows, RowSource, block_length

IN_MEMORY_BYTES = 64 << 20
"""What rows may take to be copied, so that their source is read once."""


class SlicedRows:
    """Neighbouring columns of (n, m) rows, each row's in a shape of their own.

    Args:
        source: of all columns.
        start: the first of them.
        shape: (d,) or (p, d) that the columns of one row are.
    """

    def __init__(self, source: RowSource, start: int, shape: tuple[int, ...]) -> None:
        self._source, self._columns = source, slice(start, start + math.prod(shape))
        self.shape, self.stored = (source.shape[0], *shape), source.stored
        self.n_rows, self.n_columns = source.n_rows, math.prod(shape)
        self.dtype = source.dtype

    def blocks(self) -> Iterator[NDArray[Any]]:
        step = block_length(self._source.n_columns, self.dtype)
        for start in range(0, self.n_rows, step):  # other columns are not even converted
            block = self.take(range(start, min(start + step, self.n_rows)))
            yield block.astype(self.dtype, copy=False)

    def read_once(self) -> RowSource:
        """The same rows in memory where they are few, since every pass reads all columns."""
        if self.n_rows * self.n_columns * self.stored.itemsize > IN_MEMORY_BYTES:
            return self
        kept = np.empty(self.shape, self.stored)
        step = block_length(self._source.n_columns, self.dtype)
        for start in range(0, self.n_rows, step):
            kept[start : start + step] = self.take(range(start, min(start + step, self.n_rows)))
        return ArrayRows(kept)

    def take(self, indices: Any, positions: Any = None) -> NDArray[Any]:
        wanted = np.asarray(indices, np.int64)
        if positions is None:
            return self._of(self._source.take(wanted))
        found = np.empty((len(wanted), *self.shape[2:]), self.stored)
        order = np.argsort(wanted, kind="stable")
        images = np.flatnonzero(np.diff(wanted[order])) + 1
        for here in np.split(order, images) if len(order) else ():  # a few of an image's positions
            row = self._of(self._source.take(wanted[here[:1]]))[0]
            found[here] = row[np.asarray(positions)[here]]
        return found

    def chosen(self, mask: NDArray[np.bool_]) -> SlicedRows:
        return SlicedRows(self._source.chosen(mask), self._columns.start, self.shape[1:])

    def _of(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(rows[:, self._columns]).reshape(len(rows), *self.shape[1:])

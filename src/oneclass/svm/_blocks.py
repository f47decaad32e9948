"""Rows made of other rows: kept in memory, picked out, widened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks

Floats = NDArray[np.floating[Any]]


class HeldRows:
    """All blocks of a source, kept in memory; those of an array as views."""

    def __init__(self, rows: RowBlocks) -> None:
        self.n_rows, self.n_columns, self.dtype = rows.n_rows, rows.n_columns, rows.dtype
        reused = not isinstance(rows, ArrayRows | HeldRows | WideRows)
        self._blocks = [block.copy() if reused else block for block in rows.blocks()]

    def blocks(self) -> Iterator[Floats]:
        return iter(self._blocks)


class PickedRows:
    """Some rows of any source, picked out of its blocks as they are read.

    Args:
        rows: of which.
        picked: (n,) whether each one is.
    """

    def __init__(self, rows: RowBlocks, picked: NDArray[np.bool_]) -> None:
        self._rows, self._picked = rows, picked
        self.n_rows, self.n_columns, self.dtype = int(picked.sum()), rows.n_columns, rows.dtype

    def blocks(self) -> Iterator[Floats]:
        start = 0
        for block in self._rows.blocks():
            yield block[self._picked[start : start + len(block)]]
            start += len(block)


class WideRows:
    """The same blocks in float64, for sums and scores that float32 would blur."""

    dtype = np.dtype(np.float64)

    def __init__(self, rows: RowBlocks) -> None:
        self._rows = rows
        self.n_rows, self.n_columns = rows.n_rows, rows.n_columns

    def blocks(self) -> Iterator[Floats]:
        for block in self._rows.blocks():
            yield block.astype(np.float64, copy=False)

"""The one loop over rows.

Whatever is done to all rows is a function of one block, and what comes back is put together in the
order of the blocks. So results depend on the blocks alone, wherever they lie and whoever works on
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks

Floats = NDArray[np.floating[Any]]
T = TypeVar("T")


def map_blocks(function: Callable[[int, Floats], T], rows: RowBlocks) -> Iterator[T]:
    """Apply a function to every block; the results in the order of the blocks.

    Args:
        function: of the position of the block's first row and the (b, d) block. What it returns
            must not be a view of the block, whose memory the next one may take.
        rows: the rows.
    """
    start = 0
    for block in rows.blocks():
        yield function(start, block)
        start += len(block)


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

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

from oneclass.rows.blocks import RowBlocks

T = TypeVar("T")


def map_blocks(
    function: Callable[[int, NDArray[np.floating[Any]]], T], rows: RowBlocks
) -> Iterator[T]:
    """Apply a function to every block; the results in the order of the blocks.

    Args:
        function: of the position of the block's first row and the block: (b, d), or (b, p, d) of
            images that are p rows each. What it returns must not be a view of the block, whose
            memory the next one may take.
        rows: the rows.
    """
    start = 0
    for block in rows.blocks():
        yield function(start, block)
        start += len(block)

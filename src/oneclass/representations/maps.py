"""A layer's maps on coarser and finer grids."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray


def pool(maps: NDArray[np.float32], grid: int) -> NDArray[np.float32]:
    """Average maps over a grid of cells as even as they can be.

    Cell i of a side of n positions spans floor(i n / grid) to ceil((i + 1) n / grid), as in
    adaptive average pooling: neighbouring cells share a position where n is no multiple of grid.

    Args:
        maps: (n, channels, h, w).
        grid: cells per side, from 1 to min(h, w).

    Returns:
        (n, channels, grid, grid) float32.
    """
    down, across = (averages(side, grid) for side in maps.shape[2:])
    pooled: NDArray[np.float32] = np.matmul(np.matmul(down, maps), across.T)
    return pooled


def neighbourhoods(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each position averaged with its eight neighbours; the edge is repeated beyond itself.

    Args:
        maps: (n, channels, h, w).

    Returns:
        A new array of the same shape, C-contiguous.
    """
    down, total = np.empty(maps.shape, np.float32), np.empty(maps.shape, np.float32)
    _add_neighbours(maps, down, axis=2)
    # All lines as one, which is several times as fast; their ends are then mended.
    _add_neighbours(down.reshape(-1), total.reshape(-1), axis=0)
    _mend_ends(down, total, axis=3)
    total /= np.float32(9)
    return total


def _add_neighbours(values: NDArray[np.float32], out: NDArray[np.float32], axis: int) -> None:
    """Each value plus the two beside it along an axis."""
    before = (slice(None),) * axis
    middle = out[*before, 1:-1]
    np.add(values[*before, :-2], values[*before, 1:-1], out=middle)
    middle += values[*before, 2:]
    _mend_ends(values, out, axis)


def _mend_ends(values: NDArray[np.float32], out: NDArray[np.float32], axis: int) -> None:
    """The same at both ends of the axis, where the value itself stands for what is missing."""
    before, last = (slice(None),) * axis, values.shape[axis] - 1
    for place, neighbours in (
        (0, (0, 0, min(1, last))),
        (last, (max(last - 1, 0), last, last)),
    ):
        one, two, three = (values[*before, i] for i in neighbours)
        out[*before, place] = one + two + three


def refined(maps: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Maps interpolated linearly to a finer grid; as they are where they have it.

    Args:
        maps: (n, channels, h, w).
        grid: (height, width), at least h and w.

    Returns:
        (n, channels, height, width) float32.
    """
    n, channels, height, width = maps.shape
    if height != grid[0]:
        maps = np.matmul(interpolation(height, grid[0]), maps)
    if width != grid[1]:  # one product an image: its bits depend on no other
        lines = maps.reshape(n, channels * grid[0], width)
        maps = np.matmul(lines, interpolation(width, grid[1]).T)
    return maps.reshape(n, channels, *grid)


@cache
def interpolation(n: int, to: int) -> NDArray[np.float32]:
    """(to, n) weights of linear interpolation between the middles of n equal parts of a line."""
    places = ((np.arange(to) + 0.5) * n / to - 0.5).clip(0, n - 1)
    below = places.astype(int)
    above = np.minimum(below + 1, n - 1)
    weights = np.zeros((to, n), np.float32)
    np.add.at(weights, (np.arange(to), below), 1 - (places - below))
    np.add.at(weights, (np.arange(to), above), places - below)
    weights.flags.writeable = False  # it is shared
    return weights


@cache
def averages(side: int, grid: int) -> NDArray[np.float32]:
    """(grid, side) weights that average a side of a map over cells as even as can be (`pool`)."""
    weights = np.zeros((grid, side), np.float32)
    for cell in range(grid):
        start, stop = cell * side // grid, -(-(cell + 1) * side // grid)
        weights[cell, start:stop] = 1 / (stop - start)
    weights.flags.writeable = False  # it is shared
    return weights

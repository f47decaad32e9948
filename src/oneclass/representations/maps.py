"""A layer's maps on coarser and finer grids."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floating = TypeVar("Floating", np.float32, np.float64)


def pool(maps: NDArray[Floating], grid: int) -> NDArray[Floating]:
    """Average maps over a grid of cells as even as they can be.

    Cell i of a side of n positions spans floor(i n / grid) to ceil((i + 1) n / grid), as in
    adaptive average pooling: neighbouring cells share a position where n is no multiple of grid.

    Args:
        maps: (n, channels, h, w) float32 or float64.
        grid: cells per side, from 1 to min(h, w).

    Returns:
        (n, channels, grid, grid), of the type of the maps.
    """
    down, across = (averages(side, grid) for side in maps.shape[2:])
    pooled: NDArray[Floating] = np.matmul(np.matmul(down, maps), across.T)
    return pooled


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

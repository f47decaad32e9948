"""Connected regions of a mask: pixels that touch, corners included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneclass.system.arrays import Indices, Mask


def connected(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Number the 8-connected regions of a mask.

    Runs of set pixels are found in each row; runs of neighbouring rows that touch are of one
    region. The work grows with the number of runs, not with that of pixels.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) int32, 0 outside and 1, 2, ... in the regions, numbered in reading order of their
        first pixels; and how many there are.
    """
    rows, starts, stops = _runs(mask)
    labels = np.zeros(mask.shape, np.int32)
    if not len(rows):
        return labels, 0
    first = _joined(len(rows), *_touching(rows, starts, stops))
    number = np.unique(first, return_inverse=True)[1].astype(np.int32) + 1
    labels[mask] = np.repeat(number, stops - starts)  # both in reading order
    return labels, int(number.max())


def _runs(mask: Mask) -> tuple[Indices, Indices, Indices]:
    """Row, first column and the column behind the last one of every run, in reading order."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    return rows, starts, np.nonzero(edges == -1)[1]


def _touching(rows: Indices, starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
    """Pairs of runs that touch, each of the second in the row below the first's."""
    width = int(stops.max()) + 2
    # One long line on which the runs of a row lie between those of its neighbours.
    low = np.searchsorted(rows * width + stops, (rows + 1) * width + starts)
    high = np.searchsorted(rows * width + starts, (rows + 1) * width + stops, side="right")
    counts = high - low
    above = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return above, np.repeat(low, counts) + within


def _joined(n: int, a: Indices, b: Indices) -> Indices:
    """(n,) for each of n things the least of those that the pairs (a, b) connect it with."""
    least = np.arange(n)
    while True:
        roots = np.minimum(least[a], least[b])
        before = least.copy()
        for side in (a, b):
            np.minimum.at(least, before[side], roots)
        while (least != (shorter := least[least])).any():
            least = shorter
        if (least[a] == least[b]).all():
            return least

"""Rows that are equal byte for byte: one stands for all, with a bound as large as their number.

Equal rows are nothing new to the matrix of scalar products but make it larger and singular, and all
of them are free where one would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import RowBlocks
from oneclass.svm._blocks import PickedRows

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]

_KEY_COLUMNS = 32
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Repeats:
    """Which rows are equal.

    Attributes:
        first: (g,) of each different row, the position of the first that is equal to it, ascending.
        which: (l,) of each row, the place in `first` of the one that stands for it.
        counts: (g,) float64, how many rows one stands for.
    """

    first: Ints
    which: Ints
    counts: Array

    def different(self, rows: RowBlocks) -> RowBlocks:
        """Only those that stand for others, or for themselves."""
        if len(self.first) == rows.n_rows:
            return rows
        picked = np.zeros(rows.n_rows, bool)
        picked[self.first] = True
        return PickedRows(rows, picked)

    def share_out(self, weights: Array) -> Array:
        """(l,) each row's part of the weight of the one that stands for it."""
        return np.asarray((weights / self.counts)[self.which])


def repeats(rows: RowBlocks) -> Repeats:
    """Find the rows that are equal.

    Args:
        rows: l rows, read from memory.
    """
    keys = np.concatenate([_keys(block) for block in rows.blocks()])
    ordered = np.sort(keys)
    several = ordered[1:][ordered[1:] == ordered[:-1]]
    stands = np.arange(rows.n_rows)
    if len(several):
        _compare(rows, np.isin(keys, several), stands)
    first, which, counts = np.unique(stands, return_inverse=True, return_counts=True)
    return Repeats(first, which.astype(np.intp), counts.astype(np.float64))


def _keys(block: Floats) -> NDArray[np.uint64]:
    """(b,) numbers that are equal for equal rows and hardly ever else, from some of the columns."""
    columns = np.unique(np.linspace(0, block.shape[1] - 1, _KEY_COLUMNS).astype(np.intp))
    bits = np.ascontiguousarray(block[:, columns]).view(f"u{block.dtype.itemsize}")
    factors = np.random.default_rng(0).integers(1, 2**63, len(columns), dtype=np.uint64)
    return np.asarray((bits.astype(np.uint64) * factors).sum(axis=1, dtype=np.uint64))


def _compare(rows: RowBlocks, alike: NDArray[np.bool_], stands: Ints) -> None:
    """Write down for each of the rows that may repeat which is the first equal one."""
    seen: dict[bytes, int] = {}
    start = 0
    for block in rows.blocks():
        for i in np.flatnonzero(alike[start : start + len(block)]):
            digest = blake2b(block[i].tobytes(), digest_size=_DIGEST_BYTES).digest()
            stands[start + i] = seen.setdefault(digest, start + int(i))
        start += len(block)

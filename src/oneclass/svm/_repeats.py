"""Rows that are equal byte for byte: one stands for all, with a bound as large as their number.

Equal rows are nothing new to the matrix of scalar products but make it larger and singular, and all
of them are free where one would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
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
    alike = np.ones(rows.n_rows, bool)
    for n_columns in sorted({min(_KEY_COLUMNS, rows.n_columns), rows.n_columns}):
        _keep_alike(rows, alike, n_columns)
        if not alike.any():  # mostly so, and hundreds of small problems are asked
            each = np.arange(rows.n_rows)
            return Repeats(each, each, np.ones(rows.n_rows))
    stands = np.arange(rows.n_rows)
    _compare(rows, alike, stands)
    first, which, counts = np.unique(stands, return_inverse=True, return_counts=True)
    return Repeats(first, which.astype(np.intp), counts.astype(np.float64))


def _keep_alike(rows: RowBlocks, alike: NDArray[np.bool_], n_columns: int) -> None:
    """Drop from the rows that may repeat those whose key, from some columns, no other has."""
    ids = np.flatnonzero(alike)
    columns = np.linspace(0, rows.n_columns - 1, n_columns).astype(np.intp)
    keys, start = [np.zeros(0, np.uint64)], 0
    for block in rows.blocks():
        first, last = np.searchsorted(ids, (start, start + len(block)))
        if last - first == len(block):
            keys.append(_keys(block, columns))
        elif last > first:
            keys.append(_keys(block[ids[first:last] - start], columns))
        start += len(block)
    found = np.concatenate(keys)
    ordered = np.sort(found)
    several = ordered[1:][ordered[1:] == ordered[:-1]]
    alike[ids] = np.isin(found, several) if len(several) else False


def _keys(block: Floats, columns: Ints) -> NDArray[np.uint64]:
    """(b,) numbers that are equal for equal rows and hardly ever else."""
    picked = block if len(columns) == block.shape[1] else block[:, columns]
    # Halves of float64: its last bits are zeros in small integers, and so would be the key's first.
    bits = np.ascontiguousarray(picked).view(np.uint32)
    return np.asarray(np.einsum("ij,j->i", bits, _factors(bits.shape[1])))


@lru_cache(maxsize=2)
def _factors(n: int) -> NDArray[np.uint64]:
    """(n,) random ones, always the same."""
    return np.random.default_rng(0).integers(1, 2**63, n, dtype=np.uint64)


def _compare(rows: RowBlocks, alike: NDArray[np.bool_], stands: Ints) -> None:
    """Write down for each of the rows that may repeat which is the first equal one."""
    seen: dict[bytes, int] = {}
    start = 0
    for block in rows.blocks():
        for i in np.flatnonzero(alike[start : start + len(block)]):
            digest = blake2b(block[i].tobytes(), digest_size=_DIGEST_BYTES).digest()
            stands[start + i] = seen.setdefault(digest, start + int(i))
        start += len(block)

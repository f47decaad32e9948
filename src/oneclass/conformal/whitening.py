"""Positions seen twice: as they are, and with what varies most in normal ones made small.

The cosine of two rows is ruled by the directions in which all normal positions vary, and a defect
may lie in the others. So beside a row x of unit length stands A x, of unit length again, where A is
the square root of the inverse of the covariance of normal positions. The covariance is shrunk to
that of a sphere (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
matrices", 2004), with a weight that is fixed: benchmarks/patch_rows.py has the table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import RowSource, map_blocks

SHRUNK = 0.3
"""How much of the covariance is that of a sphere."""
HALF = np.float32(np.sqrt(0.5))
Rows = NDArray[np.floating[Any]]


def learn_whitening(rows: RowSource) -> NDArray[np.float32] | None:
    """The whitening of some rows.

    Args:
        rows: (n, d).

    Returns:
        (d, d) float32, symmetric, its largest eigenvalue 1; None where all rows are the same.
    """
    size = rows.n_columns
    total, products = np.zeros(size), np.zeros((size, size))

    def add(_: int, block: Rows) -> None:
        wide = block.astype(np.float64)
        total[:] += wide.sum(axis=0)
        products[:] += wide.T @ wide

    for _ in map_blocks(add, rows):
        pass
    mean = total / rows.n_rows
    covariance = products / rows.n_rows - np.outer(mean, mean)
    variance = float(np.trace(covariance)) / size
    if not variance > size * np.finfo(np.float64).eps:
        return None
    shrunk = (1 - SHRUNK) * covariance + SHRUNK * variance * np.eye(size)
    values, vectors = np.linalg.eigh(shrunk)
    root = (vectors * np.sqrt(values[0] / values)) @ vectors.T
    return np.asarray((root + root.T) / 2, np.float32)


def seen_twice(
    rows: Rows, whitening: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Rows as they are and whitened, side by side.

    Args:
        rows: (n, d) of unit length, or zero.
        whitening: (d, d).
        out: (n, 2 d) to write to; None for a new array.

    Returns:
        (n, 2 d) of unit length; zero where a row is.
    """
    given = np.asarray(rows, np.float32)
    n, d = given.shape
    both = np.empty((n, 2 * d), np.float32) if out is None else out
    white = np.matmul(given, whitening, out=both[:, d:])
    white *= white_scales(white)[:, None]
    np.multiply(given, HALF, out=both[:, :d])
    return both


def white_scales(white: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) by what to multiply (n, d) whitened rows: to half of unit length, squared; 0 of zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", white, white))
    scales = np.zeros(len(white), np.float32)
    np.divide(HALF, lengths, out=scales, where=lengths > 0)
    return scales

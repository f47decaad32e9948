"""Positions compared by a length in which what varies most in normal ones counts for less.

The cosine of two rows is ruled by the directions in which all normal positions vary, and a defect
may lie in the others. So half-spaces learn from T x / |T x| in the place of a row x, where T² is
a weighted mean of the unit matrix and the inverse of the covariance of normal positions, after each
is divided by the mean squared length that it gives these. The covariance is shrunk to that of a
sphere (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
2004), with a weight that is fixed, and beside the `DIRECTIONS` of most variance all are taken as
alike, as in probabilistic PCA (Tipping and Bishop, 1999): benchmarks/patch_rows.py has the tables.

Half-spaces are linear, so T is folded into them: w . T x / |T x| = T w . x / |T x|. What is left
to be found of a row is its length: with the whitening R, (r, d), it is |x|² - |R x|², squared, for
T² is the unit matrix less R' R, but for a factor that nothing depends on.

Models of before see x and A x, each of length √½, side by side; A, (d, d), is the square root of
the inverse of the covariance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import RowSource, map_blocks

SHRUNK = 0.3
"""How much of the covariance is that of a sphere."""
DIRECTIONS, WHITE = 64, 0.55
"""Of most variance, and the weight of the inverse of the covariance."""
HALF = np.float32(np.sqrt(0.5))
Rows = NDArray[np.floating[Any]]
Narrow = NDArray[np.float32]


def learn_whitening(
    rows: RowSource, *, white: float = WHITE, directions: int = DIRECTIONS
) -> Narrow | None:
    """The whitening of some rows.

    Args:
        rows: (n, d), d >= 2.
        white: the weight of the inverse of the covariance.
        directions: that are not taken as alike.

    Returns:
        (r, d) float32, r being `directions` or d - 1, orthogonal and each shorter than 1; None
        where all rows are the same.
    """
    size = rows.n_columns
    total, products = np.zeros(size), np.zeros((size, size))

    def add(_: int, block: Rows) -> None:
        wide = block.astype(np.float64)
        total[:] += wide.sum(axis=0)
        products[:] += wide.T @ wide

    for _ in map_blocks(add, rows):
        pass
    mean, second = total / rows.n_rows, products / rows.n_rows
    covariance = second - np.outer(mean, mean)
    variance = float(np.trace(covariance)) / size
    if not variance > size * np.finfo(np.float64).eps:
        return None
    shrunk = (1 - SHRUNK) * covariance + SHRUNK * variance * np.eye(size)
    values, vectors = np.linalg.eigh(shrunk)
    lengths = np.einsum("di,de,ei->i", vectors, second, vectors)
    stretched = (1 - white) / lengths.sum() + white / values / (lengths / values).sum()
    kept = min(directions, size - 1)
    spared = 1 - stretched[-kept:] / stretched[:-kept].mean()
    return np.asarray((vectors[:, -kept:] * np.sqrt(spared.clip(0))).T, np.float32)


def root(whitening: Narrow) -> Narrow:
    """(d, d) float32, T: the symmetric square root of the unit matrix less R' R."""
    wide = whitening.astype(np.float64)
    values, vectors = np.linalg.eigh(np.eye(wide.shape[1]) - wide.T @ wide)
    return np.asarray((vectors * np.sqrt(values.clip(0))) @ vectors.T, np.float32)


def seen(rows: Narrow, whitening: Narrow, width: int, out: Narrow | None = None) -> Narrow:
    """Rows as half-spaces see them: of unit length |T x|, or as models of before.

    Args:
        rows: (n, d); zero stays zero.
        whitening: (r, d), or (d, d) of a model of before.
        width: of the half-spaces, d, or 2 d of a model of before.
        out: (n, width) to write to; None for a new array.

    Returns:
        (n, width).
    """
    if width != rows.shape[1]:
        return _seen_twice(rows, whitening, out)
    away = rows @ whitening.T
    squares = np.einsum("nd,nd->n", rows, rows) - np.einsum("nr,nr->n", away, away)
    return np.multiply(rows, over(np.float32(1), squares)[:, None], out=out)


def _seen_twice(rows: Narrow, whitening: Narrow, out: Narrow | None) -> Narrow:
    """(n, 2 d) rows as they are and whitened, side by side."""
    n, d = rows.shape
    both = np.empty((n, 2 * d), np.float32) if out is None else out
    white = np.matmul(rows, whitening, out=both[:, d:])
    white *= over(HALF, np.einsum("ij,ij->i", white, white))[:, None]
    np.multiply(rows, HALF, out=both[:, :d])
    return both


def over(length: np.float32, squares: Rows) -> Rows:
    """(n,) by what to multiply rows to give them a length; 0 where they have none."""
    scales = np.zeros_like(squares)
    np.divide(length, np.sqrt(squares.clip(0)), out=scales, where=squares > 0)
    return scales

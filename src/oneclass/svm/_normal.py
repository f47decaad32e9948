"""Linear systems of tied rows, in as many unknowns as columns.

Where more rows are free than there are columns, the matrix of their scalar products is singular but
for the ridge. The normal equations of the same system are small, and from one system to the next
few rows come or go.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

_REFINEMENTS = 8  # a bound; two or three are usual
_ENOUGH = 1e-13  # of the sides: what is left of them
_SMALL = 96  # columns, inverted at once
_MENDINGS = 64  # of a matrix, after which it is summed up anew, for the sake of its roundings


class NormalEquations:
    """Solves (diag(width ridge) + rows rows') x = sides over some of the rows.

    With R = diag(width ridge), x = R^-1 (sides - rows z) and (I + rows' R^-1 rows) z = rows' R^-1
    sides. The matrix loses half of the digits; refinement of x and z together brings them back
    (Björck, Numerical Methods for Least Squares Problems, 2.9).
    """

    def __init__(self, rows: Array) -> None:
        self._rows = rows
        self.n_columns = rows.shape[1]
        self._ridge = np.zeros(0)
        self._chosen = np.zeros(len(rows), bool)
        self._sum = np.zeros((rows.shape[1], rows.shape[1]))
        self._mendings = 0

    def solve(self, ids: Ints, ridge: Array, width: float, sides: Array) -> Array:
        """(f, k) the x of the rows ``ids``.

        Args:
            ids: (f,) the rows.
            ridge: (n,) of all rows, positive.
            width: by which it is multiplied.
            sides: (f, k).
        """
        system = self._summed(ids, ridge) / width
        system.flat[:: len(system) + 1] += 1.0
        factor = inverse_of_factor(system)
        rows = self._rows if len(ids) == len(self._rows) else self._rows[ids]
        ridges = (width * ridge[ids])[:, None]
        longest = float(np.sqrt(np.einsum("ij,ij->i", rows, rows).max()))
        found, inner = np.zeros_like(sides), np.zeros((rows.shape[1], sides.shape[1]))
        left, inner_left = sides, inner
        full, before = np.abs(sides).max(axis=0) + np.finfo(float).tiny, np.inf
        for _ in range(_REFINEMENTS):
            step = factor.T @ (factor @ (rows.T @ (left / ridges) - inner_left))
            next_found, next_inner = found + (left - rows @ step) / ridges, inner + step
            left = sides - ridges * next_found - rows @ next_inner
            inner_left = next_inner - rows.T @ next_found
            size = np.abs(left).max(axis=0) + longest * np.linalg.norm(inner_left, axis=0)
            share = float((size / full).max())
            if not share < before:
                break
            found, inner = next_found, next_inner
            if share <= _ENOUGH or share > before / 2:
                break
            before = share
        return found

    def _summed(self, ids: Ints, ridge: Array) -> Array:
        """(d, d) rows' diag(1 / ridge) rows; only rows that come or go since the last call cost."""
        chosen = np.zeros(len(self._rows), bool)
        chosen[ids] = True
        changed = np.flatnonzero(chosen != self._chosen)
        if self._mendings and 2 * len(changed) < len(ids) and self._is_for(ridge):
            for sign, some in ((1.0, changed[chosen[changed]]), (-1.0, changed[~chosen[changed]])):
                if len(some):
                    self._sum += sign * self._squared(some, ridge)
            self._mendings -= 1
        else:
            self._sum, self._ridge = self._squared(ids, ridge), ridge
            self._mendings = _MENDINGS
        self._chosen = chosen
        return self._sum

    def _squared(self, ids: Ints, ridge: Array) -> Array:
        scaled = self._rows[ids] / np.sqrt(ridge[ids])[:, None]
        return np.asarray(scaled.T @ scaled)

    def _is_for(self, ridge: Array) -> bool:
        return ridge is self._ridge or np.array_equal(ridge, self._ridge)


def inverse_of_factor(matrix: Array) -> Array:
    """The inverse of the Cholesky factor of a positive definite matrix."""
    return _inverse_of_triangle(np.asarray(np.linalg.cholesky(matrix), dtype=np.float64))


def _inverse_of_triangle(lower: Array) -> Array:
    """By halves: the products do most of the work."""
    if len(lower) <= _SMALL:
        return np.asarray(np.linalg.inv(lower))
    half = len(lower) // 2
    first, last = (
        _inverse_of_triangle(lower[:half, :half]),
        _inverse_of_triangle(lower[half:, half:]),
    )
    inverse = np.zeros_like(lower)
    inverse[:half, :half], inverse[half:, half:] = first, last
    inverse[half:, :half] = -last @ (lower[half:, :half] @ first)
    return inverse

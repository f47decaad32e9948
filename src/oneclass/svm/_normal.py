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
_ENOUGH = 1e-11  # of the sides: what is left of them
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
        self._longest: float | None = None
        self._taken: tuple[Ints, Array] | None = None

    def taken(self, ids: Ints) -> Array:
        """(f, d) the rows ``ids``; for the same array of them, the same copy."""
        if self._taken is None or self._taken[0] is not ids:
            whole = len(ids) == len(self._rows)
            self._taken = None  # before the next copy is made
            self._taken = (ids, self._rows if whole else self._rows.take(ids, axis=0))
        return self._taken[1]

    def solve(self, ids: Ints, ridge: Array, width: float, sides: Array) -> Array:
        """(k, f) the x of the rows ``ids``, one solution a line.

        Args:
            ids: (f,) the rows.
            ridge: (n,) of all rows, positive.
            width: by which it is multiplied.
            sides: (k, f).
        """
        system = self._summed(ids, ridge) / width
        system.flat[:: len(system) + 1] += 1.0
        rows, ridges, longest = self.taken(ids), width * ridge[ids], self._length()
        # Products of few vectors are fast where those lie as columns, number beside number.
        found, inner = np.zeros_like(sides), np.zeros((rows.shape[1], len(sides)))
        left, inner_left = sides, inner
        full, before = np.abs(sides).max(axis=1) + np.finfo(float).tiny, np.inf
        for _ in range(_REFINEMENTS):
            step = np.linalg.solve(system, ((left / ridges) @ rows).T - inner_left)
            moved = np.ascontiguousarray((rows @ step).T)
            next_found, next_inner = found + (left - moved) / ridges, inner + step
            # Anew, since sums of what each step moves lose digits.
            shown = moved if not inner.any() else (rows @ next_inner).T
            left = sides - ridges * next_found - shown
            inner_left = next_inner - (next_found @ rows).T
            size = np.abs(left).max(axis=1) + longest * np.linalg.norm(inner_left, axis=0)
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
        rows = self._rows if len(ids) == len(self._rows) else self._rows.take(ids, axis=0)
        first, ridges = float(ridge[ids[0]]), ridge[ids]
        if (ridges == first).all():
            return np.asarray(rows.T @ rows / first)
        scaled = rows * (1 / np.sqrt(ridges))[:, None]
        return np.asarray(scaled.T @ scaled)

    def _length(self) -> float:
        """Of the longest row."""
        if self._longest is None:
            squares = np.einsum("ij,ij->i", self._rows, self._rows)
            self._longest = float(np.sqrt(squares.max()))
        return self._longest

    def _is_for(self, ridge: Array) -> bool:
        return ridge is self._ridge or np.array_equal(ridge, self._ridge)

"""The scalar products of rows, and what the programs over weights ask of them.

Where there are many more rows than columns, the rows themselves cost less than the matrix of their
products; and where more rows are free than there are columns, that part of the matrix is singular.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._normal import NormalEquations

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

_SMALL = 256  # rows: picking some out of their matrix takes longer than the whole product
_MANY = 3  # so many times more rows than columns: no matrix


@dataclass(frozen=True)
class Products:
    """Scalar products of n rows.

    Attributes:
        squares: (n,) of the rows.
        matrix: (n, n), or None where the rows will do.
        rows: (n, d), or None where there is a matrix and d is not less than n.
        normal: for more of the rows than there are columns; None without the rows.
    """

    squares: Array
    matrix: Array | None
    rows: Array | None
    normal: NormalEquations | None = None

    @classmethod
    def of(cls, matrix: Array, rows: Array | None) -> Products:
        """Of the matrix, and of the rows where they are of use.

        Args:
            matrix: (n, n).
            rows: (n, d), or None where the matrix is blurred: the two would contradict each other.
        """
        short = rows is not None and rows.shape[1] < len(rows)
        if rows is None or not short:
            return cls(np.diagonal(matrix), matrix, None)
        return cls(np.diagonal(matrix), matrix, rows, NormalEquations(rows))

    @classmethod
    def of_rows(cls, rows: Array) -> Products:
        """Without the matrix."""
        return cls(np.einsum("ij,ij->i", rows, rows), None, rows, NormalEquations(rows))

    def part(self, ids: Ints, scores: Array, now: Array, goal: Array) -> tuple[Products, Array]:
        """Products of some of the rows, and (f,) their scores after a move of the weights."""
        rows = None if self.rows is None else self.rows[ids]
        seen = self.at(ids, scores, now, goal)
        if self.matrix is not None:
            return self.of(self._among(ids), rows), seen
        assert rows is not None
        return self.of_rows(rows) if many(*rows.shape) else self.of(rows @ rows.T, rows), seen

    def moved(self, scores: Array, now: Array, goal: Array) -> Array:
        """The scores after a move of the weights; only rows that move cost anything."""
        step = goal - now
        moving = nonzero(step)
        if self.rows is not None and (self.matrix is None or len(moving) > self.rows.shape[1]):
            return np.asarray(scores + self.rows @ self._sum(step, moving))
        assert self.matrix is not None
        if 2 * len(moving) > len(step) or len(step) <= _SMALL:
            return np.asarray(scores + step @ self.matrix)
        return np.asarray(scores + step[moving] @ self.matrix[moving])

    def at(self, ids: Ints, scores: Array, now: Array, goal: Array) -> Array:
        """(f,) the scores of the rows ``ids`` alone after a move of the weights."""
        step = goal - now
        moving = nonzero(step)
        if self.rows is not None:
            rows = self.rows[ids] if self.normal is None else self.normal.taken(ids)
            return np.asarray(scores[ids] + rows @ self._sum(step, moving))
        assert self.matrix is not None
        if len(step) <= _SMALL:
            return np.asarray((scores + step @ self.matrix)[ids])
        return np.asarray(scores[ids] + self.matrix[ids[:, None], moving] @ step[moving])

    def unknowns(self, n_free: int) -> int:
        """Of the linear system of so many rows."""
        return n_free if self.normal is None else min(n_free, self.normal.n_columns)

    def to_one_score(
        self, ids: Ints, ridge: Array, width: float, pull: Array, missing: float
    ) -> tuple[Array, float]:
        """The step of some rows to their best weights, and the score that they then share.

        Args:
            ids: (f,) the rows, one at least.
            ridge: (n,) of all rows, which times the width is added to their squares.
            width: positive.
            pull: (f,) their gradient.
            missing: what their weights are to gain together.
        """
        sides = np.ones((2, len(pull)))
        sides[0] = pull
        if self.normal is not None and len(ids) > self.normal.n_columns:
            solved = self.normal.solve(ids, ridge, width, sides)
        else:
            system = self._among(ids)
            system.flat[:: len(ids) + 1] += width * ridge[ids]
            solved = np.asarray(np.linalg.solve(system, sides.T), dtype=np.float64).T
        rho = float((missing + solved[0].sum()) / solved[1].sum())
        return rho * solved[1] - solved[0], rho

    def settled(
        self,
        ids: Ints,
        here: tuple[Array, Array],
        goal: Array,
        strain: Array,
        ridge: Array,
        width: float,
        missing: float,
    ) -> tuple[Array, float]:
        """All scores after a move of the weights, and of those of some rows to their best ones.

        Args:
            ids: (f,) the rows, one at least.
            here: (n,) scores, and the weights that they are of.
            goal: (n,) the weights to move to; the best of the rows ``ids`` are added in place.
            strain: (f,) of their gradient what is not a score.
            ridge, width, missing: as for `to_one_score`.

        Returns:
            (n,) the scores, and that which the rows share.
        """
        scores, now = here
        step = goal - now
        moving = nonzero(step)
        if self.normal is None or self.rows is None or len(moving) + len(ids) <= self._narrow():
            pull = self.at(ids, scores, now, goal) + strain
            more, rho = self.to_one_score(ids, ridge, width, pull, missing)
            goal[ids] += more
            return self.moved(scores, now, goal), rho
        rows, total = self.normal.taken(ids), self._sum(step, moving)
        pull = scores[ids] + rows @ total + strain
        more, rho = self.to_one_score(ids, ridge, width, pull, missing)
        goal[ids] += more
        return np.asarray(scores + self.rows @ (total + more @ rows)), rho

    def _narrow(self) -> int:
        """So many rows move all scores by the matrix in less time than by the rows."""
        return self.rows.shape[1] if self.rows is not None and self.matrix is not None else 0

    def _sum(self, step: Array, moving: Ints) -> Array:
        """(d,) of the rows that move, times their steps."""
        assert self.rows is not None
        if 2 * len(moving) > len(step):
            return np.asarray(step @ self.rows)
        return np.asarray(step[moving] @ self.rows.take(moving, axis=0))

    def _among(self, ids: Ints) -> Array:
        if self.matrix is not None:
            return np.asarray(self.matrix[ids[:, None], ids])
        assert self.rows is not None
        among = self.rows[ids]
        return np.asarray(among @ among.T)


def nonzero(numbers: Array) -> Ints:
    """The places of those that are not zero: many times faster than `np.nonzero` finds them."""
    return np.asarray((numbers != 0).nonzero()[0])


def many(n_rows: int, n_columns: int) -> bool:
    """Whether the rows cost less than the matrix."""
    return n_rows > _MANY * n_columns

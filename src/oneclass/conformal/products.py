"""Products of an image's many positions with half-spaces, in float32, and the largest of each.

An image's score needs its worst positions alone. Which they are is found by bounds: the largest
product with some half-spaces is at most that with all, so a position that one in 12 of them puts
well inside needs no others; of the rest one in 6 is asked, then half. The few that are left are
computed in float64 and rounded to float32. In a map, where all positions are computed in float32,
the same few are: so the worst positions have the same values in both, and BLAS, which adds up in
another order for another number of rows, changes none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.whitening import over, seen
from oneclass.rows.halves import widened

BLOCK = 256
"""Rows whose products fit into a core's cache: the largest are found before they leave it."""
ASKED = (12, 6, 2, 1)
"""One half-space in so many bounds, each time of fewer positions."""
FEWEST, RARE = 128, 16
"""Bounds pay from so many half-spaces on, and where at most one position in so many is wanted."""
LEVEL_SHARE = 0.25
"""Of an image's positions; benchmarks/patch_levels.py has the table."""
Rows = NDArray[np.floating[Any]]
Narrow = NDArray[np.float32]


class Largest:
    """For each row the largest w . x - offset of all half-spaces; it can travel.

    Args:
        coef: (k, c); c is d, or 2 d with the whitening of a model of before.
        offset: (k,).
        whitening, level: as in `Union`.
    """

    def __init__(
        self,
        coef: Rows,
        offset: NDArray[np.float64],
        whitening: Narrow | None = None,
        level: Narrow | None = None,
    ) -> None:
        self._columns = np.ascontiguousarray(coef.T, dtype=np.float32)
        self._offset = offset.astype(np.float32)
        # One that all share moves the largest as it moves them all, to the same bits.
        self._apart = not bool((self._offset == self._offset[0]).all())
        self._whitening, self._level = whitening, level

    def of(self, rows: Rows) -> Narrow:
        """(n,) of (n, d) rows, which are finite, with no level."""
        return self._all(rows)[0]

    def of_image(self, rows: Rows, n: int) -> Narrow:
        """(m,) of an image's (m, d) positions, less the level; the n smallest are `smallest`."""
        best, along, longest = self._all(rows)
        if self._bounds_pay(rows, n):
            few = np.flatnonzero(best <= _smallest(best, n) + self._slack(longest))
            best[few] = self._exactly(rows, few)
        return _less_level(best, along)

    def smallest(self, rows: Rows, n: int) -> Narrow:
        """(n,) the smallest of `of_image`, ascending, for a part of the work."""
        found = self._few(rows, n)
        if found is None:
            return np.sort(self.of_image(rows, n))[:n]
        return np.sort(_less_level(self._exactly(rows, found[0]), found[2]))[:n]

    def nearly_smallest(self, rows: Rows, n: int) -> Narrow:
        """(n,) what `smallest` gives but for rounding, for less work."""
        best, along = self._nearly(rows, n)
        return _less_level(best, along)

    def smallest_and_level(self, rows: Rows, n: int) -> tuple[Narrow, float]:
        """(n,) what `nearly_smallest` would give if it took no level off, and the level."""
        best, along = self._nearly(rows, n)
        assert along is not None, "there is a level"
        return best, level_in(along)

    def _nearly(self, rows: Rows, n: int) -> tuple[Narrow, Narrow | None]:
        """(n,) the smallest with the level on, ascending, and what `_all` has for the level."""
        found = self._few(rows, n)
        if found is None:
            best, along, _ = self._all(rows)
        else:
            best, along = self._moved(found[1]), found[2]
        return np.sort(best)[:n], along

    def _all(self, rows: Rows) -> tuple[Narrow, Narrow | None, float]:
        """(n,) the largest of each row, (n,) the products that the level is taken from, and the
        length of the longest row, as half-spaces see it.
        """
        best, along, longest = np.empty(len(rows), np.float32), self._along(rows), 0.0
        products = self._room(len(rows), len(self._offset))
        room = self._room(len(rows), len(self._columns))
        for start, block in _blocks(rows):
            given, there = self._see(block, room)
            self._largest(given, products, best[start : start + BLOCK])
            if along is not None:
                along[start : start + BLOCK] = there
            longest = max(longest, float(np.einsum("nd,nd->n", given, given).max()))
        return self._moved(best), along, longest**0.5

    def _along(self, rows: Rows) -> Narrow | None:
        """Room for the products of rows with the level's direction, where there is one."""
        return None if self._level is None else np.empty(len(rows), np.float32)

    def _few(self, rows: Rows, n: int) -> tuple[NDArray[np.intp], Narrow, Narrow | None] | None:
        """(m,) a few rows that have the n smallest among them, and their largest before `_moved`.

        The last bits of these are those of no other product. Beside them all rows' products that
        the level is taken from. None where bounds do not pay.
        """
        if not self._bounds_pay(rows, n):
            return None
        steps = [len(self._offset) // part for part in ASKED]
        bounds, scales, along, slack = self._first_bounds(rows)
        first = np.argpartition(bounds, 2 * n)[: 2 * n]
        limit = _smallest(self._bounds(_seen(rows, scales, first), 0, steps[-1]), n) + slack
        left = np.flatnonzero(bounds <= limit)
        if not 2 * len(left) < len(rows):
            return None
        given = _seen(rows, scales, left)
        bounds = self._bounds(given, 0, steps[1])
        for start, stop in pairwise(steps[1:]):
            kept = np.flatnonzero(bounds <= limit)
            given, left = given[kept], left[kept]
            bounds = np.maximum(bounds[kept], self._bounds(given, start, stop))
        kept = np.flatnonzero(bounds <= _smallest(bounds, n) + slack)
        return left[kept], bounds[kept], along

    def _bounds_pay(self, rows: Rows, n: int) -> bool:
        """Whether so few of the rows are wanted, of so many half-spaces."""
        if self._before(rows):  # its slack is another
            return False
        return len(self._offset) >= FEWEST and len(rows) >= max(RARE * n, 2 * BLOCK)

    def _room(self, n_rows: int, width: int) -> Narrow:
        return np.empty((min(BLOCK, n_rows), width), np.float32)

    def _see(self, block: Narrow, room: Narrow) -> tuple[Narrow, Narrow | None]:
        """(b, c) what half-spaces see of (b, d) rows, and what `_lengths` has for the level."""
        if self._whitening is None:
            return block, None
        out = room[: len(block)]
        if self._before(block):
            return seen(block, self._whitening, len(self._columns), out), None
        _, scales, along = self._lengths(block)
        assert scales is not None, "there is a whitening"
        return np.multiply(block, scales[:, None], out=out), along

    def _before(self, rows: Rows) -> bool:
        """Whether this is of a model of before, which sees rows twice."""
        return bool(rows.shape[1] != len(self._columns))

    def _lengths(self, block: Narrow) -> tuple[Narrow, Narrow | None, Narrow | None]:
        """(b,) squared lengths of rows, by what they are scaled, and their products for the level.

        The latter are those of the scaled rows; both are None where there is nothing of the kind.
        """
        squares = np.einsum("nd,nd->n", block, block)
        if self._whitening is None:
            return squares, None, None
        products = self._asked @ block.T
        away = products[: len(self._whitening)]
        scales = over(np.float32(1), squares - np.einsum("rn,rn->n", away, away))
        return squares, scales, None if self._level is None else products[-1] * scales

    @cached_property
    def _asked(self) -> Narrow:
        """What lengths and the level are found with: (r, d), or one row more."""
        assert self._whitening is not None, "the caller says so"
        if self._level is None:
            return self._whitening
        return np.concatenate([self._whitening, self._level[None]])

    @cached_property
    def _spread(self) -> tuple[Narrow, Narrow]:
        """(k, c) and (k, 1) in an order in which the first ones stand best for all the others.

        They are those that a bound asks first, chosen greedily: each next one adds most to the sum
        of all half-spaces' largest cosines to the chosen (Cornuejols, Fisher and Nemhauser,
        "Location of bank accounts to optimize float", 1977). The next ones up to half lie far from
        those before (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985),
        which takes less time.
        """
        lengths = np.linalg.norm(self._columns, axis=0)
        directions = self._columns / np.where(lengths > 0, lengths, 1)
        cosines = directions.T @ directions
        nearest, order = np.full(len(cosines), cosines.min()), list[int]()
        gains = cosines.sum(axis=1)
        for _ in range(len(cosines) // ASKED[0]):
            order.append(int(gains.argmax()))
            # Sums change where the new one is nearer than those before: of fewer and fewer.
            nearer = np.flatnonzero(cosines[order[-1]] > nearest)
            some, new = cosines[nearer], cosines[order[-1], nearer]
            gains += np.maximum(some, new[:, None]).sum(axis=0)
            gains -= np.maximum(some, nearest[nearer, None]).sum(axis=0)
            gains[order[-1]] = -np.inf
            nearest[nearer] = new
        nearest[order] = np.inf
        while 2 * len(order) < len(cosines):
            order.append(int(nearest.argmin()))
            np.maximum(nearest, cosines[order[-1]], out=nearest)
            nearest[order[-1]] = np.inf
        order += np.setdiff1d(np.arange(len(cosines)), order).tolist()
        return np.ascontiguousarray(self._columns.T[order]), self._offset[order, None]

    def _first_bounds(self, rows: Rows) -> tuple[Narrow, Narrow | None, Narrow | None, float]:
        """(n,) bounds by the first half-spaces, scales, what `_all` has for the level, and a slack.

        The bounds are those before `_moved`; by the scales rows get their length, where there is a
        whitening; the slack is by how much a limit is to be raised.
        """
        size, k = len(rows), len(self._offset) // ASKED[0]
        bounds, squares = np.empty(size, np.float32), np.empty(size, np.float32)
        away, along = np.zeros(size, np.float32), self._along(rows)
        coef, offset = (values[:k] for values in self._spread)
        products = np.empty((k, min(BLOCK, size)), np.float32)
        for start, block in _blocks(rows):
            here = slice(start, start + len(block))
            squares[here] = np.einsum("nd,nd->n", block, block)
            if self._whitening is not None:
                asked = self._asked @ block.T
                whitened = asked[: len(self._whitening)]
                np.einsum("rn,rn->n", whitened, whitened, out=away[here])
                if along is not None:
                    along[here] = asked[-1]
            found = np.matmul(coef, block.T, out=products[:, : len(block)])
            if self._apart:
                if self._whitening is not None:
                    found *= over(np.float32(1), squares[here] - away[here])
                found -= offset
            found.max(axis=0, out=bounds[here])
        # All rows' at a time: numpy takes longer to be called for a block of them than to compute.
        if self._whitening is None:
            return bounds, None, along, self._slack(float(squares.max()) ** 0.5)
        scales = over(np.float32(1), squares - away)
        if not self._apart:  # no scale is negative
            bounds *= scales
        if along is not None:
            along *= scales
        squares *= scales * scales
        return bounds, scales, along, self._slack(float(squares.max()) ** 0.5)

    def _bounds(self, given: Narrow, start: int, stop: int) -> Narrow:
        """(n,) the largest with some half-spaces, before `_moved`.

        The last bits are those of no other product.
        """
        coef, offset = (values[start:stop] for values in self._spread)
        products = coef @ given.T
        if self._apart:
            products -= offset
        return np.asarray(products.max(axis=0))

    def _slack(self, longest: float) -> float:
        """By how much a limit is raised, since sums are compared that were rounded differently.

        Two pairs of them, each sum off by c u |w| |x| at most, where u is half of eps. The square
        of a whitened row's length is off by (c + r + 2 c |R|) u |x|² (|R| of Frobenius), x being
        the row before, and the row by half of that share of itself.

        Args:
            longest: the length of the longest row, as half-spaces see it.
        """
        halfspaces, whitening, offset = self._sizes
        size = len(self._columns) * longest * halfspaces
        if self._whitening is not None:
            size *= 1 + longest**2 * (1 + whitening)
        return 2 * float(np.finfo(np.float32).eps) * (size + offset)

    @cached_property
    def _sizes(self) -> tuple[float, float, float]:
        """The longest half-space's length, the whitening's norm and the largest offset's size."""
        whitening = 0.0 if self._whitening is None else float(np.linalg.norm(self._whitening))
        longest = float(np.linalg.norm(self._columns, axis=0).max())
        return longest, whitening, float(np.abs(self._offset).max())

    def _exactly(self, rows: Rows, chosen: NDArray[np.intp]) -> Narrow:
        """(m,) the largest of the chosen rows, computed in float64 and rounded."""
        best = np.empty(len(chosen), np.float32)
        for start in range(0, len(chosen), BLOCK):
            some = rows[chosen[start : start + BLOCK]].astype(np.float64)
            products = some @ self._wide
            if self._wide_whitening is not None:
                away = some @ self._wide_whitening.T
                squares = np.einsum("nd,nd->n", some, some) - np.einsum("nr,nr->n", away, away)
                products *= over(np.float32(1), squares)[:, None]
            if self._apart:
                products -= self._offset
            best[start : start + BLOCK] = products.max(axis=1)
        return self._moved(best)

    @cached_property
    def _wide(self) -> NDArray[np.float64]:
        return self._columns.astype(np.float64)

    @cached_property
    def _wide_whitening(self) -> NDArray[np.float64] | None:
        return None if self._whitening is None else self._whitening.astype(np.float64)

    def _largest(self, given: Narrow, products: Narrow, out: Narrow) -> None:
        found = np.matmul(given, self._columns, out=products[: len(given)])
        if self._apart:
            found -= self._offset
        found.max(axis=1, out=out)

    def _moved(self, best: Narrow) -> Narrow:
        if not self._apart:
            best -= self._offset[0]
        return best


def _blocks(rows: Rows) -> Iterator[tuple[int, Narrow]]:
    """Where each block of rows begins, and (b, d) float32; only until the next."""
    room = np.empty((min(BLOCK, len(rows)), rows.shape[1]), np.float32)
    for start in range(0, len(rows), BLOCK):
        block = np.ascontiguousarray(rows[start : start + BLOCK])
        yield start, widened(block, room[: len(block)])


def _seen(rows: Rows, scales: Narrow | None, chosen: NDArray[np.intp]) -> Narrow:
    """(m, d) the chosen rows as half-spaces see them; not to the bits that they have elsewhere."""
    wide = rows[chosen].astype(np.float32)
    return wide if scales is None else wide * scales[chosen, None]


def level_rank(n: int) -> int:
    """Which of the smallest products of n positions with a level's direction is their level."""
    return max(1, round(LEVEL_SHARE * n))


def level_in(along: Narrow) -> float:
    """An image's level, out of the products of its positions with the level's direction."""
    return _smallest(along, level_rank(len(along)))


def _less_level(best: Narrow, along: Narrow | None) -> Narrow:
    """The largest products of an image's positions, less the level that `along` gives."""
    if along is None:
        return best
    return best - np.float32(level_in(along))


def _smallest(values: Narrow, n: int) -> float:
    """The n-th smallest."""
    return float(np.partition(values, n - 1)[n - 1])

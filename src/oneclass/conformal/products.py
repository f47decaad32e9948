"""Products of an image's many positions with half-spaces, in float32, and the largest of each.

An image's score needs its worst positions alone. Which they are is found by bounds: the largest
product with some half-spaces is at most that with all, so a position that an eighth of them put
well inside needs no others; of the rest a quarter is asked, then half. What is left is computed as
if all were: in blocks of the same shape, in the same place of a block. BLAS then does the same with
it, to the same bits.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows.halves import widened

BLOCK = 256
"""Rows whose products fit into a core's cache: the largest are found before they leave it."""
STRIP = 1024
"""Rows that are bounded together: there are few products of each."""
ASKED = (8, 4, 2, 1)
"""One half-space in so many bounds, each time of fewer positions."""
FEWEST, RARE = 128, 16
"""Bounds pay from so many half-spaces on, and where at most one position in so many is wanted."""
Rows = NDArray[np.floating[Any]]
Narrow = NDArray[np.float32]


class Largest:
    """For each row the largest w . x - offset of all half-spaces; it can travel.

    Args:
        coef: (k, d).
        offset: (k,).
    """

    def __init__(self, coef: Rows, offset: NDArray[np.float64]) -> None:
        self._columns = np.ascontiguousarray(coef.T, dtype=np.float32)
        self._longest = float(np.square(self._columns).sum(axis=0).max())
        self._offset = offset.astype(np.float32)
        # One that all share moves the largest as it moves them all, to the same bits.
        self._apart = not bool((self._offset == self._offset[0]).all())

    def of(self, rows: Rows) -> Narrow:
        """(n,) of (n, d) rows, which are finite."""
        best = np.empty(len(rows), np.float32)
        room = np.empty((min(BLOCK, len(rows)), rows.shape[1]), np.float32)
        products = np.empty((len(room), len(self._offset)), np.float32)
        for start in range(0, len(rows), BLOCK):
            block = np.ascontiguousarray(rows[start : start + BLOCK])
            self._largest(widened(block, room[: len(block)]), products, best[start : start + BLOCK])
        return self._moved(best)

    def smallest(self, rows: Rows, n: int) -> Narrow:
        """(n,) the smallest of `of`, ascending: the same bits for a part of the work."""
        if len(self._offset) < FEWEST or len(rows) < max(RARE * n, 2 * BLOCK):
            return np.sort(self.of(rows))[:n]
        steps = [len(self._offset) // part for part in ASKED]
        (bounds, longest), some, left = self._bounds(rows, 0, steps[0]), rows, np.arange(len(rows))
        slack = self._slack(longest)
        first = np.argpartition(bounds, 2 * n)[: 2 * n]
        limit = _smallest(self._bounds(rows[first], 0, steps[-1])[0], n) + slack
        for start, stop in pairwise(steps):
            kept = np.flatnonzero(bounds <= limit)
            if not 2 * len(kept) < len(rows):
                return np.sort(self.of(rows))[:n]
            some, left = some[kept], left[kept]
            bounds = np.maximum(bounds[kept], self._bounds(some, start, stop)[0])
        return np.sort(self._as_in_all(rows, left[bounds <= _smallest(bounds, n) + slack]))[:n]

    @cached_property
    def _spread(self) -> tuple[Narrow, Narrow]:
        """(k, d) and (k, 1) in an order in which the first ones lie far apart, half of them.

        Each next one lies furthest from those before it (Gonzalez, "Clustering to minimize the
        maximum intercluster distance", 1985).
        """
        cosines = self._columns.T @ self._columns
        order = [int(cosines.sum(axis=0).argmax())]
        nearest = cosines[order[0]].copy()
        while 2 * len(order) < len(cosines):
            order.append(int(nearest.argmin()))
            np.maximum(nearest, cosines[order[-1]], out=nearest)
        order += np.setdiff1d(np.arange(len(cosines)), order).tolist()
        return np.ascontiguousarray(self._columns.T[order]), self._offset[order, None]

    def _bounds(self, rows: Rows, start: int, stop: int) -> tuple[Narrow, float]:
        """(n,) the largest with some half-spaces, before `_moved`; and the longest row, squared.

        The last bits are those of no other product.
        """
        coef, offset = (values[start:stop] for values in self._spread)
        bounds, longest = np.empty(len(rows), np.float32), 0.0
        room = np.empty((min(STRIP, len(rows)), rows.shape[1]), np.float32)
        for at in range(0, len(rows), STRIP):
            strip = np.ascontiguousarray(rows[at : at + STRIP])
            wide = widened(strip, room[: len(strip)])
            products = coef @ wide.T
            if self._apart:
                products -= offset
            products.max(axis=0, out=bounds[at : at + STRIP])
            longest = max(longest, float(np.einsum("nd,nd->n", wide, wide).max()))
        return bounds, longest

    def _slack(self, longest: float) -> float:
        """By how much a limit is raised, since sums are compared that were rounded differently.

        Two pairs of them, each sum off by d eps |w| |x| at most.
        """
        size: float = len(self._columns) * (self._longest * longest) ** 0.5
        size += float(np.abs(self._offset).max())
        return 4 * float(np.finfo(np.float32).eps) * size

    def _as_in_all(self, rows: Rows, chosen: NDArray[np.intp]) -> Narrow:
        """(c,) what `of` finds for the chosen rows: each is put where it lies in its block."""
        best, whole = np.empty(len(chosen), np.float32), len(rows) // BLOCK * BLOCK
        wide = rows[chosen].astype(np.float32)
        room = np.zeros((BLOCK, rows.shape[1]), np.float32)
        products = np.empty((BLOCK, len(self._offset)), np.float32)
        found = np.empty(BLOCK, np.float32)
        places = chosen[chosen < whole] % BLOCK
        for some in _by_turns(places):
            room[places[some]] = wide[some]
            self._largest(room, products, found)
            best[some] = found[places[some]]
        if len(places) < len(chosen):
            rest = np.ascontiguousarray(rows[whole:]).astype(np.float32)
            self._largest(rest, products, found[: len(rest)])
            best[len(places) :] = found[chosen[len(places) :] - whole]
        return self._moved(best)

    def _largest(self, block: Narrow, products: Narrow, out: Narrow) -> None:
        found = np.matmul(block, self._columns, out=products[: len(block)])
        if self._apart:
            found -= self._offset
        found.max(axis=1, out=out)

    def _moved(self, best: Narrow) -> Narrow:
        if not self._apart:
            best -= self._offset[0]
        return best


def _smallest(values: Narrow, n: int) -> float:
    """The n-th smallest."""
    return float(np.partition(values, n - 1)[n - 1])


def _by_turns(places: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Indices into places, dealt into as few groups as can be in which each place comes once."""
    order = np.argsort(places, kind="stable")
    turns = np.arange(len(order)) - np.searchsorted(places[order], places[order])
    return [order[turns == turn] for turn in range(turns.max(initial=-1) + 1)]

"""Products of an image's many positions with half-spaces, in float32, and the largest of each.

An image's score needs its worst positions alone. Which they are is found by bounds: the largest
product with a few half-spaces is at most that with all, so a position that they put well inside
needs no others. What is left, a few in a hundred, is computed as if all were: in blocks of the
same shape, in the same place of a block: BLAS does the same with it, to the same bits.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows.halves import widened

BLOCK = 256
"""Rows whose products fit into a core's cache: the largest are found before they leave it."""
STRIP = 1024
"""Rows that are bounded together: there are few products of each."""
COVERED, FEWEST, RARE = 8, 128, 16
"""One half-space in so many bounds the others. Bounds pay from so many half-spaces on, and where at
most one position in so many is asked for."""
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
        self._offset = offset.astype(np.float32)
        # One that all share moves the largest as it moves them all, to the same bits.
        self._apart = not bool((self._offset == self._offset[0]).all())

    def of(self, rows: Rows) -> Narrow:
        """(n,) of (n, d) rows, which are finite."""
        return self._moved(self._near(rows))

    def smallest(self, rows: Rows, n: int) -> Narrow:
        """(n,) the smallest of `of`, ascending: the same bits for a part of the work."""
        if len(self._offset) < FEWEST or len(rows) < max(RARE * n, 2 * BLOCK):
            return np.sort(self.of(rows))[:n]
        bounds, slack = self._bounds(rows)
        near = np.full(len(rows), np.inf, np.float32)
        first = np.argpartition(bounds, 2 * n)[: 2 * n]
        near[first] = self._near(rows[first])
        limit = np.partition(near[first], n - 1)[n - 1] + slack
        more = np.flatnonzero((bounds <= limit) & np.isinf(near))
        if not COVERED * len(more) < len(rows):
            return np.sort(self.of(rows))[:n]
        near[more] = self._near(rows[more])
        limit = np.partition(near, n - 1)[n - 1] + slack
        return np.sort(self._as_in_all(rows, np.flatnonzero(near <= limit)))[:n]

    @cached_property
    def _cover(self) -> tuple[Narrow, Narrow]:
        """(c, d) and (c, 1) of half-spaces that lie far apart: each next one from those before.

        (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985.)
        """
        cosines = self._columns.T @ self._columns
        chosen = [int(cosines.sum(axis=0).argmax())]
        nearest = cosines[chosen[0]].copy()
        while len(chosen) < -(-len(cosines) // COVERED):
            chosen.append(int(nearest.argmin()))
            np.maximum(nearest, cosines[chosen[-1]], out=nearest)
        return np.ascontiguousarray(self._columns.T[chosen]), self._offset[chosen, None]

    def _bounds(self, rows: Rows) -> tuple[Narrow, float]:
        """(n,) what is not above the largest of each row, before `_moved`; and what rounding adds.

        The limits below compare sums that were rounded apart from each other: two pairs of them,
        each off by at most d eps |w| |x|.
        """
        coef, offset = self._cover
        bounds, longest = np.empty(len(rows), np.float32), 0.0
        room = np.empty((min(STRIP, len(rows)), rows.shape[1]), np.float32)
        for start in range(0, len(rows), STRIP):
            strip = np.ascontiguousarray(rows[start : start + STRIP])
            wide = widened(strip, room[: len(strip)])
            products = coef @ wide.T
            if self._apart:
                products -= offset
            products.max(axis=0, out=bounds[start : start + STRIP])
            longest = max(longest, float(np.einsum("nd,nd->n", wide, wide).max()))
        lengths = float(np.square(self._columns).sum(axis=0).max()) * longest
        size = rows.shape[1] * lengths**0.5 + float(np.abs(self._offset).max())
        return bounds, 4 * float(np.finfo(np.float32).eps) * size

    def _near(self, rows: Rows) -> Narrow:
        """(n,) the largest of some rows, before `_moved`; its last bits may depend on the place."""
        best = np.empty(len(rows), np.float32)
        room = np.empty((min(BLOCK, len(rows)), rows.shape[1]), np.float32)
        products = np.empty((len(room), len(self._offset)), np.float32)
        for start in range(0, len(rows), BLOCK):
            block = np.ascontiguousarray(rows[start : start + BLOCK])
            self._largest(widened(block, room[: len(block)]), products, best[start : start + BLOCK])
        return best

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


def _by_turns(places: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Indices into places, dealt into as few groups as can be in which each place comes once."""
    order = np.argsort(places, kind="stable")
    turns = np.arange(len(order)) - np.searchsorted(places[order], places[order])
    return [order[turns == turn] for turn in range(turns.max(initial=-1) + 1)]

"""Products of an image's many positions with half-spaces, in float32, and the largest of each.

An image's score needs its worst positions alone. Which they are is found by bounds: the largest
product with some half-spaces is at most that with all, so a position that an eighth of them put
well inside needs no others; of the rest a quarter is asked, then half. What is left is computed as
if all were: in blocks of the same shape, in the same place of a block. BLAS then does the same with
it, to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.whitening import seen_twice
from oneclass.rows.halves import widened

BLOCK = 256
"""Rows whose products fit into a core's cache: the largest are found before they leave it."""
ASKED = (8, 4, 2, 1)
"""One half-space in so many bounds, each time of fewer positions."""
FEWEST, RARE = 128, 16
"""Bounds pay from so many half-spaces on, and where at most one position in so many is wanted."""
Rows = NDArray[np.floating[Any]]
Narrow = NDArray[np.float32]


class Largest:
    """For each row the largest w . x - offset of all half-spaces; it can travel.

    Args:
        coef: (k, c); c is d, or 2 d where rows are whitened.
        offset: (k,).
        whitening: (d, d), through which rows are seen a second time; None for not at all.
    """

    def __init__(
        self, coef: Rows, offset: NDArray[np.float64], whitening: Narrow | None = None
    ) -> None:
        self._columns = np.ascontiguousarray(coef.T, dtype=np.float32)
        self._longest = float(np.square(self._columns).sum(axis=0).max())
        self._offset = offset.astype(np.float32)
        # One that all share moves the largest as it moves them all, to the same bits.
        self._apart = not bool((self._offset == self._offset[0]).all())
        self._whitening = whitening

    def of(self, rows: Rows) -> Narrow:
        """(n,) of (n, d) rows, which are finite."""
        best = np.empty(len(rows), np.float32)
        products = np.empty((min(BLOCK, len(rows)), len(self._offset)), np.float32)
        for start, seen in self._blocks(rows):
            self._largest(seen, products, best[start : start + BLOCK])
        return self._moved(best)

    def smallest(self, rows: Rows, n: int) -> Narrow:
        """(n,) the smallest of `of`, ascending: the same bits for a part of the work."""
        if len(self._offset) < FEWEST or len(rows) < max(RARE * n, 2 * BLOCK):
            return np.sort(self.of(rows))[:n]
        steps = [len(self._offset) // part for part in ASKED]
        bounds, longest = self._bounds_of_all(rows, steps[0])
        slack = self._slack(longest)
        first = np.argpartition(bounds, 2 * n)[: 2 * n]
        limit = _smallest(self._bounds(self._seen(rows, first), 0, steps[-1]), n) + slack
        left = np.flatnonzero(bounds <= limit)
        if not 2 * len(left) < len(rows):
            return np.sort(self.of(rows))[:n]
        seen, bounds = self._seen(rows, left), bounds[left]
        for start, stop in pairwise(steps):
            bounds = np.maximum(bounds, self._bounds(seen, start, stop))
            kept = np.flatnonzero(bounds <= limit)
            seen, left, bounds = seen[kept], left[kept], bounds[kept]
        kept = np.flatnonzero(bounds <= _smallest(bounds, n) + slack)
        return np.sort(self._as_in_all(seen[kept], left[kept], len(rows)))[:n]

    def _blocks(self, rows: Rows) -> Iterator[tuple[int, Narrow]]:
        """Where each block of rows begins, and (b, c) what half-spaces see; only until the next."""
        room = np.empty((min(BLOCK, len(rows)), rows.shape[1]), np.float32)
        for start in range(0, len(rows), BLOCK):
            block = np.ascontiguousarray(rows[start : start + BLOCK])
            wide = widened(block, room[: len(block)])
            yield start, self._see(wide)

    def _see(self, block: Narrow) -> Narrow:
        return block if self._whitening is None else seen_twice(block, self._whitening)

    def _seen(self, rows: Rows, chosen: NDArray[np.intp]) -> Narrow:
        """(m, c) what half-spaces see of the chosen rows, to the bits that it has in its block."""
        wide = rows[chosen].astype(np.float32)
        if self._whitening is None:
            return wide
        seen = np.empty((len(chosen), len(self._columns)), np.float32)
        for some, block, places in _placed(wide, chosen, len(rows)):
            seen[some] = self._see(block)[places]
        return seen

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

    def _bounds_of_all(self, rows: Rows, stop: int) -> tuple[Narrow, float]:
        """(n,) the bounds by the first half-spaces; and the longest row that is seen, squared."""
        bounds, longest = np.empty(len(rows), np.float32), 0.0
        for start, seen in self._blocks(rows):
            bounds[start : start + BLOCK] = self._bounds(seen, 0, stop)
            longest = max(longest, float(np.einsum("nd,nd->n", seen, seen).max()))
        return bounds, longest

    def _bounds(self, seen: Narrow, start: int, stop: int) -> Narrow:
        """(n,) the largest with some half-spaces, before `_moved`.

        The last bits are those of no other product.
        """
        coef, offset = (values[start:stop] for values in self._spread)
        products = coef @ seen.T
        if self._apart:
            products -= offset
        return np.asarray(products.max(axis=0))

    def _slack(self, longest: float) -> float:
        """By how much a limit is raised, since sums are compared that were rounded differently.

        Two pairs of them, each sum off by d eps |w| |x| at most.
        """
        size: float = len(self._columns) * (self._longest * longest) ** 0.5
        size += float(np.abs(self._offset).max())
        return 4 * float(np.finfo(np.float32).eps) * size

    def _as_in_all(self, seen: Narrow, chosen: NDArray[np.intp], n_rows: int) -> Narrow:
        """(m,) what `of` finds for the chosen of n rows: each is put where it lies in its block."""
        best, found = np.empty(len(chosen), np.float32), np.empty(BLOCK, np.float32)
        products = np.empty((BLOCK, len(self._offset)), np.float32)
        for some, block, places in _placed(seen, chosen, n_rows):
            self._largest(block, products, found[: len(block)])
            best[some] = found[places]
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


def _placed(
    values: Narrow, chosen: NDArray[np.intp], n_rows: int
) -> Iterator[tuple[NDArray[np.intp], Narrow, NDArray[np.intp]]]:
    """Blocks in which chosen rows lie in the places that they have among all rows.

    Args:
        values: (m, d) the chosen rows.
        chosen: (m,) which they are, ascending or not.
        n_rows: of all.

    Yields:
        Which of the m rows, the block with zeros in the other places, and their places in it. The
        block has the shape of that in which they lie; it is only there until the next.
    """
    whole = n_rows // BLOCK * BLOCK
    for within, size in ((chosen < whole, BLOCK), (chosen >= whole, n_rows - whole)):
        ids = np.flatnonzero(within)
        room, places = np.zeros((size, values.shape[1]), np.float32), chosen[ids] % BLOCK
        for some in _by_turns(places):
            room[places[some]] = values[ids[some]]
            yield ids[some], room, places[some]


def _by_turns(places: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Indices into places, dealt into as few groups as can be in which each place comes once."""
    order = np.argsort(places, kind="stable")
    turns = np.arange(len(order)) - np.searchsorted(places[order], places[order])
    return [order[turns == turn] for turn in range(turns.max(initial=-1) + 1)]

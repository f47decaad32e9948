"""Products of an image's many positions with half-spaces, in float32, and the largest of each.

An image's score needs its worst positions alone. Which they are is found by bounds: the largest
product with some half-spaces is at most that with all, so a position that one in 12 of them puts
well inside needs no others; of the rest one in 6 is asked, then half. What is left is computed as
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

from oneclass.conformal.whitening import over, seen
from oneclass.rows.halves import widened

BLOCK = 256
"""Rows whose products fit into a core's cache: the largest are found before they leave it."""
ASKED = (12, 6, 2, 1)
"""One half-space in so many bounds, each time of fewer positions."""
FEWEST, RARE = 128, 16
"""Bounds pay from so many half-spaces on, and where at most one position in so many is wanted."""
Rows = NDArray[np.floating[Any]]
Narrow = NDArray[np.float32]


class Largest:
    """For each row the largest w . x - offset of all half-spaces; it can travel.

    Args:
        coef: (k, c); c is d, or 2 d with the whitening of a model of before.
        offset: (k,).
        whitening: as in `Union`.
    """

    def __init__(
        self, coef: Rows, offset: NDArray[np.float64], whitening: Narrow | None = None
    ) -> None:
        self._columns = np.ascontiguousarray(coef.T, dtype=np.float32)
        self._offset = offset.astype(np.float32)
        # One that all share moves the largest as it moves them all, to the same bits.
        self._apart = not bool((self._offset == self._offset[0]).all())
        self._whitening = whitening

    def of(self, rows: Rows) -> Narrow:
        """(n,) of (n, d) rows, which are finite."""
        best = np.empty(len(rows), np.float32)
        products = self._room(len(rows), len(self._offset))
        room = self._room(len(rows), len(self._columns))
        for start, block in _blocks(rows):
            self._largest(self._see(block, room), products, best[start : start + BLOCK])
        return self._moved(best)

    def smallest(self, rows: Rows, n: int) -> Narrow:
        """(n,) the smallest of `of`, ascending: the same bits for a part of the work."""
        found = self._few(rows, n)
        best = self.of(rows) if found is None else self._as_in_all(rows, found[0])
        return np.sort(best)[:n]

    def nearly_smallest(self, rows: Rows, n: int) -> Narrow:
        """(n,) what `smallest` gives but for rounding, for less work."""
        found = self._few(rows, n)
        best = self.of(rows) if found is None else self._moved(found[1])
        return np.sort(best)[:n]

    def _few(self, rows: Rows, n: int) -> tuple[NDArray[np.intp], Narrow] | None:
        """(m,) a few rows that have the n smallest among them, and their largest before `_moved`.

        The last bits of these are those of no other product. None where bounds do not pay.
        """
        before = rows.shape[1] != len(self._columns)  # a model of before, whose slack is another
        if before or len(self._offset) < FEWEST or len(rows) < max(RARE * n, 2 * BLOCK):
            return None
        steps = [len(self._offset) // part for part in ASKED]
        bounds, slack = self._first_bounds(rows)
        first = np.argpartition(bounds, 2 * n)[: 2 * n]
        limit = _smallest(self._bounds(self._seen(rows, first), 0, steps[-1]), n) + slack
        left = np.flatnonzero(bounds <= limit)
        if not 2 * len(left) < len(rows):
            return None
        given = self._seen(rows, left)
        bounds = self._bounds(given, 0, steps[1])
        for start, stop in pairwise(steps[1:]):
            kept = np.flatnonzero(bounds <= limit)
            given, left = given[kept], left[kept]
            bounds = np.maximum(bounds[kept], self._bounds(given, start, stop))
        kept = np.flatnonzero(bounds <= _smallest(bounds, n) + slack)
        return left[kept], bounds[kept]

    def _room(self, n_rows: int, width: int) -> Narrow:
        return np.empty((min(BLOCK, n_rows), width), np.float32)

    def _see(self, block: Narrow, out: Narrow | None = None) -> Narrow:
        """(b, c) what half-spaces see of (b, d) rows."""
        if self._whitening is None:
            return block
        room = None if out is None else out[: len(block)]
        return seen(block, self._whitening, len(self._columns), room)

    def _seen(self, rows: Rows, chosen: NDArray[np.intp]) -> Narrow:
        """(m, c) what half-spaces see of the chosen rows; not to the bits that it has elsewhere."""
        return self._see(rows[chosen].astype(np.float32))

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
        room = np.empty_like(cosines)
        for _ in range(len(cosines) // ASKED[0]):
            gains = np.maximum(cosines, nearest, out=room).sum(axis=1)
            gains[order] = -np.inf
            order.append(int(gains.argmax()))
            np.maximum(nearest, cosines[order[-1]], out=nearest)
        nearest[order] = np.inf
        while 2 * len(order) < len(cosines):
            order.append(int(nearest.argmin()))
            np.maximum(nearest, cosines[order[-1]], out=nearest)
            nearest[order[-1]] = np.inf
        order += np.setdiff1d(np.arange(len(cosines)), order).tolist()
        return np.ascontiguousarray(self._columns.T[order]), self._offset[order, None]

    def _first_bounds(self, rows: Rows) -> tuple[Narrow, float]:
        """(n,) bounds by the first half-spaces, and by how much a limit is to be raised.

        The bounds are those before `_moved`.
        """
        bounds, longest = np.empty(len(rows), np.float32), 0.0
        k = len(self._offset) // ASKED[0]
        coef, offset = (values[:k] for values in self._spread)
        away = self._whitening
        asked = coef if away is None else np.concatenate([away, coef])
        room = np.empty((len(asked), min(BLOCK, len(rows))), np.float32)
        for start, block in _blocks(rows):
            squares = np.einsum("nd,nd->n", block, block)
            products = np.matmul(asked, block.T, out=room[:, : len(block)])
            found, scales = products[len(asked) - k :], None
            if away is not None:
                short = products[: len(away)]
                scales = over(np.float32(1), squares - np.einsum("rn,rn->n", short, short))
                squares *= scales * scales
            longest = max(longest, float(squares.max()))
            bounds[start : start + BLOCK] = self._best(found, offset, scales)
        return bounds, self._slack(longest**0.5)

    def _best(self, found: Narrow, offset: Narrow, scales: Narrow | None) -> Narrow:
        """(b,) the largest of (k, b) products with rows whose lengths are still to be scaled."""
        if not self._apart:  # no scale is negative
            best: Narrow = found.max(axis=0)
            return best if scales is None else best * scales
        if scales is not None:
            found *= scales
        found -= offset
        return np.asarray(found.max(axis=0))

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
        size = len(self._columns) * longest * float(np.linalg.norm(self._columns, axis=0).max())
        if self._whitening is not None:
            size *= 1 + longest**2 * (1 + float(np.linalg.norm(self._whitening)))
        return 2 * float(np.finfo(np.float32).eps) * (size + float(np.abs(self._offset).max()))

    def _as_in_all(self, rows: Rows, chosen: NDArray[np.intp]) -> Narrow:
        """(m,) what `of` finds for the chosen rows: each is put where it lies in its block."""
        best, found = np.empty(len(chosen), np.float32), np.empty(BLOCK, np.float32)
        products = self._room(BLOCK, len(self._offset))
        wide = rows[chosen].astype(np.float32)
        for some, block, places in _placed(wide, chosen, len(rows)):
            self._largest(self._see(block), products, found[: len(block)])
            best[some] = found[places]
        return self._moved(best)

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

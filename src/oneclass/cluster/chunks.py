"""What a worker does with one chunk of rows in the solver's passes. No Dask here: plain functions.

A chunk is an array, or row blocks that the worker can read. What goes back of it is small and can
be added to that of its neighbour; scores stay where the rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.rows import RowBlocks, as_rows
from oneclass.svm.solving.certificate import Tail
from oneclass.svm.solving.passes import squared_lengths

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]
Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class SurveyPart:
    """What the first pass learns of some rows; parts add up, in their order.

    Attributes:
        total: (d,) sum of the rows.
        squares: sum of the squared lengths, and `longest` the largest length.
        something: whether a row is not zero.
        n_zero: rows of zeros; ``first_zero`` is the first of them, -1 without any.
        sample: (s, d) copies of the rows that were asked for.
        wrong: the first row that nobody can use.
    """

    total: Array
    squares: float
    longest: float
    something: bool
    n_zero: int
    first_zero: int
    sample: Floats
    wrong: InputError | None = None

    def __add__(self, other: SurveyPart) -> SurveyPart:
        return SurveyPart(
            self.total + other.total,
            self.squares + other.squares,
            max(self.longest, other.longest),
            self.something or other.something,
            self.n_zero + other.n_zero,
            self.first_zero if self.first_zero >= 0 else other.first_zero,
            np.concatenate([self.sample, other.sample]),
            self.wrong or other.wrong,
        )


def survey_chunk(start: int, chunk: Any, wanted: Ints) -> SurveyPart:
    """The first pass over a chunk whose first row is row `start`.

    Args:
        wanted: ascending positions, among all rows, of rows to copy.
    """
    rows = as_rows(chunk)
    first, last = np.searchsorted(wanted, (start, start + rows.n_rows))
    sample = np.empty((last - first, rows.n_columns), rows.dtype)
    squares, total = np.empty(rows.n_rows, rows.dtype), np.zeros(rows.n_columns)
    something, wrong, done = False, None, 0
    for block in rows.blocks():
        at = start + done
        try:
            squares[done : done + len(block)] = found = squared_lengths(at, block)
        except InputError as error:
            wrong = error
            break
        something = something or bool(found.any()) or bool(block.any())
        low, high = np.searchsorted(wanted, (at, at + len(block)))
        sample[low - first : high - first] = block[wanted[low:high] - at]
        total += np.ones(len(block), block.dtype) @ block
        done += len(block)
    seen = squares[:done].astype(np.float64)
    zeros = np.flatnonzero(seen == 0)
    return SurveyPart(
        total,
        float(seen.sum()),
        float(np.sqrt(seen.max(initial=0.0))),
        something,
        len(zeros),
        start + int(zeros[0]) if len(zeros) else -1,
        sample,
        wrong,
    )


@dataclass(frozen=True)
class ScoredChunk:
    """The scores of a chunk's rows; they stay on the worker.

    Attributes:
        start: position of the first row among all.
        scores: (m, n) of m w and n rows.
        lengths: (n,) of the rows, in their own dtype; empty unless the scores are float64.
    """

    start: int
    scores: Floats
    lengths: Floats

    @property
    def positions(self) -> Ints:
        """(n,) of the rows among all."""
        return np.arange(self.start, self.start + self.scores.shape[1])


def score_chunk(start: int, chunk: Any, coefs: Array, dtype: np.dtype[Any]) -> ScoredChunk:
    """Score a chunk's rows against (m, d) coefs in their own dtype or in float64."""
    rows = as_rows(chunk)
    together = np.ascontiguousarray(coefs.T, dtype=dtype)
    wide = dtype == np.float64
    scores = np.empty((len(coefs), rows.n_rows), dtype)
    lengths = np.empty(rows.n_rows if wide else 0, rows.dtype)
    done = 0
    for block in rows.blocks():
        stop = done + len(block)
        if wide:
            lengths[done:stop] = np.sqrt(np.einsum("ij,ij->i", block, block))
        # Adding 0 makes 0 of -0: equal scores must have one key.
        scores[:, done:stop] = (block.astype(dtype, copy=False) @ together).T + dtype.type(0)
        done = stop
    return ScoredChunk(start, scores, lengths)


@dataclass(frozen=True)
class Band:
    """The rows of a problem's band: between two of them, both included, or a sample of these.

    Attributes:
        column: the problem's column among the scores.
        first, last: (score, position) of its lowest and of its highest row.
        fixed: the rows below this one are summed up; of a sample it is the row at the threshold,
            which the band always has.
        share: of the rows that are drawn.
    """

    column: int
    first: tuple[float, int]
    last: tuple[float, int]
    fixed: tuple[float, int]
    share: float = 1.0

    def below(self, scores: Floats, positions: Ints) -> NDArray[np.bool_]:
        """Which rows are summed up."""
        return _before(scores, positions, self.fixed)

    def holds(self, scores: Floats, positions: Ints) -> NDArray[np.bool_]:
        """Which rows are in it."""
        score, position = self.last
        within = _before(scores, positions, (score, position + 1))
        within &= ~_before(scores, positions, self.first)
        if self.share < 1.0:
            within &= _drawn(positions, self.share)
            within |= positions == self.fixed[1]
        return within


def _drawn(positions: Ints, share: float) -> NDArray[np.bool_]:
    """A sample of rows that depends on their positions alone: by the mix of splitmix64."""
    mixed = positions.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    found: NDArray[np.bool_] = (mixed ^ (mixed >> np.uint64(31))) < np.uint64(share * 2**63) * 2
    return found


def _before(scores: Floats, positions: Ints, row: tuple[float, int]) -> NDArray[np.bool_]:
    score, position = row
    found: NDArray[np.bool_] = (scores < score) | ((scores == score) & (positions < position))
    return found


@dataclass(frozen=True)
class GatheredPart:
    """What a gathering pass brings of some rows; parts add up, in their order.

    Attributes:
        fixed: (m, d) sum of the rows below each of m bands.
        bands: of each of m bands the rows, as a list of arrays: they are many, and are joined once,
            where all have arrived.
        scores: likewise their scores.
    """

    fixed: Array
    bands: list[list[Floats]]
    scores: list[list[Array]]

    def __add__(self, other: GatheredPart) -> GatheredPart:
        return GatheredPart(
            self.fixed + other.fixed,
            [one + two for one, two in zip(self.bands, other.bands, strict=True)],
            [one + two for one, two in zip(self.scores, other.scores, strict=True)],
        )


def gather_chunk(chunk: Any, scored: ScoredChunk, bands: Sequence[Band]) -> GatheredPart:
    """Sum a chunk's rows below each band, and copy those in it, in the dtype of the scores."""
    rows, positions = as_rows(chunk), scored.positions
    dtype = scored.scores.dtype
    columns = [scored.scores[band.column] for band in bands]
    held = [
        np.flatnonzero(band.holds(scores, positions))
        for band, scores in zip(bands, columns, strict=True)
    ]
    below = np.stack(
        [band.below(scores, positions) for band, scores in zip(bands, columns, strict=True)]
    )
    fixed = np.zeros((len(bands), rows.n_columns))
    copies = [np.empty((len(some), rows.n_columns), dtype) for some in held]
    done = 0
    for block in rows.blocks():
        stop = done + len(block)
        wide = block.astype(dtype, copy=False)
        fixed += below[:, done:stop].astype(dtype) @ wide
        for some, copy in zip(held, copies, strict=True):
            low, high = np.searchsorted(some, (done, stop))
            copy[low:high] = wide[some[low:high] - done]
        done = stop
    own = [[scores[some].astype(np.float64)] for some, scores in zip(held, columns, strict=True)]
    return GatheredPart(fixed, [[copy] for copy in copies], own)


@dataclass(frozen=True)
class Tails:
    """The tails of several columns; they add up."""

    each: list[Tail]

    def __add__(self, other: Tails) -> Tails:
        return Tails([one + two for one, two in zip(self.each, other.each, strict=True)])


def tails_of_chunk(scored: ScoredChunk, limits: Sequence[tuple[int, float, float]]) -> Tails:
    """The tail of each (column, offset, threshold)."""
    return Tails([Tail.of(scored.scores[c], offset, line) for c, offset, line in limits])


def shape_of(chunk: Any) -> tuple[int, int, str]:
    """Rows, columns and dtype of a chunk.

    Raises:
        InputError: it is no rows.
    """
    rows: RowBlocks = as_rows(chunk)
    return rows.n_rows, rows.n_columns, rows.dtype.str

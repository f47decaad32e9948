"""Rows of given ranks among scores that lie on many machines, exactly and in a few small rounds.

A score becomes a whole number with the same order, its key. Each round counts the rows in a
thousand equal parts of a bracket of keys and goes on with the part that holds the rank. When few
rows are left they are fetched. What is sent depends on the number of ranks, not on that of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.cluster.chunks import Floats, Keys, ScoredChunk

PARTS = 1024
FETCHED = 2048
"""Rows of a bracket that are fetched rather than counted once more."""
_UNSIGNED: dict[int, Any] = {4: np.uint32, 8: np.uint64}


@dataclass(frozen=True)
class Bracket:
    """Some rows of a column, by their keys or, where those are equal, by their positions.

    Attributes:
        column: of the scores.
        lowered: scores count as less by this times the row's length.
        low, high: keys, or positions, both included.
        tie: None, or the key of the rows that are told apart by their positions.
    """

    column: int
    lowered: float
    low: int
    high: int
    tie: int | None = None

    @property
    def shift(self) -> int:
        """Bits by which a distance from `low` is shifted to be the number of its part."""
        return max((self.high - self.low).bit_length() - (PARTS.bit_length() - 1), 0)

    def part(self, number: int) -> Bracket:
        """One of its parts."""
        low = self.low + (number << self.shift)
        return replace(self, low=low, high=min(self.high, low + (1 << self.shift) - 1))


@dataclass(frozen=True)
class Counts:
    """Of each bracket the rows below it, and those in each of its parts; counts add up."""

    table: NDArray[np.int64]

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.table + other.table)


@dataclass(frozen=True)
class Fetched:
    """The rows of each bracket, and the sum of the scores below it; they add up, in their order.

    Attributes:
        keys, positions: an array for each bracket.
        below: (number of brackets,) float64.
    """

    keys: list[Keys]
    positions: list[NDArray[np.intp]]
    below: NDArray[np.float64]

    def __add__(self, other: Fetched) -> Fetched:
        return Fetched(
            [np.concatenate(two) for two in zip(self.keys, other.keys, strict=True)],
            [np.concatenate(two) for two in zip(self.positions, other.positions, strict=True)],
            self.below + other.below,
        )


@dataclass(frozen=True)
class Extremes:
    """(m, 2) the lowest and the highest key of each column; the wider ones count."""

    table: Keys

    def __add__(self, other: Extremes) -> Extremes:
        low = np.minimum(self.table[:, 0], other.table[:, 0])
        return Extremes(np.stack([low, np.maximum(self.table[:, 1], other.table[:, 1])], axis=1))


@dataclass(frozen=True)
class Wanted:
    """One rank of one column.

    Attributes:
        bracket: of keys, that holds the row.
        rank: of the row among all, from 0 on; equal scores are in the order of their positions.
        placed: whether its position is wanted, too.
    """

    bracket: Bracket
    rank: int
    placed: bool


@dataclass(frozen=True)
class Found:
    """The row of a rank.

    Attributes:
        score: its score.
        position: among all rows; where it was not wanted, it may be -1.
        below: sum of the scores of all rows of lower rank; nothing where the position was wanted.
    """

    score: float
    position: int
    below: float

    @property
    def place(self) -> tuple[float, int]:
        """Where it stands among all rows."""
        return self.score, self.position


def keys_of(scores: Floats) -> Keys:
    """Whole numbers in the order of the scores, -0 excluded."""
    unsigned = _UNSIGNED[scores.dtype.itemsize]
    bits = np.ascontiguousarray(scores).view(unsigned)
    sign = unsigned(1) << unsigned(8 * scores.dtype.itemsize - 1)
    found: Keys = np.where(bits & sign, ~bits, bits | sign).astype(np.uint64)
    return found


def key_of(score: float, dtype: np.dtype[Any]) -> int:
    """The key of one score."""
    return int(keys_of(np.array([score], dtype) + dtype.type(0))[0])


def scores_of(keys: Keys, dtype: np.dtype[Any]) -> Floats:
    """The scores of keys."""
    unsigned = _UNSIGNED[dtype.itemsize]
    bits, sign = keys.astype(unsigned), unsigned(1) << unsigned(8 * dtype.itemsize - 1)
    found: Floats = np.where(bits & sign, bits ^ sign, ~bits).astype(unsigned).view(dtype)
    return found


def score_of(key: int, dtype: np.dtype[Any]) -> float:
    """The score of one key."""
    return float(scores_of(np.array([key], np.uint64), dtype)[0])


def extremes_of_chunk(scored: ScoredChunk) -> Extremes:
    """Of the scores of each column."""
    ends = np.stack([scored.scores.min(axis=1), scored.scores.max(axis=1)], axis=1)
    return Extremes(keys_of(ends))


def count_in_chunk(scored: ScoredChunk, brackets: Sequence[Bracket]) -> Counts:
    """The rows of a chunk below each bracket, and in its parts."""
    table = np.zeros((len(brackets), 1 + PARTS), np.int64)
    for line, bracket, (values, _) in zip(table, brackets, _values(scored, brackets), strict=True):
        line[0] = np.count_nonzero(values < np.uint64(bracket.low))
        inside = values[(values >= np.uint64(bracket.low)) & (values <= np.uint64(bracket.high))]
        parts = (inside - np.uint64(bracket.low)) >> np.uint64(bracket.shift)
        line[1:] = np.bincount(parts.astype(np.intp), minlength=PARTS)
    return Counts(table)


def fetch_from_chunk(scored: ScoredChunk, brackets: Sequence[Bracket]) -> Fetched:
    """The rows of a chunk in each bracket, and the sum of the scores below it."""
    found = Fetched([], [], np.zeros(len(brackets)))
    pairs = zip(brackets, _values(scored, brackets), strict=True)
    for number, (bracket, (values, positions)) in enumerate(pairs):
        inside = (values >= np.uint64(bracket.low)) & (values <= np.uint64(bracket.high))
        found.positions.append(positions[inside])
        tie = bracket.tie
        keys = values[inside] if tie is None else np.full(np.count_nonzero(inside), tie, np.uint64)
        found.keys.append(keys)
        if tie is None:
            lower = scored.scores[bracket.column][values < np.uint64(bracket.low)]
            found.below[number] = lower.sum(dtype=np.float64)
    return found


def _values(
    scored: ScoredChunk, brackets: Sequence[Bracket]
) -> list[tuple[Keys, NDArray[np.intp]]]:
    """What each bracket tells rows apart by, and the positions of these rows."""
    known: dict[tuple[int, float], Keys] = {}
    found = []
    for bracket in brackets:
        name = bracket.column, bracket.lowered
        if name not in known:
            scores = scored.scores[bracket.column]
            if bracket.lowered:
                scores = scores - bracket.lowered * scored.lengths + scores.dtype.type(0)
            known[name] = keys_of(scores)
        keys, positions = known[name], scored.positions
        if bracket.tie is None:
            found.append((keys, positions))
        else:
            tied = positions[keys == np.uint64(bracket.tie)]
            found.append((tied.astype(np.uint64), tied))
    return found


def select(
    wanted: Sequence[Wanted],
    n_rows: int,
    dtype: np.dtype[Any],
    count: Callable[[list[Bracket]], Counts],
    fetch: Callable[[list[Bracket]], Fetched],
) -> list[Found]:
    """The rows of the wanted ranks.

    Args:
        wanted: ranks, each with a bracket that holds it.
        n_rows: of all chunks.
        dtype: of the scores.
        count: `count_in_chunk`, added up over all chunks.
        fetch: `fetch_from_chunk`, likewise.
    """
    searches = [_Search(one, n_rows) for one in wanted]
    while open_ones := [search for search in searches if not search.done]:
        brackets = list(dict.fromkeys(search.bracket for search in open_ones))
        table = count(brackets).table
        for search in open_ones:
            search.narrow(table[brackets.index(search.bracket)])
    asked = list(dict.fromkeys(search.bracket for search in searches))
    fetched = fetch(asked)
    return [one.result(asked.index(one.bracket), fetched, dtype) for one in searches]


class _Search:
    """The way to one rank.

    Attributes:
        bracket: of keys or of positions, that holds the row; at the end it is fetched.
        done: whether it is small enough.
    """

    def __init__(self, wanted: Wanted, n_rows: int) -> None:
        self.bracket, self.done = wanted.bracket, False
        self._rank, self._placed, self._n_rows = wanted.rank, wanted.placed, n_rows
        self._within = 0

    def narrow(self, counts: NDArray[np.int64]) -> None:
        """Go on with the part that holds the rank."""
        rank = self._rank - int(counts[0])
        sums = np.cumsum(counts[1:])
        number = int(np.searchsorted(sums, rank, side="right"))
        n_inside = int(counts[1 + number])
        self.bracket = self.bracket.part(number)
        self._within = rank - (int(sums[number]) - n_inside)
        one_key = self.bracket.tie is None and self.bracket.low == self.bracket.high
        if n_inside <= FETCHED:
            self.done = True
        elif one_key and self._placed:
            self._rank = self._within
            tie = self.bracket.low
            self.bracket = replace(self.bracket, low=0, high=self._n_rows - 1, tie=tie)
        elif one_key:  # none of the many rows is needed, only what lies below them
            self.bracket = replace(self.bracket, high=self.bracket.low - 1)
            self.done = True

    def result(self, number: int, fetched: Fetched, dtype: np.dtype[Any]) -> Found:
        """The row, out of what was fetched of this search's bracket."""
        if self.bracket.high < self.bracket.low:
            score = score_of(self.bracket.low, dtype)
            return Found(score, -1, float(fetched.below[number]) + self._within * score)
        order = np.lexsort((fetched.positions[number], fetched.keys[number]))
        scores = scores_of(fetched.keys[number][order], dtype)
        below = float(fetched.below[number]) + float(scores[: self._within].sum(dtype=np.float64))
        position = int(fetched.positions[number][order[self._within]])
        return Found(float(scores[self._within]), position, below)

"""What the passes do with the rows: look them over, score them, gather those near a threshold.

A pass serves all problems at once. A problem is one nu over all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.rows import RowBlocks, map_blocks
from oneclass.svm.solving.scores import Cut, ScoreTable

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Survey:
    """What the first pass learns of the rows.

    Attributes:
        total: (d,) sum of the rows.
        n_rows: l.
        mean_square: mean squared length of the rows.
        n_zero: rows of zeros; ``first_zero`` is the first of them, -1 without any.
        sample: copies of the rows that were asked for.
    """

    total: Array
    n_rows: int
    mean_square: float
    n_zero: int
    first_zero: int
    sample: Floats


def survey(rows: RowBlocks, sampled: Ints | None = None) -> tuple[Survey, Floats]:
    """First pass: sum, lengths, a sample, and rows that nobody can use.

    Args:
        rows: the rows.
        sampled: positions of rows to copy, ascending.

    Returns:
        What it found, and (l,) the lengths of the rows, in their dtype.

    Raises:
        InputError: a row holds NaN, infinity, or numbers whose squares overflow; or the squares of
            all rows vanish.
    """
    something: list[bool] = []
    wanted = np.zeros(0, np.intp) if sampled is None else sampled
    sample = np.empty((len(wanted), rows.n_columns), rows.dtype)
    squares = np.empty(rows.n_rows, rows.dtype)

    def look(start: int, block: Floats) -> Floats:
        found = squared_lengths(start, block)
        squares[start : start + len(block)] = found
        something.append(bool(found.any()) or bool(block.any()))
        _copy(block, start, wanted, sample)
        return np.ones(len(block), block.dtype) @ block

    total = np.zeros(rows.n_columns)
    for part in map_blocks(look, rows):
        total += part
    if any(something):
        check_visible(float(squares.sum(dtype=np.float64)) / rows.n_rows, rows.dtype)
    zeros = np.flatnonzero(squares == 0)
    first_zero = int(zeros[0]) if len(zeros) else -1
    lengths = np.sqrt(squares)
    wide = lengths.astype(np.float64)
    mean_square = float(wide @ wide) / rows.n_rows
    return Survey(total, rows.n_rows, mean_square, len(zeros), first_zero, sample), lengths


def squared_lengths(start: int, block: Floats) -> Floats:
    """(b,) of the rows of a block whose first one is row `start`.

    Raises:
        InputError: one is not finite.
    """
    found: Floats = np.einsum("ij,ij->i", block, block)
    if not np.isfinite(found).all():
        row = start + int(np.flatnonzero(~np.isfinite(found))[0])
        raise InputError(
            f"X: row {row} holds NaN, infinity or numbers too large to square in "
            f"{block.dtype}; expected finite numbers: drop the row, or repair and rescale it"
        )
    return found


def check_visible(square: float, dtype: np.dtype[Any]) -> None:
    """Refuse rows whose products have lost their digits, or are zero, since they are so small."""
    numbers = np.finfo(dtype)
    smallest = float(numbers.tiny / numbers.eps)
    if square < smallest:
        raise InputError(
            f"X: the rows' mean squared length is {square:.1g}, so small that squares vanish in "
            f"{dtype}; expected at least {smallest:.1g}: multiply all rows by one number, to "
            "lengths of about 1"
        )


def score_rows(rows: RowBlocks, coefs: Array, table: ScoreTable) -> None:
    """Score every row against every w: one column of the table for each of the (m, d) coefs."""
    together = np.ascontiguousarray(coefs.T, dtype=rows.dtype)

    def score(start: int, block: Floats) -> None:
        table.write(start, (block @ together).T)

    for _ in map_blocks(score, rows):
        pass


@dataclass(frozen=True)
class Gathered:
    """What `gather` brings back for one problem.

    Attributes:
        fixed: (d,) sum of the rows below the band.
        band: (b, d) the rows of the band, in their order among all rows.
        scores: (b,) their scores.
    """

    fixed: Array
    band: Floats
    scores: Array


def gather(rows: RowBlocks, cuts: Mapping[int, Cut], table: ScoreTable) -> dict[int, Gathered]:
    """Sum the rows below every problem's band and copy the rows in it."""
    bands = {
        number: np.empty((len(cut.band), rows.n_columns), rows.dtype)
        for number, cut in cuts.items()
    }

    def take(start: int, block: Floats) -> Floats:
        stop = start + len(block)
        below = [cut.fixes(table.read(cut.column, start, stop), start) for cut in cuts.values()]
        for number, cut in cuts.items():
            _copy(block, start, cut.band, bands[number])
        return np.stack(below).astype(rows.dtype) @ block

    fixed = np.zeros((len(cuts), rows.n_columns))
    for part in map_blocks(take, rows):
        fixed += part
    return {
        number: Gathered(total, bands[number], cut.scores)
        for (number, cut), total in zip(cuts.items(), fixed, strict=True)
    }


def _copy(block: Floats, start: int, wanted: Ints, into: Floats) -> None:
    """Copy those of the wanted rows (ascending positions among all rows) that this block holds."""
    first, last = np.searchsorted(wanted, (start, start + len(block)))
    np.take(block, wanted[first:last] - start, axis=0, out=into[first:last], mode="clip")

"""What is done with the rows while they are read: the only three loops over them.

A pass serves all problems at once. A problem is one nu over all rows, or one cluster of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.rows import RowBlocks
from oneclass.svm._hull import Hull
from oneclass.svm._scores import Cut, ScoreTable

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Survey:
    """What the first pass learns of the rows.

    Attributes:
        sums: (g, d) sum of the rows of each cluster, or of all rows (g = 1).
        counts: (g,) rows of each.
        squares: (g,) mean squared length of the rows.
        sample: copies of the rows that were asked for.
        n_zero: rows without a length, which are zeros or so small beside the others that their
            squares vanish; ``first_zero`` is the first of them, -1 without any.
    """

    sums: Array
    counts: Labels
    squares: Array
    sample: Floats
    n_zero: int
    first_zero: int


@dataclass(frozen=True)
class _Part:
    """The rows of one block that concern the same problems."""

    rows: Floats
    where: NDArray[np.intp] | slice  # positions within the block
    group: int


def _parts(block: Floats, labels: Labels | None) -> Iterator[_Part]:
    if labels is None:
        yield _Part(block, slice(None), 0)
        return
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    for start, stop in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        where = order[start:stop]
        yield _Part(block[where], where, int(ordered[start]))


def _blocks(rows: RowBlocks, labels: Labels | None) -> Iterator[tuple[int, Floats, Labels | None]]:
    start = 0
    for block in rows.blocks():
        stop = start + len(block)
        yield start, block, None if labels is None else labels[start:stop]
        start = stop


def survey(
    rows: RowBlocks, labels: Labels | None, sampled: NDArray[np.intp] | None = None
) -> Survey:
    """First pass: sums, lengths, a sample, and rows that nobody can use.

    Args:
        rows: the rows.
        labels: (n,) cluster of every row, or None.
        sampled: positions of rows to copy, ascending.

    Raises:
        InputError: a row holds NaN, infinity, or numbers whose squares overflow; or the squares of
            all rows vanish.
    """
    n_groups = 1 if labels is None else int(labels.max()) + 1
    sums = np.zeros((n_groups, rows.n_columns))
    squares = np.zeros(n_groups)
    n_zero, first_zero, something = 0, -1, False
    wanted = np.zeros(0, np.intp) if sampled is None else sampled
    sample = np.empty((len(wanted), rows.n_columns), rows.dtype)
    for start, block, names in _blocks(rows, labels):
        lengths = np.einsum("ij,ij->i", block, block)
        if not np.isfinite(lengths).all():
            row = start + int(np.flatnonzero(~np.isfinite(lengths))[0])
            raise InputError(
                f"X: row {row} holds NaN, infinity or numbers too large to square in "
                f"{block.dtype}; expected finite numbers: drop the row, or repair and rescale it"
            )
        zeros = np.flatnonzero(lengths == 0)
        if len(zeros) and not n_zero:
            first_zero = start + int(zeros[0])
        n_zero += len(zeros)
        something = something or len(zeros) < len(block) or bool(block.any())
        _copy(block, start, wanted, sample)
        for part in _parts(block, names):
            sums[part.group] += np.ones(len(part.rows), block.dtype) @ part.rows
            squares[part.group] += lengths[part.where].sum(dtype=np.float64)
    if something:
        _check_visible(float(squares.sum()) / rows.n_rows, rows.dtype)
    counts = np.array([rows.n_rows]) if labels is None else np.bincount(labels)
    return Survey(sums, counts, squares / counts, sample, n_zero, first_zero)


def _check_visible(square: float, dtype: np.dtype[Any]) -> None:
    """Refuse rows whose products have lost their digits, or are zero, since they are so small."""
    numbers = np.finfo(dtype)
    smallest = float(numbers.tiny / numbers.eps)
    if square < smallest:
        raise InputError(
            f"X: the rows' mean squared length is {square:.1g}, so small that squares vanish in "
            f"{dtype}; expected at least {smallest:.1g}: multiply all rows by one number, to "
            "lengths of about 1"
        )


def score_rows(
    rows: RowBlocks, labels: Labels | None, hulls: Mapping[int, Hull], table: ScoreTable
) -> None:
    """Score every row against the present w of its problems.

    Without labels the table has one column for every open problem, in their order. With labels the
    problems are the clusters, the table has a single column, and rows of finished clusters score 0.
    """
    coefs = {number: hull.coef.astype(rows.dtype) for number, hull in hulls.items()}
    together = np.stack(list(coefs.values()))
    for start, block, names in _blocks(rows, labels):
        if names is None:
            table.write(start, (block @ together.T).T)
            continue
        scores = np.zeros((1, len(block)), rows.dtype)
        for part in _parts(block, names):
            if part.group in coefs:
                scores[0, part.where] = part.rows @ coefs[part.group]
        table.write(start, scores)


def _copy(block: Floats, start: int, wanted: NDArray[np.intp], into: Floats) -> None:
    """Copy those of the wanted rows (ascending positions among all rows) that this block holds."""
    first, last = np.searchsorted(wanted, (start, start + len(block)))
    np.take(block, wanted[first:last] - start, axis=0, out=into[first:last], mode="clip")


@dataclass(frozen=True)
class Gathered:
    """What `gather` brings back for one problem.

    Attributes:
        fixed: (d,) sum of the rows below the band.
        band: (b, d) the rows of the band.
    """

    fixed: Array
    band: Floats


def gather(
    rows: RowBlocks, labels: Labels | None, cuts: Mapping[int, Cut], table: ScoreTable
) -> dict[int, Gathered]:
    """Sum the rows below every problem's band and copy the rows in it."""
    width = rows.n_columns
    found = {
        number: Gathered(np.zeros(width), np.empty((len(cut.band), width), rows.dtype))
        for number, cut in cuts.items()
    }
    for start, block, names in _blocks(rows, labels):
        stop = start + len(block)
        if names is None:
            below = [cut.fixes(table.read(cut.column, start, stop), start) for cut in cuts.values()]
            sums = np.stack(below).astype(rows.dtype) @ block
            for gathered, total in zip(found.values(), sums, strict=True):
                gathered.fixed[:] += total
        else:
            scores = table.read(0, start, stop)
            for part in _parts(block, names):
                if part.group in cuts:
                    chosen = cuts[part.group].fixes(scores, start)[part.where]
                    found[part.group].fixed[:] += chosen.astype(rows.dtype) @ part.rows
        for number, cut in cuts.items():
            _copy(block, start, cut.band, found[number].band)
    return found

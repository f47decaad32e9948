"""Solve every nu of a grid over the same rows, the way that costs least.

All rows at once (`gram`) where they are few; else by passes over them (`rounds`), which start from
a random sample that is first solved all at once. Where the sample shows that so many rows are tied
that no band can hold them, all rows at once again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks
from oneclass.svm._blocks import HeldRows
from oneclass.svm._products import many
from oneclass.svm._repeats import Repeats, repeats
from oneclass.svm.solving.band import NARROWEST, WIDEST, band_width, beyond_bands
from oneclass.svm.solving.gram import (
    FEWEST_PASSES,
    SEVERAL,
    WIDE_WORK,
    GramSolution,
    solve_by_gram,
)
from oneclass.svm.solving.hull import Hull
from oneclass.svm.solving.looks import BlockLooks, Looks
from oneclass.svm.solving.outcome import Solved
from oneclass.svm.solving.passes import Survey, survey
from oneclass.svm.solving.rounds import solve_by_passes

Floats = NDArray[np.floating[Any]]

_GRAM_BYTES = 512 << 20
_COPIES = 4  # of rows in float64, where they are taken all at once without their matrix
_FEW_ROWS = 4 * WIDEST  # up to here, the programs of the bands cost more than scoring all rows
_FEW_NUMBERS = 1 << 20  # in float64 they stay in the cache while all rows are scored
_PART = 3  # bands of more than such a part of the rows cost more than their matrix
_HELD_BYTES = 512 << 20
_SAMPLE_BYTES = 64 << 20
_SAMPLE_ROWS = 3000
_SAMPLE_TOL = 1e-3
_LEAPS, _UNSURE = 3, 10


class Way(StrEnum):
    """How the problems were solved."""

    GRAM = "gram"
    PASSES = "passes"


@dataclass(frozen=True)
class Solution:
    """All problems, in order, with what they have in common."""

    solved: list[Solved]
    survey: Survey
    n_passes: int
    way: Way


def solve(
    rows: RowBlocks,
    nus: Sequence[float],
    *,
    tol: float,
    max_passes: int,
    start: Floats | None = None,
) -> Solution:
    """Solve one problem for every nu over all rows.

    Args:
        rows: the rows; few of them are brought here, many are looked at where they lie.
        nus: nu of every problem.
        tol: relative gap to reach.
        max_passes: reads of all rows after which the best points so far are returned; at least 2.
        start: (number of problems, d) solutions for similar rows, to look from first.

    Raises:
        InputError: a row is not finite.
    """
    n = rows.n_rows
    held = max_passes > FEWEST_PASSES and min(nus) < 1.0 and _may_be_held(rows)
    rows = HeldRows(rows) if held else rows
    equal = repeats(rows) if held else None
    by_gram = equal is not None and _all_at_once(equal, rows.n_columns, len(nus))
    if max_passes <= 3:
        start = None
    known = by_gram or start is not None or max_passes <= 3 or min(nus) == 1.0
    looks: Looks = rows if isinstance(rows, Looks) else BlockLooks(rows)
    found = looks.survey(None if known else _sample(rows))
    first = _solve_sample(ArrayRows(found.sample), nus) if len(found.sample) else None
    if equal is not None and first is not None:
        by_gram = _beyond_bands(equal, found, first)
    if equal is not None and by_gram:
        assert isinstance(looks, BlockLooks), "rows that may be held are"
        most = max_passes - 1
        done = solve_by_gram(rows, equal, nus, looks.lengths, tol=tol, max_passes=most)
        return Solution(done.solved, found, 1 + done.n_passes, Way.GRAM)
    mean = found.total / n
    hulls = {i: Hull(max(nu * n, 1.0), mean, NARROWEST) for i, nu in enumerate(nus)}
    if first is not None:
        _start_from(first, n, len(found.sample), hulls, leaps=_is_long(rows))
    elif start is not None:
        for i, hull in hulls.items():
            hull.start(np.asarray(start[i], dtype=np.float64))
    solved, n_passes = solve_by_passes(looks, hulls, found, tol=tol, max_passes=max_passes)
    return Solution(solved, found, n_passes, Way.PASSES)


def _may_be_held(rows: RowBlocks) -> bool:
    """Whether the rows are few, or lie in memory already and some may repeat."""
    here = isinstance(rows, ArrayRows) or _fits(rows.n_rows)
    return here and rows.n_rows * rows.n_columns * rows.dtype.itemsize <= _HELD_BYTES


def _fits(n_different: int) -> bool:
    return 8 * n_different**2 <= _GRAM_BYTES


def _all_at_once(equal: Repeats, n_columns: int, n_nus: int) -> bool:
    """Whether not to take passes, as far as the shape tells."""
    n_different = len(equal.first)
    if many(n_different, n_columns):
        few = n_different <= _FEW_ROWS or n_different * n_columns <= _FEW_NUMBERS
        return few and _copies_fit(n_different, n_columns)
    several = n_nus >= SEVERAL or n_different**2 * n_columns <= WIDE_WORK
    return several and _fits(n_different)


def _beyond_bands(equal: Repeats, found: Survey, first: GramSolution) -> bool:
    """Whether not to take passes, by what the sample showed."""
    n_different, (n_sampled, n_columns) = len(equal.first), found.sample.shape
    n_free = float(np.mean(first.n_free))
    if not many(n_different, n_columns):
        return _fits(n_different) and _PART * band_width(n_free) > n_different
    fit = _copies_fit(n_different, n_columns)
    return fit and beyond_bands(n_different, n_columns, n_free, n_free / n_sampled)


def _copies_fit(n_rows: int, n_columns: int) -> bool:
    return 8 * _COPIES * n_rows * n_columns <= _GRAM_BYTES


def _is_long(rows: RowBlocks) -> bool:
    """Whether a pass costs more than what is done with a band."""
    return rows.n_rows * rows.n_columns * rows.dtype.itemsize > _HELD_BYTES


def _sample(rows: RowBlocks) -> NDArray[np.intp] | None:
    """Positions of the rows to solve first, or None where they would be very few."""
    fitting = _SAMPLE_BYTES // (rows.n_columns * rows.dtype.itemsize)
    size = min(fitting, _SAMPLE_ROWS, rows.n_rows // 4)
    if size < NARROWEST:
        return None
    return np.sort(np.random.default_rng(0).choice(rows.n_rows, size, replace=False))


def _solve_sample(sample: ArrayRows, nus: Sequence[float]) -> GramSolution:
    _, lengths = survey(sample)
    return solve_by_gram(
        sample, repeats(sample), nus, lengths, tol=_SAMPLE_TOL, max_passes=FEWEST_PASSES
    )


def _start_from(
    first: GramSolution, n_rows: int, n_sampled: int, hulls: dict[int, Hull], *, leaps: bool
) -> None:
    """Look from the sample's points first and expect its free rows. At nu = 1 the mean is known.

    Where leaps are worth their while, the rows that may still change sides are so many times the
    sample's free ones as there are more rows than in the sample.
    """
    for hull, one, n_free in zip(hulls.values(), first.solved, first.n_free, strict=True):
        if one.point.coef.any() and hull.mass < n_rows:
            hull.start(one.point.coef)
            hull.n_free, hull.width = n_free, band_width(n_free)
            if leaps:
                hull.leaps = _LEAPS
                hull.width = max(hull.width, int(_UNSURE * n_free * n_rows / n_sampled))

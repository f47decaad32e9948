"""Solve every nu of a grid over the same rows, the way that costs least.

Where the matrix of scalar products is small, through it (`_gram`). Else by passes, two a round for
all problems together: one scores the rows, one sums those below each problem's threshold and copies
those near it, the band, which is solved exactly. A random sample, solved first through its matrix,
gives the passes their start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks
from oneclass.svm._band import NARROWEST, improve
from oneclass.svm._blocks import HeldRows, WideRows
from oneclass.svm._certificate import certify, held_by
from oneclass.svm._gram import FEWEST_PASSES, solve_by_gram
from oneclass.svm._hull import Hull
from oneclass.svm._outcome import Solved, at_origin, nothing, outcome
from oneclass.svm._passes import Survey, gather, score_rows, survey
from oneclass.svm._scores import Cut, ScoreTable, cut_scores

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

_GRAM_BYTES = 512 << 20
_HELD_BYTES = 512 << 20
_ALL_BANDS_BYTES = 256 << 20
_SAMPLE_BYTES = 64 << 20
_SAMPLE_ROWS = 3000
_SAMPLE_TOL = 1e-3
_ONE_ROUND = 2


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
        rows: the rows.
        nus: nu of every problem.
        tol: relative gap to reach.
        max_passes: reads of all rows after which the best points so far are returned; at least 2.
        start: (number of problems, d) solutions for similar rows, to look from first.

    Raises:
        InputError: a row is not finite.
    """
    way = Way.PASSES
    sampled = None
    if max_passes > FEWEST_PASSES and _matrix_pays(rows, nus):
        way, rows = Way.GRAM, HeldRows(rows)
    elif start is None and max_passes > 3:
        sampled = _sample(rows)
    found = survey(rows, sampled)
    if way is Way.GRAM:
        solved, n_passes = solve_by_gram(
            rows, nus, found.lengths, tol=tol, max_passes=max_passes - 1
        )
        return Solution(solved, found, 1 + n_passes, way)
    hulls = _hulls(rows, nus, found, start if max_passes > 3 else None)
    solved, n_passes = _by_passes(rows, hulls, found, tol, max_passes)
    return Solution(solved, found, n_passes, way)


def _hulls(
    rows: RowBlocks, nus: Sequence[float], found: Survey, start: Floats | None
) -> dict[int, Hull]:
    """Every problem at the mean row, which is in its hull, or at a better point to look from."""
    mean = found.total / rows.n_rows
    hulls = {i: Hull(max(nu * rows.n_rows, 1.0), mean, NARROWEST) for i, nu in enumerate(nus)}
    if len(found.sample):
        _start_from(ArrayRows(found.sample), nus, hulls)
    elif start is not None:
        for i, hull in hulls.items():
            hull.coef, hull.feasible = np.asarray(start[i], dtype=np.float64), False
    return hulls


def _matrix_pays(rows: RowBlocks, nus: Sequence[float]) -> bool:
    """Whether the matrix of scalar products fits, and takes less time than passes would."""
    n, d = rows.n_rows, rows.n_columns
    fits = 8 * n * n <= _GRAM_BYTES and n * d * rows.dtype.itemsize <= _HELD_BYTES
    return fits and min(nus) < 1.0


def _sample(rows: RowBlocks) -> NDArray[np.intp] | None:
    """Positions of the rows to solve first, or None where a sample would hardly be smaller."""
    fitting = _SAMPLE_BYTES // (rows.n_columns * rows.dtype.itemsize)
    size = min(fitting, _SAMPLE_ROWS, rows.n_rows // 4)
    if size < NARROWEST:
        return None
    return np.sort(np.random.default_rng(0).choice(rows.n_rows, size, replace=False))


def _start_from(sample: ArrayRows, nus: Sequence[float], hulls: dict[int, Hull]) -> None:
    lengths = survey(sample).lengths
    solved, _ = solve_by_gram(sample, nus, lengths, tol=_SAMPLE_TOL, max_passes=FEWEST_PASSES)
    for hull, one in zip(hulls.values(), solved, strict=True):
        if one.point.coef.any() and hull.mass < len(lengths):
            hull.coef, hull.feasible = one.point.coef, False


def _by_passes(
    rows: RowBlocks, hulls: dict[int, Hull], found: Survey, tol: float, max_passes: int
) -> tuple[list[Solved], int]:
    """Rounds in the rows' dtype while they help, then in float64, where points are certified."""
    solved: dict[int, Solved] = {}
    stored, in_memory, n_passes = rows.dtype, isinstance(rows, ArrayRows), 1
    looking = dict(hulls) if stored != np.float64 else {}
    while looking and n_passes + _ONE_ROUND + 1 <= max_passes:
        n_passes += 1
        with ScoreTable(len(looking), rows.n_rows, rows.dtype, in_memory=in_memory) as table:
            score_rows(rows, np.stack([hull.coef for hull in looking.values()]), table)
            cuts = _cuts(looking, table, rows)
            for i, cut in list(cuts.items()):
                looking[i].look(cut.lowest)
                if looking[i].gap <= 0.9 * tol or looking[i].stalled:
                    looking[i].park()
                    del looking[i], cuts[i]
            if cuts:
                n_passes += 1
                _improve(rows, looking, cuts, table)
    rows = WideRows(rows)
    while hulls:
        n_passes += 1
        last = n_passes + _ONE_ROUND > max_passes
        with ScoreTable(len(hulls), rows.n_rows, rows.dtype, in_memory=in_memory) as table:
            coefs = held_by(np.stack([hull.coef for hull in hulls.values()]), stored)
            score_rows(rows, coefs, table)
            cuts = _cuts(hulls, table, rows)
            for (i, cut), coef in zip(list(cuts.items()), coefs, strict=True):
                scores = table.column(cut.column).astype(np.float64, copy=False)
                end = _judge(hulls[i], coef, scores, found, tol, last=last)
                if end is not None:
                    solved[i] = end
                    del hulls[i], cuts[i]
            if cuts:
                n_passes += 1
                _improve(rows, hulls, cuts, table)
    return [solved[i] for i in range(len(solved))], n_passes


def _cuts(hulls: dict[int, Hull], table: ScoreTable, rows: RowBlocks) -> dict[int, Cut]:
    fitting = _ALL_BANDS_BYTES // len(hulls) // (rows.n_columns * rows.dtype.itemsize)
    return {
        i: cut_scores(table.column(column), hull.mass, max(min(fitting, hull.width), 16), column)
        for column, (i, hull) in enumerate(hulls.items())
    }


def _improve(
    rows: RowBlocks, hulls: dict[int, Hull], cuts: dict[int, Cut], table: ScoreTable
) -> None:
    gathered = gather(rows, cuts, table)
    for i, cut in cuts.items():
        improve(hulls[i], cut, gathered.pop(i))


def _judge(
    hull: Hull, coef: Array, scores: Array, found: Survey, tol: float, *, last: bool
) -> Solved | None:
    """Certify the present point; the finished problem, or None while there is reason to go on."""
    if not hull.feasible:
        return None
    dual = float(hull.coef @ hull.coef)
    if at_origin(dual, found.mean_square):
        return nothing(len(coef))
    point = certify(scores, found.lengths, coef, dual, hull.mass)
    if hull.best is None or point.dual_gap < hull.best.dual_gap:
        hull.best = point
    return outcome(hull.best, tol, last=last)

"""Passes over the rows until every problem is solved.

A round takes two passes, shared by all problems that are open: one scores the rows, one sums those
below each problem's threshold and copies those near it, the band, which is solved exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks
from oneclass.svm._blocks import HeldRows, WideRows
from oneclass.svm.solving.band import improve, leap
from oneclass.svm.solving.certificate import certify, held_by
from oneclass.svm.solving.hull import Hull
from oneclass.svm.solving.outcome import Solved, at_origin, nothing, outcome
from oneclass.svm.solving.passes import Survey, gather, score_rows
from oneclass.svm.solving.scores import Cut, ScoreTable, cut_scores, cut_thinly

Array = NDArray[np.float64]

_ALL_BANDS_BYTES = 192 << 20
_WIDEST_BAND = 2896  # rows: their matrix of scalar products then takes 64 MB
_DRAWN = 1500  # rows of a wider band, to leap by
_FEWEST_IN_BAND = 16  # however little memory there is
_ONE_ROUND = 2


def solve_by_passes(
    rows: RowBlocks, hulls: dict[int, Hull], found: Survey, *, tol: float, max_passes: int
) -> tuple[list[Solved], int]:
    """Rounds in the rows' dtype while they help, then in float64, where points are certified.

    Args:
        rows: the rows.
        hulls: every problem, where it starts.
        found: what the first pass learnt of the rows.
        tol: relative gap to reach.
        max_passes: reads of all rows to spend, the first one included; at least 2.

    Returns:
        The finished problems, and the reads that they took, the first one included.
    """
    solved: dict[int, Solved] = {}
    stored, in_memory, n_passes = rows.dtype, isinstance(rows, ArrayRows | HeldRows), 1
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
    most = max(min(fitting, _WIDEST_BAND), _FEWEST_IN_BAND)
    cuts = {}
    for column, (i, hull) in enumerate(hulls.items()):
        scores = table.column(column)
        if _leaps(hull, most, len(scores)):
            cuts[i] = cut_thinly(scores, hull.mass, hull.width, min(most, _DRAWN), column)
        else:
            cuts[i] = cut_scores(scores, hull.mass, min(most, hull.width), column)
    return cuts


def _leaps(hull: Hull, most: int, n_rows: int) -> bool:
    """Whether the rows that may change sides are too many for a band."""
    return hull.leaps > 0 and most < hull.width < n_rows // 2


def _improve(
    rows: RowBlocks, hulls: dict[int, Hull], cuts: dict[int, Cut], table: ScoreTable
) -> None:
    gathered = gather(rows, cuts, table)
    for i, cut in cuts.items():
        if cut.thin:
            leap(hulls[i], cut, gathered.pop(i))
        else:
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

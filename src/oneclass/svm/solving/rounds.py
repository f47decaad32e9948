"""Passes over the rows until every problem is solved.

A round takes two passes, shared by all problems that are open: one scores the rows, one sums those
below each problem's threshold and copies those near it, the band, which is solved exactly.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from oneclass.svm.solving.band import WIDEST, improve, leap
from oneclass.svm.solving.certificate import held_by
from oneclass.svm.solving.hull import Hull
from oneclass.svm.solving.looks import Looks, Point, Scored
from oneclass.svm.solving.outcome import Solved, at_origin, nothing, outcome
from oneclass.svm.solving.passes import Survey
from oneclass.svm.solving.scores import Threshold

_ALL_BANDS_BYTES = 192 << 20
_DRAWN = 1500  # rows of a wider band, to leap by
_FEWEST_IN_BAND = 16  # however little memory there is
_ONE_ROUND = 2
_WIDE = np.dtype(np.float64)


def solve_by_passes(
    rows: Looks, hulls: dict[int, Hull], found: Survey, *, tol: float, max_passes: int
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
    n_passes = 1
    looking = dict(hulls) if rows.dtype != _WIDE else {}
    while looking and n_passes + _ONE_ROUND + 1 <= max_passes:
        n_passes += 1
        coefs = np.stack([hull.coef for hull in looking.values()])
        with rows.score(coefs, rows.dtype) as scored:
            cuts = _cuts(looking, scored, rows, rows.dtype)
            for i, cut in list(cuts.items()):
                looking[i].look(cut.lowest)
                if looking[i].gap <= 0.9 * tol or looking[i].stalled:
                    looking[i].park()
                    del looking[i], cuts[i]
            if cuts:
                n_passes += 1
                _improve(scored, looking, cuts)
    while hulls:
        n_passes += 1
        last = n_passes + _ONE_ROUND > max_passes
        coefs = held_by(np.stack([hull.coef for hull in hulls.values()]), rows.dtype)
        with rows.score(coefs, _WIDE) as scored:
            cuts = _cuts(hulls, scored, rows, _WIDE)
            for i, end in _judge(hulls, cuts, scored, coefs, found, tol, last=last).items():
                solved[i] = end
                del hulls[i], cuts[i]
            if cuts:
                n_passes += 1
                _improve(scored, hulls, cuts)
    return [solved[i] for i in range(len(solved))], n_passes


def _cuts(
    hulls: dict[int, Hull], scored: Scored, rows: Looks, dtype: np.dtype[np.floating]
) -> dict[int, Threshold]:
    fitting = _ALL_BANDS_BYTES // len(hulls) // (rows.n_columns * dtype.itemsize)
    most = max(min(fitting, WIDEST), _FEWEST_IN_BAND)
    leaping = [_leaps(hull, most, rows.n_rows) for hull in hulls.values()]
    pairs = list(zip(hulls.values(), leaping, strict=True))
    found = scored.cut(
        [hull.mass for hull in hulls.values()],
        [hull.width if leaps else min(most, hull.width) for hull, leaps in pairs],
        [min(most, _DRAWN) if leaps else 0 for leaps in leaping],
    )
    return dict(zip(hulls, found, strict=True))


def _leaps(hull: Hull, most: int, n_rows: int) -> bool:
    """Whether the rows that may change sides are too many for a band."""
    return hull.leaps > 0 and most < hull.width < n_rows // 2


def _improve(scored: Scored, hulls: dict[int, Hull], cuts: Mapping[int, Threshold]) -> None:
    gathered = scored.gather({i: cut.column for i, cut in cuts.items()})
    for i, cut in cuts.items():
        move = leap if cut.thin else improve
        move(hulls[i], cut, gathered.pop(i))


def _judge(
    hulls: dict[int, Hull],
    cuts: Mapping[int, Threshold],
    scored: Scored,
    coefs: np.ndarray,
    found: Survey,
    tol: float,
    *,
    last: bool,
) -> dict[int, Solved]:
    """Certify the present points; the finished problems, without those that should go on."""
    ends: dict[int, Solved | None] = {}
    points: dict[int, Point] = {}
    for (i, hull), coef in zip(hulls.items(), coefs, strict=True):
        dual = float(hull.coef @ hull.coef)
        if hull.feasible and at_origin(dual, found.mean_square):
            ends[i] = nothing(len(coef))
        elif hull.feasible:
            points[i] = Point(cuts[i].column, coef, dual, hull.mass, cuts[i].threshold)
    for i, proven in zip(points, scored.certify(list(points.values())), strict=True):
        best = hulls[i].best
        if best is None or proven.dual_gap < best.dual_gap:
            hulls[i].best = best = proven
        ends[i] = outcome(best, tol, last=last)
    return {i: end for i, end in ends.items() if end is not None}

"""The solver's loop: score all rows, cut at the threshold, solve the band, combine; until every gap is small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks
from oneclass.svm._band import band_weights, lowest_first
from oneclass.svm._hull import Certified, Hull
from oneclass.svm._passes import Gathered, Labels, Survey, gather, score_rows, survey
from oneclass.svm._scores import Cut, ScoreTable, cut_scores

Array = NDArray[np.float64]

_BAND = 64  # rows with weights of their own
_ORIGIN = 1e-10  # w.w relative to the mean squared row length under which the hull holds the origin


class Status(StrEnum):
    """How a problem ended."""

    CONVERGED = "converged"
    ORIGIN_INSIDE = "origin_inside"
    PASSES_USED_UP = "passes_used_up"


@dataclass(frozen=True)
class Solved:
    """One finished problem: its best certified point and how it ended."""

    point: Certified
    status: Status


@dataclass(frozen=True)
class Solution:
    """All problems, in order, with what they have in common."""

    solved: list[Solved]
    survey: Survey
    n_passes: int


def solve(
    rows: RowBlocks, nus: Sequence[float], labels: Labels | None, *, tol: float, max_passes: int
) -> Solution:
    """Solve one problem for every nu over all rows, or (with labels) one for every cluster.

    Args:
        rows: the rows.
        nus: nu of every problem; with labels, of cluster 0, 1, ...
        labels: (n,) the cluster of every row, every cluster with a row at least; or None.
        tol: relative gap to reach.
        max_passes: reads of all rows after which the best points so far are returned; at least 2.

    Raises:
        InputError: a row is not finite.
    """
    groups = [0] * len(nus) if labels is None else list(range(len(nus)))
    found = survey(rows, labels)
    counts = found.counts.tolist()
    hulls = {
        number: Hull(nu, counts[group], found.sums[group] / counts[group])
        for number, (nu, group) in enumerate(zip(nus, groups, strict=True))
    }
    solved: dict[int, Solved] = {}
    n_passes = 1
    while hulls:
        n_columns = len(hulls) if labels is None else 1
        in_memory = isinstance(rows, ArrayRows)
        with ScoreTable(n_columns, rows.n_rows, rows.dtype, in_memory=in_memory) as table:
            score_rows(rows, labels, hulls, table)
            n_passes += 1
            cuts = _cuts(hulls, table, labels)
            for number, cut in list(cuts.items()):
                square = float(found.squares[groups[number]])
                end = _judge(hulls[number], cut, square, tol, n_passes + 2 > max_passes)
                if end is not None:
                    solved[number] = end
                    del hulls[number], cuts[number]
            if cuts:
                gathered = gather(rows, labels, cuts, table)
                n_passes += 1
                for number, hull in hulls.items():
                    _improve(hull, cuts[number], gathered[number])
    return Solution([solved[number] for number in range(len(nus))], found, n_passes)


def _cuts(hulls: dict[int, Hull], table: ScoreTable, labels: Labels | None) -> dict[int, Cut]:
    cuts = {}
    for column, (number, hull) in enumerate(hulls.items()):
        if labels is None:
            cuts[number] = cut_scores(table.column(column), None, hull.mass, _BAND, column)
        else:
            index = np.flatnonzero(labels == number)
            cuts[number] = cut_scores(table.column(0)[index], index, hull.mass, _BAND, 0)
    return cuts


def _judge(hull: Hull, cut: Cut, square: float, tol: float, last: bool) -> Solved | None:
    """Record the certificate; the finished problem, or None while there is reason to go on."""
    gap = hull.certify(cut.lowest, cut.threshold, cut.spread)
    if float(hull.coef @ hull.coef) <= _ORIGIN * square:
        nothing = Certified(np.zeros_like(hull.coef), 0.0, 0.0, (0.0, 1.0))
        return Solved(nothing, Status.ORIGIN_INSIDE)
    if gap > tol and not last:
        return None
    assert hull.best is not None
    reached = hull.best.dual_gap <= tol
    return Solved(hull.best, Status.CONVERGED if reached else Status.PASSES_USED_UP)


def _improve(hull: Hull, cut: Cut, gathered: Gathered) -> None:
    """Solve the band exactly and take its point, and the plain lowest vertex, into the hull."""
    bound = 1.0 / hull.mass
    band, fixed = gathered.band, gathered.fixed * bound
    gram = (band @ band.T).astype(np.float64)
    linear = (band @ fixed.astype(band.dtype)).astype(np.float64)
    free_mass = max(1.0 - bound * cut.n_fixed, 0.0)
    vertex = lowest_first(cut.scores, free_mass, bound)
    weights = band_weights(gram, linear, bound, free_mass, vertex)
    both = np.stack([weights, vertex]) * hull.mass  # of order 1, so float32 keeps its digits
    points = fixed + bound * (both.astype(band.dtype) @ band)
    hull.add(list(points))

"""The solver's loop: score all rows, cut at the threshold, solve the band, combine.

Two passes a round serve all problems: one scores the rows, one sums those below each problem's
threshold and copies those near it (the band). A narrow band is solved exactly; a wide one is a
small problem of the same kind and is handed to this same loop. A random sample, solved first, gives
rows on disk their start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks
from oneclass.svm._band import band_weights, lowest_first
from oneclass.svm._hull import Certified, Hull
from oneclass.svm._passes import Gathered, Labels, Survey, gather, score_rows, survey
from oneclass.svm._scores import Cut, ScoreTable, cut_scores

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

_EXACT = 64  # rows of a band that is solved by its Gram matrix
_SHARE = 8  # a wide band has at most one row in so many; it pays where that is many times _EXACT
_NARROWEST = 16  # even where very many problems share the memory
_ONE_BAND_BYTES = 64 << 20
_ALL_BANDS_BYTES = 256 << 20
_SAMPLE_BYTES = 64 << 20
_SAMPLE_TOL = 1e-3
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
    rows: RowBlocks,
    nus: Sequence[float],
    labels: Labels | None,
    *,
    tol: float,
    max_passes: int,
    start: Floats | None = None,
) -> Solution:
    """Solve one problem for every nu over all rows, or (with labels) one for every cluster.

    Args:
        rows: the rows.
        nus: nu of every problem; with labels, of cluster 0, 1, ...
        labels: (n,) the cluster of every row, every cluster with a row at least; or None.
        tol: relative gap to reach.
        max_passes: reads of all rows after which the best points so far are returned; at least 2.
        start: (number of problems, d) solutions for similar rows, to look from first.

    Raises:
        InputError: a row is not finite.
    """
    groups = [0] * len(nus) if labels is None else list(range(len(nus)))
    cold = labels is None and start is None and max_passes > 3
    sampled = _sample(rows) if cold else None
    found = survey(rows, labels, sampled)
    hulls = {
        number: Hull(nu, int(found.counts[group]), found.sums[group] / found.counts[group])
        for number, (nu, group) in enumerate(zip(nus, groups, strict=True))
    }
    if sampled is not None:
        _start_from(ArrayRows(found.sample), hulls)
    elif start is not None and max_passes > 3:
        for number, hull in hulls.items():
            hull.start(np.asarray(start[number], dtype=np.float64))
    solved: dict[int, Solved] = {}
    n_passes = 1
    while hulls:
        n_columns = len(hulls) if labels is None else 1
        in_memory = isinstance(rows, ArrayRows)
        with ScoreTable(n_columns, rows.n_rows, rows.dtype, in_memory=in_memory) as table:
            score_rows(rows, labels, hulls, table)
            n_passes += 1
            cuts = _cuts(hulls, table, labels, rows)
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
                    _improve(hull, cuts[number], gathered.pop(number), tol)
    return Solution([solved[number] for number in range(len(nus))], found, n_passes)


def _sample(rows: RowBlocks) -> NDArray[np.intp] | None:
    """Positions of the rows to solve first, or None where a sample would hardly be smaller."""
    size = _SAMPLE_BYTES // (rows.n_columns * rows.dtype.itemsize)
    if size < _EXACT or rows.n_rows < 4 * size:
        return None
    return np.sort(np.random.default_rng(0).choice(rows.n_rows, size, replace=False))


def _start_from(sample: ArrayRows, hulls: dict[int, Hull]) -> None:
    nus = [hull.nu for hull in hulls.values()]
    solution = solve(sample, nus, None, tol=_SAMPLE_TOL, max_passes=100)
    for hull, solved in zip(hulls.values(), solution.solved, strict=True):
        if solved.status is not Status.ORIGIN_INSIDE:
            hull.start(solved.point.coef)


def _cuts(
    hulls: dict[int, Hull], table: ScoreTable, labels: Labels | None, rows: RowBlocks
) -> dict[int, Cut]:
    row_bytes = rows.n_columns * rows.dtype.itemsize
    fitting = min(_ONE_BAND_BYTES, _ALL_BANDS_BYTES // len(hulls)) // row_bytes
    cuts = {}
    for column, (number, hull) in enumerate(hulls.items()):
        wide = hull.n_rows // _SHARE
        wanted = wide if wide > 8 * _EXACT else _EXACT
        width = max(min(fitting, wanted), _NARROWEST)
        if labels is None:
            cuts[number] = cut_scores(table.column(column), None, hull.mass, width, column)
        else:
            index = np.flatnonzero(labels == number)
            cuts[number] = cut_scores(table.column(0)[index], index, hull.mass, width, 0)
    return cuts


def _judge(hull: Hull, cut: Cut, square: float, tol: float, last: bool) -> Solved | None:
    """Record the certificate; the finished problem, or None while there is reason to go on."""
    gap = hull.certify(cut.lowest, cut.threshold, cut.spread)
    if hull.best is None:
        return None
    if float(hull.coef @ hull.coef) <= _ORIGIN * square:
        nothing = Certified(np.zeros_like(hull.coef), 0.0, 0.0, (0.0, 1.0))
        return Solved(nothing, Status.ORIGIN_INSIDE)
    if gap > tol and not last:
        return None
    reached = hull.best.dual_gap <= tol
    return Solved(hull.best, Status.CONVERGED if reached else Status.PASSES_USED_UP)


def _improve(hull: Hull, cut: Cut, gathered: Gathered, tol: float) -> None:
    """Take the band's best point, and the plain lowest vertex, into the hull."""
    bound = 1.0 / hull.mass
    band, fixed = gathered.band, gathered.fixed * bound
    free_mass = 1.0 - bound * cut.n_fixed
    vertex = lowest_first(cut.scores, free_mass, bound)
    points = [fixed + bound * _combine(vertex * hull.mass, band)]
    if len(band) > _EXACT:
        points.append(_wide(hull, band, fixed, free_mass, tol))
    else:
        gram = (band @ band.T).astype(np.float64)
        linear = (band @ fixed.astype(band.dtype)).astype(np.float64)
        weights = band_weights(gram, linear, bound, free_mass, vertex)
        points.append(fixed + bound * _combine(weights * hull.mass, band))
    hull.add(points)


def _combine(weights: Array, band: Floats) -> Array:
    """A weighted sum of rows; weights of order 1 keep the digits of float32."""
    return (weights.astype(band.dtype) @ band).astype(np.float64)


def _wide(hull: Hull, band: Floats, fixed: Array, free_mass: float, tol: float) -> Array:
    """The best point of a band that is too wide for its Gram matrix.

    Every point of the face is fixed + M p with p a mean of band rows, that is M times a point in
    the reduced hull of the rows x + fixed / M: again this problem, for nu' b = nu l - (rows below).
    """
    band += (fixed / free_mass).astype(band.dtype)
    nu = min(free_mass * hull.mass / len(band), 1.0)
    enough = max(0.3 * tol, 0.05 * hull.gap)
    inner = solve(ArrayRows(band), [nu], None, tol=enough, max_passes=60)
    return free_mass * inner.solved[0].point.coef

"""The whole path in nu over all rows at once.

At nu = 1 every row carries the full weight. Walking downwards, the scores of the last nu say which
rows are near the next threshold; a few exchanges among these and small linear systems settle it
(`shrinking`). Few rows have all their scalar products in a matrix; of many, those near a threshold
alone, and all are scored anew for each nu. Then all rows are scored in float64 against every w, and
what is not yet within the tolerance is corrected from those scores, as iterative refinement
corrects the solution of a linear system. Of rows that are equal only one is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import RowBlocks, map_blocks
from oneclass.svm._blocks import HeldRows, WideRows
from oneclass.svm._program import into_box, lowest_value
from oneclass.svm._repeats import Repeats
from oneclass.svm._row_products import RowProducts, products_of
from oneclass.svm.solving.active_set import ridge_for
from oneclass.svm.solving.certificate import Certified, certify, held_by
from oneclass.svm.solving.outcome import Solved, at_origin, nothing, outcome
from oneclass.svm.solving.shrinking import Shrinking

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

WIDE_WORK = 2e9  # multiplications: so small a matrix is multiplied in float64 at once
_CLOSE = 1e-8  # a relative gap that the walk leaves to the corrections
_FEWEST = 1400  # of more rows, all are scored for each nu in less time than the matrix takes
_FEWEST_FOR_FEW = 300  # the same for few nu
SEVERAL = 5  # nu, of which each starts from the last
_LOOSEST = 1e-6  # of these gaps, so that the next nu has a start
_NEAR_ENOUGH = 0.8  # of the tolerance: a gap that the walk leaves where rows are tied
_ONE_ROUND = 2  # passes: the points, and the scores of all rows against them
FEWEST_PASSES = 1 + _ONE_ROUND


@dataclass
class _Problem:
    """One nu: the weights (times nu l) that the different rows have at present."""

    mass: float
    weights: Array
    n_free: int
    circled: bool = False
    best: Certified | None = None


@dataclass(frozen=True)
class GramSolution:
    """What was found.

    Attributes:
        solved: the finished problems in order.
        n_free: the rows that were free in each.
        n_circles: problems that exchanges of sides alone did not solve.
        n_passes: the reads it took.
    """

    solved: list[Solved]
    n_free: list[int]
    n_circles: int
    n_passes: int


def solve_by_gram(
    rows: RowBlocks,
    equal: Repeats,
    nus: Sequence[float],
    lengths: Floats,
    *,
    tol: float,
    max_passes: int,
) -> GramSolution:
    """Solve one problem for every nu over all rows.

    Args:
        rows: l rows, read from memory: their blocks stay valid.
        equal: which of them are.
        nus: nu of every problem.
        lengths: (l,) of the rows.
        tol: relative gap to reach.
        max_passes: reads of all rows to spend, at least `FEWEST_PASSES`.
    """
    dtype = rows.dtype
    wide: RowBlocks = WideRows(rows)
    small = len(equal.first) ** 2 * rows.n_columns <= WIDE_WORK
    wide = HeldRows(wide) if small else wide
    multiplied = wide if small else rows
    shrinking = _shrinking(
        equal.different(multiplied), equal.counts, small=small, few=len(nus) < SEVERAL
    )
    masses = np.maximum(np.asarray(nus) * rows.n_rows, 1.0)
    problems = _walk(shrinking, masses, rows.n_columns, min(_NEAR_ENOUGH * tol, _LOOSEST))
    mean_square = float(np.mean(lengths.astype(np.float64) ** 2))
    solved: dict[int, Solved] = {}
    n_passes = 1
    while len(solved) < len(problems):
        n_passes += _ONE_ROUND
        left = {i: problem for i, problem in enumerate(problems) if i not in solved}
        points = _points(wide, equal, list(left.values()))
        coefs = held_by(points, dtype)
        for (i, problem), point, coef, scores in zip(
            left.items(), points, coefs, score(wide, coefs), strict=True
        ):
            dual = float(point @ point)
            if at_origin(dual, mean_square):
                solved[i] = nothing(len(point))
                continue
            found = certify(scores, lengths, coef, dual, problem.mass)
            if problem.best is None or found.dual_gap < problem.best.dual_gap:
                problem.best = found
            end = outcome(problem.best, tol, last=n_passes + _ONE_ROUND > max_passes)
            if end is not None:
                solved[i] = end
            else:
                _improve(shrinking, problem, problem.mass * scores[equal.first])
    in_order = [solved[i] for i in range(len(problems))]
    each = rows.n_rows / len(equal.first)  # rows that one stands for
    n_free = [int(problem.n_free * each) for problem in problems]
    return GramSolution(in_order, n_free, sum(problem.circled for problem in problems), n_passes)


def score(rows: RowBlocks, coefs: Array) -> Array:
    """(m, n) float64: the scores of all rows against every w."""
    together = coefs.astype(rows.dtype)
    scores = np.empty((len(coefs), rows.n_rows))

    def put(start: int, block: Floats) -> None:
        scores[:, start : start + len(block)] = together @ block.T

    for _ in map_blocks(put, rows):
        pass
    return scores


def _shrinking(rows: RowBlocks, bounds: Array, *, small: bool, few: bool) -> Shrinking:
    """The rows' products, as far as they pay.

    Args:
        rows: that are multiplied.
        bounds: (n,) of their weights.
        small: whether they are float64, and few.
        few: whether there are few nu to pay for a matrix.
    """
    wide = max(rows.n_columns / rows.n_rows, 1.0)
    fewest = _FEWEST_FOR_FEW if small and few else np.inf if small else _FEWEST
    if rows.n_rows > fewest * wide:
        by_rows = RowProducts(np.concatenate(list(rows.blocks())))
        return Shrinking(by_rows, ridge_for(by_rows, exact=True), bounds)
    products, exact = products_of(rows)
    return Shrinking(products, ridge_for(products, exact=exact), bounds)


def _walk(shrinking: Shrinking, masses: Array, n_columns: int, close: float) -> list[_Problem]:
    """From the largest nu to the smallest, each from the scores of the last."""
    problems: list[_Problem | None] = [None] * len(masses)
    products, bounds = shrinking.products, shrinking.bounds
    nothing_yet = np.zeros(len(bounds))
    weights, scores = bounds, products.moved(nothing_yet, nothing_yet, bounds)
    largest, n_rows = float(masses.max()), float(bounds.sum())
    # A guess, to begin with.
    n_free = int(min(largest, n_rows - largest, n_columns) / 2 * len(bounds) / n_rows)
    zero = int(np.argmin(products.squares))
    carried = float(bounds[zero]) if products.squares[zero] == 0 else 0.0
    circled = False
    for i in np.argsort(-masses, kind="stable"):
        mass = float(masses[i])
        if mass <= carried:  # rows of zeros can carry it all, and w is 0
            problems[i] = _Problem(mass, mass * (np.arange(len(bounds)) == zero), 1)
            continue
        share = mass / float(weights.sum())  # the same w, within the larger hull
        enough = close if circled else _CLOSE  # of tied rows no better was asked
        if _is_best(share * scores, share * weights, mass, bounds, enough):
            scores, weights = share * scores, share * weights
        else:
            face = shrinking.minimise(scores, weights, mass, n_free, close)
            weights, scores, n_free = face.weights, face.scores, face.n_free
            circled = face.circled
        problems[i] = _Problem(mass, into_box(weights, mass, bounds), n_free, circled)
    return [problem for problem in problems if problem is not None]


def _is_best(scores: Array, weights: Array, mass: float, bounds: Array, close: float) -> bool:
    """Whether no other weights make w shorter, within this relative gap."""
    square = float(scores @ weights)
    return square - lowest_value(scores, mass, bounds) <= close * square


def _improve(shrinking: Shrinking, problem: _Problem, scores: Array) -> None:
    face = shrinking.minimise(scores, problem.weights, problem.mass, None, _CLOSE)
    problem.weights = into_box(face.weights, problem.mass, shrinking.bounds)
    problem.n_free = face.n_free


def _points(rows: RowBlocks, equal: Repeats, problems: Sequence[_Problem]) -> Array:
    """(m, d): the weighted sums of the rows."""
    weights = np.stack([equal.share_out(problem.weights / problem.mass) for problem in problems])
    points = np.zeros((len(problems), rows.n_columns))
    for part in map_blocks(lambda i, block: weights[:, i : i + len(block)] @ block, rows):
        points += part
    return points

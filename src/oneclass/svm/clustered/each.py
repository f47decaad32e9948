"""One half-space for every cluster: many small problems.

The rows of as many clusters as fit a fixed budget are brought together in one pass and solved in
memory: small ones side by side, what these leave one cluster after the other. A cluster beyond the
budget is solved by passes over its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks, map_blocks
from oneclass.svm._blocks import PickedRows
from oneclass.svm.clustered.side_by_side import solve_side_by_side
from oneclass.svm.solving.certificate import certify
from oneclass.svm.solving.gram import FEWEST_PASSES
from oneclass.svm.solving.outcome import Solved, Status, nothing
from oneclass.svm.solving.passes import Survey, survey
from oneclass.svm.solving.solve import solve

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]

_TOGETHER_BYTES = 256 << 20


def solve_clusters(
    rows: RowBlocks, nu: float, assignment: Ints, *, tol: float, max_passes: int
) -> tuple[list[Solved], Survey, int]:
    """Solve one problem for every cluster.

    Args:
        rows: l rows.
        nu: of every problem.
        assignment: (l,) the cluster of every row, 0 to k-1, each with one row at least.
        tol: relative gap to reach.
        max_passes: reads to spend on a cluster.

    Returns:
        The finished problems, what the first pass learnt of all rows, and the reads of all rows.

    Raises:
        InputError: a row is not finite.
    """
    (found, _), n_passes = survey(rows), 1
    order = np.argsort(assignment, kind="stable")
    ends = np.cumsum(np.bincount(assignment))
    solved: list[Solved] = []
    fitting = _TOGETHER_BYTES // (rows.n_columns * rows.dtype.itemsize)
    for first, last in _together(ends, fitting):
        begin = int(ends[first - 1]) if first else 0
        members = order[begin : ends[last - 1]]
        if len(members) > fitting:
            own = PickedRows(rows, assignment == first)
            alone = solve(own, [nu], tol=tol, max_passes=max_passes)
            solved, n_passes = solved + alone.solved, n_passes + alone.n_passes
            continue
        copies = _brought_together(rows, members)
        n_passes += 1
        bounds = np.concatenate([[begin], ends[first:last]]) - begin
        groups = [copies[start:stop] for start, stop in pairwise(bounds)]
        side_by_side = nu < 1 and max_passes > FEWEST_PASSES
        done = solve_side_by_side(groups if side_by_side else [], nu, tol)
        solved += [
            one or _solve_one(own, nu, tol, max_passes) for own, one in zip_longest(groups, done)
        ]
    return solved, found, n_passes


def _together(ends: Ints, fitting: int) -> Iterator[tuple[int, int]]:
    """Ranges of clusters with at most so many rows; a larger cluster is one of its own."""
    first, before = 0, 0
    for last in range(1, len(ends) + 1):
        if last == len(ends) or ends[last] - before > fitting:
            yield first, last
            first, before = last, int(ends[last - 1])


def _brought_together(rows: RowBlocks, members: Ints) -> Floats:
    """Copies of some rows in the order asked for."""
    copies = np.empty((len(members), rows.n_columns), rows.dtype)
    order = np.argsort(members, kind="stable")
    ascending = members[order]

    def take(start: int, block: Floats) -> None:
        first, last = np.searchsorted(ascending, (start, start + len(block)))
        copies[order[first:last]] = block[ascending[first:last] - start]

    for _ in map_blocks(take, rows):
        pass
    return copies


def _solve_one(rows: Floats, nu: float, tol: float, max_passes: int) -> Solved:
    if len(rows) > 1:
        return solve(ArrayRows(rows), [nu], tol=tol, max_passes=max_passes).solved[0]
    coef = rows[0].astype(np.float64)
    square = float(coef @ coef)
    if square == 0:
        return nothing(len(coef))
    point = certify(np.array([square]), np.sqrt([square]), coef, square, 1.0)
    return Solved(point, Status.CONVERGED)

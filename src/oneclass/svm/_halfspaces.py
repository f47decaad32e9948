"""A union of half-spaces, one for every cluster: a row is normal if any of them holds it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oneclass.errors import InputError
from oneclass.rows import RowBlocks, map_blocks
from oneclass.svm._advice import sentences, warnings_of
from oneclass.svm._clusters import cluster_rows
from oneclass.svm._given import taken
from oneclass.svm._path import check_limits, check_nu
from oneclass.svm._seed import as_seed
from oneclass.svm.clustered.each import solve_clusters
from oneclass.svm.solving.certificate import held_by, rounding
from oneclass.svm.solving.solve import solve

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Halfspaces:
    """The union of ``{x : coef[j] @ x >= offset[j]}``.

    Attributes:
        coef: (k, d) float64.
        offset: (k,) float64.
        dual_gap: (k,) relative duality gaps, each from a pass over the cluster's rows.
        n_rows: (k,) rows per cluster.
        assignment: (n,) the cluster of every row.
        status: k words, see `NuPath`.
        message: k sentences.
        warnings: sentences worth showing to whoever asked for the fit: remarkable rows, and the
            message of every problem that did not converge. Usually empty.
        n_passes: reads of all rows, clustering included.
    """

    coef: Array
    offset: Array
    dual_gap: Array
    n_rows: Ints
    assignment: Ints
    status: tuple[str, ...]
    message: tuple[str, ...]
    warnings: tuple[str, ...]
    n_passes: int


def fit_halfspaces(
    X: Any,
    n_halfspaces: int = 1,
    *,
    nu: float = 0.5,
    labels: ArrayLike | None = None,
    seed: Any = 0,
    tol: float = 1e-6,
    max_passes: int = 200,
    start: Floats | None = None,
) -> Halfspaces:
    """Fit one half-space to every cluster of the rows.

    Args:
        X: (n, d) rows as for `nu_path`. With more than one half-space, and without labels, they are
            clustered by cosine; unit-length rows make that the distance, too.
        n_halfspaces: 1 to n. 1 is the paper's classifier; n on unit rows is the nearest neighbour
            by cosine. Fewer come back where rows repeat. Ignored if labels are given.
        nu: in (0, 1], the largest fraction of a cluster that may be left outside its half-space.
        labels: (n,) sub-category of every row (integers or strings): one half-space for each, in
            the order of `numpy.unique`.
        seed: of the clustering: an integer for the same result every time, or a numpy `Generator`
            or `RandomState` to draw one from.
        tol: relative duality gap to reach for every half-space.
        max_passes: reads of all rows to spend on solving.
        start: (1, d) the half-space of an earlier fit to similar rows, where one is asked for:
            fewer passes, the same result within `tol`. Several have no order to go by.

    Raises:
        InputError: an argument or a row cannot be used.
    """
    rows = taken(X)
    nu = check_nu(nu)
    check_limits(tol, max_passes)
    number = as_seed(seed)
    if labels is None:
        _check_count(n_halfspaces, rows.n_rows)
        assignment, clustering = cluster_rows(rows, n_halfspaces, number)
    else:
        assignment, clustering = _label_numbers(labels, rows.n_rows), 0
    counts = np.bincount(assignment)
    if len(counts) == 1:
        solution = solve(rows, [nu], tol=tol, max_passes=max_passes, start=start)
        solved, survey, n_passes = solution.solved, solution.survey, solution.n_passes
    else:
        solved, survey, n_passes = solve_clusters(
            rows, nu, assignment, tol=tol, max_passes=max_passes
        )
    message = sentences(solved, [nu] * len(counts), counts.tolist(), tol, max_passes)
    return Halfspaces(
        coef=np.stack([one.point.coef for one in solved]),
        offset=np.array([one.point.offset for one in solved]),
        dual_gap=np.array([one.point.dual_gap for one in solved]),
        n_rows=counts,
        assignment=assignment,
        status=tuple(str(one.status) for one in solved),
        message=message,
        warnings=warnings_of(survey, solved, message),
        n_passes=clustering + n_passes,
    )


def halfspace_scores(rows: Any, coef: Floats, offset: Floats) -> tuple[Array, Ints]:
    """Score rows against a union of half-spaces: the largest of ``coef[j] @ x - offset[j]``.

    float32 rows are multiplied in float32 with coef rounded to it, and once more in float64 where
    that leaves the sign of the decision open.

    Args:
        rows: (n, d) array or row blocks.
        coef: (k, d).
        offset: (k,).

    Returns:
        (n,) float64 decisions, positive inside, and (n,) the half-space that gave them.

    Raises:
        InputError: the shapes do not fit.
    """
    source: RowBlocks = taken(rows)
    coef, offset = np.asarray(coef), np.asarray(offset)
    if coef.ndim != 2 or coef.shape[1] != source.n_columns or offset.shape != (len(coef),):
        raise InputError(
            f"coef, offset: shapes {coef.shape} and {offset.shape} for rows with "
            f"{source.n_columns} columns; expected (k, {source.n_columns}) and (k,): score rows of "
            "the kind that was fitted"
        )
    score = partial(_block_scores, coef=held_by(coef, source.dtype), offset=offset)
    parts = list(map_blocks(lambda _, block: score(block), source))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _block_scores(block: Floats, coef: Array, offset: Floats) -> tuple[Array, Ints]:
    margins = (block @ coef.T.astype(block.dtype)).astype(np.float64) - offset
    winner = np.argmax(margins, axis=1)
    decision = margins[np.arange(len(block)), winner]
    if block.dtype != np.float64:
        # On the boundary float32 cannot tell inside from outside, but the fit promised a share.
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block)) * np.linalg.norm(coef, axis=1).max()
        blur = 1.01 * rounding(block.shape[1], block.dtype)
        near = np.flatnonzero(np.abs(decision) <= blur * lengths)
        exact = block[near].astype(np.float64) @ coef.T - offset
        winner[near] = np.argmax(exact, axis=1)
        decision[near] = exact[np.arange(len(near)), winner[near]]
    return decision, winner


def _check_count(n_halfspaces: Any, n_rows: int) -> None:
    whole = isinstance(n_halfspaces, int | np.integer) and not isinstance(n_halfspaces, bool)
    if not whole or not 1 <= n_halfspaces <= n_rows:
        raise InputError(
            f"n_halfspaces: {n_halfspaces!r}; expected an integer from 1 to the number of rows "
            f"(n_samples = {n_rows}): ask for fewer half-spaces"
        )


def _label_numbers(labels: ArrayLike, n_rows: int) -> Ints:
    names = np.asarray(labels)
    if names.shape != (n_rows,):
        raise InputError(
            f"labels: shape {names.shape} for {n_rows} rows; expected ({n_rows},): give one label "
            "per row"
        )
    return np.unique(names, return_inverse=True)[1].astype(np.intp)

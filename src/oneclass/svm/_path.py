"""The whole grid of nu in shared passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oneclass.errors import InputError
from oneclass.svm._advice import sentences, warnings_of
from oneclass.svm._given import taken
from oneclass.svm.solving.solve import solve

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NuPath:
    """One half-space for every nu: ``{x : coef[i] @ x >= offset[i]}``.

    Attributes:
        nus: (m,) as given.
        coef: (m, d) float64, for float32 rows numbers that float32 holds. The weights of the rows
            sum to 1 and none exceeds 1/(nu l): the paper's scale (libsvm's is nu l times that).
        offset: (m,) float64, the paper's rho: at most nu l rows score lower, however summed.
        objective: (m,) ``coef @ coef / 2``, the dual's value.
        dual_gap: (m,) primal minus dual value of this very (coef, offset), divided by ``coef @
            coef``; from a pass over all rows. For status "origin_inside" it is 0.
        support_fraction: (m,) fraction of rows not clearly inside; at least nu.
        margin_error_fraction: (m,) fraction of rows clearly outside; at most nu.
        status: m words, "converged", "origin_inside" or "passes_used_up".
        message: m sentences, what the status means here and what to do.
        warnings: sentences worth showing to whoever asked for the fit: remarkable rows, and the
            message of every problem that did not converge. Usually empty.
        n_rows: l.
        n_passes: reads of all rows that it took.
        way: "gram", all rows at once, through the scalar products of those near the threshold or
            of all; or "passes", by passes over the rows, shared by every nu, with a small program
            for those near each threshold: whichever costs less.
    """

    nus: Array
    coef: Array
    offset: Array
    objective: Array
    dual_gap: Array
    support_fraction: Array
    margin_error_fraction: Array
    status: tuple[str, ...]
    message: tuple[str, ...]
    warnings: tuple[str, ...]
    n_rows: int
    n_passes: int
    way: str


def nu_path(X: Any, nus: ArrayLike, *, tol: float = 1e-6, max_passes: int = 200) -> NuPath:
    """Solve the linear one-class SVM for a grid of nu.

    Args:
        X: (n, d) array, memory-mapped array, or an object with the protocol of
            `oneclass.rows.RowBlocks`; a Dask array, or futures of its client, are solved where
            they lie (docs/cluster.md). float16 and float32 rows are multiplied in float32 on the
            way and in float64 for the certificate, others in float64 throughout.
        nus: values in (0, 1], any order.
        tol: relative duality gap to reach, > 0. With float32 rows rounding allows about 1e-7.
        max_passes: reads of all rows to spend, at least 2.

    Returns:
        A `NuPath`. Running out of passes is no error: look at ``status``.

    Raises:
        InputError: nus, tol, max_passes or X cannot be used (shape, dtype, a row that is not
            finite).

    The problem is Schölkopf et al., Neural Computation 13 (2001); docs/solver.md has the method.
    """
    rows = taken(X)
    grid = check_nus(nus)
    check_limits(tol, max_passes)
    solution = solve(rows, grid, tol=tol, max_passes=max_passes)
    message = sentences(solution.solved, grid, [rows.n_rows] * len(grid), tol, max_passes)
    points = [solved.point for solved in solution.solved]
    coef = np.stack([point.coef for point in points])
    return NuPath(
        nus=np.array(grid),
        coef=coef,
        offset=np.array([point.offset for point in points]),
        objective=0.5 * np.einsum("ij,ij->i", coef, coef),
        dual_gap=np.array([point.dual_gap for point in points]),
        support_fraction=np.array([point.spread[1] for point in points]),
        margin_error_fraction=np.array([point.spread[0] for point in points]),
        status=tuple(str(solved.status) for solved in solution.solved),
        message=message,
        warnings=warnings_of(solution.survey, solution.solved, message),
        n_rows=rows.n_rows,
        n_passes=solution.n_passes,
        way=str(solution.way),
    )


def check_nus(nus: ArrayLike) -> list[float]:
    """The grid as floats.

    Raises:
        InputError: it is empty, not one-dimensional, or holds a value outside (0, 1].
    """
    try:
        grid = np.asarray(nus, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"nus: {nus!r}; expected numbers in (0, 1], as in [0.1, 0.5]") from error
    if grid.ndim != 1 or not len(grid):
        raise InputError(f"nus: shape {grid.shape}; expected a sequence of one value or more")
    for nu in grid.tolist():
        check_nu(nu)
    return [float(nu) for nu in grid]


def check_nu(nu: Any) -> float:
    """nu as a float.

    Raises:
        InputError: it is no number in (0, 1].
    """
    is_number = isinstance(nu, int | float | np.number) and not isinstance(nu, bool)
    if not is_number or not 0 < nu <= 1:
        raise InputError(
            f"nu: {nu!r}; expected a number in (0, 1], the largest fraction of rows that may be "
            "left outside: try 0.1"
        )
    return float(nu)


def check_limits(tol: float, max_passes: int) -> None:
    """Raises:
    InputError: tol is not positive and finite, or max_passes is no integer of at least 2.
    """
    if not (tol > 0 and np.isfinite(tol)):
        raise InputError(f"tol: {tol!r}; expected a positive number: try 1e-6")
    if not isinstance(max_passes, int | np.integer) or max_passes < 2:
        raise InputError(
            f"max_passes: {max_passes!r}; expected an integer of at least 2, one pass to sum the "
            "rows and one to score them: try 200"
        )

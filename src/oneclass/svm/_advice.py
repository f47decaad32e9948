"""Every outcome in a sentence that says what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oneclass.svm.solving.outcome import Solved, Status
from oneclass.svm.solving.passes import Survey
from oneclass.system.names import plural


def _sentence(solved: Solved, nu: float, n_rows: int, tol: float, max_passes: int) -> str:
    """What the status of one problem means, and what to do where something can be done."""
    gap = solved.point.dual_gap
    few = (
        f" nu = {nu:g} of {n_rows} rows is less than one row: no row may be left out, so nu = "
        f"{1 / n_rows:.3g} gives the same."
        if nu * n_rows < 1 - 1e-9
        else ""
    )
    match solved.status:
        case Status.CONVERGED:
            return f"Solved: the relative duality gap {gap:.1e} is within tol = {tol:g}.{few}"
        case Status.PASSES_USED_UP:
            return (
                f"Not solved to tol = {tol:g}: the relative duality gap is {gap:.1e} after "
                f"max_passes = {max_passes}. The half-space is valid; raise max_passes or tol, and "
                f"for a tol under 1e-7 give float64 rows.{few}"
            )
        case Status.ORIGIN_INSIDE:
            return (
                f"No half-space: at nu = {nu:g} an admissible average of the rows is the origin, "
                "so coef = 0 and every score is 0. Do not centre the rows, or use features that "
                f"are not negative; a larger nu helps where their mean is not the origin.{few}"
            )


def sentences(
    solved: Sequence[Solved], nus: Sequence[float], n_rows: Sequence[int], tol: float, limit: int
) -> tuple[str, ...]:
    """One sentence for every problem; ``limit`` is its max_passes."""
    return tuple(
        _sentence(one, nu, count, tol, limit)
        for one, nu, count in zip(solved, nus, n_rows, strict=True)
    )


def warnings_of(
    survey: Survey, solved: Sequence[Solved], message: Sequence[str]
) -> tuple[str, ...]:
    """What is worth showing unasked: remarkable rows, and whatever did not converge; each once."""
    failed = [
        text
        for one, text in zip(solved, message, strict=True)
        if one.status is not Status.CONVERGED
    ]
    return tuple(dict.fromkeys([*_about_rows(survey), *failed]))


def _about_rows(survey: Survey) -> list[str]:
    notes = []
    n_rows = survey.n_rows
    mean, square = survey.total / n_rows, survey.mean_square
    if survey.n_zero:
        notes.append(
            f"{survey.n_zero} of {n_rows} rows {plural(survey.n_zero, 'is', 'are')} all zeros, "
            f"first row {survey.first_zero}, or so small beside the others that they count as "
            "zeros: they pull the half-space to the origin; drop them unless nothing is what you "
            "mean by normal."
        )
    if n_rows == 1:
        notes.append("There is one row: the half-space holds what scores at least as high.")
    elif square - mean @ mean <= 16 * np.finfo(np.float32).eps * square:
        notes.append(
            f"All {n_rows} rows are alike to rounding: coef is that row and nu has no effect; "
            "check where the rows come from."
        )
    return notes

"""Every outcome in a sentence that says what to do about it."""

from __future__ import annotations

import numpy as np

from oneclass.svm._passes import Survey
from oneclass.svm._solve import Solved, Status


def sentence(solved: Solved, nu: float, n_rows: int, tol: float, max_passes: int) -> str:
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
                f"Not solved to tol = {tol:g}: the relative duality gap is {gap:.1e} after max_passes = "
                f"{max_passes}. The half-space is valid; raise max_passes or tol, and for a tol under "
                f"1e-7 give float64 rows.{few}"
            )
        case Status.ORIGIN_INSIDE:
            return (
                f"No half-space: at nu = {nu:g} an admissible average of the rows is the origin, so "
                "coef = 0 and every score is 0. Raise nu, do not centre the rows, or use features that "
                f"are not negative.{few}"
            )


def data_notes(survey: Survey, n_rows: int) -> tuple[str, ...]:
    """Sentences about rows that are usable but remarkable."""
    notes = []
    if survey.n_zero:
        notes.append(
            f"{survey.n_zero} of {n_rows} rows are all zeros, first row {survey.first_zero}: they pull the "
            "half-space to the origin; drop them unless nothing is what you mean by normal."
        )
    mean, square = survey.sums.sum(axis=0) / n_rows, float(survey.counts @ survey.squares) / n_rows
    if n_rows == 1:
        notes.append("There is one row: the half-space is what scores at least as high as it does.")
    elif square - mean @ mean <= 16 * np.finfo(np.float32).eps * square:
        notes.append(
            f"All {n_rows} rows are alike to rounding: coef is that row and nu has no effect; "
            "check where the rows come from."
        )
    return tuple(notes)

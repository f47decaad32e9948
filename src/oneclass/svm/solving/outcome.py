"""How a problem ended, and when it has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from oneclass.svm.solving.certificate import Certified

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


def at_origin(dual: float, mean_square: float) -> bool:
    """Whether a point of this squared length is the origin but for rounding."""
    return dual <= _ORIGIN * mean_square


def nothing(n_columns: int) -> Solved:
    """The outcome where the hull holds the origin."""
    return Solved(Certified(np.zeros(n_columns), 0.0, 0.0, (0.0, 1.0)), Status.ORIGIN_INSIDE)


def outcome(best: Certified, tol: float, *, last: bool) -> Solved | None:
    """The finished problem, or None while there is reason to go on."""
    if best.dual_gap <= tol:
        return Solved(best, Status.CONVERGED)
    return Solved(best, Status.PASSES_USED_UP) if last else None

"""What the scores of all rows prove about a half-space, and the offset that keeps its promise.

Offset and decision must be of one arithmetic, or rows on the boundary, of which there are always
some, fall to either side by rounding. So coefficients are numbers that the rows' own dtype can
hold, scores are summed in float64, and the offset lies as far below the threshold as any order of
that sum can move a row: whoever scores the rows again finds no more than nu l of them outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

CLEARLY = 1e-6  # of the threshold: rows nearer to it are on the boundary


@dataclass(frozen=True)
class Certified:
    """A half-space with what one pass over all rows proved about it.

    Attributes:
        coef: (d,) w, every number one that the rows' dtype holds.
        offset: the lowest value within rounding of the best offset.
        dual_gap: primal value of (coef, offset) minus the dual value, divided by w.w.
        spread: fraction of margin errors, fraction of support vectors.
    """

    coef: Array
    offset: float
    dual_gap: float
    spread: tuple[float, float]


def rounding(n_columns: int, dtype: np.dtype[Any]) -> float:
    """The most by which a scalar product summed in this dtype errs, over the product of lengths,
    whatever the order of the sum (Higham, Accuracy and Stability of Numerical Algorithms, 3.1)."""
    unit = 0.5 * float(np.finfo(dtype).eps) * (n_columns + 2)
    return unit / (1 - unit) if unit < 0.5 else 1.0


def held_by(coef: Floats, dtype: np.dtype[Any]) -> Array:
    """The coefficients rounded to numbers that the rows' dtype holds, as float64."""
    return coef.astype(dtype).astype(np.float64)


def threshold_rank(mass: float, n_rows: int) -> int:
    """How many rows lie below the best offset: the row of this rank is the one that the bound
    splits, or the last that carries its full weight."""
    full = min(int(mass * (1 + 1e-12)), n_rows)
    return min(full, n_rows - 1) if mass - full > 1e-9 * mass else full - 1


def certify(scores: Array, lengths: Floats, coef: Array, dual: float, mass: float) -> Certified:
    """The certificate of a point.

    Args:
        scores: (l,) float64 scores of the problem's rows against ``coef``.
        lengths: (l,) their lengths.
        coef: (d,) not zero.
        dual: squared length of the feasible point that ``coef`` is, up to its rounding.
        mass: nu l, at least 1.
    """
    rank = threshold_rank(mass, len(scores))
    # The rank counts whole rows below it: lower bounds of all scores keep that count for any sum.
    offset = float(np.partition(scores - blur(coef) * lengths, rank)[rank])
    threshold = float(np.partition(scores, rank)[rank])
    tail = Tail.of(scores, offset, threshold)
    return certified(coef, dual, mass, offset, tail, len(scores))


def blur(coef: Array) -> float:
    """The most by which any order of summation can move a score, for a row of length 1."""
    error = rounding(len(coef), np.dtype(np.float64))
    return float(2.02 * error * np.sqrt(float(coef @ coef)))


@dataclass(frozen=True)
class Tail:
    """What a certificate needs of the scores near and below the threshold; tails add up.

    Attributes:
        hinge: sum of what the scores lack of the offset.
        clearly_below: scores clearly below the threshold.
        up_to: scores not clearly above it.
    """

    hinge: float
    clearly_below: int
    up_to: int

    @classmethod
    def of(cls, scores: Array, offset: float, threshold: float) -> Tail:
        """Of some scores."""
        slack = CLEARLY * abs(threshold)
        return cls(
            float(np.maximum(offset - scores, 0.0).sum()),
            int(np.count_nonzero(scores < threshold - slack)),
            int(np.count_nonzero(scores <= threshold + slack)),
        )

    def __add__(self, other: Tail) -> Tail:
        return Tail(
            self.hinge + other.hinge,
            self.clearly_below + other.clearly_below,
            self.up_to + other.up_to,
        )


def certified(
    coef: Array, dual: float, mass: float, offset: float, tail: Tail, n_rows: int
) -> Certified:
    """The certificate, from what the scores of all rows came to; arguments as for `certify`."""
    square = float(coef @ coef)
    return Certified(
        coef=coef,
        offset=offset,
        dual_gap=max(0.5 * (square + dual) - offset + tail.hinge / mass, 0.0) / square,
        spread=(tail.clearly_below / n_rows, tail.up_to / n_rows),
    )

"""Rows at weight 0, at the bound, or between: the quadratic program over weights in [0, 1].

    minimise  1/2 a'Ga + c'a   over  0 <= a <= 1,  sum a = mass

Where the program comes from a one-class SVM, a is its weights times nu l, G the scalar products of
rows, and the gradient Ga + c the rows' scores times nu l. Few rows lie strictly between the bounds;
once it is known which, the rest is one linear system.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_EXACT_RIDGE = 1e-10  # relative to squared lengths of rows
_BLURRED_RIDGE = 1e-6
_ROUNDS = 30
_HARDER = 100.0  # more ridge where the active set runs in a circle
_ATTEMPTS = 20
_EDGE = 1e-9  # a weight so near to its bound is at it


@dataclass(frozen=True)
class Face:
    """Where a program ended.

    Attributes:
        weights: (n,) the minimiser a; within rounding of its bounds and its sum.
        scores: (n,) the gradient Ga + c there.
        n_free: rows strictly between the bounds.
        settled: no row breaks its condition; else the last of the rounds that were allowed.
    """

    weights: Array
    scores: Array
    n_free: int
    settled: bool


@dataclass(frozen=True)
class _Sides:
    free: Mask
    upper: Mask


def minimise(
    gram: Array, scores: Array, weights: Array, mass: float, n_free: int, ridge: Array
) -> Face:
    """Minimise the program plus 1/2 (a - weights)' diag(ridge) (a - weights).

    The added term makes repeated and dependent rows solvable. It vanishes where ``weights`` are
    already optimal, so repeating the call with what the last one returned ends at the program's own
    minimiser (the proximal point method).

    Args:
        gram: (n, n).
        scores: (n,) the gradient at ``weights``; this is what defines c.
        weights: (n,) any weights, feasible or not.
        mass: the sum to reach, 0 < mass <= n.
        n_free: how many rows may be expected between the bounds.
        ridge: (n,) positive.
    """
    if mass >= len(weights) * (1 - 1e-12):
        return Face(np.ones(len(weights)), scores + (1.0 - weights) @ gram, 0, True)
    slack = 8 * np.finfo(float).eps * max(mass, 1.0) * float(np.mean(np.diagonal(gram)))
    best = Face(weights, scores, n_free, False)
    harder = 0
    for _ in range(_ATTEMPTS):
        sides = _by_rank(best.scores, mass, n_free)
        raised = ridge * _HARDER**harder
        face = _exchange(gram, best.scores, best.weights, mass, sides, raised, slack)
        if face.settled and not harder:
            return face
        # Where rounds run in a circle, a larger ridge ends them; from there the smaller may work.
        if face.settled:
            best, n_free = face, face.n_free
        harder += -1 if face.settled else 1
    return best if best.settled else face


def ridge_for(gram: Array, *, exact: bool) -> Array:
    """(n,) a ridge for `minimise`.

    Args:
        gram: (n, n).
        exact: whether it was multiplied in float64; else its errors, of one part in ten million,
            must not make it indefinite.
    """
    squares = np.diagonal(gram)
    mean = float(squares.mean())
    return np.asarray((_EXACT_RIDGE if exact else _BLURRED_RIDGE) * (squares + (mean or 1.0)))


def into_box(weights: Array, mass: float) -> Array:
    """A feasible point near ``weights``: clipped, the missing mass spread over the room left."""
    inside = np.clip(weights, 0.0, 1.0)
    missing = mass - float(inside.sum())
    room = 1.0 - inside if missing > 0 else inside
    total = float(room.sum())
    return inside + room * (missing / total) if total > 0 else inside


def lowest_first(scores: Array, mass: float) -> Array:
    """The vertex with the lowest score: 1 for the lowest rows, a part for the last."""
    weights = np.zeros(len(scores))
    order = np.argsort(scores, kind="stable")
    full = min(int(mass + 1e-9), len(scores))
    weights[order[:full]] = 1.0
    if full < len(scores):
        weights[order[full]] = min(max(mass - full, 0.0), 1.0)
    return weights


def _by_rank(scores: Array, mass: float, n_free: int) -> _Sides:
    """Guess that the rows around the mass-th lowest score are free."""
    n_rows = len(scores)
    n_free = min(max(n_free, 2), n_rows)
    low = int(max(min(mass - n_free / 2, n_rows - n_free), 0))
    order = np.argsort(scores, kind="stable")
    free, upper = np.zeros(n_rows, bool), np.zeros(n_rows, bool)
    upper[order[:low]] = True
    free[order[low : low + n_free]] = True
    return _Sides(free, upper)


def _exchange(
    gram: Array,
    scores: Array,
    weights: Array,
    mass: float,
    sides: _Sides,
    ridge: Array,
    slack: float,
) -> Face:
    """The primal-dual active set method: solve for the free rows; all who break their condition
    change sides (Hintermüller, Ito, Kunisch, SIAM J. Optim. 13, 2002)."""
    centre = weights
    for _ in range(_ROUNDS):
        sides = _able(scores, mass, sides)
        free, upper = sides.free, sides.upper
        at_bounds = np.where(free, weights, upper.astype(np.float64))
        scores, weights = _moved(gram, scores, weights, at_bounds), at_bounds
        ids = np.flatnonzero(free)
        system = gram[np.ix_(ids, ids)]
        system.flat[:: len(ids) + 1] += ridge[ids]
        pull = scores[ids] + ridge[ids] * (weights[ids] - centre[ids])
        solved = np.linalg.solve(system, np.stack([pull, np.ones(len(ids))], axis=1))
        rho = (mass - weights.sum() + solved[:, 0].sum()) / solved[:, 1].sum()
        stepped = weights.copy()
        stepped[ids] += rho * solved[:, 1] - solved[:, 0]
        scores, weights = _moved(gram, scores, weights, stepped), stepped
        seen = scores + ridge * (weights - centre)
        under, over = free & (weights < -_EDGE), free & (weights > 1 + _EDGE)
        enter = ~free & ~upper & (seen < rho - slack)
        leave = upper & (seen > rho + slack)
        if not (under | over | enter | leave).any():
            return Face(weights, scores, len(ids), True)
        sides = _Sides((free & ~under & ~over) | enter | leave, (upper & ~leave) | over)
    return Face(weights, scores, int(sides.free.sum()), False)


def _moved(gram: Array, scores: Array, now: Array, goal: Array) -> Array:
    """The scores after a move of the weights; only rows that move cost anything."""
    step = goal - now
    moving = np.flatnonzero(step)
    if 2 * len(moving) > len(step):
        return np.asarray(scores + step @ gram)
    return np.asarray(scores + step[moving] @ gram[moving])


def _able(scores: Array, mass: float, sides: _Sides) -> _Sides:
    """Free so many rows more that the sum can be reached, the nearest to the threshold first."""
    free, upper = sides.free.copy(), sides.upper.copy()
    n_free, n_upper = int(np.count_nonzero(free)), int(np.count_nonzero(upper))
    lacking = max(int(np.ceil(mass - n_upper - n_free)), 0 if n_free else 1)
    if lacking > 0 and n_upper < mass:
        zeros = np.flatnonzero(~free & ~upper)
        free[_extreme(scores, zeros, lacking)] = True
    surplus = int(np.ceil(n_upper - mass)) + (n_upper > mass)
    surplus = max(surplus, 0 if free.any() else 1)
    if surplus > 0:
        raised = _extreme(-scores, np.flatnonzero(upper), surplus)
        free[raised], upper[raised] = True, False
    return _Sides(free, upper)


def _extreme(scores: Array, among: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Those of the rows ``among`` that have the lowest scores."""
    if count >= len(among):
        return among
    return among[np.argpartition(scores[among], count - 1)[:count]]

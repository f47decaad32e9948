"""Which rows lie between the bounds, where exchanges run in a circle: the program made smooth.

With r/2 a'a added to the program, a row's weight falls from 1 to 0 over a width r of scores instead
of at once. The primal of that, over w and the threshold rho, is a convex function with a Hessian
nearly everywhere; Newton's method minimises it from any start, where each step is only as long as
the function falls (Chapelle, Neural Computation 19, 2007). A few steps, then a smaller r, until the
rows between the bounds are no more than they would be without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NARROWER = 6.0
_WIDTHS, _STEPS = 20, 30  # a bound on both; 5 and 7 are usual
_CUTS = 10  # of the step, to find how far the function falls
_FEWEST = 64  # rows between the bounds, to begin with
_PER_FREE = 4


@dataclass(frozen=True)
class Point:
    """w as a sum of rows, the rows' scores against it, and the threshold.

    The weights are what w is made of; they need not be those that the scores call for.
    """

    weights: Array
    scores: Array
    rho: float

    def towards(self, goal: Point, share: float) -> Point:
        return Point(
            self.weights + share * (goal.weights - self.weights),
            self.scores + share * (goal.scores - self.scores),
            self.rho + share * (goal.rho - self.rho),
        )

    def called_for(self, width: float) -> Array:
        """(n,) the weights by these scores; outside of 0 and 1 at a bound."""
        return np.asarray((self.rho - self.scores) / width)

    def sides(self, width: float) -> tuple[Mask, Mask]:
        """Which rows these scores put between the bounds, and which at the upper one."""
        called_for = self.called_for(width)
        return (called_for > 0) & (called_for < 1), called_for >= 1


def moved(gram: Array, scores: Array, now: Array, goal: Array) -> Array:
    """The scores after a move of the weights; only rows that move cost anything."""
    step = goal - now
    moving = np.flatnonzero(step)
    if 2 * len(moving) > len(step):
        return np.asarray(scores + step @ gram)
    return np.asarray(scores + step[moving] @ gram[moving])


def to_one_score(system: Array, pull: Array, missing: float) -> tuple[Array, float]:
    """The step of some rows to their best weights, and the score that they then share.

    Args:
        system: (f, f) their scalar products, with the ridge.
        pull: (f,) their gradient.
        missing: what their weights are to gain together.
    """
    sides = np.stack([pull, np.ones(len(pull))], axis=1)
    solved = np.linalg.solve(system, sides)
    rho = float((missing + solved[:, 0].sum()) / solved[:, 1].sum())
    return rho * solved[:, 1] - solved[:, 0], rho


def between_bounds(
    gram: Array, scores: Array, weights: Array, mass: float, n_free: int, narrowest: float
) -> tuple[Mask, Mask]:
    """Which rows are between the bounds at the minimiser, and which at the upper one.

    Args:
        gram: (n, n).
        scores: (n,) the gradient at ``weights``.
        weights: (n,) where to start from.
        mass: the sum of the weights.
        n_free: how many rows may be expected between the bounds.
        narrowest: the smallest r; below it, `gram` is blurred.
    """
    linear = scores - weights @ gram
    expected = max(_PER_FREE * n_free, _FEWEST)
    width, rho = around_threshold(scores, mass, expected)
    width = max(width, narrowest)
    here = Point(weights, scores, rho)
    before = len(scores) + 1
    for _ in range(_WIDTHS):
        here = newton(gram, linear, here, mass, width, 2 * expected)
        free, upper = here.sides(width)
        count = int(np.count_nonzero(free))
        if width <= narrowest or (count > 0.8 * before and count <= 2 * max(n_free, 8)):
            break
        before, width = count, max(width / _NARROWER, narrowest)
    return free, upper


def around_threshold(scores: Array, mass: float, count: int) -> tuple[float, float]:
    """The range of the ``count`` scores around the mass-th lowest, and the highest of them."""
    count = min(count, len(scores))
    low = int(max(min(mass - count / 2, len(scores) - count), 0))
    ordered = np.partition(scores, (low, low + count - 1))
    return float(ordered[low + count - 1] - ordered[low]), float(ordered[low + count - 1])


def newton(gram: Array, linear: Array, here: Point, mass: float, width: float, most: int) -> Point:
    """The smoothed program's minimiser, from `here`; what was reached where too many are free.

    Args:
        gram: (n, n).
        linear: (n,) the gradient at weights of 0.
        here: where to start from.
        mass: the sum of the weights.
        width: r.
        most: rows between the bounds after the first step, beyond which r is too large.
    """
    for done in range(_STEPS):
        free, upper = here.sides(width)
        if done and np.count_nonzero(free) > most:
            return here
        if not free.any():
            here = _at_threshold(here, mass, width)
            free, upper = here.sides(width)
        goal = _solved(gram, here, mass, width, upper, free)
        if np.array_equal(goal.sides(width), (free, upper)):
            return goal
        here = here.towards(goal, _step_length(linear, here, goal, mass, width))
    return here


def _at_threshold(here: Point, mass: float, width: float) -> Point:
    """With the row at the threshold between the bounds."""
    rank = min(int(mass), len(here.scores) - 1)
    return replace(here, rho=float(np.partition(here.scores, rank)[rank]) + 0.5 * width)


def _solved(gram: Array, here: Point, mass: float, width: float, upper: Mask, free: Mask) -> Point:
    """The minimiser if the rows at their bounds stay there and the free ones stay free."""
    ids = np.flatnonzero(free)
    goal = upper.astype(np.float64)
    fixed = moved(gram, here.scores, here.weights, goal)
    among = gram[ids]
    system = among[:, ids]
    system.flat[:: len(ids) + 1] += width
    goal[ids], rho = to_one_score(system, fixed[ids], mass - np.count_nonzero(upper))
    return Point(goal, fixed + goal[ids] @ among, rho)


def _step_length(linear: Array, here: Point, goal: Point, mass: float, width: float) -> float:
    """How far the primal falls on the way to the goal, from its slope there."""
    moves, scores, rho = (
        goal.weights - here.weights,
        goal.scores - here.scores,
        goal.rho - here.rho,
    )

    def slope(share: float) -> float:
        at = here.towards(goal, share)
        inside = np.clip(at.called_for(width), 0.0, 1.0)
        return float(moves @ (at.scores - linear) - mass * rho + inside @ (rho - scores))

    first, last = slope(0.0), slope(1.0)
    if last <= 0 or first >= 0:
        return 1.0
    near, far, enough = 0.0, 1.0, -0.1 * first
    for _ in range(_CUTS):
        share = near + (far - near) * min(max(first / (first - last), 0.1), 0.9)
        found = slope(share)
        if abs(found) <= enough:
            return share
        if found < 0:
            near, first = share, found
        else:
            far, last = share, found
    return near or far

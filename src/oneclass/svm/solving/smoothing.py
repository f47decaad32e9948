"""Weights near the best ones, where exchanges run in a circle: the program made smooth.

With r/2 a'a added to the program (r/2 a'a/u where a row stands for u equal ones), a row's weight
falls from its bound to 0 over a width r of scores instead of at once. The primal of that, over w
and the threshold rho, is a convex function with a Hessian nearly everywhere; Newton's method
minimises it from any start, where each step is only as long as the function falls (Chapelle, Neural
Computation 19, 2007). A few steps, then a smaller r, until the same rows stay between the bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._products import Products

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NARROWER = 6.0
_WIDTHS, _STEPS = 20, 30  # a bound on both; 5 and 7 are usual
_CUTS = 10  # of the step, to find how far the function falls
_FEWEST = 64  # rows between the bounds, to begin with
_PER_FREE = 1.5


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
        """(n,) weights by these scores, as shares of the bounds; outside of 0 and 1 at one."""
        return np.asarray((self.rho - self.scores) / width)

    def sides(self, width: float) -> tuple[Mask, Mask]:
        """Which rows these scores put between the bounds, and which at the upper one."""
        called_for = self.called_for(width)
        return (called_for > 0) & (called_for < 1), called_for >= 1


def smoothed(
    products: Products,
    scores: Array,
    weights: Array,
    mass: float,
    n_free: int,
    narrowest: float,
    bounds: Array,
) -> Array:
    """(n,) the weights that the smoothed program ends with, within their bounds.

    Args:
        products: of n rows.
        scores: (n,) the gradient at ``weights``.
        weights: (n,) where to start from.
        mass: the sum of the weights.
        n_free: how many rows may be expected between the bounds.
        narrowest: the smallest r; below it, the products are blurred.
        bounds: (n,) of the weights.
    """
    linear = scores - products.moved(np.zeros(len(scores)), np.zeros(len(scores)), weights)
    program = Smooth(products, linear, mass, bounds)
    expected = max(int(_PER_FREE * n_free), _FEWEST)
    width, rho = program.around_threshold(scores, expected)
    width = max(width, narrowest)
    here = Point(weights, scores, rho)
    before, most = here.sides(width), 2 * expected
    for _ in range(_WIDTHS):
        here = newton(program, here, width, most)
        sides = here.sides(width)
        if np.count_nonzero(sides[0]) > most:
            most *= 2  # the next r is smaller; should it not be enough, more may be free
        if width <= narrowest or np.array_equal(sides, before) or not sides[0].any():
            break
        before, width = sides, max(width / _NARROWER, narrowest)
        # Free rows keep about their weights where r shrinks, and their scores draw together.
        free, upper = sides
        here = _solved(program, here, width, upper, free)
    return bounds * np.clip(here.called_for(width), 0.0, 1.0)


@dataclass(frozen=True)
class Smooth:
    """The program: scalar products, gradient at weights of 0, sum of the weights, bounds."""

    products: Products
    linear: Array
    mass: float
    bounds: Array

    def rank(self, scores: Array) -> int:
        """How many rows lie below the threshold."""
        order = np.argsort(scores, kind="stable")
        filled = np.cumsum(self.bounds[order])
        return min(int(np.searchsorted(filled, self.mass, side="right")), len(scores) - 1)

    def threshold(self, scores: Array, width: float) -> float:
        """The rho at which these scores call for weights of the right sum: where that sum, which
        grows with rho, is found between two of the scores at which its slope changes."""
        knots = np.sort(np.concatenate([scores, scores + width]))
        low, high = 0, len(knots) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._called_for(scores, width, knots[middle]) < self.mass:
                low = middle
            else:
                high = middle
        below, above = (self._called_for(scores, width, knots[i]) for i in (low, high))
        share = (self.mass - below) / (above - below) if above > below else 0.5
        return float(knots[low] + share * (knots[high] - knots[low]))

    def _called_for(self, scores: Array, width: float, rho: float) -> float:
        return float(self.bounds @ np.clip((rho - scores) / width, 0.0, 1.0))

    def around_threshold(self, scores: Array, count: int) -> tuple[float, float]:
        """The range of the ``count`` scores around the threshold, and the highest of them."""
        count = min(count, len(scores))
        low = max(min(self.rank(scores) - count // 2, len(scores) - count), 0)
        ordered = np.partition(scores, (low, low + count - 1))
        return float(ordered[low + count - 1] - ordered[low]), float(ordered[low + count - 1])


def newton(program: Smooth, here: Point, width: float, most: int) -> Point:
    """The smoothed program's minimiser, from `here`; what was reached where too many are free.

    Args:
        program: what is to be minimised.
        here: where to start from.
        width: r.
        most: rows between the bounds after the first step, beyond which r is too large.
    """
    for done in range(_STEPS):
        free, upper = here.sides(width)
        if done and np.count_nonzero(free) > most:
            return here
        if not free.any():
            here = replace(here, rho=program.threshold(here.scores, width))
            free, upper = here.sides(width)
        goal = _solved(program, here, width, upper, free)
        if np.array_equal(goal.sides(width), (free, upper)):
            return goal
        here = here.towards(goal, _step_length(program, here, goal, width))
    return here


def _solved(program: Smooth, here: Point, width: float, upper: Mask, free: Mask) -> Point:
    """The minimiser if the rows at their bounds stay there and the free ones stay free."""
    ids = np.flatnonzero(free)
    goal = np.where(upper, program.bounds, 0.0)
    fixed = program.products.moved(here.scores, here.weights, goal)
    if not len(ids):
        return Point(goal, fixed, program.threshold(fixed, width))
    held = goal.copy()
    ridge, missing = width / program.bounds[ids], program.mass - float(goal.sum())
    goal[ids], rho = program.products.to_one_score(ids, ridge, fixed[ids], missing)
    return Point(goal, program.products.moved(fixed, held, goal), rho)


def _step_length(program: Smooth, here: Point, goal: Point, width: float) -> float:
    """How far the primal falls on the way to the goal, from its slope there."""
    moves, scores, rho = (
        goal.weights - here.weights,
        goal.scores - here.scores,
        goal.rho - here.rho,
    )

    def slope(share: float) -> float:
        at = here.towards(goal, share)
        inside = program.bounds * np.clip(at.called_for(width), 0.0, 1.0)
        fall = moves @ (at.scores - program.linear) - program.mass * rho
        return float(fall + inside @ (rho - scores))

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

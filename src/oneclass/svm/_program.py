"""The quadratic program over weights in a box, made strictly convex, and a point of it.

    minimise  1/2 a'Ga + c'a + width/2 (a - centre)' diag(ridge) (a - centre)
    over      0 <= a <= bounds,  sum a = mass

Where the program comes from a one-class SVM, a is its weights times nu l, G the scalar products of
rows, and the gradient Ga + c the rows' scores times nu l. A bound is how many equal rows one stands
for. Few rows lie strictly between the bounds; once it is known which, the rest is one linear
system.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._products import Products

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Point:
    """w as a sum of rows, the rows' scores against it, and the threshold.

    The weights are what w is made of; they need not be those that the scores call for, nor within
    their bounds.
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


@dataclass(frozen=True)
class Sides:
    """Which rows are free, and which of the others are at their upper bound."""

    free: Mask
    upper: Mask

    def differ(self, other: Sides) -> int:
        """How many rows are on another side."""
        return int(np.count_nonzero((self.free != other.free) | (self.upper != other.upper)))


@dataclass(frozen=True)
class Program:
    """See above; arrays are (n,), ridge, width, bounds and mass positive."""

    products: Products
    bounds: Array
    mass: float
    centre: Array
    ridge: Array
    width: float = 1.0

    def pull(self, here: Point) -> Array:
        """The gradient."""
        strain = self.ridge * (here.weights - self.centre)
        return np.asarray(here.scores + self.width * strain)

    def called_for(self, scores: Array, rho: float) -> Array:
        """(n,) the weights at which every row's gradient is rho, whatever their bounds."""
        return np.asarray(self.centre + (rho - scores) / (self.width * self.ridge))

    def inside(self, here: Point) -> Array:
        """(n,) the weights that the scores call for, within their bounds."""
        return self.within(here.scores, here.rho)

    def within(self, scores: Array, rho: float) -> Array:
        """(n,) the same for other scores."""
        # Faster than `np.clip`, which counts in programs of a hundred rows.
        return np.minimum(np.maximum(self.called_for(scores, rho), 0.0), self.bounds)

    def sides(self, here: Point) -> Sides:
        """Where the scores put the rows."""
        called_for = self.called_for(here.scores, here.rho)
        upper = called_for >= self.bounds
        return Sides((called_for > 0) & ~upper, upper)

    def solved(self, here: Point, sides: Sides) -> Point:
        """The minimiser if the rows at their bounds stay there and the free ones stay free.

        Without free rows the threshold stays what it was.
        """
        free = sides.free
        goal = np.where(free, here.weights, np.where(sides.upper, self.bounds, 0.0))
        ids = free.nonzero()[0]
        if not len(ids):
            return Point(goal, self.products.moved(here.scores, here.weights, goal), here.rho)
        strain = self.width * self.ridge[ids] * (goal[ids] - self.centre[ids])
        missing = self.mass - float(goal.sum())
        scores, rho = self.products.settled(
            ids, (here.scores, here.weights), goal, strain, self.ridge, self.width, missing
        )
        return Point(goal, scores, rho)

    def threshold(self, scores: Array) -> float:
        """The rho at which these scores call for weights of the right sum: where that sum, which
        grows with rho, is found between two of the scores at which its slope changes."""
        lowest = scores - self.width * self.ridge * self.centre
        knots = np.sort(np.concatenate([lowest, lowest + self.width * self.ridge * self.bounds]))

        def total(rho: float) -> float:
            return float(self.within(scores, rho).sum())

        low, high = 0, len(knots) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if total(knots[middle]) < self.mass:
                low = middle
            else:
                high = middle
        below, above = total(knots[low]), total(knots[high])
        share = (self.mass - below) / (above - below) if above > below else 0.5
        return float(knots[low] + share * (knots[high] - knots[low]))

    def around_threshold(self, scores: Array, count: int) -> tuple[int, int, Ints]:
        """The rows nearest the threshold.

        Returns:
            The ranks of the first and of the one after the last, and (n,) the rows in the order of
            their scores.
        """
        order, rank = ranked(scores, self.mass, self.bounds)
        count = min(count, len(order))
        low = max(min(rank - count // 2, len(order) - count), 0)
        return low, low + count, order

    def gap(self, here: Point) -> float:
        """At most so much do the weights, brought within their bounds, miss without the ridge,
        relative to the threshold times the mass: primal minus dual value at this threshold."""
        above = here.scores - here.rho
        missing = float(above @ into_box(here.weights, self.mass, self.bounds))
        missing -= float(np.minimum(above, 0.0) @ self.bounds)
        scale = abs(here.rho) * self.mass
        return missing / scale if scale > 0 else np.inf


def ranked(scores: Array, mass: float, bounds: Array) -> tuple[Ints, int]:
    """(n,) the rows in the order of their scores, and how many of them are at their bound where the
    lowest carry the mass."""
    order = np.argsort(scores)
    return order, int(np.searchsorted(np.cumsum(bounds[order]), mass, side="right"))


def into_box(weights: Array, mass: float, bounds: Array) -> Array:
    """A feasible point near ``weights``: clipped, the missing mass spread over the room left."""
    inside = np.clip(weights, 0.0, bounds)
    missing = mass - float(inside.sum())
    room = bounds - inside if missing > 0 else inside
    total = float(room.sum())
    return inside + room * (missing / total) if total > 0 else inside


def lowest_first(scores: Array, mass: float, bounds: Array) -> Array:
    """The vertex with the lowest score: the bound for the lowest rows, a part for the last."""
    order = np.argsort(scores)
    filled = np.cumsum(bounds[order])
    weights = np.zeros(len(scores))
    weights[order] = np.clip(mass - filled + bounds[order], 0.0, bounds[order])
    return weights


def lowest_value(scores: Array, mass: float, bounds: Array) -> float:
    """What the vertex with the lowest score has as its score."""
    if bounds.max() > 1:
        return float(scores @ lowest_first(scores, mass, bounds))
    whole = min(int(mass), len(scores) - 1)
    lowest = np.partition(scores, whole)
    return float(lowest[:whole].sum() + (mass - whole) * lowest[whole])

"""Newton's method where exchanges run in a circle: on the program made smooth.

With r/2 a'a added to the program (r/2 a'a/u where a row stands for u equal ones), a row's weight
falls from its bound to 0 over a width r of scores instead of at once. The primal of that, over w
and the threshold rho, is a convex function with a Hessian nearly everywhere; Newton's method
minimises it from any start, where each step is only as long as the function falls (Chapelle, Neural
Computation 19, 2007). A few steps, then a smaller r, until the same rows stay between the bounds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._products import Products
from oneclass.svm._program import Point, Program, Sides

Array = NDArray[np.float64]

_NARROWER = 10.0
_WIDTHS, _STEPS = 20, 30  # a bound on both; 4 and 7 are usual
_CUTS = 10  # of the step, to find how far the function falls
_FEWEST = 64  # rows between the bounds, to begin with
_PER_FREE = 1.5
_TIED = 1e-3  # of the scores' spread, and of how far they are to move: where rows are tied, r
_CHEAP = 60  # so much faster is a product that makes a matrix than one that moves scores
_SAME = 0.95  # of the rows between the bounds, where r need not be smaller
CLOSE = 1e-8  # a gap, relative to the threshold times the mass: the next call finds the rest
_CLOSEST = 1e-12


def smoothed(
    products: Products,
    scores: Array,
    weights: Array,
    mass: float,
    n_free: int,
    narrowest: float,
    bounds: Array,
    close: float,
) -> tuple[Point, float]:
    """The point with weights within their bounds that the smoothed program ends with, and its r.

    Args:
        products: of n rows.
        scores: (n,) the gradient at ``weights``.
        weights: (n,) where to start from.
        mass: the sum of the weights.
        n_free: how many rows may be expected between the bounds.
        narrowest: the smallest r; below it, the products are blurred.
        bounds: (n,) of the weights.
        close: a gap at which no smaller r is asked for.
    """
    start = Point(weights, scores, float("nan"))
    program = Program(products, bounds, mass, np.zeros(len(bounds)), 1 / bounds)
    expected = max(int(_PER_FREE * n_free), _FEWEST)
    first, after, order = program.around_threshold(scores, expected)
    rho = float(scores[order[after - 1]])
    spread = float(scores[order[3 * len(order) // 4]] - scores[order[len(order) // 4]])
    lacking = abs(float(weights.sum()) - mass) / mass * abs(rho)
    tied = _TIED * max(spread, lacking)
    width = max(rho - float(scores[order[first]]), tied, narrowest)
    program = replace(program, width=width)
    here = Point(weights, scores, rho)
    before, most = None, max(2 * expected, int(np.sqrt(_CHEAP * len(bounds))))
    for _ in range(_WIDTHS):
        here = newton(program, here, most)
        if program.gap(replace(here, weights=program.inside(here))) <= close:
            break
        sides = program.sides(here)
        if np.count_nonzero(sides.free) > most:
            most *= 2  # the next r is smaller; should it not be enough, more may be free
        few = (1 - _SAME) * np.count_nonzero(sides.free)
        if program.width <= narrowest or not sides.free.any():
            break
        if before is not None and sides.differ(before) <= few:
            break
        before = sides
        program = replace(program, width=max(program.width / _NARROWER, narrowest))
        # Free rows keep about their weights where r shrinks, and their scores draw together.
        here = program.solved(here, sides)
    return _inside(program, here, start), program.width


def sharpened(program: Program, here: Point, width: float, narrowest: float) -> Point:
    """A point nearer to the minimiser of the program without its ridge.

    r/2 (a - a')'(a - a') is added instead of r/2 a'a, with a' the weights found last, and this
    repeated (the proximal point method): where r cannot be as small as one wants, for the sake of
    roundings or because many rows are tied, it goes on where `smoothed` ends.

    Args:
        program: what is to be minimised; its centre and ridge are not used.
        here: where `smoothed` ended.
        width: the r there.
        narrowest: the smallest r.
    """
    program = replace(program, ridge=1 / program.bounds)
    gap = program.gap(here)
    for _ in range(_WIDTHS):
        program = replace(program, centre=here.weights, width=width)
        nearer = _inside(program, newton(program, here, len(here.weights)), here)
        before, gap = gap, program.gap(nearer)
        if not gap < before:
            break
        here, width = nearer, max(width / _NARROWER, narrowest)
        if gap <= _CLOSEST or gap > before / 2:
            break
    return here


def _inside(program: Program, here: Point, start: Point) -> Point:
    """The point with the weights that the scores call for, within their bounds; its scores without
    the roundings of the steps since the start."""
    inside = program.inside(here)
    return Point(inside, program.products.moved(start.scores, start.weights, inside), here.rho)


def newton(program: Program, here: Point, most: int) -> Point:
    """The program's minimiser, from `here`; what was reached where too many are free.

    Args:
        program: what is to be minimised.
        here: where to start from.
        most: unknowns of a linear system after the first step, beyond which r is too large.
    """
    sides = program.sides(here)
    for done in range(_STEPS):
        if done and program.products.unknowns(int(np.count_nonzero(sides.free))) > most:
            return here
        if not sides.free.any():
            here = replace(here, rho=program.threshold(here.scores))
            sides = program.sides(here)
        goal = program.solved(here, sides)
        if not sides.free.any():
            goal = replace(goal, rho=program.threshold(goal.scores))
        after = program.sides(goal)
        if not after.differ(sides):
            return goal
        share = _step_length(program, here, goal)
        here, sides = (goal, after) if share == 1 else _between(program, here, goal, share)
    return here


def _between(program: Program, here: Point, goal: Point, share: float) -> tuple[Point, Sides]:
    between = here.towards(goal, share)
    return between, program.sides(between)


def _step_length(program: Program, here: Point, goal: Point) -> float:
    """How far the primal falls on the way to the goal, from its slope there."""
    scores, rho = goal.scores - here.scores, goal.rho - here.rho
    per_weight = float(here.weights @ scores)
    per_step = float((goal.weights - here.weights) @ scores)

    called_for = program.called_for(here.scores, here.rho)
    called_more = program.called_for(goal.scores, goal.rho) - called_for

    def slope(share: float) -> float:
        inside = np.minimum(np.maximum(called_for + share * called_more, 0.0), program.bounds)
        fall = per_weight + share * per_step - program.mass * rho
        return float(fall + inside.sum() * rho - inside @ scores)

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

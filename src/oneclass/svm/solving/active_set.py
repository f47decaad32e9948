"""Which rows are at weight 0, at the bound, or between: the program of `_program`, minimised."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._products import Products
from oneclass.svm._program import Point, Program, Sides, lowest_first
from oneclass.svm._row_products import RowProducts
from oneclass.svm.solving.smoothing import CLOSE, sharpened, smoothed

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

_EXACT_RIDGE = 1e-10  # relative to squared lengths of rows
_SHORT_RIDGE = 1e-8  # where there are fewer columns than rows
_BLURRED_RIDGE = 1e-6
_ROUNDS = 40  # of exchanges
_MORE_FREE, _FEW_FREE = 8, 16  # so many times more are free than were expected: they will not stay
_PATIENCE = 4  # of those in a row that leave as many rows wanting to change: they run in a circle
_DESCENTS = 20  # for each row, where the rounds did not end
_ENOUGH = 0.1  # of a gap that is small enough: no narrower program is asked for
_EDGE = 1e-9  # a weight so near to its bound is at it
_SLACK = 1000  # roundings of a score


@dataclass(frozen=True)
class Face:
    """Where a program ended.

    Attributes:
        weights: (n,) the minimiser a; within rounding of its bounds and its sum.
        scores: (n,) the gradient Ga + c there.
        n_free: rows strictly between the bounds.
        settled: no row breaks its condition; else the last of the rounds that were allowed.
        circled: exchanges alone did not settle it.
    """

    weights: Array
    scores: Array
    n_free: int
    settled: bool
    circled: bool = False


def minimise(
    products: Products,
    scores: Array,
    weights: Array,
    mass: float,
    n_free: int | None,
    ridge: Array,
    bounds: Array,
    close: float = CLOSE,
) -> Face:
    """Minimise the program plus 1/2 (a - weights)' diag(ridge) (a - weights).

    The added term makes repeated and dependent rows solvable; where exchanges run in a circle, it
    pulls towards the smoothed program's weights instead. It vanishes where ``weights`` are
    already optimal, so repeating the call with what the last one returned ends at the program's own
    minimiser (the proximal point method).

    Args:
        products: of n rows.
        scores: (n,) the gradient at ``weights``; this is what defines c.
        weights: (n,) any weights, feasible or not.
        mass: the sum to reach, positive, at most the sum of the bounds.
        n_free: how many rows may be expected between the bounds, those nearest the threshold;
            None where ``weights`` say which.
        ridge: (n,) positive.
        bounds: (n,) u, positive.
        close: a gap, relative to the threshold times the mass, that is small enough where hundreds
            of rows are tied.
    """
    if mass >= float(bounds.sum()) * (1 - 1e-12):
        return Face(bounds.copy(), products.moved(scores, weights, bounds), 0, True)
    program = Program(products, bounds, mass, weights, ridge)
    start = Point(weights, scores, float("nan"))
    sides = _by_weight(program) if n_free is None else _by_rank(program, scores, n_free)
    expected = int(np.count_nonzero(sides.free)) if n_free is None else n_free
    face = _exchange(program, start, sides, _MORE_FREE * max(expected, _FEW_FREE))
    if face.settled:
        return face
    narrowest = float(ridge.mean())
    enough = _ENOUGH * close
    near, width = smoothed(products, scores, weights, mass, expected, narrowest, bounds, enough)
    if program.gap(near) <= enough:
        return _between(near, bounds)
    # Where many rows are tied, their weights there are as good as any: stay near to those.
    program = replace(program, centre=near.weights)
    face = _exchange(program, near, _by_weight(program), len(weights))
    if face.settled:
        return replace(face, circled=True)
    nearer = sharpened(program, near, width, narrowest)
    if program.gap(nearer) <= close:
        return _between(nearer, bounds)
    # From a vertex: with few free rows each step is cheap, and many may be free by chance.
    vertex = lowest_first(face.scores, mass, bounds)
    lowest = replace(near, weights=vertex, scores=products.moved(near.scores, near.weights, vertex))
    return replace(_descend(program, lowest), circled=True)


def _between(near: Point, bounds: Array) -> Face:
    """Where the program made smooth has ended near enough."""
    n_free = int(np.count_nonzero((near.weights > 0) & (near.weights < bounds)))
    return Face(near.weights, near.scores, n_free, settled=True, circled=True)


def ridge_for(products: Products | RowProducts, *, exact: bool) -> Array:
    """(n,) a ridge for `minimise`.

    Args:
        products: of n rows.
        exact: whether they were multiplied in float64; else its errors, of one part in ten million,
            must not make it indefinite.
    """
    squares = products.squares
    mean = float(squares.mean())
    least = _EXACT_RIDGE if products.rows is None else _SHORT_RIDGE
    return np.asarray((least if exact else _BLURRED_RIDGE) * (squares + (mean or 1.0)))


def _by_weight(program: Program) -> Sides:
    """Guess that the rows stay where they are."""
    weights, full = program.centre, program.bounds - _EDGE
    return Sides((weights > _EDGE) & (weights < full), weights >= full)


def _by_rank(program: Program, scores: Array, n_free: int) -> Sides:
    """Guess that the rows around the threshold are free; where more are tied there than there are
    columns, that those are: among them ranks say nothing."""
    first, after, order = program.around_threshold(scores, max(n_free, 2))
    middle = scores[order[(first + after) // 2]]
    slack = slack_for(program.products.squares, program.mass) + float(program.ridge.mean())
    tied = np.abs(scores - middle) <= slack
    n_tied = int(np.count_nonzero(tied))
    if n_tied > program.products.unknowns(n_tied):
        return Sides(tied, ~tied & (scores < middle))
    free, upper = np.zeros(len(order), bool), np.zeros(len(order), bool)
    upper[order[:first]] = True
    free[order[first:after]] = True
    return Sides(free, upper)


def slack_for(squares: Array, mass: float) -> float:
    """By how much a score may miss the threshold."""
    square = float(squares.mean())
    return _SLACK * float(np.finfo(float).eps) * max(mass, 1.0) * square


def _exchange(program: Program, here: Point, sides: Sides, most: int) -> Face:
    """The primal-dual active set method: solve for the free rows; all who break their condition
    change sides (Hintermüller, Ito, Kunisch, SIAM J. Optim. 13, 2002). A few rounds, or a circle.
    """
    slack = slack_for(program.products.squares, program.mass)
    fewest, idle = len(here.weights), 0
    for _ in range(_ROUNDS):
        sides = _able(program, here.scores, sides)
        free, upper = sides.free, sides.upper
        n_free = int(np.count_nonzero(free))
        if n_free > most:
            break
        here = program.solved(here, sides)
        seen = program.pull(here)
        under = free & (here.weights < -_EDGE)
        over = free & (here.weights > program.bounds + _EDGE)
        enter = ~free & ~upper & (seen < here.rho - slack)
        leave = upper & (seen > here.rho + slack)
        wanting = int(np.count_nonzero(under | over | enter | leave))
        if not wanting:
            return Face(here.weights, here.scores, n_free, True)
        idle = idle + 1 if wanting >= fewest else 0
        fewest = min(fewest, wanting)
        if idle == _PATIENCE:
            break
        sides = Sides((free & ~under & ~over) | enter | leave, (upper & ~leave) | over)
    return Face(here.weights, here.scores, int(sides.free.sum()), False)


def _descend(program: Program, here: Point) -> Face:
    """The primal active set method, for programs on which exchanges run in a circle: a row at a
    time, never uphill (Nocedal, Wright, Numerical Optimization, 16.5).

    Args:
        program: the program.
        here: to start from; feasible.
    """
    products, bounds = program.products, program.bounds
    slack = slack_for(products.squares, program.mass)
    free = (here.weights > 0) & (here.weights < bounds)
    for _ in range(_DESCENTS * len(bounds)):
        seen, rho = program.pull(here), np.nan
        ids = np.flatnonzero(free)
        weights = here.weights
        if len(ids):
            step, rho = products.to_one_score(ids, program.ridge, program.width, seen[ids], 0.0)
            room = np.where(step > 0, bounds[ids] - weights[ids], weights[ids])
            reach = np.divide(room, np.abs(step), out=np.full(len(ids), np.inf), where=step != 0)
            share = min(float(reach.min()), 1.0)
            goal = weights.copy()
            goal[ids] = np.clip(goal[ids] + share * step, 0.0, bounds[ids])
            stopped = ids[reach <= share] if share < 1 else ids[:0]
            goal[stopped] = np.where(goal[stopped] > bounds[stopped] / 2, bounds[stopped], 0.0)
            here = Point(goal, products.moved(here.scores, weights, goal), rho)
            free[stopped] = False
            if len(stopped):
                continue
            seen = program.pull(here)
        entering = _worst(seen, here.weights > bounds / 2, free, rho, slack)
        if not len(entering):
            return Face(here.weights, here.scores, len(ids), True)
        free[entering] = True
    return Face(here.weights, here.scores, len(ids), False)


def _worst(seen: Array, heavy: Mask, free: Mask, rho: float, slack: float) -> Ints:
    """The row at a bound that gains most by leaving it; without free rows, the pair that does."""
    upper = ~free & heavy
    lowest = int(np.argmin(np.where(free | upper, np.inf, seen)))
    highest = int(np.argmax(np.where(upper, seen, -np.inf)))
    low = seen[lowest] if not (free | upper)[lowest] else np.inf
    high = seen[highest] if upper[highest] else -np.inf
    if not free.any():
        gains = low < high - slack
        return np.array([lowest, highest] if gains else [], dtype=np.intp)
    if max(rho - low, high - rho) <= slack:
        return np.zeros(0, np.intp)
    return np.array([lowest if rho - low >= high - rho else highest], dtype=np.intp)


def _able(program: Program, scores: Array, sides: Sides) -> Sides:
    """Free so many rows more that the sum can be reached, the nearest to the threshold first."""
    free, upper, bounds = sides.free.copy(), sides.upper.copy(), program.bounds
    held = float(bounds[upper].sum())
    lacking = program.mass - held - float(bounds[free].sum())
    if held < program.mass and (lacking > 0 or not free.any()):
        zeros = np.flatnonzero(~free & ~upper)
        free[_lowest(scores, zeros, max(lacking, 0.0), bounds)] = True
    if held > program.mass or not free.any():
        surplus = max(held - program.mass, 0.0)
        # One more than the surplus takes: their weights must have room on both sides.
        some = np.flatnonzero(upper)
        raised = _lowest(-scores, some, surplus, bounds, spare=int(surplus > 0))
        free[raised], upper[raised] = True, False
    return Sides(free, upper)


def _lowest(scores: Array, among: Ints, amount: float, bounds: Array, spare: int = 0) -> Ints:
    """Those of the rows ``among`` with the lowest scores: at least one, enough to hold an amount,
    and as many to spare."""
    most = int(np.ceil(amount / float(bounds[among].min(initial=1.0)))) + spare + 1
    if most < len(among):
        among = among[np.argpartition(scores[among], most - 1)[:most]]
    among = among[np.argsort(scores[among], kind="stable")]
    return among[: int(np.searchsorted(np.cumsum(bounds[among]), amount)) + 1 + spare]

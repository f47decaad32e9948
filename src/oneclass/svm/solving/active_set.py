"""Rows at weight 0, at the bound, or between: the quadratic program over weights in a box.

    minimise  1/2 a'Ga + c'a   over  0 <= a <= u,  sum a = mass

Where the program comes from a one-class SVM, a is its weights times nu l, G the scalar products of
rows, and the gradient Ga + c the rows' scores times nu l. A bound u is how many equal rows one
stands for. Few rows lie strictly between the bounds; once it is known which, the rest is one linear
system.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._products import Products
from oneclass.svm.solving.smoothing import smoothed

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

_EXACT_RIDGE = 1e-10  # relative to squared lengths of rows
_SHORT_RIDGE = 1e-8  # where there are fewer columns than rows
_BLURRED_RIDGE = 1e-6
_ROUNDS = 40  # of exchanges
_MORE_FREE, _FEW_FREE = 8, 16  # so many times more are free than were expected: they will not stay
_PATIENCE = 3  # of those in a row that leave as many rows wanting to change: they run in a circle
_DESCENTS = 20  # for each row, where the rounds did not end
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
    products: Products,
    scores: Array,
    weights: Array,
    mass: float,
    n_free: int | None,
    ridge: Array,
    bounds: Array,
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
    """
    if mass >= float(bounds.sum()) * (1 - 1e-12):
        return Face(bounds.copy(), products.moved(scores, weights, bounds), 0, True)
    square = float(np.mean(products.squares))
    slack = _SLACK * np.finfo(float).eps * max(mass, 1.0) * square
    program = _Program(products, weights, ridge, bounds, mass, slack)
    sides = _by_weight(program) if n_free is None else _by_rank(program, scores, n_free)
    expected = int(np.count_nonzero(sides.free)) if n_free is None else n_free
    most = _MORE_FREE * max(expected, _FEW_FREE)
    face = _exchange(program, scores, sides, most)
    if face.settled:
        return face
    narrowest = float(ridge.mean())
    near = smoothed(products, scores, weights, mass, expected, narrowest, bounds)
    # Where many rows are tied, their weights there are as good as any: stay near to those.
    program = replace(program, centre=near)
    scores = products.moved(scores, weights, near)
    face = _exchange(program, scores, _by_weight(program), len(weights))
    if face.settled:
        return face
    # From a vertex: with few free rows each step is cheap, and many may be free by chance.
    return _descend(program, scores, lowest_first(face.scores, mass, bounds))


def ridge_for(products: Products, *, exact: bool) -> Array:
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


def into_box(weights: Array, mass: float, bounds: Array) -> Array:
    """A feasible point near ``weights``: clipped, the missing mass spread over the room left."""
    inside = np.clip(weights, 0.0, bounds)
    missing = mass - float(inside.sum())
    room = bounds - inside if missing > 0 else inside
    total = float(room.sum())
    return inside + room * (missing / total) if total > 0 else inside


def lowest_first(scores: Array, mass: float, bounds: Array) -> Array:
    """The vertex with the lowest score: the bound for the lowest rows, a part for the last."""
    order = np.argsort(scores, kind="stable")
    filled = np.cumsum(bounds[order])
    weights = np.zeros(len(scores))
    weights[order] = np.clip(mass - filled + bounds[order], 0.0, bounds[order])
    return weights


def _by_weight(program: _Program) -> _Sides:
    """Guess that the rows stay where they are."""
    weights, full = program.centre, program.bounds - _EDGE
    return _Sides((weights > _EDGE) & (weights < full), weights >= full)


def _by_rank(program: _Program, scores: Array, n_free: int) -> _Sides:
    """Guess that the rows around the threshold are free."""
    n_rows = len(scores)
    n_free = min(max(n_free, 2), n_rows)
    order = np.argsort(scores, kind="stable")
    rank = int(np.searchsorted(np.cumsum(program.bounds[order]), program.mass))
    low = max(min(rank - n_free // 2, n_rows - n_free), 0)
    free, upper = np.zeros(n_rows, bool), np.zeros(n_rows, bool)
    upper[order[:low]] = True
    free[order[low : low + n_free]] = True
    return _Sides(free, upper)


@dataclass(frozen=True)
class _Program:
    products: Products
    centre: Array
    ridge: Array
    bounds: Array
    mass: float
    slack: float

    def moved(self, scores: Array, now: Array, goal: Array) -> Array:
        return self.products.moved(scores, now, goal)

    def pull(self, scores: Array, weights: Array) -> Array:
        """The gradient, the ridge's part included."""
        return np.asarray(scores + self.ridge * (weights - self.centre))

    def step(self, ids: Ints, pull: Array, missing: float) -> tuple[Array, float]:
        """The step of the rows ``ids`` to their best weights, and the score they then share.

        Args:
            ids: (f,) rows that may move.
            pull: (f,) their gradient.
            missing: what their weights are to gain together.
        """
        return self.products.to_one_score(ids, self.ridge[ids], pull, missing)


def _exchange(program: _Program, scores: Array, sides: _Sides, most: int) -> Face:
    """The primal-dual active set method: solve for the free rows; all who break their condition
    change sides (Hintermüller, Ito, Kunisch, SIAM J. Optim. 13, 2002). A few rounds, or a circle.
    """
    weights, slack = program.centre, program.slack
    fewest, idle = len(weights), 0
    for _ in range(_ROUNDS):
        sides = _able(program, scores, sides)
        free, upper = sides.free, sides.upper
        ids = np.flatnonzero(free)
        if len(ids) > most:
            break
        goal = np.where(free, weights, np.where(upper, program.bounds, 0.0))
        scores, weights = program.moved(scores, weights, goal), goal
        missing = program.mass - float(weights.sum())
        step, rho = program.step(ids, program.pull(scores, weights)[ids], missing)
        goal = weights.copy()
        goal[ids] += step
        scores, weights = program.moved(scores, weights, goal), goal
        seen = program.pull(scores, weights)
        under, over = free & (weights < -_EDGE), free & (weights > program.bounds + _EDGE)
        enter = ~free & ~upper & (seen < rho - slack)
        leave = upper & (seen > rho + slack)
        wanting = int(np.count_nonzero(under | over | enter | leave))
        if not wanting:
            return Face(weights, scores, len(ids), True)
        idle = idle + 1 if wanting >= fewest else 0
        fewest = min(fewest, wanting)
        if idle == _PATIENCE:
            break
        sides = _Sides((free & ~under & ~over) | enter | leave, (upper & ~leave) | over)
    return Face(weights, scores, int(sides.free.sum()), False)


def _descend(program: _Program, scores: Array, weights: Array) -> Face:
    """The primal active set method, for programs on which exchanges run in a circle: a row at a
    time, never uphill (Nocedal, Wright, Numerical Optimization, 16.5).

    Args:
        program: the program.
        scores: (n,) the gradient at its centre.
        weights: (n,) feasible, to start from.
    """
    scores, bounds = program.moved(scores, program.centre, weights), program.bounds
    free = (weights > 0) & (weights < bounds)
    for _ in range(_DESCENTS * len(weights)):
        seen, rho = program.pull(scores, weights), np.nan
        ids = np.flatnonzero(free)
        if len(ids):
            step, rho = program.step(ids, seen[ids], 0.0)
            room = np.where(step > 0, bounds[ids] - weights[ids], weights[ids])
            reach = np.divide(room, np.abs(step), out=np.full(len(ids), np.inf), where=step != 0)
            share = min(float(reach.min()), 1.0)
            goal = weights.copy()
            goal[ids] = np.clip(goal[ids] + share * step, 0.0, bounds[ids])
            stopped = ids[reach <= share] if share < 1 else ids[:0]
            goal[stopped] = np.where(goal[stopped] > bounds[stopped] / 2, bounds[stopped], 0.0)
            scores, weights = program.moved(scores, weights, goal), goal
            free[stopped] = False
            if len(stopped):
                continue
            seen = program.pull(scores, weights)
        entering = _worst(seen, weights > bounds / 2, free, rho, program.slack)
        if not len(entering):
            return Face(weights, scores, len(ids), True)
        free[entering] = True
    return Face(weights, scores, len(ids), False)


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


def _able(program: _Program, scores: Array, sides: _Sides) -> _Sides:
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
    return _Sides(free, upper)


def _lowest(scores: Array, among: Ints, amount: float, bounds: Array, spare: int = 0) -> Ints:
    """Those of the rows ``among`` with the lowest scores: at least one, enough to hold an amount,
    and as many to spare."""
    most = int(np.ceil(amount / float(bounds[among].min(initial=1.0)))) + spare + 1
    if most < len(among):
        among = among[np.argpartition(scores[among], most - 1)[:most]]
    among = among[np.argsort(scores[among], kind="stable")]
    return among[: int(np.searchsorted(np.cumsum(bounds[among]), amount)) + 1 + spare]

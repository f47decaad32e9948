"""The rows nearest the threshold, each with its own weight: a small quadratic program.

Away from the threshold a row's weight is plainly 0 or plainly at its bound; only the few rows in
between need weights of their own. For a band of b rows with bound u and mass M

    minimise  1/2 a'Ga + c'a   over  0 <= a <= u,  sum a = M

where G is their Gram matrix and c their scores against the rows that are fixed at the bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROUNDS = 25
_RIDGE = 1e-10  # relative to the diagonal: rows that repeat share their weight


def lowest_first(scores: Array, mass: float, bound: float) -> Array:
    """The vertex with the lowest score: the bound for the lowest rows, a part for the last."""
    weights = np.zeros(len(scores))
    order = np.argsort(scores, kind="stable")
    full = min(int(mass / bound + 1e-9), len(scores))
    weights[order[:full]] = bound
    if full < len(scores):
        weights[order[full]] = min(max(mass - full * bound, 0.0), bound)
    return weights


def band_weights(gram: Array, linear: Array, bound: float, mass: float, start: Array) -> Array:
    """Minimise the band's program with a primal-dual active set (semismooth Newton) method.

    Rows are guessed to be at 0, at the bound or free; the free ones are solved for exactly; whoever
    breaks his condition changes sides (Hintermüller, Ito, Kunisch, SIAM J. Optim. 13, 2002). That
    ends in a few rounds or, rarely, runs in a circle: so the best feasible weights met on the way
        are returned, which are
    never worse than ``start``.

    Args:
        gram: (b, b).
        linear: (b,), the c above.
        bound: u > 0.
        mass: M, 0 <= M <= b u.
        start: (b,) feasible weights, best a vertex (`lowest_first`).
    """
    best, best_value = start, _value(gram, linear, start)
    upper = start >= bound * (1 - 1e-9)
    free = (start > 0) & ~upper
    if not free.any():
        free[int(np.argmax(np.where(upper, linear, -np.inf)))] = True
        upper &= ~free
    ridge = _RIDGE * float(np.max(np.diag(gram))) + np.finfo(float).tiny
    for _ in range(_ROUNDS):
        weights, rho, scores = _solve_free(gram, linear, bound, mass, free, upper, ridge)
        feasible = _into_box(weights, bound, mass)
        value = _value(gram, linear, feasible)
        if value < best_value:
            best, best_value = feasible, value
        slack = 1e-12 * max(abs(rho), ridge)
        under, over = free & (weights < 0), free & (weights > bound)
        enter = ~free & ~upper & (scores < rho - slack)
        leave = upper & (scores > rho + slack)
        if not (under | over | enter | leave).any():
            break
        upper = (upper & ~leave) | over
        free = (free & ~under & ~over) | enter | leave
        if not free.any():
            break
    return best


def _value(gram: Array, linear: Array, weights: Array) -> float:
    return float(0.5 * weights @ (gram @ weights) + linear @ weights)


def _solve_free(
    gram: Array, linear: Array, bound: float, mass: float, free: Mask, upper: Mask, ridge: float
) -> tuple[Array, float, Array]:
    """Weights, multiplier and scores: free rows solved for, the others at their bounds."""
    ids = np.flatnonzero(free)
    weights = np.where(upper, bound, 0.0)
    scores = linear + gram @ weights
    system = gram[np.ix_(ids, ids)] + ridge * np.eye(len(ids))
    solved = np.linalg.solve(system, np.stack([-scores[ids], np.ones(len(ids))], axis=1))
    rest = mass - bound * float(np.count_nonzero(upper))
    rho = (rest - solved[:, 0].sum()) / solved[:, 1].sum()
    weights[ids] = solved[:, 0] + rho * solved[:, 1]
    return weights, float(rho), scores + gram[:, ids] @ weights[ids]


def _into_box(weights: Array, bound: float, mass: float) -> Array:
    """A feasible point near ``weights``: clipped, the missing mass spread over the room left."""
    inside = np.clip(weights, 0.0, bound)
    missing = mass - float(inside.sum())
    room = bound - inside if missing > 0 else inside
    total = float(room.sum())
    return inside + room * (missing / total) if total > 0 else inside

"""The point nearest the origin in the convex hull of a few points, from their Gram matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_RIDGE = 1e-14  # relative to the largest squared norm; keeps repeated points solvable


def nearest_weights(gram: Array, start: Array) -> Array:
    """Convex weights that minimise ``weights @ gram @ weights``.

    Wolfe's method (Mathematical Programming 11, 1976): minimise over the affine hull of the points
    in use; where a weight would turn negative, stop at zero and leave that point; else admit the
    point that the current one sees lowest. Every round lowers the norm, so it never does worse than
    ``start``.

    Args:
        gram: (p, p) scalar products of the points.
        start: (p,) feasible weights.
    """
    weights, scale = start.copy(), float(np.max(np.diag(gram)))
    if scale == 0.0:
        return weights
    used = weights > 0
    for _ in range(10 * len(gram) + 10):
        _to_affine_minimum(gram, weights, used, _RIDGE * scale)
        seen = gram @ weights
        lowest = int(np.argmin(seen))
        if used[lowest] or seen[lowest] >= weights @ seen - 1e-13 * scale:
            break
        used[lowest] = True
    return weights


def _to_affine_minimum(gram: Array, weights: Array, used: NDArray[np.bool_], ridge: float) -> None:
    while True:
        ids = np.flatnonzero(used)
        system = gram[np.ix_(ids, ids)] + ridge * np.eye(len(ids))
        target = np.linalg.solve(system, np.ones(len(ids)))
        target /= target.sum()
        if np.all(target > 0):
            weights[:] = 0.0
            weights[ids] = target
            return
        falls = target < 0
        if not falls.any():
            used[ids[target <= 0]] = False
            continue
        reach = weights[ids][falls] / (weights[ids][falls] - target[falls])
        step = float(reach.min())
        weights[ids] += step * (target - weights[ids])
        leaver = ids[falls][int(np.argmin(reach))]
        weights[leaver] = 0.0
        used[leaver] = False
        used &= weights > 0

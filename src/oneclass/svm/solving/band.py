"""The rows nearest the threshold, each with its own weight.

Away from the threshold a row's weight is plainly 0 or plainly at its bound; only the few rows in
between need weights of their own. With the rest fixed, that is a small program.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneclass.svm.solving.active_set import into_box, lowest_first, minimise, ridge_for
from oneclass.svm.solving.choice import band_width
from oneclass.svm.solving.hull import Hull
from oneclass.svm.solving.passes import Gathered
from oneclass.svm.solving.scores import Cut

Array = NDArray[np.float64]

_STEPS = 2  # the second corrects what the products of float32 rows and the ridge have blurred


def improve(hull: Hull, cut: Cut, gathered: Gathered) -> None:
    """Take the band's best point and the plain lowest vertex into the hull; set the next width."""
    mass = hull.mass - cut.n_fixed
    vertex = lowest_first(cut.scores, mass)
    band, fixed = gathered.band.astype(np.float64, copy=False), gathered.fixed
    gram = (gathered.band @ gathered.band.T).astype(np.float64)
    ridge = ridge_for(gram, exact=gathered.band.dtype == np.float64)
    weights, points = vertex, [(fixed + vertex @ band) / hull.mass]
    expected: int | None = hull.n_free
    for _ in range(_STEPS):
        scores = band @ (fixed + weights @ band)
        face = minimise(gram, scores, weights, mass, expected, ridge)
        weights, hull.n_free, expected = into_box(face.weights, mass), face.n_free, None
    points.append((fixed + weights @ band) / hull.mass)
    hull.width = _next_width(cut, weights, face.n_free)
    hull.add(points)


def _next_width(cut: Cut, weights: Array, n_free: int) -> int:
    """Twice as wide where a row near the band's edge has moved; else as wide as the free rows ask.

    Rows in the order of their scores came in at the bound below the threshold and at 0 above.
    """
    order = np.argsort(cut.scores, kind="stable")
    edge = len(order) // 8
    low, high = weights[order[:edge]], weights[order[len(order) - edge :]]
    wanted = band_width(n_free)
    if (low < 1).any() or (high > 0).any():
        return max(2 * len(order), wanted)
    return max(wanted, len(order) // 2)

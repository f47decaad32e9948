"""The rows nearest the threshold, each with its own weight.

Away from the threshold a row's weight is plainly 0 or plainly at its bound; only the few rows in
between need weights of their own. With the rest fixed, that is a small program. How wide a band is
depends on the free rows, those strictly between the bounds: there are six for each. A sample, and
later the last band, tells their number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._products import Products, many
from oneclass.svm._program import into_box, lowest_first
from oneclass.svm.solving.active_set import minimise, ridge_for
from oneclass.svm.solving.hull import Hull
from oneclass.svm.solving.passes import Gathered
from oneclass.svm.solving.scores import Threshold

Array = NDArray[np.float64]

NARROWEST, WIDEST = 64, 2896  # rows of a band; the matrix of the widest takes 64 MB
_PER_FREE = 6
_NARROWER = 8  # after a leap, so many times fewer rows may still change sides
_STEPS = 2  # the second corrects what the products of float32 rows and the ridge have blurred


def band_width(n_free: float) -> int:
    """Rows of a band in which so many are free."""
    return max(NARROWEST, int(_PER_FREE * n_free))


def beyond_bands(n_rows: int, n_columns: int, n_free: float, share_free: float) -> bool:
    """Whether so many rows are tied that no band can hold them.

    Args:
        n_rows: of the problem.
        n_columns: of the rows.
        n_free: rows of a sample that were free, for a typical nu.
        share_free: the same, of all rows of the sample.
    """
    # More free rows than columns are tied, and of more rows more are.
    return band_width(share_free * n_rows if n_free > n_columns else n_free) > WIDEST


def leap(hull: Hull, cut: Threshold, gathered: Gathered) -> None:
    """Look next from where the band leads if each of its rows stands for its share of the width.

    The rows below the threshold are summed up exactly; only what changes sides is guessed from
    those that do in the band. So the point is near the hull, not in it; the plain lowest vertex is.
    """
    band = gathered.band.astype(np.float64, copy=False)
    part = hull.mass - cut.n_fixed  # of the row at the threshold
    split = int(np.argmin(np.abs(gathered.scores - cut.threshold)))
    hull.add([(gathered.fixed + part * band[split]) / hull.mass])
    share = hull.width / len(band)
    band *= share
    before = (gathered.scores < cut.threshold).astype(np.float64)
    mass = float(before.sum()) + part / share
    if not 0 < mass < len(band):
        hull.leaps = 0
        return
    ones = np.ones(len(band))
    products = Products.of_rows(band) if many(*band.shape) else Products.of(band @ band.T, band)
    ridge = ridge_for(products, exact=False)
    face = minimise(products, band @ gathered.fixed, before, mass, hull.n_free, ridge, ones)
    step = into_box(face.weights, mass, ones) - before
    hull.start((gathered.fixed + step @ band) / hull.mass)
    hull.n_free, hull.leaps = face.n_free, hull.leaps - 1
    hull.width = max(hull.width // _NARROWER, band_width(face.n_free))


def improve(hull: Hull, cut: Threshold, gathered: Gathered) -> None:
    """Take the band's best point and the plain lowest vertex into the hull; set the next width."""
    mass = hull.mass - cut.n_fixed
    ones = np.ones(len(gathered.band))
    vertex = lowest_first(gathered.scores, mass, ones)
    band, fixed = gathered.band.astype(np.float64, copy=False), gathered.fixed
    products, exact = Products.of_rows(band), True
    if not many(*band.shape):
        exact = gathered.band.dtype == np.float64
        gram = (gathered.band @ gathered.band.T).astype(np.float64)
        products = Products.of(gram, band if exact else None)
    ridge = ridge_for(products, exact=exact)
    weights, points = vertex, [(fixed + vertex @ band) / hull.mass]
    expected: int | None = hull.n_free
    for _ in range(_STEPS):
        scores = band @ (fixed + weights @ band)
        face = minimise(products, scores, weights, mass, expected, ridge, ones)
        weights = into_box(face.weights, mass, ones)
        hull.n_free, expected = face.n_free, None
    points.append((fixed + weights @ band) / hull.mass)
    hull.width = _next_width(gathered.scores, weights, face.n_free)
    hull.add(points)


def _next_width(band_scores: Array, weights: Array, n_free: int) -> int:
    """Twice as wide where a row near the band's edge has moved; else as wide as the free rows ask.

    Rows in the order of their scores came in at the bound below the threshold and at 0 above.
    """
    order = np.argsort(band_scores, kind="stable")
    edge = len(order) // 8
    low, high = weights[order[:edge]], weights[order[len(order) - edge :]]
    wanted = band_width(n_free)
    if (low < 1).any() or (high > 0).any():
        return max(2 * len(order), wanted)
    return max(wanted, len(order) // 2)

"""From a score to a p-value, by normal images alone.

The scores of normal images that the model did not learn from say how odd a normal image may look.
With few images none can be spared for that, so each is scored by a model fitted without it
(cross-conformal prediction; Vovk, 2015; Barber et al., "Predictive inference with the
jackknife+", 2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.svm import fit_halfspaces, halfspace_scores

FOLDS = 5
DEFAULT_FALSE_ALARMS = 0.05
TIE = 1e-6
"""Scores nearer than this, relative to the largest, differ by rounding alone."""


def anomaly_scores(
    rows: NDArray[np.float32], coef: NDArray[np.floating[Any]], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far rows lie outside a union of half-spaces; negative inside, summed in float64.

    Row by row, since a product over many rows would differ in its last bits with their number.

    Args:
        rows: (n, d).
        coef: (k, d), with the values that the model file keeps.
        offset: (k,).

    Returns:
        (n,) float64.
    """
    wide = wide_columns(coef)
    scores = [halfspace_scores(row[None].astype(np.float64), wide, offset)[0] for row in rows]
    return -np.concatenate(scores)


def wide_columns(coef: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(k, d) float64 in the memory order that a product with one row takes without a copy."""
    return np.asfortranarray(coef, dtype=np.float64)


def held_out_scores(
    rows: NDArray[np.float32], *, nu: float, n_halfspaces: int, seed: int
) -> NDArray[np.float64]:
    """The anomaly score of each normal row by half-spaces fitted without it.

    Args:
        rows: (n, d) float32 with n >= 2.
        nu: as in the fit.
        n_halfspaces: as in the fit; fewer where a fold has fewer rows.
        seed: of the folds and of the fits.

    Returns:
        (n,) float64 anomaly scores, in the order of `rows`.
    """
    n = len(rows)
    fold = np.random.default_rng(seed).permutation(n) % min(FOLDS, n)
    scores = np.empty(n)
    for k in range(fold.max() + 1):
        out = fold == k
        fitted = fit_halfspaces(rows[~out], min(n_halfspaces, int((~out).sum())), nu=nu, seed=seed)
        scores[out] = anomaly_scores(rows[out], fitted.coef.astype(np.float32), fitted.offset)
    return scores


def p_values(scores: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of normal images at least as odd, counting the image itself among them.

    A normal image that is less odd by rounding alone counts as one that is as odd: where images
    repeat, noise in the last digits must not decide.

    Args:
        scores: (m,) anomaly scores of new images.
        normal: (n,) held-out anomaly scores of normal images.

    Returns:
        (m,) values in [1 / (n + 1), 1].
    """
    slack = TIE * max(1.0, float(np.abs(normal).max()))
    at_least = len(normal) - np.searchsorted(np.sort(normal), scores - slack, side="left")
    return (at_least + 1) / (len(normal) + 1)


def check_false_alarms(rate: float | None, n: int) -> float:
    """The rate to promise: the one asked for, or the default, or the lowest that n allow.

    Args:
        rate: asked for, above 0; None for `DEFAULT_FALSE_ALARMS`, or 1 / (n + 1) where n normal
            images are too few for that.
        n: the number of normal images.

    Raises:
        InputError: a rate that n images cannot support.
    """
    lowest = 1 / (n + 1)
    if rate is None:
        return max(DEFAULT_FALSE_ALARMS, lowest)
    if rate < lowest:
        needed = int(np.ceil(1 / rate)) - 1
        raise InputError(
            f"false_alarms is {rate:g}, but {n} normal images can support no rate below "
            f"{lowest:.3g}. Give a higher rate, or at least {needed} images."
        )
    return rate

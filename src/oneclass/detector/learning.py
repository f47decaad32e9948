"""From rows to everything that a model keeps; `fit` and `update` both end here."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oneclass import __version__
from oneclass.conformal.calibration import Calibration, make_plan
from oneclass.conformal.guarantee import guarantee
from oneclass.conformal.parts import deal, fit_union
from oneclass.detector.collecting import choose_n_halfspaces
from oneclass.detector.heat import learn_heat
from oneclass.detector.model import FittedModel
from oneclass.detector.training_rows import TrainingRows
from oneclass.errors import InputError
from oneclass.images.scale import PixelScale
from oneclass.representations import Representation

ALIKE, FEW = 1e-6, 10


def learn(
    training: TrainingRows,
    representation: Representation,
    scale: PixelScale,
    *,
    nu: float,
    n_halfspaces: int | None,
    false_alarms: float | None,
    seed: int,
    start: NDArray[np.float32] | None = None,
    notes: tuple[str, ...] = (),
) -> FittedModel:
    """Fit the half-spaces, calibrate them, and write the card.

    Args:
        training: the normal images.
        representation: what made rows of them.
        scale: the rule for intensities that it went by.
        nu, n_halfspaces, false_alarms, seed: as the settings of `Detector`.
        start: (1, d) the half-space of an earlier fit, to begin from.
        notes: sentences about the images, for the card's warnings.

    Raises:
        InputError: settings that so many images do not allow, or no boundary can be drawn.
    """
    copies = training.copies()
    n_different = int(copies[-1]) + 1
    plan = make_plan(n_different, false_alarms, n_halfspaces)
    folds = deal(copies, plan, seed, n_halfspaces)
    n_learnt = int(np.count_nonzero(folds < 0)) or len(folds)
    patches = training.rows.shape[1] if len(training.rows.shape) == 3 else None
    fitted = fit_union(
        training.rows,
        folds,
        nu=nu,
        n_halfspaces=choose_n_halfspaces(n_halfspaces, n_learnt, patches),
        seed=seed,
        one_scale=representation.unit_length,
        n_worst=representation.n_worst,
        start=start,
    )
    calibration = Calibration(one_of_each(fitted.held_out, copies))
    refuse_all_alike(calibration.normal_scores)
    heat = learn_heat(training.rows, fitted, representation)
    card = {
        "oneclass": __version__,
        "representation": representation.to_json(),
        "pixel_scale": scale.to_json(),
        "fit": {
            "nu": nu,
            "n_halfspaces": len(fitted.union.coef),
            "seed": seed,
            "n_images": training.rows.n_rows,
            "images_sha256": training.sha256,
            "largest_dual_gap": fitted.dual_gap,
            "warnings": [*notes, *fitted.warnings],
        },
        "calibration": guarantee(replace(plan, n_scored=calibration.n_held_out)),
        "asked": {"n_halfspaces": n_halfspaces, "false_alarms": false_alarms},
        "false_alarms": plan.false_alarms,
    }
    # The card as it is read back: lists, no tuples.
    return FittedModel(
        representation, scale, fitted.union, calibration, heat, json.loads(json.dumps(card))
    )


def refuse_all_alike(scores: NDArray[np.float64]) -> None:
    """Refuse a model that cannot tell its own normal images apart, but for a few.

    Args:
        scores: (n,) of normal images that it did not learn from.

    Raises:
        InputError: the middle nine tenths of them are the same number, to rounding.
    """
    low, middle, high = np.quantile(scores, [0.05, 0.5, 0.95])
    if len(scores) >= FEW and high - low <= ALIKE * max(abs(middle), ALIKE):
        raise InputError(
            f"the scores of {len(scores)} held-out normal images are all alike ({middle:.6g}): to "
            "this model they are one and the same picture, and so is every other. Does one of them "
            "hold values far from the others'? 'oneclass check' names it. If they are copies of "
            "one another, give images that differ."
        )


def one_of_each(held_out: NDArray[np.float64], copies: NDArray[np.int64]) -> NDArray[np.float64]:
    """The held-out scores, ascending, of each picture once: copies are no further evidence.

    Args:
        held_out: (n,) scores, NaN where an image has none.
        copies: (n,) images that show the same share a number; the first one counts.
    """
    first = np.unique(copies, return_index=True)[1]
    scores = held_out[first]
    return np.sort(scores[np.isfinite(scores)])

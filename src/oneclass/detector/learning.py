"""From rows to everything that a model keeps; `fit` and `update` both end here."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from oneclass import __version__
from oneclass.conformal.calibration import (
    Calibration,
    Method,
    assign_folds,
    fit_and_calibrate,
    make_plan,
)
from oneclass.conformal.guarantee import guarantee
from oneclass.detector.collecting import choose_n_halfspaces
from oneclass.detector.heat import Heat, learn_heat
from oneclass.detector.training_rows import TrainingRows
from oneclass.errors import InputError
from oneclass.images.scale import PixelScale
from oneclass.representations.layers import Representation
from oneclass.svm import Halfspaces


@dataclass(frozen=True)
class Fitted:
    """What fitting leaves behind, and what a model file keeps.

    Attributes:
        representation: what makes rows of images.
        scale: the rule for intensities.
        coef: (k, d) float32, the half-spaces' normal vectors.
        offset: (k,) float64.
        calibration: held-out scores of normal images, and what gave them.
        heat: what normal images look like, position by position.
        card: how it came about, as JSON.
    """

    ARRAYS: ClassVar = ("coef", "offset", *Calibration.ARRAYS, *Heat.ARRAYS)

    representation: Representation
    scale: PixelScale
    coef: NDArray[np.float32]
    offset: NDArray[np.float64]
    calibration: Calibration
    heat: Heat
    card: dict[str, Any]

    def chosen(self, record: dict[str, Any] | None) -> Self:
        """With a record of automatic choices in the card, if there is one."""
        if record is None:
            return self
        return replace(self, card={**self.card, "choice": copy.deepcopy(record)})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by the names that they have in a model file."""
        own: dict[str, NDArray[Any]] = {"coef": self.coef, "offset": self.offset}
        for part in (self.calibration, self.heat):
            own |= {name: getattr(part, name) for name in part.ARRAYS}
        return own


@dataclass(frozen=True)
class Settings:
    """What a user asked of a fit; None leaves the choice to the number of images.

    Attributes: as the arguments of `Detector`.
    """

    nu: float
    n_halfspaces: int | None
    false_alarms: float | None
    seed: int


def learn(
    training: TrainingRows,
    representation: Representation,
    scale: PixelScale,
    settings: Settings,
    *,
    start: NDArray[np.float32] | None = None,
) -> Fitted:
    """Fit the half-spaces, calibrate them, and write the card.

    Args:
        training: the normal images.
        representation: what made rows of them.
        scale: the rule for intensities that it went by.
        settings: what the user asked for.
        start: (1, d) the half-space of an earlier fit, to begin from.

    Raises:
        InputError: settings that so many images do not allow, or no boundary can be drawn.
    """
    plan = make_plan(training.rows.n_rows, settings.false_alarms)
    n_fitted = plan.n_images - (plan.n_scored if plan.method is Method.SPLIT else 0)
    patches = training.rows.shape[1] if len(training.rows.shape) == 3 else None
    n_halfspaces = choose_n_halfspaces(settings.n_halfspaces, n_fitted, patches)
    copies = training.copies()
    fitted, calibration = fit_and_calibrate(
        training.rows,
        copies,
        plan,
        nu=settings.nu,
        n_halfspaces=n_halfspaces,
        seed=settings.seed,
        start=start,
        n_worst=representation.n_worst,
    )
    _refuse_origin(fitted)
    coef, offset = fitted.coef.astype(np.float32), fitted.offset.astype(np.float64)
    folds = assign_folds(copies, plan, settings.seed)
    heat = learn_heat(training.rows, folds, coef, offset, calibration, representation)
    card = {
        "oneclass": __version__,
        "representation": representation.to_json(),
        "pixel_scale": scale.to_json(),
        "fit": {
            "nu": settings.nu,
            "n_halfspaces": len(fitted.coef),
            "seed": settings.seed,
            "n_images": training.rows.n_rows,
            "images_sha256": training.sha256,
            "largest_dual_gap": float(fitted.dual_gap.max()),
            "warnings": list(fitted.warnings),
        },
        "calibration": guarantee(replace(plan, n_scored=len(calibration.normal_scores))),
        "asked": {"n_halfspaces": settings.n_halfspaces, "false_alarms": settings.false_alarms},
        "false_alarms": plan.false_alarms,
    }
    return Fitted(
        representation,
        scale,
        coef,
        offset,
        calibration,
        heat,
        json.loads(json.dumps(card)),  # as it is read back: lists, no tuples
    )


def _refuse_origin(fitted: Halfspaces) -> None:
    if "origin_inside" in fitted.status:
        raise InputError(
            "no boundary can be drawn around these normal images: the values that stand for "
            "them cancel out or are zero. Are some images black? Use a network's layer instead "
            "of greyscale, or a larger nu."
        )

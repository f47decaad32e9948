"""From rows to everything that a model keeps; `fit` and `update` both end here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass import __version__
from oneclass.conformal.calibration import Calibration, Plan, make_plan, one_of_each
from oneclass.conformal.guarantee import guarantee, too_few
from oneclass.conformal.parts import (
    MEASURING,
    PATCHES,
    WHOLES,
    FittedUnion,
    can_whiten,
    deal,
    fit_union,
    unwhitened_by_rate,
    weight_of_whole,
)
from oneclass.conformal.union import Joined, Union
from oneclass.detector.files.training_rows import TrainingRows
from oneclass.detector.heat import Heat, learn_heat
from oneclass.detector.model import FittedModel, fingerprints
from oneclass.detector.settings import Settings
from oneclass.detector.views import choose_n_halfspaces
from oneclass.errors import InputError
from oneclass.images.checking.sizes import Sizes, to_json
from oneclass.images.scale import Colour, PixelScale
from oneclass.images.sources import Stage
from oneclass.representations import Representation, WholeAndPatches
from oneclass.rows.near_copies import near_copies
from oneclass.rows.samples import Views
from oneclass.system.names import count
from oneclass.system.stages import silent

ALIKE, FEW = 1e-6, 10
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Learnt:
    """What was fitted to one kind of rows.

    Attributes:
        union: the scorer.
        held_out: (n,) float64 scores by half-spaces that did not learn from the image, or NaN.
        heat: of the maps.
        fits: what it was made of.
    """

    union: Union | Joined
    held_out: Floats
    heat: Heat
    fits: tuple[FittedUnion, ...]


def learn(
    training: TrainingRows,
    representation: Representation,
    scale: PixelScale,
    asked: Settings,
    *,
    start: NDArray[np.floating] | None = None,
    notes: tuple[str, ...] = (),
    one_colour: Iterable[Colour] | None,
    sizes: Sizes | None,
    stage: Stage = silent,
) -> tuple[FittedModel, Ints]:
    """Fit the half-spaces, calibrate them, and write the card.

    Args:
        training: the normal images.
        representation: what made rows of them.
        scale: the rule for intensities that it went by.
        asked: the settings.
        start: (1, d) the half-space of an earlier fit, to begin from.
        notes: sentences about the images, for the card's warnings.
        one_colour: the colours of those that are one single colour; None where nobody knows.
        sizes: of the images; None where nobody knows.
        stage: called with a few words where a part of it begins.

    Returns:
        The model, and (n,) a number for each image: near-copies of one picture share it.

    Raises:
        InputError: settings that so many images do not allow, or no boundary can be drawn.
    """
    stage("looking for near-copies")
    views = training.views(representation.layout)
    pictures = near_copies(views.outlines, training.copies(), views.as_a_whole)
    n_whole = int(pictures[: views.scored.n_rows].max()) + 1
    patches = representation.n_worst > 0
    plan = _plan(pictures, n_whole, asked, patches=patches)
    folds = deal(pictures, plan, asked.seed, asked.n_halfspaces, n_whole, spare=patches)
    whitened = patches and can_whiten(plan, folds)
    plainer = unwhitened_by_rate(plan, folds) if patches else None
    given = (views, folds, pictures, asked, stage)
    if isinstance(representation, WholeAndPatches):
        learnt = _fit_both(*given, representation, whitened)
    else:
        learnt = _fit_one(*given, representation, whitened, start)
    calibration = Calibration(one_of_each(learnt.held_out, pictures))
    refuse_all_alike(calibration.normal_scores)
    card: dict[str, Any] = {
        "oneclass": __version__,
        "representation": representation.to_json(),
        "pixel_scale": scale.to_json(),
        "fit": {
            "nu": asked.nu,
            "n_halfspaces": sum(len(one.union.coef) for one in learnt.fits),
            "seed": asked.seed,
            "n_images": len(training.digests),
            "n_pictures": int(pictures.max()) + 1,
            **({} if one_colour is None else {"one_colour": sorted(set(one_colour))}),
            **({} if sizes is None else {"sizes": to_json(sizes)}),
            "images_sha256": training.sha256,
            "largest_dual_gap": max(one.dual_gap for one in learnt.fits),
            "warnings": [
                *notes,
                *_said(pictures),
                *((plainer,) if plainer else ()),
                *(w for one in learnt.fits for w in one.warnings),
            ],
        },
        "calibration": guarantee(
            plan.method,
            calibration.n_held_out,
            plan.false_alarms,
            joined=isinstance(learnt.union, Joined),
            whitened=learnt.fits[-1].union.whitening is not None,
        ),
        "asked": {"n_halfspaces": asked.n_halfspaces, "false_alarms": asked.false_alarms},
        "false_alarms": plan.false_alarms,
    }
    if few := too_few(card):
        card["fit"]["warnings"].append(few)
    # The card as it is read back: lists, no tuples.
    card = json.loads(json.dumps(card))
    known = fingerprints(training.digests)
    model = FittedModel(representation, scale, learnt.union, calibration, learnt.heat, card, known)
    return model, pictures


def _plan(pictures: Ints, n_whole: int, asked: Settings, *, patches: bool) -> Plan:
    """How the pictures will be used; copies of one are no further evidence.

    Args:
        pictures: (n,) a number for each picture.
        n_whole: the first ones, which can be scored.
        asked: the settings.

    Raises:
        InputError: a rate that so many pictures cannot support.
    """
    n_pictures = int(pictures.max()) + 1
    copies = len(pictures) - n_pictures
    rate, n_halfspaces = asked.false_alarms, asked.n_halfspaces
    return make_plan(n_pictures, rate, n_halfspaces, n_whole, copies, patches=patches)


def _said(pictures: Ints) -> list[str]:
    """A sentence where images are copies or near-copies of others."""
    n_pictures = int(pictures.max()) + 1
    if n_pictures == len(pictures):
        return []
    return [
        f"{len(pictures)} images show about {count(n_pictures, 'different picture')}: the others "
        "are copies or near-copies (compressed, brightened or shifted anew, the same part once "
        "more), or too alike to be told from such. They stay together when images are held out, "
        "and count once in what is promised."
    ]


def _fit_one(
    views: Views,
    folds: Ints,
    pictures: Ints,
    asked: Settings,
    stage: Stage,
    representation: Representation,
    whitened: bool,
    start: NDArray[np.floating] | None = None,
) -> _Learnt:
    positions = views.learnt.shape[1] if representation.n_worst else None
    stage(PATCHES if positions else WHOLES)
    fitted = fit_union(
        views.learnt,
        folds,
        scored=views.scored,
        nu=asked.nu,
        n_halfspaces=choose_n_halfspaces(asked.n_halfspaces, _n_learnt(folds), positions),
        seed=asked.seed,
        one_scale=representation.unit_length,
        n_worst=representation.n_worst,
        whitened=whitened,
        start=start,
        stage=stage,
    )
    stage(MEASURING)
    heat = learn_heat(views.learnt, fitted, representation, pictures)
    return _Learnt(fitted.union, fitted.held_out, heat, (fitted,))


def _fit_both(
    views: Views,
    folds: Ints,
    pictures: Ints,
    asked: Settings,
    stage: Stage,
    representation: WholeAndPatches,
    whitened: bool,
) -> _Learnt:
    """Whole images and patches, each by itself; then their scores on one scale, added."""
    assert views.as_a_whole is not None, "the layout says so"
    stage(WHOLES)
    whole = fit_union(
        views.as_a_whole.read_once(),
        folds,
        nu=asked.nu,
        n_halfspaces=choose_n_halfspaces(None, _n_learnt(folds)),
        seed=asked.seed,
        one_scale=True,
        stage=stage,
    )
    patches = _fit_one(views, folds, pictures, asked, stage, representation.patches, whitened)
    weight = weight_of_whole(whole, patches.fits[0], representation.whole.near)
    assert isinstance(patches.union, Union), "patches have one"
    joined = Joined(whole.union, patches.union, weight)
    held_out = patches.held_out + weight * whole.held_out
    return _Learnt(joined, held_out, patches.heat, (whole, *patches.fits))


def _n_learnt(folds: Ints) -> int:
    """How many images the half-spaces learn from."""
    return int(np.count_nonzero(folds < 0)) or len(folds)


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

"""From a score to a p-value and a verdict, by normal images alone.

The scores of normal images that a model did not learn from say how odd a normal image may look.
With many images some are held back for that (split conformal prediction: Papadopoulos, Proedrou,
Vovk and Gammerman, "Inductive confidence machines for regression", 2002). With few none can be
spared: each is scored by half-spaces fitted without its fifth of the images, and so is every new
image (CV+, the jackknife+ by folds: Barber, Candès, Ramdas and Tibshirani, "Predictive inference
with the jackknife+", 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.union import Union
from oneclass.errors import InputError
from oneclass.rows import ArrayRows, RowSource, as_source
from oneclass.svm import Halfspaces, fit_halfspaces

FOLDS = 5
SPLIT_FROM = 2000
"""Images from which a quarter is held back; benchmarks/calibration_schemes.py has the table."""
HELD_BACK, MOST_HELD_BACK = 0.25, 4000
FEWEST_BELOW = 5
"""A split needs a threshold that so many held-back images lie beyond; else it would be a gamble."""
DEFAULT_FALSE_ALARMS = 0.05
MOST_PATCHES = 50_000
TIE = 1e-6
"""Scores nearer than this, relative to the largest, differ by rounding alone."""

Floats = NDArray[np.float64]


class Method(StrEnum):
    """How normal images are kept from the model that scores them."""

    SPLIT = "split"
    CROSS = "cross"


@dataclass(frozen=True)
class Calibration:
    """Held-out scores of normal images, and the half-spaces that gave them.

    Attributes:
        normal_scores: (n,) float64 anomaly scores, ascending within a fold.
        fold: (n,) int64, the fold of each score, ascending; all 0 for a split.
        fold_coef: (m, d) float16, the half-spaces fitted without each fold; m = 0 for a split,
            whose held-out images were scored by the model itself.
        fold_offset: (m,) float64.
        fold_member: (m,) int64, the fold that a half-space was fitted without, ascending.
        n_worst: of the sisters' scores, as in `Union`.

    Raises:
        ValueError: the arrays do not fit together.
    """

    ARRAYS: ClassVar = ("normal_scores", "fold", "fold_coef", "fold_offset", "fold_member")

    normal_scores: Floats
    fold: NDArray[np.int64]
    fold_coef: NDArray[np.float16]
    fold_offset: Floats
    fold_member: NDArray[np.int64]
    n_worst: int = 0

    def __post_init__(self) -> None:
        folds, members = np.unique(self.fold), np.unique(self.fold_member)
        if self.normal_scores.ndim != 1 or not len(self.normal_scores):
            raise ValueError(f"normal_scores of shape {self.normal_scores.shape}")
        if self.fold.shape != self.normal_scores.shape:
            raise ValueError(f"fold of shape {self.fold.shape}")
        if self.fold_member.ndim != 1 or self.fold_offset.shape != self.fold_member.shape:
            raise ValueError(f"fold_member of shape {self.fold_member.shape}")
        if self.fold_coef.ndim != 2 or len(self.fold_coef) != len(self.fold_member):
            raise ValueError(f"fold_coef of shape {self.fold_coef.shape}")
        if (np.diff(self.fold) < 0).any() or (np.diff(self.fold_member) < 0).any():
            raise ValueError("folds that are not in order")
        if list(folds) != (list(members) if len(members) else [0]):
            raise ValueError(f"half-spaces of folds {members} for scores of folds {folds}")

    def p_value(self, score: float, row: NDArray[np.floating[Any]]) -> float:
        """The share of normal images at least as odd as a new one, itself counted among them.

        A normal image that is less odd by rounding alone counts as one that is as odd: where
        images repeat, noise in the last digits must not decide.

        Args:
            score: the new image's anomaly score by the model.
            row: (d,) its row, or (p, d), its positions.

        Returns:
            A value in [1 / (n + 1), 1].
        """
        scores = [sister.image_score(row) for sister in self.sisters] or [score]
        at_least = 0
        for normal, new in zip(self._by_fold, scores, strict=True):
            at_least += len(normal) - int(np.searchsorted(normal, new - self._slack, side="left"))
        return (at_least + 1) / (len(self.normal_scores) + 1)

    @cached_property
    def sisters(self) -> tuple[Union, ...]:
        """The unions that were fitted without each fold, in the folds' order; none for a split."""
        return tuple(
            Union(self.fold_coef[own], self.fold_offset[own], self.n_worst)
            for fold in np.unique(self.fold_member)
            for own in [self.fold_member == fold]
        )

    @cached_property
    def _by_fold(self) -> list[Floats]:
        return [self.normal_scores[self.fold == k] for k in np.unique(self.fold)]

    @cached_property
    def _slack(self) -> float:
        return TIE * max(1.0, float(np.abs(self.normal_scores).max()))


@dataclass(frozen=True)
class Plan:
    """How a set of normal images will be used.

    Attributes:
        method: split or cross.
        n_images: of all of them.
        n_scored: normal images whose held-out scores calibrate.
        false_alarms: the promised rate.
    """

    method: Method
    n_images: int
    n_scored: int
    false_alarms: float


def make_plan(n: int, rate: float | None) -> Plan:
    """Choose between split and cross, and check the rate that is asked for.

    Args:
        n: the number of normal images, at least 2.
        rate: the promised share of false alarms, above 0; None for `DEFAULT_FALSE_ALARMS`, or for
            1 / (n + 1) where n images are too few for that.

    Raises:
        InputError: a rate that n images cannot support.
    """
    lowest = 1 / (n + 1)
    if rate is None:
        rate = max(DEFAULT_FALSE_ALARMS, lowest)
    if rate < lowest:
        needed = int(np.ceil(1 / rate)) - 1
        raise InputError(
            f"false_alarms is {rate:g}, but {n} normal images can support no rate below "
            f"{lowest:.3g}. Give a higher rate, or at least {needed} images."
        )
    held_back = min(int(n * HELD_BACK), MOST_HELD_BACK)
    if n >= SPLIT_FROM and threshold_rank(held_back, rate) >= FEWEST_BELOW:
        return Plan(Method.SPLIT, n, held_back, rate)
    return Plan(Method.CROSS, n, n, rate)


def threshold_rank(n: int, rate: float) -> int:
    """How many of n held-out images may be at least as odd as the threshold, itself included."""
    return int(np.floor(rate * (n + 1) * (1 + 1e-12)))


def fit_and_calibrate(
    rows: NDArray[np.float32] | RowSource,
    copies: NDArray[np.int64],
    plan: Plan,
    *,
    nu: float,
    n_halfspaces: int,
    seed: int,
    start: NDArray[np.floating[Any]] | None = None,
    n_worst: int = 0,
) -> tuple[Halfspaces, Calibration]:
    """Fit the half-spaces, and score normal rows that they, or their sisters, have not seen.

    Args:
        rows: (n, d) float32 with n >= 2; or (n, p, d), the p patches of each image.
        copies: (n,) rows of one image share a number; they are never parted, since a copy in the
            fit would make a held-out image look more normal than a new one.
        plan: from `make_plan`.
        nu: of every fit.
        n_halfspaces: of every fit; fewer where it has fewer rows.
        seed: of the parts and of the fits.
        start: (1, d) the half-space of an earlier fit to similar rows, to begin from.
        n_worst: of patches, as in `Union`.
    """

    rows = as_source(rows)

    def fit(chosen: NDArray[np.bool_]) -> Halfspaces:
        some: RowSource = rows.chosen(chosen)
        if len(rows.shape) == 3:
            some = ArrayRows(some_patches(some, seed=seed))
        return fit_halfspaces(some, min(n_halfspaces, some.n_rows), nu=nu, seed=seed, start=start)

    folds = assign_folds(copies, plan, seed)
    if plan.method is Method.SPLIT:
        fitted = fit(folds < 0)
        union = Union(fitted.coef.astype(np.float32), fitted.offset, n_worst)
        held_out = scores_of(union, rows, folds == 0)
        nothing = np.zeros(0, np.int64)
        return fitted, Calibration(
            np.sort(held_out),
            np.zeros(len(held_out), np.int64),
            np.zeros((0, rows.shape[-1]), np.float16),
            np.zeros(0),
            nothing,
            n_worst,
        )
    fitted = fit(np.ones(rows.n_rows, bool))
    sisters = [fit(folds != k) for k in range(int(folds.max()) + 1)]
    unions = [Union(fit.coef.astype(np.float16), fit.offset, n_worst) for fit in sisters]
    scores = [np.sort(scores_of(union, rows, folds == k)) for k, union in enumerate(unions)]
    return fitted, Calibration(
        np.concatenate(scores),
        np.repeat(np.arange(len(scores)), [len(s) for s in scores]),
        np.concatenate([union.coef for union in unions]),
        np.concatenate([union.offset for union in unions]),
        np.repeat(np.arange(len(unions)), [len(union.coef) for union in unions]),
        n_worst,
    )


def assign_folds(copies: NDArray[np.int64], plan: Plan, seed: int) -> NDArray[np.int64]:
    """The fold that scores each row; -1 for rows of a split that are learnt from.

    Args:
        copies: (n,) rows of one image share a number, and a fold.
        plan: from `make_plan`.
        seed: of the parts.
    """
    shuffled = np.random.default_rng(seed).permutation(int(copies.max()) + 1)[copies]
    if plan.method is Method.CROSS:
        return shuffled % min(FOLDS, int(copies.max()) + 1)
    out = np.zeros(len(copies), bool)
    out[np.argsort(shuffled, kind="stable")[: plan.n_scored]] = True
    return np.where(np.isin(copies, copies[out]), 0, -1)


def scores_of(union: Union, rows: RowSource, chosen: NDArray[np.bool_]) -> Floats:
    """The scores of some images, which need not fit into memory together.

    Args:
        union: of half-spaces.
        rows: (n, d), or (n, p, d): the p positions of each image.
        chosen: (n,) which of them.
    """
    blocks = rows.chosen(chosen).blocks()
    return np.concatenate([union.image_scores(block) for block in blocks])


def some_patches(rows: NDArray[np.float32] | RowSource, *, seed: int) -> NDArray[np.float32]:
    """(m, d) patches out of (n, p, d): all, or `MOST_PATCHES` at random."""
    n_images, n_patches = rows.shape[:2]
    picked = np.arange(n_images * n_patches)
    if len(picked) > MOST_PATCHES:
        picked = np.random.default_rng(seed).choice(len(picked), MOST_PATCHES, replace=False)
        picked.sort()
    return as_source(rows).take(picked // n_patches, picked % n_patches)

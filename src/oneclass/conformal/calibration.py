"""From a score to a p-value and a verdict, by normal images alone.

The scores of normal images that the half-spaces which scored them did not learn from say how odd a
normal image may look. With many images some are held back for that (split conformal prediction:
Papadopoulos, Proedrou, Vovk and Gammerman, "Inductive confidence machines for regression", 2002).
With few none can be spared: `parts` says how each is judged by all half-spaces but those of its own
part of the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.system.names import count, percent, percent_up

PARTS = 10
"""benchmarks/calibration_parts.py has the table."""
FEWEST_JUDGED = 45
"""Images that are left to calibrate where a part of them teaches how positions are whitened."""
SPLIT_FROM = 2000
"""Images from which a quarter is held back; benchmarks/calibration_parts.py has the table."""
HELD_BACK, MOST_HELD_BACK = 0.25, 4000
FEWEST_BELOW = 5
"""A split needs a threshold that so many held-back images lie beyond; else it would be a gamble."""
DEFAULT_FALSE_ALARMS = 0.05
TIE = 1e-6
"""Scores nearer than this, relative to the largest, differ by rounding alone."""

Floats = NDArray[np.float64]


class Method(StrEnum):
    """How normal images are kept from the half-spaces that score them."""

    SPLIT = "split"
    PARTS = "parts"


@dataclass(frozen=True)
class Calibration:
    """Held-out scores of normal images.

    Attributes:
        normal_scores: (n,) float64 anomaly scores, ascending.

    Raises:
        ValueError: there is none.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("normal_scores",)

    normal_scores: Floats

    def __post_init__(self) -> None:
        if self.normal_scores.ndim != 1 or not len(self.normal_scores):
            raise ValueError(f"normal_scores of shape {self.normal_scores.shape}")

    def p_value(self, score: float, row: NDArray[np.floating[Any]]) -> float:
        """The share of normal images at least as odd as a new one, itself counted among them.

        A normal image that is less odd by rounding alone counts as one that is as odd: where
        images repeat, noise in the last digits must not decide.

        Args:
            score: the new image's anomaly score.
            row: its row; only models with sister models look at it.

        Returns:
            A value in [1 / (n + 1), 1], which never rises with the score.
        """
        return (at_least(self.normal_scores, score - self.slack) + 1) / (self.n_held_out + 1)

    def threshold(self, rate: float) -> float:
        """The score above which an image is an anomaly at a rate of false alarms."""
        return float(self.normal_scores[-threshold_rank(self.n_held_out, rate)]) + self.slack

    @property
    def n_held_out(self) -> int:
        """How many normal images the p-values rest on."""
        return len(self.normal_scores)

    @cached_property
    def slack(self) -> float:
        """What scores may differ by rounding."""
        return TIE * max(1.0, float(np.abs(self.normal_scores).max()))


def at_least(ascending: Floats, score: float) -> int:
    """How many of ascending scores are at least as large as one."""
    return len(ascending) - int(np.searchsorted(ascending, score, side="left"))


def one_of_each(held_out: Floats, copies: NDArray[np.int64]) -> Floats:
    """The held-out scores, ascending, of each picture once: copies are no further evidence.

    Args:
        held_out: (n,) scores, NaN where an image has none.
        copies: (n,) images that show the same share a number; the first one counts.
    """
    first = np.unique(copies, return_index=True)[1]
    scores = held_out[first]
    return np.sort(scores[np.isfinite(scores)])


@dataclass(frozen=True)
class Plan:
    """How a set of normal images will be used.

    Attributes:
        method: split or parts.
        n_images: of all of them, copies counted once.
        n_scored: normal images whose held-out scores calibrate.
        false_alarms: the promised rate.
    """

    method: Method
    n_images: int
    n_scored: int
    false_alarms: float


def make_plan(
    n: int,
    rate: float | None,
    n_halfspaces: int | None = None,
    most: int | None = None,
    copies: int = 0,
    *,
    patches: bool = True,
) -> Plan:
    """Choose between split and parts, and check the rate that is asked for.

    Args:
        n: the number of normal images, at least 2.
        rate: the promised share of false alarms, above 0; None for `DEFAULT_FALSE_ALARMS`, or for
            the lowest rate that so many images support.
        n_halfspaces: how many are asked for; a single one cannot be learnt in parts.
        most: how many of the images can be scored; None for all.
        copies: images beside these n, which show the same as one of them.
        patches: whether patches are looked at.

    Raises:
        InputError: a rate that n images cannot support.
    """
    most = n if most is None else most
    held_back = min(max(1, int(n * HELD_BACK)), MOST_HELD_BACK, most)
    wanted = DEFAULT_FALSE_ALARMS if rate is None else rate
    many = n >= SPLIT_FROM and threshold_rank(held_back, wanted) >= FEWEST_BELOW
    method = Method.SPLIT if many or n_halfspaces == 1 else Method.PARTS
    n_scored = held_back if method is Method.SPLIT else min(n, most)
    lowest = 1 / (n_scored + 1)
    if rate is None:
        rate = max(DEFAULT_FALSE_ALARMS, lowest)
    check_rate(rate, n_scored, n, most, copies, patches=patches)
    return Plan(method, n, n_scored, rate)


def check_rate(
    rate: float,
    n_scored: int,
    n: int,
    most: int = MOST_HELD_BACK,
    copies: int = 0,
    *,
    patches: bool = True,
    spared: bool = False,
) -> None:
    """Raise InputError for a rate of false alarms that is too low for the images that there are.

    Args:
        rate: of false alarms.
        n_scored: normal images with a held-out score.
        n: normal images in all, copies counted once.
        most: of them that can be scored, however many there are.
        copies: images beside these n, which show the same as one of them.
        patches: whether patches are looked at.
        spared: whether one of the parts has no held-out score, for it taught the whitening.
    """
    are = count(copies, "is a copy or near-copy", "are copies or near-copies")
    once = f" Of the {n + copies} images {are} of others, and those count once." if copies else ""
    lowest = 1 / (n_scored + 1)
    if rate < lowest:
        if n_scored in (most, MOST_HELD_BACK) and n_scored < n:
            raise InputError(
                f"the rate of false alarms is {percent(rate)}, but of {n} normal images "
                f"{n_scored} can be scored, and so many support no rate below "
                f"{percent_up(lowest)}. Give a higher rate.{once}"
            )
        patches_too = fewest_images(rate, spared=True)
        needed = patches_too if spared else -(-fewest_images(rate) * n // n_scored)
        of = ", each held out," if n_scored == n else f", of which {n_scored} are held out,"
        best = (
            f" ({patches_too} for the best look at patches, for one in {PARTS} "
            "then only teaches how they compare)"
            if patches and n_scored == n
            else ""
        )
        anew = (
            f", fit these anew with this rate (--false-alarms {percent(rate).replace(' ', '')}), "
            "which holds out each, but finds small defects less well,"
            if spared and n >= fewest_images(rate)
            else ","
        )
        raise InputError(
            f"the rate of false alarms is {percent(rate)}, but {n} normal images{of} support no "
            f"rate below {percent_up(lowest)}. Give a higher rate{anew} or fit with at least "
            f"{needed} different images{best}.{once}"
        )


def fewest_images(rate: float, *, spared: bool = False) -> int:
    """The fewest normal images, each held out, that support a rate of false alarms.

    Args:
        rate: in (0, 1).
        spared: whether one of the parts has no held-out score, for it teaches how patches compare.
    """
    # As in `threshold_rank`: 1 / (1 / 49) is above 49.
    held_out = int(np.ceil((1 - 1e-12) / rate)) - 1
    if not spared:
        return held_out
    return -(-max(held_out, FEWEST_JUDGED) * PARTS // (PARTS - 1))


def threshold_rank(n: int, rate: float) -> int:
    """How many of n held-out images may be at least as odd as the threshold, itself included."""
    return int(np.floor(rate * (n + 1) * (1 + 1e-12)))

"""What is said of scores where labels are known, and of figures that come in pairs."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError

Floats = NDArray[np.float64]
BOOTSTRAPS = 2000
SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


def auroc(normal: Floats, anomalous: Floats) -> float:
    """The chance that a random anomaly scores above a random normal image, ties counting half.

    That is the area under the ROC curve (Mann and Whitney's U over the number of pairs).

    Args:
        normal: (n,) scores, n >= 1.
        anomalous: (m,) scores, m >= 1.

    Raises:
        InputError: one of them is empty, or not finite.
    """
    normal, anomalous = np.asarray(normal, float), np.asarray(anomalous, float)
    if not len(normal) or not len(anomalous):
        raise InputError(
            f"AUROC of {len(normal)} normal and {len(anomalous)} anomalous scores: at least one of "
            "each is needed."
        )
    if not (np.isfinite(normal).all() and np.isfinite(anomalous).all()):
        raise InputError("AUROC of scores that are not finite: look for what made them so.")
    ordered = np.sort(normal)
    below, not_above = (np.searchsorted(ordered, anomalous, side=side) for side in SIDES)
    return float((below + not_above).sum() / (2 * len(normal) * len(anomalous)))


def drawn_weights(n: int, rng: np.random.Generator, draws: int) -> Floats:
    """What n images, and one more that nobody saw, weigh in Bayesian bootstraps (Rubin 1981).

    Bootstraps know nothing beyond what was seen: of images that are all told apart each draw is,
    too. So one more is drawn along. It weighs half an image on average, and stands at the worst
    place for the lower end of an interval, at the best for the upper one. Of a share, one image
    would give Clopper and Pearson's interval, and half of one gives about Jeffreys' (Brown, Cai
    and DasGupta 2001).

    Returns:
        (draws, n + 1), the last that of the image nobody saw; each row sums to n.
    """
    weights = rng.standard_gamma(np.append(np.ones(n), 0.5), (draws, n + 1))
    return np.asarray(weights * (n / weights.sum(axis=1, keepdims=True)))


def ends(value: float, worst: Floats, best: Floats) -> tuple[float, float]:
    """A 95 % interval of a figure between 0 and 1, which holds the value that was measured.

    Args:
        value: of the images as they are.
        worst, best: (b,) of draws, with what nobody saw at its worst and at its best place.
    """
    low, high = np.quantile(worst, 0.025), np.quantile(best, 0.975)
    return float(min(low, value)), float(max(min(high, 1.0), value))


def auroc_interval(normal: Floats, anomalous: Floats, *, seed: int = 0) -> tuple[float, float]:
    """A 95 % interval of the AUROC by Bayesian bootstraps of both sets of images.

    So Gu, Ghosal and Roy 2008 ("Bayesian bootstrap estimation of ROC curve"), but with an image
    more of each set (`drawn_weights`): the fewer there are, the wider it is, also where all are
    told apart. How often it holds the truth: `benchmarks/intervals.py`.

    Args:
        normal: (n,) scores, n >= 1.
        anomalous: (m,) scores, m >= 1.
        seed: of the draws.

    Raises:
        InputError: one of them is empty, or not finite.
    """
    value, rng = auroc(normal, anomalous), np.random.default_rng(seed)
    n, m, ordered = len(normal), len(anomalous), np.sort(normal)
    below, not_above = (np.searchsorted(ordered, anomalous, side=side) for side in SIDES)
    found = np.empty((BOOTSTRAPS, 2))
    for draw in found:  # one at a time: those of many images are much memory
        (of_normal,), (of_odd,) = drawn_weights(n, rng, 1), drawn_weights(m, rng, 1)
        sums = np.append(0.0, np.cumsum(of_normal[:-1]))
        draw[:] = of_odd[:-1] @ (sums[below] + sums[not_above]) / 2
        # At its best the normal image more is below all odd ones, the odd one more above all.
        draw[1] += of_normal[-1] * m + of_odd[-1] * sums[-1]
    return ends(value, *(found / (n * m)).T)


def auroc_error(area: float, n_normal: int, n_anomalous: int) -> float:
    """The standard error of an AUROC (Hanley and McNeil, 1982, with exponential scores).

    Args:
        area: 0 to 1.
        n_normal, n_anomalous: scores behind it, at least 1 each.
    """
    both_odd, both_normal = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area)
    variance += (n_anomalous - 1) * (both_odd - area * area)
    variance += (n_normal - 1) * (both_normal - area * area)
    return float(np.sqrt(max(variance, 0.0) / (n_normal * n_anomalous)))


def roc_curve(normal: Floats, anomalous: Floats) -> tuple[Floats, Floats]:
    """The shares of normal images and of anomalies at or above each threshold, from none to all.

    Returns:
        (t,) false-alarm rates and (t,) detection rates, ascending, from (0, 0) to (1, 1).
    """
    thresholds = np.unique(np.concatenate([normal, anomalous]))[::-1]
    rates = []
    for scores in (normal, anomalous):
        ordered = np.sort(scores)
        at_least = len(ordered) - np.searchsorted(ordered, thresholds, side="left")
        rates.append(np.concatenate([[0.0], at_least / len(ordered)]))
    return rates[0], rates[1]


def exact_interval(hits: int, n: int) -> tuple[float, float]:
    """A 95 % interval of a rate that never covers less than that (Clopper and Pearson 1934).

    Its ends are the rates at which so many hits or more, or so many or fewer, have a chance of
    2.5 %.

    Raises:
        InputError: no trials, or more hits than trials.
    """
    if not 0 <= hits <= n or n < 1:
        raise InputError(
            f"{hits} hits of {n} trials: expected at least one trial, and 0 to n hits."
        )
    low = 0.0 if hits == 0 else 1 - _rate_with_few(n - hits, n)
    return low, 1.0 if hits == n else _rate_with_few(hits, n)


def _rate_with_few(k: int, n: int) -> float:
    """The rate at which k hits or fewer, of n trials, k < n, have a chance of 2.5 %."""
    low, high = 0.0, 1.0
    ways = np.array([math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
                     for i in range(k + 1)])  # fmt: skip
    i = np.arange(k + 1)
    for _ in range(50):
        rate = (low + high) / 2
        chance = np.exp(ways + i * math.log(rate) + (n - i) * math.log1p(-rate)).sum()
        low, high = (rate, high) if chance > 0.025 else (low, rate)
    return (low + high) / 2


def wilcoxon(differences: Floats) -> tuple[float, float]:
    """Wilcoxon's signed rank test, two-sided and exact: all 2^n signs are counted.

    Differences of 0 are left out, and equal sizes share their mean rank (Wilcoxon 1945).

    Args:
        differences: (n,) paired differences.

    Returns:
        The p-value, and the smallest one that so many differences can have: 2 / 2^n.

    Raises:
        InputError: every difference is 0, or none is given.
    """
    sizes = np.abs(differences)[np.asarray(differences) != 0]
    if not len(sizes):
        raise InputError("Wilcoxon's test needs a difference that is not 0.")
    _, group, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    doubled = (2 * last - counts + 1)[group]  # twice the mean rank, a whole number
    signs = np.asarray(differences)[np.asarray(differences) != 0] > 0
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled:
        moved = np.zeros_like(ways)
        moved[rank:] = ways[:-rank]
        ways += moved
    seen = int(doubled[signs].sum())
    lower = min(seen, int(doubled.sum()) - seen)
    share = ways[: lower + 1].sum() / 2.0 ** len(doubled)
    return float(min(1.0, 2 * share)), float(2.0 ** (1 - len(doubled)))


def bootstrap_interval(values: Floats, *, seed: int = 0) -> tuple[float, float]:
    """A 95 % percentile interval of the mean, over bootstraps of the values."""
    rng = np.random.default_rng(seed)
    draws = rng.choice(np.asarray(values, float), (BOOTSTRAPS, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)

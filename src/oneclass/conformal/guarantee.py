"""What is proven of the rate of false alarms, in numbers and in a sentence for the model card."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, exp, floor, lgamma, log, log1p
from typing import Any

import numpy as np

from oneclass.conformal.calibration import DEFAULT_FALSE_ALARMS, PARTS, Method, threshold_rank
from oneclass.system.names import count, percent

CONFIDENCE = 0.95
HELD_OUT = "(each judged by a part of the model that had not learnt it)"
"""What a held-out image is, where one is first met."""
FEW = 100
"""Held-out images; from so many on a model's own rate is near the promised one."""
FOLDS = 5
"""Of models with sister models."""


def guarantee(
    method: str,
    n: int,
    rate: float,
    *,
    joined: bool = False,
    whitened: bool = False,
    unclear: float | None = None,
) -> dict[str, Any]:
    """The record of a calibration: method, counts, lowest rate, what is promised and what proven.

    Args:
        method: of `Method`, or "cross" of a model from before there were parts.
        n: normal images with a held-out score, copies counted once.
        rate: the promised share of false alarms.
        joined: whether a score is a sum whose weight came from the held-out scores themselves.
        whitened: whether one of the parts taught how positions are whitened, and is not among n.
        unclear: the higher rate up to which images are called unclear, if one was asked for.

    Returns:
        `method`, `n_held_out`, `lowest_false_alarms` (the smallest rate that so many images can
        support), `rate_at_most` (proven, on average over sets of images), for a split also
        `own_rate_at_most` (of this very model, with `CONFIDENCE`), and two sentences: `promise`,
        to be repeated, and `guarantee`, what is proven.
    """
    record: dict[str, Any] = {
        "method": str(method),
        "n_held_out": n,
        "lowest_false_alarms": 1 / (n + 1),
        "promise": (f"Of normal images like the ones it learnt from, about {_called(rate)}."),
    }
    if unclear is not None:
        record["promise"] += f" About {_called(unclear, ' or unclear')}."
    if method == Method.SPLIT:
        own = own_rate_bound(n, rate)
        text = (
            f"{_proven(rate, n)} This one may differ: of 100 such models, 95 call at most "
            f"{percent(own)}."
        )
        record |= {"rate_at_most": rate, "own_rate_at_most": own}
    else:
        parts = PARTS - whitened if method == Method.PARTS else FOLDS
        bound = cross_bound(n, rate, parts=parts)
        text = (
            f"{_proven(bound, n)} So much is proven, as the worst case; what tests found is about "
            f"the promised {percent(rate)}."
        )
        record["rate_at_most"] = bound
        if whitened:
            text += f" (One image in {PARTS} is not held out: those taught how patches compare.)"
    if joined:
        text += (
            " One step is outside the proof: how much whole images count beside patches was set by "
            "the same held-out images, though each of them moves it only a little."
        )
    return {**record, "guarantee": text}


def too_few(card: Mapping[str, Any]) -> str | None:
    """A sentence where the usual rate was out of reach, and nobody asked for another one.

    Args:
        card: of a model as it was fitted.
    """
    rate, usual = card["false_alarms"], DEFAULT_FALSE_ALARMS
    if card["asked"]["false_alarms"] is not None or rate <= usual:
        return None
    held_out = " to hold out" if card["calibration"]["method"] == Method.SPLIT else ""
    return (
        f"so few images support no lower rate of false alarms than {_in_words(rate)}; "
        f"{percent(usual)}, the usual one, takes {round(1 / usual) - 1} different "
        f"pictures{held_out}, and a hundred are a good start."
    )


def _proven(bound: float, n: int) -> str:
    """The theorem, for people: exchangeable is "of the same kind", the mean is over all fits."""
    return (
        f"Of new normal images of the same kind, at most {percent(bound)} are called anomalies, "
        "on average over models made like this one. Each of these has "
        f"{count(n, 'held-out image')} {HELD_OUT}."
    )


def cross_bound(n: int, rate: float, parts: int = PARTS) -> float:
    """Barber et al. (2021), theorem 4: the most that CV+, and so the parts, can miss their rate by.

    Args:
        n: images, in K parts, or in n where they are fewer.
        rate: promised.
        parts: K.

    Returns:
        2 rate + min(2 (1 - 1/K) / (n/K + 1), (1 - K/n) / (K + 1)), at most 1.
    """
    k = min(parts, n)
    return min(1.0, 2 * rate + min(2 * (1 - 1 / k) / (n / k + 1), (1 - k / n) / (k + 1)))


def spread(card: Mapping[str, Any]) -> str | None:
    """A sentence on how far a model's own rate may lie from the promised one, where images are few.

    The promise is a mean over models made like this one. Nine in ten splits lie between the two
    bounds; of parts that is about so.

    Args:
        card: of a model.

    Returns:
        The sentence; None where there are `FEW` held-out images or more, or none of a kind that it
        is known of.
    """
    n, rate = card["calibration"]["n_held_out"], card["false_alarms"]
    if n >= FEW or threshold_rank(n, rate) < 1 or card["calibration"]["method"] == "cross":
        return None
    low, high = (100 * own_rate(n, rate, share) for share in (1 - CONFIDENCE, CONFIDENCE))
    return (
        f"That is a mean: with so few images ({n} held out) this very model may well call anything "
        f"between {floor(low)} and {ceil(high)} of 100 normal images anomalies. More normal images "
        "bring these two together."
    )


def own_rate_bound(n: int, rate: float) -> float:
    """The rate that a split model exceeds with a chance of 1 - `CONFIDENCE` only."""
    return own_rate(n, rate, CONFIDENCE)


def own_rate(n: int, rate: float, share: float) -> float:
    """The rate that this share of split models do not exceed.

    Args:
        n: held-out images.
        rate: promised.
        share: of models, in (0, 1).

    With k = floor(rate (n + 1)), the model's own rate is at most a Beta(k, n + 1 - k) variable
    (Vovk, "Conditional validity of inductive conformal predictors", 2012), whose distribution
    function at x is the chance of k or more among n trials of x.
    """
    k = threshold_rank(n, rate)
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if _at_least(k, n, middle) < share:
            low = middle
        else:
            high = middle
    return high


def _at_least(k: int, n: int, chance: float) -> float:
    """P(Binomial(n, chance) >= k), summed over the k terms below."""
    if k <= 0 or chance >= 1:
        return 1.0
    terms = [
        lgamma(n + 1)
        - lgamma(i + 1)
        - lgamma(n - i + 1)
        + i * log(chance)
        + (n - i) * log1p(-chance)
        for i in range(k)
    ]
    return 1 - float(np.sum([exp(term) for term in terms]))


def _called(rate: float, more: str = "") -> str:
    """How many are called anomalies; above a half the share alone, since "one in 1" says nothing.

    Args:
        rate: in (0, 1).
        more: that they may be called, such as " or unclear".
    """
    if rate > 0.5:
        return f"{percent(rate)} are called anomalies{more}"
    return f"{_in_words(rate)} ({percent(rate)}) is called an anomaly{more}"


def _in_words(rate: float) -> str:
    return f"one in {round(1 / rate)}"

"""Does a batch of images look as a whole as the normal ones did? A question to its p-values."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

FEWEST = 20
SURE = 1.95
"""The two-sample Kolmogorov-Smirnov distance, in units of sqrt(1/n + 1/m), that unchanged images
exceed once in a thousand batches."""
CLEAR = 0.15
"""A smaller distance is not worth a word, however sure."""
IF_NORMAL = "are called anomalies. If most of them should be normal, "
"""Of the sentence that asks what labels may answer; recorded runs have it, too."""


def drift(
    p_values: NDArray[np.float64],
    false_alarms: float | NDArray[np.float64],
    n_held_out: int,
    *,
    all_new: bool = True,
) -> str | None:
    """A warning where a batch's p-values are far from uniform though few are extreme.

    Anomalies have low p-values whatever the camera does, so only the images that were not called
    anomalies are asked: theirs should be spread evenly between the rate of false alarms and 1.
    Where rates differ, each counts by how far it lies between its own and 1.

    Args:
        p_values: (m,) of all images of the batch.
        false_alarms: the model's rate, or (m,) the one by which each image was judged.
        n_held_out: the normal images behind the p-values.
        all_new: whether the batch had no other images, that the model learnt from.

    Returns:
        A sentence, or None where there is nothing to say or fewer than `FEWEST` images to ask.
    """
    n_called = int((p_values <= false_alarms).sum())
    # Beyond those that the rate calls so anyway: a high one does many good ones.
    expected = float(np.sum(np.broadcast_to(false_alarms, p_values.shape)))
    if len(p_values) >= FEWEST and n_called - expected > (len(p_values) - expected) / 2:
        which = "" if all_new else " that the model did not learn from"
        return (
            f"{n_called} of {len(p_values)} images{which} {IF_NORMAL}something is new for "
            "all: camera, lighting, file format, product? Learn again from images of the new kind."
        )
    passed = p_values > false_alarms
    rest, rates = p_values[passed], np.asarray(false_alarms)
    if len(rest) < FEWEST:
        return None
    if rates.ndim:
        rates = rates[passed]
    # In place, since a batch may have millions: where an even spread would have 1/m, 2/m, ..., 1.
    rest -= rates
    rest /= 1 - rates
    rest.sort()
    ahead = np.linspace(1 / len(rest), 1, len(rest))
    ahead -= rest
    low = float(ahead.max())  # more low p-values than an even spread has
    high = float(1 / len(rest) - ahead.min())
    limit = max(CLEAR, SURE * sqrt(1 / len(rest) + 1 / n_held_out))
    if max(low, high) <= limit:
        return None
    if low >= high:
        at = int(ahead.argmax())
        share, expected = (at + 1) / len(rest), float(rest[at])
        return (
            "drift: even the images that passed look odder as a whole than normal ones. "
            f"{_told(share, expected, len(rest), 'odd', 'normal images')} "
            "Something has changed for all of them (camera, lighting, file format, product), or "
            "many have small defects. Look at some: if they are good, the promised rate of false "
            "alarms no longer holds, so learn again with such images among the normal ones."
        )
    at = int(ahead.argmin())
    share, expected = 1 - at / len(rest), 1 - float(rest[at])
    told = _told(share, expected, len(rest), "normal", "new ones")
    return (
        "drift: the images that passed look more normal as a whole than normal images that the "
        f"model has not seen. {told} Are they the ones that it learnt from, or other pictures of "
        "the same parts? Then their verdicts say nothing of new parts: score others. Or did it "
        "learn several products, and these are of one alone? Then fit a model to each."
    )


def _told(share: float, expected: float, n: int, what: str, others: str) -> str:
    """The distance in images: how many are as odd, or normal, as how many of others usually are.

    Args:
        share, expected: of the images, and of the others.
        n: how many images passed; of more than 100 it is told how many of 100 they are.
        what, others: for what is counted.
    """
    of = min(n, 100)
    usual = max(1.0, of * expected)
    those = f"Of these {n}" if n < 100 else "Of 100 of them"
    return (
        f"{those}, {of * share:.0f} are as {what} as only {usual:.0f} of {of} {others} usually are."
    )

"""What is measured of the scores of images: AUROC, average precision, F1, with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.statistics import drawn_weights, ends
from oneclass.system.arrays import Array, Mask

DRAWS, CHUNK = 1000, 100


@dataclass(frozen=True)
class Figure:
    """A measured number with its 95 % interval.

    Attributes:
        value: what was measured.
        low, high: the interval.
    """

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def of_draws(worst: Array, best: Array) -> Figure:
    """A figure with the interval of its draws.

    Args:
        worst, best: (1 + b,) of the data themselves, then of Bayesian bootstraps, with what
            nobody saw at its worst and at its best place.
    """
    return Figure(float(worst[0]), *ends(worst[0], worst[1:], best[1:]))


@dataclass(frozen=True)
class Ranking:
    """What is said of images by their scores; intervals from Bayesian bootstraps of both sets.

    Attributes:
        auroc: the chance that an odd image scores above a normal one, ties counting half.
        average_precision: the mean of the precision over the odd images, from the top down.
        best_f1: the largest F1 of any threshold. No one knows that threshold beforehand.
        f1: of the verdicts.
    """

    auroc: Figure
    average_precision: Figure
    best_f1: Figure
    f1: Figure

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def rank(normal: Array, odd: Array, called: Mask, *, seed: int = 0) -> Ranking:
    """Measure scores.

    Args:
        normal: (n,) scores of normal images, n >= 1.
        odd: (m,) scores of odd images, m >= 1.
        called: (n + m,) which of them were called anomalies, the normal ones first.
        seed: of the bootstraps.
    """
    n, m = len(normal), len(odd)
    worst, best = (_with_unseen(normal, odd, called, best=best) for best in (False, True))
    rng = np.random.default_rng(seed)
    found = [(worst.measure(w), best.measure(w)) for w in _weights(n, m, rng)]
    lows, highs = (np.concatenate(side, axis=1) for side in zip(*found, strict=True))
    return Ranking(*map(of_draws, lows, highs))


def _with_unseen(normal: Array, odd: Array, called: Mask, *, best: bool) -> _Sorted:
    """All images, and of each set one more that nobody saw, at its best place or at its worst."""
    n, place = len(normal), np.inf if best else -np.inf
    scores = np.concatenate([normal, [-place], odd, [place]])
    truth = np.arange(len(scores)) > n
    called = np.concatenate([called[:n], [not best], called[n:], [best]])
    order = np.argsort(-scores, kind="stable")
    new = np.append(True, scores[order][1:] != scores[order][:-1])
    return _Sorted(order, np.nonzero(new)[0], truth[order], called[order])


def _weights(n: int, m: int, rng: np.random.Generator) -> Iterator[Array]:
    """Each image once, and none that nobody saw; then bootstraps, some at a time."""
    yield np.concatenate([np.append(np.ones(size), 0.0) for size in (n, m)])[None]
    for _ in range(DRAWS // CHUNK):
        yield np.concatenate([drawn_weights(size, rng, CHUNK) for size in (n, m)], axis=1)


@dataclass(frozen=True)
class _Sorted:
    """Images in descending order of their scores.

    Attributes:
        order: (n,) their places among the images as they come.
        firsts: (t,) where each distinct score begins.
        truth, called: (n,) of the images.
    """

    order: NDArray[np.intp]
    firsts: NDArray[np.intp]
    truth: Mask
    called: Mask

    def measure(self, weights: Array) -> Array:
        """(4, b): AUROC, average precision, best F1 and F1 of images.

        Args:
            weights: (b, n) of them, as they come.
        """
        weights = weights[:, self.order]
        hits = np.cumsum(self._groups(weights * self.truth), axis=1)
        alarms = np.cumsum(self._groups(weights * ~self.truth), axis=1)
        n_odd, n_normal = hits[:, -1:], alarms[:, -1:]
        new_hits, new_alarms = (np.diff(x, axis=1, prepend=0) for x in (hits, alarms))
        area = ((hits - new_hits / 2) * new_alarms).sum(axis=1) / (n_odd * n_normal)[:, 0]
        precision = hits / np.maximum(hits + alarms, 1e-12)
        average = (new_hits * precision).sum(axis=1) / n_odd[:, 0]
        by_threshold = 2 * hits / (hits + alarms + n_odd)
        # At the threshold that is best of another draw: at its own one each draw flatters itself,
        # on top of what the best of these images does.
        threshold = np.roll(by_threshold.argmax(axis=1), 1)[:, None]
        best = np.take_along_axis(by_threshold, threshold, axis=1)[:, 0]
        found = (weights * (self.truth & self.called)).sum(axis=1)
        all_called = (weights * self.called).sum(axis=1)
        return np.stack([area, average, best, 2 * found / (all_called + n_odd[:, 0])])

    def _groups(self, weights: Array) -> Array:
        return np.asarray(np.add.reduceat(weights, self.firsts, axis=1))

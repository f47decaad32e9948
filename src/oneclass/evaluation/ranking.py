"""What is measured of the scores of images: AUROC, average precision, F1, with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.system.arrays import Array, Mask

DRAWS, CHUNK = 1000, 100
LEVELS = (0.025, 0.975)


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


def of_draws(value: float, draws: Array) -> Figure:
    """A figure with the percentiles of its bootstraps; those that make no sense (NaN) are left out.

    Args:
        value: of the data themselves.
        draws: (b,) of the bootstraps.
    """
    known = draws[np.isfinite(draws)]
    low, high = np.quantile(known, LEVELS) if len(known) else (np.nan, np.nan)
    return Figure(float(value), float(low), float(high))


def resampled(n: int, rng: np.random.Generator, draws: int = DRAWS) -> NDArray[np.float32]:
    """(draws, n) how often each of n images comes, where n are drawn with replacement."""
    return rng.multinomial(n, np.full(n, 1 / n), draws).astype(np.float32)


@dataclass(frozen=True)
class Ranking:
    """What is said of images by their scores; intervals from bootstraps of both sets of images.

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
    scores, truth = np.concatenate([normal, odd]), np.arange(n + m) >= n
    order = np.argsort(-scores, kind="stable")
    new = np.append(True, np.diff(scores[order]) != 0)
    sorted_truth, sorted_called = truth[order], called[order]
    ways = _Sorted(np.nonzero(new)[0], sorted_truth, sorted_called)
    rng = np.random.default_rng(seed)
    found = np.concatenate([ways.measure(w[:, order]) for w in _weights(n, m, rng)], axis=1)
    figures = [of_draws(row[0], row[1:]) for row in found]
    return Ranking(*figures)


def _weights(n: int, m: int, rng: np.random.Generator) -> Iterator[Array]:
    """Each image once; then bootstraps, some at a time."""
    yield np.ones((1, n + m))
    for _ in range(DRAWS // CHUNK):
        parts = [resampled(size, rng, CHUNK) for size in (n, m)]
        yield np.concatenate(parts, axis=1).astype(np.float64)


@dataclass(frozen=True)
class _Sorted:
    """Images in descending order of their scores.

    Attributes:
        firsts: (t,) where each distinct score begins.
        truth, called: (n,) of the images.
    """

    firsts: NDArray[np.intp]
    truth: Mask
    called: Mask

    def measure(self, weights: Array) -> Array:
        """(4, b): AUROC, average precision, best F1 and F1 of images that weigh (b, n)."""
        hits = np.cumsum(self._groups(weights * self.truth), axis=1)
        alarms = np.cumsum(self._groups(weights * ~self.truth), axis=1)
        n_odd, n_normal = hits[:, -1:], alarms[:, -1:]
        new_hits, new_alarms = (np.diff(x, axis=1, prepend=0) for x in (hits, alarms))
        area = ((hits - new_hits / 2) * new_alarms).sum(axis=1) / (n_odd * n_normal)[:, 0]
        precision = hits / np.maximum(hits + alarms, 1e-12)
        average = (new_hits * precision).sum(axis=1) / n_odd[:, 0]
        best = (2 * hits / (hits + alarms + n_odd)).max(axis=1)
        found = (weights * (self.truth & self.called)).sum(axis=1)
        all_called = (weights * self.called).sum(axis=1)
        return np.stack([area, average, best, 2 * found / (all_called + n_odd[:, 0])])

    def _groups(self, weights: Array) -> Array:
        return np.asarray(np.add.reduceat(weights, self.firsts, axis=1))

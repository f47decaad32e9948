"""Means over categories and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from oneclass.evaluation.means import mean
from oneclass.evaluation.ranking import Figure


def test_the_interval_of_equal_symmetric_figures_shrinks_with_the_root() -> None:
    found = mean([Figure(0.8, 0.7, 0.9)] * 4)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.75, 0.85))


def test_one_figure_is_its_own_mean() -> None:
    found = mean([Figure(0.8, 0.6, 0.85)])
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.6, 0.85))


def test_the_interval_covers_the_mean_of_the_truths() -> None:
    rng = np.random.default_rng(0)
    truths = np.array([0.6, 0.8, 0.95])
    covered = 0
    for _ in range(1000):
        n = 50
        seen = rng.binomial(n, truths) / n
        ends = [np.quantile(rng.binomial(n, p, 400) / n, [0.025, 0.975]) for p in seen]
        found = mean([Figure(p, *map(float, e)) for p, e in zip(seen, ends, strict=True)])
        covered += found.low <= truths.mean() <= found.high
    assert 920 < covered < 985

"""Statistics against definitions and against other people's code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_curve

from oneclass import InputError
from oneclass.statistics import (
    auroc,
    auroc_error,
    auroc_interval,
    drawn_weights,
    exact_interval,
    roc_curve,
)

SCORES = st.lists(st.integers(0, 5), min_size=1, max_size=20)


@given(SCORES, SCORES)
def test_auroc_is_the_chance_that_an_anomaly_scores_higher(normal: list, anomalous: list) -> None:
    pairs = [(a > n) + (a == n) / 2 for a in anomalous for n in normal]
    assert auroc(np.array(normal), np.array(anomalous)) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("seed", range(10))
def test_auroc_and_curve_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    normal, anomalous = rng.normal(size=40).round(1), rng.normal(0.7, size=30).round(1)
    truth = np.repeat([0, 1], [40, 30])
    scores = np.concatenate([normal, anomalous])
    assert auroc(normal, anomalous) == pytest.approx(roc_auc_score(truth, scores))
    false_alarms, detected = roc_curve(normal, anomalous)
    expected = sklearn_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(false_alarms, expected[0])
    np.testing.assert_allclose(detected, expected[1])


@pytest.mark.parametrize(("normal", "anomalous"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0])])
def test_auroc_of_nothing_is_refused(normal: list, anomalous: list) -> None:
    with pytest.raises(InputError, match="AUROC of"):
        auroc(np.array(normal), np.array(anomalous))


def test_the_interval_of_the_auroc_covers_the_truth() -> None:
    truth = 0.760250  # of two normal distributions, one apart: Phi(1 / sqrt(2))
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        low, high = auroc_interval(rng.normal(size=60), rng.normal(1, size=60), seed=seed)
        covered += low <= truth <= high
    assert covered >= 34  # 38 are expected


def test_images_all_told_apart_have_an_interval_by_how_many_they_are() -> None:
    lows = []
    for n in (1, 3, 5, 50, 200):
        normal, odd = np.arange(n, dtype=float), np.arange(n) + 1000.0
        low, high = auroc_interval(normal, odd)
        assert high == 1
        lows.append(low)
        turned = auroc_interval(odd, normal)
        assert turned == pytest.approx((0.0, 1 - low))
    assert lows == sorted(lows)
    assert lows[0] < 0.1
    # A share of which all of 50 were seen is above 0.93 (Clopper and Pearson).
    assert lows[3] == pytest.approx(0.93, abs=0.01)
    assert lows[4] < 0.99


@pytest.mark.parametrize("area", [0.8, 0.95])
def test_the_interval_of_few_images_covers_the_truth(area: float) -> None:
    """One odd image in so many is below all normal ones, where bootstraps are far too narrow."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        odd = rng.normal(size=6) + np.where(rng.random(6) < area, 20, -20)
        low, high = auroc_interval(rng.normal(size=5), odd, seed=seed)
        held += low <= area <= high
    assert held >= 56  # 57 are expected; by a bootstrap it was 42 with .8, and 19 with .95


@pytest.mark.parametrize(("hits", "n"), [(20, 20), (7, 10), (1, 4)])
def test_drawn_weights_of_a_share_are_those_of_beta_distributions(hits: int, n: int) -> None:
    from scipy.stats import beta

    weights = drawn_weights(n, np.random.default_rng(0), 20_000)
    assert weights.sum(axis=1) == pytest.approx(n)
    worst = weights[:, :hits].sum(axis=1) / n
    levels = [0.025, 0.5, 0.975]
    expected = beta.ppf(levels, hits, n - hits + 0.5)
    assert np.quantile(worst, levels) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("hits", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (50, 1000), (2500, 5000)]
)
def test_exact_interval_is_scipys(hits: int, n: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(hits, n).proportion_ci(method="exact")
    assert exact_interval(hits, n) == pytest.approx(tuple(expected), abs=1e-9)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_exact_interval_of_nothing_is_refused(hits: int, n: int) -> None:
    with pytest.raises(InputError, match=f"{hits} hits of {n} trials"):
        exact_interval(hits, n)


@pytest.mark.parametrize(("n_normal", "n_anomalous"), [(12, 12), (40, 150), (300, 20)])
@pytest.mark.parametrize("scale", [1.0, 3.0, 10.0])
def test_the_error_of_an_auroc_is_how_far_draws_scatter(
    scale: float, n_normal: int, n_anomalous: int
) -> None:
    random = np.random.default_rng(0)
    areas = [
        auroc(random.exponential(size=n_normal), random.exponential(scale, size=n_anomalous))
        for _ in range(2000)
    ]
    told = auroc_error(scale / (1 + scale), n_normal, n_anomalous)
    assert told == pytest.approx(np.std(areas), rel=0.1)

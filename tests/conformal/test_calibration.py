"""p-values of normal images are fair, the promised rate holds, and what is promised is proven."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta, binom

from oneclass.conformal.calibration import Calibration, Method, Plan, fit_and_calibrate, make_plan
from oneclass.conformal.guarantee import cross_bound, guarantee, own_rate_bound
from oneclass.conformal.union import Union
from oneclass.errors import InputError


def unit_rows(n: int, seed: int, d: int = 20) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(1, 1, (n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def split_of(normal: NDArray[np.float64]) -> Calibration:
    """A calibration by the scores alone."""
    nothing = np.zeros(0, np.int64)
    return Calibration(
        np.sort(normal),
        np.zeros(len(normal), np.int64),
        np.zeros((0, 1), np.float16),
        np.zeros(0),
        nothing,
    )


def p_of(normal: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    calibration = split_of(normal)
    return np.array([calibration.p_value(s, np.zeros(1, np.float32)) for s in scores])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(-1, 10))
def test_p_value_counts_the_normals_at_least_as_odd(normal: list[int], score: int) -> None:
    expected = (1 + sum(n >= score for n in normal)) / (len(normal) + 1)
    assert p_of(np.array(normal, float), np.array([float(score)]))[0] == pytest.approx(expected)


def test_in_a_split_a_larger_score_never_has_a_larger_p_value() -> None:
    random = np.random.default_rng(0)
    assert (np.diff(p_of(random.normal(size=50), np.sort(random.normal(size=200)))) <= 0).all()


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_false_alarms_stay_at_the_promised_rate(rate: float) -> None:
    """Over many calibration sets of exchangeable scores, at most `rate`, and not far below."""
    random = np.random.default_rng(1)
    alarms = [
        (p_of(random.gamma(2, size=99), random.gamma(2, size=100)) <= rate).mean()
        for _ in range(600)
    ]
    assert rate - 0.02 < np.mean(alarms) < rate + 0.008


@pytest.mark.parametrize("method", Method)
def test_new_rows_of_the_same_kind_are_called_anomalies_at_the_promised_rate(
    method: Method,
) -> None:
    alarms = []
    for seed in range(30):
        rows = unit_rows(300, seed)
        plan = Plan(method, 100, 40 if method is Method.SPLIT else 100, 0.1)
        fitted, calibration = fit_and_calibrate(
            rows[:100], np.arange(100), plan, nu=0.1, n_halfspaces=2, seed=seed
        )
        new = Union(fitted.coef.astype(np.float32), fitted.offset).image_scores(rows[100:])
        p = [calibration.p_value(s, row) for s, row in zip(new, rows[100:], strict=True)]
        alarms.append(np.mean(np.array(p) <= 0.1))
    assert 0.04 < np.mean(alarms) < 0.11


def test_cross_p_values_are_those_of_the_definition() -> None:
    """Barber et al.'s CV+: count the held-out rows that their own sister finds at least as odd."""
    rows, new = unit_rows(60, 1), unit_rows(20, 2)
    plan = Plan(Method.CROSS, 60, 60, 0.1)
    _, c = fit_and_calibrate(rows, np.arange(60), plan, nu=0.2, n_halfspaces=3, seed=4)
    for row in new:
        count = 0
        for k in range(5):
            mine = c.fold_member == k
            margins = c.fold_coef[mine].astype(float) @ row.astype(float) - c.fold_offset[mine]
            count += int((c.normal_scores[c.fold == k] >= -margins.max()).sum())
        assert c.p_value(0.0, row) == pytest.approx((1 + count) / 61)
    assert len(c.normal_scores) == 60
    assert np.bincount(c.fold).tolist() == [12] * 5


@pytest.mark.parametrize("method", Method)
def test_copies_are_never_parted(method: Method) -> None:
    """Else a held-out image would be scored by a model that has seen it."""
    rows = np.repeat(unit_rows(20, 3), 3, axis=0)
    copies = np.repeat(np.arange(20), 3)
    plan = Plan(method, 60, 15 if method is Method.SPLIT else 60, 0.1)
    _, parted = fit_and_calibrate(rows, copies, plan, nu=0.05, n_halfspaces=8, seed=0)
    _, alone = fit_and_calibrate(
        rows[::3],
        np.arange(20),
        Plan(method, 20, 5 if method is Method.SPLIT else 20, 0.1),
        nu=0.05,
        n_halfspaces=8,
        seed=0,
    )
    assert parted.normal_scores.mean() == pytest.approx(alone.normal_scores.mean(), abs=0.15)
    assert parted.normal_scores.mean() > 0


def test_the_method_follows_from_the_number_of_images_and_the_rate() -> None:
    assert make_plan(100, None) == Plan(Method.CROSS, 100, 100, 0.05)
    assert make_plan(1999, 0.05).method is Method.CROSS
    assert make_plan(2000, 0.05) == Plan(Method.SPLIT, 2000, 500, 0.05)
    assert make_plan(2000, 0.001).method is Method.CROSS  # 500 held back could not support it
    assert make_plan(10**6, 0.01).n_scored == 4000
    assert make_plan(4, None).false_alarms == 0.2


def test_rates_that_cannot_be_promised_are_refused() -> None:
    assert make_plan(99, 0.01).false_alarms == 0.01
    with pytest.raises(InputError, match=r"98 normal images .*below 0\.0101.*at least 99 images"):
        make_plan(98, 0.01)


def test_rounding_does_not_make_a_normal_image_odd() -> None:
    normal = np.array([0.0, 0.0, 0.25])
    np.testing.assert_array_equal(p_of(normal, np.array([1e-8, 0.25 + 1e-8])), [1, 0.5])


@pytest.mark.parametrize(("n", "rate"), [(99, 0.05), (500, 0.05), (500, 0.01), (4000, 0.001)])
def test_the_bound_of_one_models_own_rate_is_the_beta_quantile(n: int, rate: float) -> None:
    k = int(rate * (n + 1) + 1e-9)
    assert own_rate_bound(n, rate) == pytest.approx(beta.ppf(0.95, k, n + 1 - k), rel=1e-6)


def test_a_splits_own_rate_exceeds_its_bound_once_in_twenty() -> None:
    """By simulation: uniform scores, whose own rate is known exactly."""
    n, rate = 200, 0.05
    threshold = np.sort(np.random.default_rng(0).random((4000, n)), axis=1)[:, -10]
    over = (1 - threshold > own_rate_bound(n, rate)).mean()
    assert 0.03 < over < 0.07
    assert binom.sf(9, n, own_rate_bound(n, rate)) == pytest.approx(0.95, abs=1e-6)


def test_the_cards_record_says_what_is_proven() -> None:
    split = guarantee(Plan(Method.SPLIT, 2000, 500, 0.05))
    assert split["lowest_false_alarms"] == 1 / 501
    assert split["rate_at_most"] == 0.05 < split["own_rate_at_most"] < 0.08
    assert "at most 5 %" in split["guarantee"]
    cross = guarantee(Plan(Method.CROSS, 100, 100, 0.05))
    assert cross["rate_at_most"] == cross_bound(100, 0.05) == pytest.approx(0.1 + 1.6 / 21)
    assert "17.6 %" in cross["guarantee"]
    assert cross_bound(2, 0.5) == 1

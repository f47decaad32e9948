"""p-values of normal images are uniform, and the promised rate of false alarms holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclass.calibration import check_false_alarms, held_out_scores, p_values
from oneclass.errors import InputError
from oneclass.svm import fit_halfspaces, halfspace_scores


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(-1, 10))
def test_p_value_counts_the_normals_at_least_as_odd(normal: list[int], score: int) -> None:
    expected = (1 + sum(n >= score for n in normal)) / (len(normal) + 1)
    assert p_values(np.array([float(score)]), np.array(normal, float))[0] == pytest.approx(expected)


def test_a_larger_score_never_has_a_larger_p_value() -> None:
    random = np.random.default_rng(0)
    p = p_values(np.sort(random.normal(size=200)), random.normal(size=50))
    assert (np.diff(p) <= 0).all()


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_false_alarms_stay_at_the_promised_rate(rate: float) -> None:
    """Over many calibration sets of exchangeable scores, at most `rate`, and not far below."""
    random = np.random.default_rng(1)
    alarms = [
        (p_values(random.gamma(2, size=500), random.gamma(2, size=99)) <= rate).mean()
        for _ in range(2000)
    ]
    assert rate - 0.02 < np.mean(alarms) < rate + 0.005


def test_held_out_scores_are_as_odd_as_those_of_new_rows() -> None:
    """The false alarms on new rows of the same kind stay near the rate, over many seeds."""
    alarms = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        rows = random.normal(1, 1, (140, 30)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        normal = held_out_scores(rows[:100], nu=0.1, n_halfspaces=2, seed=seed)
        fitted = fit_halfspaces(rows[:100], 2, nu=0.1, seed=seed)
        new = -halfspace_scores(rows[100:], fitted.coef, fitted.offset)[0]
        alarms.append((p_values(new, normal) <= 0.1).mean())
    assert 0.05 < np.mean(alarms) < 0.11


def test_held_out_scores_are_reproducible_and_differ_by_seed() -> None:
    rows = np.random.default_rng(0).normal(1, 1, (40, 8)).astype(np.float32)
    a, b, c = (held_out_scores(rows, nu=0.5, n_halfspaces=1, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_rounding_does_not_make_a_normal_image_odd() -> None:
    normal = np.array([0.0, 0.0, 0.25])
    np.testing.assert_array_equal(p_values(np.array([1e-8, 0.25 + 1e-8]), normal), [1, 0.5])


def test_rates_that_cannot_be_promised_are_refused() -> None:
    assert check_false_alarms(None, 1000) == 0.05
    assert check_false_alarms(None, 4) == 0.2
    assert check_false_alarms(0.01, 99) == 0.01
    with pytest.raises(InputError, match=r"98 normal images .*below 0\.0101.*at least 99 images"):
        check_false_alarms(0.01, 98)

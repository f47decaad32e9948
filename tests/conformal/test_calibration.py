"""p-values of normal images are fair, the promised rate holds, and what is promised is proven."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta, binom

from oneclass.conformal.calibration import (
    FEWEST_JUDGED,
    PARTS,
    Calibration,
    Method,
    Plan,
    check_rate,
    fewest_images,
    make_plan,
)
from oneclass.conformal.guarantee import cross_bound, guarantee, own_rate_bound, spread
from oneclass.errors import InputError


def p_of(normal: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    calibration = Calibration(np.sort(normal))
    return np.array([calibration.p_value(s, np.zeros(1, np.float32)) for s in scores])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(-1, 10))
def test_p_value_counts_the_normals_at_least_as_odd(normal: list[int], score: int) -> None:
    expected = (1 + sum(n >= score for n in normal)) / (len(normal) + 1)
    assert p_of(np.array(normal, float), np.array([float(score)]))[0] == pytest.approx(expected)


def test_a_larger_score_never_has_a_larger_p_value() -> None:
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


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.floats(0.04, 0.9))
def test_one_threshold_says_what_the_p_value_says(normal: list[int], rate: float) -> None:
    calibration = Calibration(np.sort(np.array(normal, float)))
    if rate * (len(normal) + 1) < 1:
        return
    threshold = calibration.threshold(rate)
    for score in np.arange(-1, 11, 0.5):
        p = calibration.p_value(float(score), np.zeros(1))
        assert (p <= rate * (1 + 1e-12)) == (score > threshold)


def test_the_method_follows_from_the_number_of_images_and_the_rate() -> None:
    assert make_plan(100, None) == Plan(Method.PARTS, 100, 100, 0.05)
    assert make_plan(1999, 0.05).method is Method.PARTS
    assert make_plan(2000, 0.05) == Plan(Method.SPLIT, 2000, 500, 0.05)
    assert make_plan(2000, 0.001).method is Method.PARTS  # 500 held back could not support it
    assert make_plan(100, 0.05, n_halfspaces=1) == Plan(Method.SPLIT, 100, 25, 0.05)
    assert make_plan(10**6, 0.01).n_scored == 4000
    assert make_plan(4, None).false_alarms == 0.2


def test_rates_that_cannot_be_promised_are_refused() -> None:
    assert make_plan(99, 0.01).false_alarms == 0.01
    with pytest.raises(InputError, match=r"98 normal images, .*below 1\.02 %.*at least 99 diff"):
        make_plan(98, 0.01)
    with pytest.raises(
        InputError, match=r"98 normal images, each held out, .*110 for the best look at patches"
    ):
        make_plan(98, 0.01)
    with pytest.raises(InputError, match=r"at least 99 different images\.$"):
        make_plan(98, 0.01, patches=False)
    with pytest.raises(
        InputError,
        match=r"100 normal images, of which 25 are held out, .*3\.85 %.*at least 396 diff",
    ):
        make_plan(100, 0.01, n_halfspaces=1)
    with pytest.raises(InputError, match=r"Of the 30 images 1 is a copy or near-copy of others"):
        make_plan(29, 0.01, copies=1)


@pytest.mark.parametrize("n", [50, 70, 74, 105, 109])
def test_the_number_needed_is_enough_and_the_same_for_all(n: int) -> None:
    """A part of whitened patches is no judge: 110 images, of whatever number the model has."""
    with pytest.raises(
        InputError, match=f"of which {n - -(-n // 10)} .*least 110 different images"
    ) as told:
        check_rate(0.01, n - -(-n // 10), n, spared=True)
    # With 99 or more a fit at that rate, which spares none, does.
    assert ("fit these anew with this rate (--false-alarms 1%)" in str(told.value)) == (n >= 99)
    if n >= 99:
        assert make_plan(n, 0.01).n_scored == n
    for held_out in range(1, 300):
        left = max(held_out, FEWEST_JUDGED)
        fewest = next(m for m in range(held_out, 400) if m - -(-m // PARTS) >= left)
        rate = 1 / (held_out + 1)
        assert (fewest_images(rate), fewest_images(rate, spared=True)) == (held_out, fewest)
    with pytest.raises(InputError, match=r"Of the 30 images 2 are copies or near-copies of others"):
        make_plan(28, 0.01, copies=2)


def test_rounding_does_not_make_a_normal_image_odd() -> None:
    normal = np.array([0.0, 0.0, 0.25])
    np.testing.assert_array_equal(p_of(normal, np.array([1e-8, 0.25 + 1e-8])), [1, 0.5])


@pytest.mark.parametrize(("n", "rate"), [(99, 0.05), (500, 0.05), (500, 0.01), (4000, 0.001)])
def test_the_bound_of_one_models_own_rate_is_the_beta_quantile(n: int, rate: float) -> None:
    k = int(rate * (n + 1) + 1e-9)
    assert own_rate_bound(n, rate) == pytest.approx(beta.ppf(0.95, k, n + 1 - k), rel=1e-6)


@pytest.mark.parametrize(
    ("n", "rate", "told"),
    [(40, 0.05, "0 and 12 of 100"), (90, 0.05, "1 and 9 of 100"), (90, 0.2, "13 and 27 of 100")],
)
def test_few_images_leave_a_models_own_rate_open(n: int, rate: float, told: str) -> None:
    k = int(rate * (n + 1) + 1e-9)
    low, high = 100 * beta.ppf([0.05, 0.95], k, n + 1 - k)
    assert told == f"{int(low)} and {int(np.ceil(high))} of 100"
    card = {"false_alarms": rate, "calibration": guarantee("parts", n, rate)}
    assert f"between {told} normal images anomalies" in str(spread(card))
    many = {"false_alarms": rate, "calibration": guarantee("parts", 100, rate)}
    assert spread(many) is None
    older = {"false_alarms": rate, "calibration": guarantee("cross", n, rate)}
    assert spread(older) is None


def test_a_rate_above_a_half_is_told_as_a_share_alone() -> None:
    told = guarantee(Method.PARTS, 100, 0.5, unclear=0.99)["promise"]
    assert "about one in 2 (50 %) is called an anomaly." in told
    assert told.endswith("About 99 % are called anomalies or unclear.")
    told = guarantee(Method.PARTS, 100, 0.6)["promise"]
    assert told.endswith("learnt from, about 60 % are called anomalies.")


def test_a_splits_own_rate_exceeds_its_bound_once_in_twenty() -> None:
    """By simulation: uniform scores, whose own rate is known exactly."""
    n, rate = 200, 0.05
    threshold = np.sort(np.random.default_rng(0).random((4000, n)), axis=1)[:, -10]
    over = (1 - threshold > own_rate_bound(n, rate)).mean()
    assert 0.03 < over < 0.07
    assert binom.sf(9, n, own_rate_bound(n, rate)) == pytest.approx(0.95, abs=1e-6)


def test_the_cards_record_says_what_is_proven() -> None:
    split = guarantee(Method.SPLIT, 500, 0.05)
    assert split["lowest_false_alarms"] == 1 / 501
    assert split["rate_at_most"] == 0.05 < split["own_rate_at_most"] < 0.08
    assert split["guarantee"] == (
        "Of new normal images of the same kind, at most 5 % are called anomalies, on "
        "average over models made like this one. Each of these has 500 held-out images (each "
        "judged by a part of the model that had not learnt it). This one may differ: "
        "of 100 such models, 95 call at most 6.68 %."
    )
    cross = guarantee(Method.PARTS, 100, 0.05)
    assert cross["rate_at_most"] == cross_bound(100, 0.05) == pytest.approx(0.1 + 0.9 / 11)
    assert cross["guarantee"] == (
        "Of new normal images of the same kind, at most 18.2 % are called anomalies, on "
        "average over models made like this one. Each of these has 100 held-out images (each "
        "judged by a part of the model that had not learnt it). So much is "
        "proven, as the worst case; what tests found is about the promised 5 %."
    )


def test_each_sentence_of_what_is_proven_can_be_read_at_once() -> None:
    """None is longer than 30 words, whatever it is proven of."""
    for method in (Method.SPLIT, Method.PARTS, "cross"):
        for joined, whitened in product((False, True), repeat=2):
            told = guarantee(method, 135, 0.05, joined=joined, whitened=whitened)["guarantee"]
            for sentence in re.split(r"(?<=[.;:]) ", told):
                assert len(sentence.split()) <= 30, sentence


def test_the_page_quotes_what_is_proven_as_it_is_said() -> None:
    page = Path(__file__).parents[2] / "docs" / "calibration.md"
    quoted = [line[2:] for line in page.read_text("utf-8").splitlines() if line.startswith("> ")]
    assert " ".join(quoted) == guarantee(Method.PARTS, 150, 0.05)["guarantee"]


def test_bounds_of_parts() -> None:
    assert cross_bound(2, 0.5) == 1

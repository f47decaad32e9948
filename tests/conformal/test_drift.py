"""A changed camera is told; chance, anomalies and small batches are not taken for one."""

from __future__ import annotations

import re

import numpy as np
import pytest

from oneclass.conformal.drift import drift

RATE, N = 0.05, 200


def test_even_p_values_hardly_ever_warn() -> None:
    warned = 0
    for seed in range(500):
        random = np.random.default_rng(seed)
        normal = np.sort(random.random(N))
        p = (1 + N - np.searchsorted(normal, random.random(100))) / (N + 1)
        warned += drift(p, RATE, N) is not None
    assert warned <= 3


def test_a_shift_of_all_images_warns_though_few_are_extreme() -> None:
    random = np.random.default_rng(0)
    p = 0.05 + 0.95 * random.random(200) ** 2.5
    message = drift(p, RATE, N)
    assert message is not None
    assert "odder as a whole" in message
    # By hand: the sorted p-values that passed, on the scale of 0.05 to 1.
    passed = np.sort((p[p > RATE] - RATE) / (1 - RATE))
    found = re.search(
        r"Of 100 of them, (\d+) are as odd as only (\d+) of 100 normal images usually are\.",
        message,
    )
    assert found is not None
    share, usual = map(int, found.groups())
    assert np.mean(passed <= usual / 100) == pytest.approx(share / 100, abs=0.03)
    assert usual + 15 <= share
    assert "learn again" in message


def test_anomalies_among_normal_images_do_not_warn() -> None:
    random = np.random.default_rng(0)
    p = np.r_[random.random(150), np.full(80, 1 / (N + 1))]
    assert drift(p, RATE, N) is None


def test_images_that_were_learnt_from_are_told_apart() -> None:
    random = np.random.default_rng(0)
    message = drift(0.6 + 0.4 * random.random(60), RATE, N)
    assert message is not None
    assert "several products, and these are of one alone?" in message
    assert "learnt from" in message
    assert "Of these 60, 60 are as normal as only 25 of 60 new ones usually are." in message
    assert "other pictures of the same parts" in message


def test_a_batch_of_anomalies_asks_what_has_changed() -> None:
    message = drift(np.r_[np.full(30, 0.005), np.full(10, 0.5)], RATE, N)
    assert message is not None
    assert "30 of 40" in message


@pytest.mark.parametrize("n", [0, 1, 19])
def test_too_few_images_say_nothing(n: int) -> None:
    assert drift(np.full(n, 0.9), RATE, N) is None
    assert drift(np.full(n, 0.001), RATE, N) is None


def test_a_high_rate_is_no_drift() -> None:
    p = (np.arange(200) + 0.5) / 200
    assert drift(p, 0.5, N) is None
    assert drift(p, 0.7, N) is None
    assert "are called anomalies" in (drift(p**3, 0.5, N) or "")


def test_each_image_counts_as_it_was_judged() -> None:
    p = np.repeat((np.arange(100) + 0.5) / 100, 2)
    assert drift(p, np.tile([0.05, 0.5], 100), N) is None
    odd = np.r_[np.full(150, 0.01), np.full(50, 0.9)]
    message = drift(odd, np.repeat([0.05, 0.005], [120, 80]), N)
    assert message is not None
    assert message.startswith("120 of 200 images are called anomalies")


def test_all_that_passed_by_their_own_rate_are_asked() -> None:
    p = np.r_[np.full(30, 0.06), np.full(5, 0.9)]
    message = drift(p, np.repeat([0.05, 0.5], [32, 3]), N)
    assert message is not None
    assert "Of these 35, 30 are as odd as only 1 of 35 normal images usually are." in message

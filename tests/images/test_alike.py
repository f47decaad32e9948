"""Small pictures: what `check` shows, and may lead somebody to throw away, is surely alike."""

from __future__ import annotations

import numpy as np
import pytest

from oneclass.images.alike import alike
from oneclass.rows.near_copies import SURELY


def joined_by_chance(seed: int, n: int, **setting: float) -> int:
    """How many of n pictures that differ in six directions are taken for copies of others."""
    rows = np.random.default_rng(seed).normal(0, 1, (n, 6)) * np.linspace(1, 0.2, 6)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    contents = [b"%d" % i for i in range(n)]
    return sum(len(one) - 1 for one in alike(list(rows.astype(np.float16)), contents, **setting))


@pytest.mark.parametrize("n", [35, 60])
def test_chance_joins_no_pictures_that_differ(n: int) -> None:
    found = np.array([joined_by_chance(seed, n) for seed in range(100)])
    assert (found > n / 20).sum() <= 2
    assert found.max() < n / 10, "a valley that is not one joins many at once"
    usual = np.array([joined_by_chance(seed, n, surely=SURELY) for seed in range(100)])
    assert usual.max() > n / 4, "these are pictures that chance does join"

"""Connected regions against scipy's, and what must hold for any mask."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from oneclass.images.components import connected

SPIRAL = np.array(
    [[int(c) for c in line] for line in ("1111111", "0000001", "1111101", "1000101", "1011101",
                                         "1000001", "1111111")], bool,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_regions_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 30, 2))
    mask = rng.random(shape) < rng.uniform(0.02, 0.9)
    labels, count = connected(mask)
    expected, n = ndimage.label(mask, structure=np.ones((3, 3)))
    assert count == n
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize(
    ("mask", "count"),
    [
        (np.zeros((4, 5), bool), 0),
        (np.ones((4, 5), bool), 1),
        (np.eye(6, dtype=bool), 1),
        (np.eye(6, dtype=bool)[:, ::-1], 1),
        (np.indices((9, 9)).sum(axis=0) % 2 == 0, 1),
        (np.indices((9, 9)).max(axis=0) % 2 == 0, 5),
        (SPIRAL, 1),
        (np.tile([True, False], (1, 8)), 8),
    ],
)
def test_known_masks(mask: np.ndarray, count: int) -> None:
    labels, found = connected(mask)
    assert found == count
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels > 0, mask)


def test_a_large_mask_of_many_regions_takes_a_moment() -> None:
    mask = np.zeros((2000, 3000), bool)
    mask[::4, ::4] = True
    assert connected(mask)[1] == 500 * 750

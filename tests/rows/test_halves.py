"""Every float16 there is, and back."""

from __future__ import annotations

import numpy as np

from oneclass.rows.halves import widened


def test_every_finite_float16_has_the_bits_that_numpy_gives() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].reshape(2, -1)
    found = widened(finite, np.empty(finite.shape, np.float32))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32), finite.astype(np.float32).view(np.uint32))


def test_float32_is_copied() -> None:
    values = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    found = widened(values, np.empty(values.shape, np.float32))
    np.testing.assert_array_equal(found, values)
    assert not np.shares_memory(found, values)

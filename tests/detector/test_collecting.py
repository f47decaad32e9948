"""What is seen of rows while they are collected."""

from __future__ import annotations

import numpy as np
import pytest

from oneclass.detector.collecting import ALIKE, _Seen


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("other", [None, 0, 3, 6])
def test_rows_differ_wherever_the_other_one_stands(other: int | None, dtype: type) -> None:
    rows = np.tile(np.random.default_rng(0).random(50), (7, 1)).astype(dtype)
    if other is not None:
        rows[other, 20] = 2
    seen = _Seen()
    for row in rows:
        seen.add(row)
    assert seen.differ == (other is not None)


@pytest.mark.parametrize("factor", [0.5, 3])
def test_rounding_is_no_difference(factor: float) -> None:
    row = np.linspace(-1, 0.5, 50)
    seen = _Seen()
    seen.add(row)
    seen.add(row + factor * ALIKE * (np.arange(50) == 30))
    assert seen.differ == (factor > 1)

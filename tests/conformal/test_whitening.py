"""Positions seen twice: the whitening is the covariance's, and rows keep unit length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from oneclass.conformal.union import Union
from oneclass.conformal.whitening import SHRUNK, learn_whitening, seen_twice
from oneclass.rows import ArrayRows


def unit_rows(n: int, seed: int, d: int = 7) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    rows = (random.normal(1, 1, (n, d)) * random.uniform(0.1, 2, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(0, 10**6), st.sampled_from([np.float16, np.float32]))
@settings(max_examples=20, deadline=None)
def test_it_is_the_root_of_the_inverse_covariance(seed: int, dtype: type) -> None:
    rows = unit_rows(200, seed).astype(dtype)
    covariance = np.cov(rows.astype(np.float64).T, bias=True)
    sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    expected = np.linalg.inv(sqrtm((1 - SHRUNK) * covariance + SHRUNK * sphere).real)
    found = learn_whitening(ArrayRows(rows))
    assert found is not None
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, 2), atol=1e-6)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_rows_keep_unit_length_and_zero_stays_zero(seed: int) -> None:
    rows = unit_rows(30, seed)
    whitening = learn_whitening(ArrayRows(rows))
    assert whitening is not None
    rows[3] = 0
    found = seen_twice(rows, whitening)
    assert not found[3].any()
    np.testing.assert_allclose(np.linalg.norm(np.delete(found, 3, 0), axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found[:, :7] * np.sqrt(2), rows, atol=1e-6)
    white = rows.astype(np.float64) @ whitening.astype(np.float64)
    white = np.delete(white, 3, 0)
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    np.testing.assert_allclose(np.delete(found, 3, 0)[:, 7:] * np.sqrt(2), white, atol=1e-6)


def test_rows_that_are_all_the_same_have_none() -> None:
    assert learn_whitening(ArrayRows(np.full((9, 4), 0.5, np.float32))) is None


def test_a_union_scores_what_it_sees() -> None:
    rows, random = unit_rows(40, 1), np.random.default_rng(2)
    whitening = learn_whitening(ArrayRows(rows))
    assert whitening is not None
    coef, offset = random.normal(size=(5, 14)).astype(np.float32), np.full(5, 0.3)
    union = Union(coef, offset, 2, True, whitening)
    assert union.n_columns == 7
    seen = seen_twice(rows, whitening).astype(np.float64)
    expected = (offset - seen @ coef.T.astype(np.float64)).min(axis=1)
    np.testing.assert_allclose(union.row_scores(rows), expected, atol=1e-6)
    np.testing.assert_allclose(-union.margins(rows).max(axis=1), expected, atol=1e-6)
    some = union.only(np.arange(5) < 2)
    assert some.whitening is whitening
    with pytest.raises(ValueError, match="whitening"):
        Union(coef, offset, 2, True, whitening[:3])

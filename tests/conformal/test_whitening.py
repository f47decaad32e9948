"""Positions by a length of their own: the covariance's, folded into half-spaces to nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oneclass.conformal.union import Union
from oneclass.conformal.whitening import SHRUNK, WHITE, learn_whitening, root, seen
from oneclass.rows import ArrayRows


def unit_rows(n: int, seed: int, d: int = 7) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    rows = (random.normal(1, 1, (n, d)) * random.uniform(0.1, 2, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def learnt(rows: NDArray[np.floating], **asked: int) -> NDArray[np.float32]:
    whitening = learn_whitening(ArrayRows(rows), **asked)
    assert whitening is not None
    return whitening


@given(st.integers(0, 10**6), st.sampled_from([np.float16, np.float32]), st.floats(0.5, 2))
@settings(max_examples=20, deadline=None)
def test_it_is_the_covariance_that_makes_the_length(seed: int, dtype: type, long: float) -> None:
    rows = (long * unit_rows(200, seed)).astype(dtype)
    wide = rows.astype(np.float64)
    covariance = np.cov(wide.T, bias=True)
    sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    inverse = np.linalg.inv((1 - SHRUNK) * covariance + SHRUNK * sphere)
    expected = sum(
        weight * matrix / np.mean(np.sum(wide @ matrix * wide, axis=1))
        for weight, matrix in ((1 - WHITE, np.eye(7)), (WHITE, inverse))
    )
    found = learnt(rows)
    square = np.eye(7) - found.T.astype(np.float64) @ found
    np.testing.assert_allclose(square, expected / np.linalg.norm(expected, 2), atol=1e-5)
    np.testing.assert_allclose(root(found) @ root(found), square, atol=1e-6)
    np.testing.assert_array_equal(root(found), root(found).T)


def test_beside_a_few_directions_all_are_alike() -> None:
    rows = unit_rows(300, 3)
    values = np.linalg.eigvalsh(root(learnt(rows, directions=2)).astype(np.float64))
    every = np.linalg.eigvalsh(root(learnt(rows)).astype(np.float64))
    np.testing.assert_allclose(values[2:], 1, atol=1e-6)
    assert (values[:2] < 0.99).all()
    assert (np.diff(every) > 1e-3).all()


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_rows_are_of_unit_length_and_zero_stays_zero(seed: int) -> None:
    rows = unit_rows(30, seed) * np.random.default_rng(seed).uniform(0.5, 2, (30, 1))
    rows = rows.astype(np.float32)
    whitening = learnt(rows, directions=4)
    rows[3] = 0
    found = seen(rows, whitening, 7)
    assert not found[3].any()
    found, rows = np.delete(found, 3, 0), np.delete(rows, 3, 0)
    np.testing.assert_allclose(np.linalg.norm(found @ root(whitening), axis=1), 1, atol=1e-5)
    along = np.sum(found * rows, axis=1) / np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(along, np.linalg.norm(found, axis=1), rtol=1e-5)


def test_rows_that_are_all_the_same_have_none() -> None:
    assert learn_whitening(ArrayRows(np.full((9, 4), 0.5, np.float32))) is None


def test_half_spaces_hold_what_was_folded_into_them() -> None:
    rows, random = unit_rows(40, 1), np.random.default_rng(2)
    whitening = learnt(rows)
    directions, offset = random.normal(size=(5, 7)), np.full(5, 0.3)
    stretched = rows.astype(np.float64) @ root(whitening)
    stretched /= np.linalg.norm(stretched, axis=1, keepdims=True)
    expected = (offset - stretched @ directions.T).min(axis=1)
    coef = (directions @ root(whitening)).astype(np.float32)
    union = Union(coef, offset, 2, True, whitening)
    assert union.n_columns == 7
    np.testing.assert_allclose(union.row_scores(rows), expected, atol=1e-5)
    np.testing.assert_allclose(-union.margins(rows).max(axis=1), expected, atol=1e-5)
    some = union.only(np.arange(5) < 2)
    assert some.whitening is whitening
    with pytest.raises(ValueError, match="whitening"):
        Union(coef, offset, 2, True, whitening[:, :3])


def test_models_of_before_see_positions_twice() -> None:
    rows, random = unit_rows(40, 1), np.random.default_rng(2)
    whitening = random.normal(size=(7, 7)).astype(np.float32)
    coef, offset = random.normal(size=(5, 14)).astype(np.float32), np.full(5, 0.3)
    union = Union(coef, offset, 2, True, whitening)
    assert union.n_columns == 7
    white = rows.astype(np.float64) @ whitening
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    twice = np.concatenate([rows, white], axis=1) * 0.5**0.5
    expected = (offset - twice @ coef.T.astype(np.float64)).min(axis=1)
    np.testing.assert_allclose(union.row_scores(rows), expected, atol=1e-6)
    np.testing.assert_array_equal(union.worst(rows), np.sort(union.row_scores(rows))[::-1][:2])
    with pytest.raises(ValueError, match="whitening"):
        Union(coef, offset, 2, True, whitening[:3])

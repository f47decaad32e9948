"""Equal rows: one stands for all of them, and nothing else changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.rows import ArrayRows
from oneclass.svm import nu_path
from oneclass.svm._repeats import Repeats, repeats
from oneclass.svm.solving import solve
from svm.oracles import Pieces, libsvm_coef

NUS = [0.01, 0.1, 0.35, 0.8, 1.0]


def drawn(seed, n_rows, n_different, n_columns=12, dtype=np.float64):
    rng = np.random.default_rng(seed)
    different = np.maximum(rng.standard_normal((n_different, n_columns)) + 0.7, 0).astype(dtype)
    return different[rng.integers(n_different, size=n_rows)]


@given(
    st.integers(0, 10_000),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=80, deadline=None)
def test_equal_rows_are_those_that_numpy_calls_equal(seed, n_rows, n_different, dtype):
    rows = drawn(seed, n_rows, n_different, 3, dtype)
    source = Pieces(rows, [1, max(n_rows // 2, 1)])
    found = repeats(source)
    assert len(found.first) == len(np.unique(rows, axis=0))
    np.testing.assert_array_equal(rows[found.first][found.which], rows)
    np.testing.assert_array_equal(found.counts, np.bincount(found.which))
    assert (np.diff(found.first) > 0).all()
    kept = np.concatenate(list(found.different(source).blocks()))
    np.testing.assert_array_equal(kept, rows[found.first])
    weights = np.random.default_rng(seed).random(len(found.first))
    shared = found.share_out(weights)
    np.testing.assert_allclose(shared @ rows, weights @ rows[found.first], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_differ_anywhere_are_kept_apart(dtype):
    rows = np.zeros((500, 499), dtype)
    rows[np.arange(499), np.arange(499)] = 1  # most of them are zero wherever one looks
    found = repeats(ArrayRows(rows))
    assert len(found.first) == 500
    found = repeats(ArrayRows(np.concatenate([rows, rows[::-1]])))
    np.testing.assert_array_equal(found.which, [*range(500), *range(499, -1, -1)])


def test_unit_rows_that_are_all_different_are_not_taken_for_few():
    rows = np.random.default_rng(0).random((20_000, 8), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert len(repeats(ArrayRows(rows)).first) == 20_000  # a matrix would take 3.2 GB


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_repeat_are_solved_as_if_they_were_different(seed, dtype, monkeypatch):
    rows = drawn(seed, 400, 70, dtype=dtype)
    path = nu_path(rows, NUS, tol=1e-7)
    with monkeypatch.context() as patch:  # each row for itself
        each = np.arange(400)
        patch.setattr(solve, "repeats", lambda _: Repeats(each, each, np.ones(400)))
        apart = nu_path(rows, NUS, tol=1e-7)
    assert path.way == apart.way == "gram"
    np.testing.assert_allclose(path.objective, apart.objective, rtol=2e-7)
    for nu, coef, offset in zip(NUS, path.coef, path.offset, strict=True):
        if nu < 1:
            expected, _ = libsvm_coef(rows.astype(np.float64), nu)
            np.testing.assert_allclose(coef, expected, atol=1e-3 * np.linalg.norm(expected))
        assert (rows.astype(np.float64) @ coef < offset).sum() <= nu * 400 + 1e-9


def test_many_rows_of_which_few_are_different_need_only_the_few():
    rows = drawn(0, 9000, 300, 40, np.float32)
    path = nu_path(rows, NUS)
    assert path.way == "gram"  # the matrix of 9,000 rows would take 648 MB
    assert path.n_passes <= 6
    assert path.dual_gap.max() <= 1e-6

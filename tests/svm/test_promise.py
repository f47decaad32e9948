"""At most nu l rows of a fit are outside, in the very arithmetic that scores them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.conformal.union import Union
from oneclass.svm import (
    HalfspaceUnion,
    LinearOneClassSVM,
    fit_halfspaces,
    halfspace_scores,
    nu_path,
)
from oneclass.svm.solving import solve
from svm.oracles import make_rows

KINDS = ["plain", "repeated", "long", "dependent", "far"]


def rows_of(kind, seed, shape, dtype):
    rng = np.random.default_rng(seed)
    rows = make_rows(seed, *shape)
    if kind == "repeated":
        rows = rows[rng.integers(max(len(rows) // 4, 1), size=len(rows))]
    if kind == "long":
        rows = rows * rng.uniform(1, 200, (len(rows), 1))
    if kind == "dependent":
        rows = np.abs(rng.random((len(rows), 2)) @ rows[:2][np.arange(2) % len(rows)])
    if kind == "far":
        rows[: len(rows) // 10] += 5
    return rows.astype(dtype)


def outside(rows, coef, offset):
    return int(np.count_nonzero(halfspace_scores(rows, coef, offset)[0] < 0))


@given(
    st.integers(0, 10**6),
    st.sampled_from(KINDS),
    st.sampled_from([(1, 4), (12, 3), (150, 8), (90, 700), (400, 60)]),
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.sampled_from([1e-3, 0.01, 0.1, 0.35, 0.9, 1.0]),
    st.sampled_from([1, 3, 8]),
    st.sampled_from(["gram", "passes"]),
)
@settings(max_examples=250, deadline=None)
def test_no_cluster_has_more_than_nu_of_its_rows_outside(seed, kind, shape, dtype, nu, k, way):
    rows = rows_of(kind, seed, shape, dtype)
    with pytest.MonkeyPatch.context() as patch:
        if way == "passes":
            patch.setattr(solve, "_GRAM_BYTES", 0)
        fitted = fit_halfspaces(rows, min(k, len(rows)), nu=nu)
    # A model file keeps float32 coefficients, and rows are scored in float64 there.
    kept = fitted.coef.astype(np.float32) if dtype != np.float64 else fitted.coef
    below_any = 0
    for j, count in enumerate(fitted.n_rows):
        own, coef, offset = rows[fitted.assignment == j], fitted.coef[[j]], fitted.offset[[j]]
        allowed = nu * count + 1e-9
        assert outside(own, coef, offset) <= allowed
        assert outside(own[::-1], coef, offset) <= allowed
        alone = [outside(row[None], coef, offset) for row in own]
        assert sum(alone) <= allowed
        scores = Union(kept[[j]], offset).image_scores(own.astype(kept.dtype))
        assert np.count_nonzero(scores > 0) <= allowed
        below_any += allowed
    assert outside(rows, fitted.coef, fitted.offset) <= below_any


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("nu", [1e-3, 0.05, 0.5])
def test_the_estimators_keep_it_too(dtype, nu):
    for seed in range(5):
        rows = make_rows(seed, 800, 50, dtype)
        for model in (LinearOneClassSVM(nu=nu), HalfspaceUnion(4, nu=nu)):
            found = model.fit(rows).predict(rows)
            assert np.count_nonzero(found < 0) <= nu * len(rows)


def test_coefficients_are_numbers_of_the_rows_dtype():
    path = nu_path(make_rows(0, 300, 20, np.float32), [0.01, 0.5])
    np.testing.assert_array_equal(path.coef, path.coef.astype(np.float32))


def test_a_decision_that_float32_leaves_open_is_made_in_float64():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4000, 700)).astype(np.float32)
    coef = rng.standard_normal((3, 700)).astype(np.float32)
    exact = rows.astype(np.float64) @ coef.T.astype(np.float64)
    offset = np.median(exact, axis=0)
    offset[0] = np.sort(exact[:, 0])[2000] - 1e-9  # one row lies within rounding of the boundary
    decision, _ = halfspace_scores(rows, coef[:1], offset[:1])
    np.testing.assert_array_equal(decision >= 0, exact[:, 0] >= offset[0])
    decision, _ = halfspace_scores(rows, coef, offset)
    margins = (exact - offset).max(axis=1)
    clear = np.abs(margins) > 1e-12
    np.testing.assert_array_equal(decision[clear] > 0, margins[clear] > 0)

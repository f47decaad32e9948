"""At most nu l of the rows learnt from are outside, in the arithmetic that scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.svm import (
    HalfspaceUnion,
    LinearOneClassSVM,
    fit_halfspaces,
    halfspace_scores,
    nu_path,
)
from svm.oracles import KINDS, kind_of_rows

DTYPES = (np.float16, np.float32, np.float64)
NUS = (1e-3, 0.02, 0.1, 0.37, 0.5, 1.0)
any_kind = pytest.mark.parametrize("kind", KINDS)
any_dtype = pytest.mark.parametrize("dtype", DTYPES)
seeds = st.integers(0, 10**6)


def rows_of(kind, seed, dtype):
    rows = kind_of_rows(kind, seed)
    return (rows / np.sqrt(np.mean(np.sum(rows**2, axis=1)))).astype(dtype)


def allowed(nu, counts):
    """How many of each problem's rows may be outside: none where nu l is less than one."""
    mass = nu * np.asarray(counts)
    return np.floor(mass * (1 + 1e-9)).astype(int)


@any_dtype
@any_kind
@given(seeds, st.sampled_from(NUS))
@settings(max_examples=4, deadline=None)
def test_one_halfspace_leaves_out_at_most_nu_l_rows(kind, dtype, seed, nu):
    rows = rows_of(kind, seed, dtype)
    model = LinearOneClassSVM(nu=nu).fit(rows)
    assert np.count_nonzero(model.predict(rows) == -1) <= allowed(nu, len(rows))
    assert np.count_nonzero(model.decision_function(rows) < 0) <= allowed(nu, len(rows))


@any_dtype
@any_kind
@given(seeds, st.sampled_from(NUS), st.sampled_from([1, 2, 7, 20]))
@settings(max_examples=4, deadline=None)
def test_each_half_space_of_a_union_leaves_out_at_most_nu_l_of_its_own(kind, dtype, seed, nu, k):
    rows = rows_of(kind, seed, dtype)
    found = fit_halfspaces(rows, min(k, len(rows)), nu=nu)
    for j, most in enumerate(allowed(nu, found.n_rows)):
        own = rows[found.assignment == j]
        decision, _ = halfspace_scores(own, found.coef[[j]], found.offset[[j]])
        assert np.count_nonzero(decision < 0) <= most
    decision, _ = halfspace_scores(rows, found.coef, found.offset)
    assert np.count_nonzero(decision < 0) <= allowed(nu, found.n_rows).sum()


@any_dtype
@any_kind
def test_the_path_leaves_out_at_most_nu_l_rows_at_every_nu(kind, dtype):
    rows = rows_of(kind, 1, dtype)
    path = nu_path(rows, NUS)
    for nu, coef, offset in zip(NUS, path.coef, path.offset, strict=True):
        decision, _ = halfspace_scores(rows, coef[None], np.array([offset]))
        assert np.count_nonzero(decision < 0) <= allowed(nu, len(rows))
        assert np.count_nonzero(rows @ coef < offset) <= allowed(nu, len(rows))  # as documented


@any_dtype
@pytest.mark.parametrize("nu", NUS)
@pytest.mark.parametrize("shape", [(500, 8), (2000, 64), (300, 1500)])
def test_it_holds_for_larger_unions_too(shape, nu, dtype):
    rng = np.random.default_rng(0)
    rows = np.abs(rng.standard_normal(shape) + 0.5 * rng.standard_normal(shape[1]))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)
    model = HalfspaceUnion(16, nu=nu).fit(rows)
    most = allowed(nu, np.bincount(model.labels_)).sum()
    assert np.count_nonzero(model.predict(rows) == -1) <= most


@pytest.mark.parametrize("cut", ["one by one", "in halves", "backwards"])
@pytest.mark.parametrize("nu", [1e-3, 0.1, 0.5])
def test_it_holds_however_the_rows_are_cut_for_scoring(nu, cut):
    """A matrix product's last bits depend on its shape; the promise does not."""
    rows = rows_of("spread out", 3, np.float32)
    model = LinearOneClassSVM(nu=nu).fit(rows)
    pieces = {
        "one by one": list(rows[:, None]),
        "in halves": np.array_split(rows, 2),
        "backwards": [rows[::-1]],
    }[cut]
    outside = sum(np.count_nonzero(model.predict(piece) == -1) for piece in pieces)
    assert outside <= allowed(nu, len(rows))

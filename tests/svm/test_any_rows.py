"""What any correct solver does, on rows of every kind: invariances, nested hulls, oracles.

Two points whose relative gap is g differ by 2 sqrt(2 g) of their length at most, and their
objectives by 2 g: so the bounds here follow from what is certified, not from what was measured.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.svm import fit_halfspaces, nu_path
from svm.oracles import KINDS, Pieces, kind_of_rows, libsvm_coef, primal_value, quadratic_program

GRID = np.array([0.01, 0.07, 0.25, 0.5, 0.81, 1.0])
TOL = 1e-8
seeds = st.integers(0, 10**6)
any_kind = pytest.mark.parametrize("kind", KINDS)


def solved(rows, nus=GRID, tol=TOL):
    path = nu_path(rows, nus, tol=tol)
    assert set(path.status) == {"converged"}, path.message
    return path


def assert_same(path, other, scale=1.0, gap=TOL):
    np.testing.assert_allclose(other.objective, scale**2 * path.objective, rtol=2.1 * gap)
    difference = np.linalg.norm(other.coef - scale * path.coef, axis=1)
    assert np.all(difference <= 2 * np.sqrt(2.1 * gap) * scale * np.linalg.norm(path.coef, axis=1))


@any_kind
@given(seeds)
@settings(max_examples=3, deadline=None)
def test_the_certificate_holds_by_the_definition(kind, seed):
    rows = kind_of_rows(kind, seed)
    path = solved(rows)
    for nu, coef, offset in zip(GRID, path.coef, path.offset, strict=True):
        bound = max(nu, 1 / len(rows))  # less than one row is one row
        gap = primal_value(rows, bound, coef, offset) + 0.5 * coef @ coef
        assert -1e-12 <= gap / (coef @ coef) <= TOL + 1e-12


@any_kind
@given(seeds)
@settings(max_examples=3, deadline=None)
def test_hulls_are_nested_and_the_order_of_nu_is_nothing(kind, seed):
    rows = kind_of_rows(kind, seed)
    path = solved(rows)
    assert np.all(np.diff(path.objective) >= -2 * TOL * path.objective[1:])
    np.testing.assert_allclose(path.coef[-1], rows.mean(axis=0), rtol=1e-9)
    order = np.random.default_rng(seed).permutation(len(GRID))
    shuffled = solved(rows, GRID[order])
    np.testing.assert_array_equal(shuffled.nus, GRID[order])
    np.testing.assert_allclose(shuffled.objective, path.objective[order], rtol=2.1 * TOL)


@any_kind
@given(seeds)
@settings(max_examples=3, deadline=None)
def test_neither_order_nor_number_of_copies_matters(kind, seed):
    rows, rng = kind_of_rows(kind, seed), np.random.default_rng(seed)
    path = solved(rows, GRID[1:])
    assert_same(path, solved(rows[rng.permutation(len(rows))], GRID[1:]))
    assert_same(path, solved(np.repeat(rows, 3, axis=0), GRID[1:]) if kind != "long" else path)
    assert_same(path, solved(np.tile(rows, (2, 1)), GRID[1:]))


@any_kind
@given(seeds, st.sampled_from([2.0**-20, 0.37, 1000.0]))
@settings(max_examples=3, deadline=None)
def test_scaling_all_rows_scales_the_answer(kind, seed, scale):
    rows = kind_of_rows(kind, seed)
    path, scaled = solved(rows), solved(scale * rows)
    assert_same(path, scaled, scale)


@any_kind
@given(seeds)
@settings(max_examples=3, deadline=None)
def test_turning_all_rows_turns_the_answer(kind, seed):
    rows = kind_of_rows(kind, seed)
    width = rows.shape[1]
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((width, width)))[0]
    path, turned = solved(rows), solved(rows @ turn)
    np.testing.assert_allclose(turned.objective, path.objective, rtol=2.1 * TOL)
    wide = solved(np.hstack([rows, np.zeros((len(rows), 3))]))
    np.testing.assert_allclose(wide.objective, path.objective, rtol=2.1 * TOL)


@any_kind
@given(seeds)
@settings(max_examples=3, deadline=None)
def test_float32_rows_have_the_answer_of_the_same_rows_in_float64(kind, seed):
    rows = kind_of_rows(kind, seed).astype(np.float32)
    narrow, exact = solved(rows, tol=1e-6), solved(rows.astype(np.float64), tol=1e-6)
    assert narrow.coef.dtype == narrow.offset.dtype == np.float64
    assert_same(exact, narrow, gap=1e-6)


@any_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_way_to_give_the_rows_leads_to_one_answer(kind, dtype, tmp_path):
    rows, tol = kind_of_rows(kind, 0).astype(dtype), 1e-6 if dtype == np.float32 else TOL
    np.save(tmp_path / "rows.npy", rows)
    path = solved(rows, tol=tol)
    for same in (
        np.load(tmp_path / "rows.npy", mmap_mode="r"),
        Pieces(rows, [1, len(rows) // 2]),
        np.asfortranarray(rows),
        np.repeat(rows, 2, axis=1)[:, ::2],
    ):
        assert_same(path, solved(same, tol=tol), gap=tol)
    # As one of three clusters whose rows lie mixed: the others are its rows, longer and repeated.
    mixed = np.concatenate([rows, 2 * rows, np.repeat(rows, 2, axis=0)])
    labels = np.repeat([0, 1, 2, 2], len(rows))
    order = np.random.default_rng(0).permutation(len(labels))
    for i in range(1, len(GRID)):
        union = fit_halfspaces(mixed[order], labels=labels[order], nu=GRID[i], tol=tol)
        assert set(union.status) == {"converged"}
        objective = 0.5 * np.einsum("ij,ij->i", union.coef, union.coef)
        np.testing.assert_allclose(objective / path.objective[i], [1, 4, 1], rtol=2.1 * tol)


@any_kind
def test_libsvm_finds_no_better_point(kind):
    rows = kind_of_rows(kind, 5)
    rows /= np.sqrt(np.mean(rows**2) * rows.shape[1])  # libsvm's tolerance is absolute
    path = solved(rows, tol=1e-9)
    for i, nu in enumerate(GRID[:-1]):  # at nu = 1 libsvm finds no offset
        coef, _ = libsvm_coef(rows, nu)
        assert path.objective[i] == pytest.approx(0.5 * coef @ coef, rel=1e-7)


@any_kind
@pytest.mark.parametrize("nu", [0.04, 0.3, 0.77])
def test_a_plain_quadratic_program_finds_no_better_point(kind, nu):
    rows = kind_of_rows(kind, 6)[:25]
    rows /= np.sqrt(np.mean(rows**2) * rows.shape[1])
    path = solved(rows, [nu], tol=1e-9)
    theirs = quadratic_program(rows, nu)
    assert path.objective[0] == pytest.approx(0.5 * theirs @ theirs, rel=1e-5)


@any_kind
@given(seeds, st.floats(0.02, 1))
@settings(max_examples=8, deadline=None)
def test_rows_above_the_threshold_can_go_where_the_mass_stays(kind, seed, nu):
    """Rows without weight: the hull's nearest point does not need them."""
    rows = kind_of_rows(kind, seed)
    path = solved(rows, [nu])
    scores = rows @ path.coef[0]
    kept = rows[scores <= path.offset[0] + 0.05 * abs(path.offset[0])]
    mass = max(nu * len(rows), 1.0)
    if mass <= len(kept):
        fewer = solved(kept, [mass / len(kept)])
        # Of a point this near the best one, rows just above its threshold may carry a little.
        np.testing.assert_allclose(fewer.objective, path.objective, rtol=1e-5)

"""The path agrees with libsvm, with a plain quadratic program and with closed forms."""

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from oneclass.svm import nu_path
from svm.oracles import libsvm_coef, make_rows, primal_value, quadratic_program


@pytest.mark.parametrize("shape", [(60, 5), (40, 90), (300, 20), (25, 1)])
@pytest.mark.parametrize("nu", [0.02, 0.1, 0.5, 0.93])
def test_libsvm_finds_the_same_point_and_offset(shape, nu):
    rows = make_rows(0, *shape)
    path = nu_path(rows, [nu], tol=1e-11)
    coef, offset = libsvm_coef(rows, nu)
    assert path.status == ("converged",)
    np.testing.assert_allclose(path.coef[0], coef, atol=1e-5)
    # Any offset between the last row outside and the first inside is optimal: compare the values.
    ours = primal_value(rows, nu, path.coef[0], path.offset[0])
    assert ours <= primal_value(rows, nu, coef, offset) + 1e-9


@pytest.mark.parametrize("nu", [0.05, 0.3, 0.7])
def test_a_plain_quadratic_program_finds_the_same_point(nu):
    rows = make_rows(3, 40, 4)
    path = nu_path(rows, [nu], tol=1e-10)
    np.testing.assert_allclose(path.coef[0], quadratic_program(rows, nu), atol=1e-5)


def test_at_nu_one_the_point_is_the_mean_row():
    rows = make_rows(1, 500, 30)
    path = nu_path(rows, [1.0])
    np.testing.assert_allclose(path.coef[0], rows.mean(axis=0), rtol=1e-12)
    assert path.dual_gap[0] < 1e-12
    assert path.n_passes == 2


def test_the_gap_is_primal_minus_dual_value_of_what_is_returned():
    rows = make_rows(5, 200, 8)
    path = nu_path(rows, [0.1, 0.4], tol=1e-3)
    for i, nu in enumerate(path.nus):
        coef, offset = path.coef[i], path.offset[i]
        gap = primal_value(rows, nu, coef, offset) + 0.5 * coef @ coef
        assert path.dual_gap[i] == pytest.approx(gap / (coef @ coef), abs=1e-12)
        assert path.objective[i] == pytest.approx(0.5 * coef @ coef)


def test_scale_libsvm_is_nu_l_times_the_papers():
    rows, nu = make_rows(2, 80, 6), 0.25
    mass = nu * len(rows)
    path = nu_path(rows, [nu], tol=1e-10)
    theirs = OneClassSVM(kernel="linear", nu=nu, tol=1e-10).fit(rows)
    assert theirs.dual_coef_.sum() == pytest.approx(mass)
    assert theirs.dual_coef_.max() <= 1 + 1e-12
    np.testing.assert_allclose(theirs.coef_[0], mass * path.coef[0], rtol=1e-4)
    assert theirs.offset_[0] == pytest.approx(mass * path.offset[0], rel=1e-4)
    objective = 0.5 * theirs.coef_[0] @ theirs.coef_[0]
    assert objective / mass**2 == pytest.approx(path.objective[0], rel=1e-6)


def test_the_point_is_feasible_its_weights_can_be_recovered():
    rows, nu = make_rows(4, 12, 40), 0.3
    path = nu_path(rows, [nu], tol=1e-10)
    weights = np.linalg.lstsq(rows.T, path.coef[0], rcond=None)[0]
    np.testing.assert_allclose(weights @ rows, path.coef[0], atol=1e-10)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= -1e-9
    assert weights.max() <= 1 / (nu * len(rows)) + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2000, 400), (6000, 60), (2000, 2500)])
def test_libsvm_agrees_on_thousands_of_rows(shape):
    rows = make_rows(7, *shape, dtype=np.float32)
    path = nu_path(rows, [0.01, 0.3, 0.9])
    exact = rows.astype(np.float64)
    for i, nu in enumerate(path.nus):
        coef, _ = libsvm_coef(exact, nu)
        assert path.objective[i] <= 0.5 * coef @ coef * (1 + 2e-6)
        assert path.dual_gap[i] <= 1e-6

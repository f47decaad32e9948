"""Status, not silence: every way a solve can be special, and every argument that is refused."""

import numpy as np
import pytest
from scipy import sparse

from oneclass.errors import InputError
from oneclass.svm import LinearOneClassSVM, fit_halfspaces, nu_path
from svm.oracles import make_rows


def test_origin_inside_the_hull_is_said_plainly():
    rows = np.random.default_rng(0).standard_normal((200, 3))
    path = nu_path(rows, [0.1, 1.0])
    assert path.status[0] == "origin_inside"
    assert not path.coef[0].any()
    assert path.offset[0] == path.objective[0] == path.dual_gap[0] == 0
    assert "coef = 0" in path.message[0]
    assert "a larger nu helps where their mean is not the origin" in path.message[0]
    assert path.message[0] in path.warnings
    assert path.status[1] != "origin_inside"
    centred = rows - rows.mean(axis=0)
    assert nu_path(centred, [1.0]).status == ("origin_inside",), "no nu helps these"
    assert "Do not centre the rows" in path.message[0]


def test_rows_of_zeros_only_hold_the_origin():
    path = nu_path(np.zeros((4, 2)), [0.5])
    assert path.status == ("origin_inside",)


def test_passes_used_up_returns_the_best_point_with_its_gap():
    rows = make_rows(0, 500, 40)
    path = nu_path(rows, [0.05], max_passes=2)
    assert path.status == ("passes_used_up",)
    assert path.n_passes == 2
    assert path.dual_gap[0] > 1e-6
    assert "max_passes = 2" in path.message[0]
    np.testing.assert_allclose(path.coef[0], rows.mean(axis=0))
    assert nu_path(rows, [0.05], max_passes=5).dual_gap[0] < path.dual_gap[0]


def test_a_tolerance_below_rounding_ends_with_advice():
    path = nu_path(make_rows(0, 300, 30, np.float32), [0.1], tol=1e-15, max_passes=20)
    assert path.status == ("passes_used_up",)
    assert path.dual_gap[0] < 1e-5
    assert "float64" in path.message[0]


def test_identical_rows():
    path = nu_path(np.full((20, 3), 0.5), [0.1, 1.0])
    assert path.status == ("converged", "converged")
    np.testing.assert_allclose(path.coef, 0.5)
    np.testing.assert_allclose(path.offset, 0.75)
    assert "alike" in path.warnings[0]


def test_fewer_rows_than_one_over_nu():
    rows = make_rows(0, 8, 3)
    path = nu_path(rows, [0.01, 1 / 8])
    np.testing.assert_allclose(path.coef[0], path.coef[1], atol=1e-6)
    assert "less than one row" in path.message[0]
    assert "less than one row" not in path.message[1]


def test_a_zero_row_is_used_and_named():
    rows = make_rows(0, 30, 3)
    rows[[7, 9]] = 0
    path = nu_path(rows, [0.5])
    assert "2 of 30 rows are all zeros, first row 7" in path.warnings[0]
    assert path.status == ("converged",)


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.float32, 1e-17), (np.float32, 1e-40), (np.float64, 1e-160)]
)
def test_rows_so_small_that_their_squares_vanish(dtype, scale):
    rows = (make_rows(0, 30, 3) * scale).astype(dtype)
    with pytest.raises(InputError, match=r"squares vanish in float\d\d; expected .*: multiply all"):
        nu_path(rows, [0.5])


def test_small_rows_are_solved_while_their_squares_have_digits():
    rows = make_rows(0, 100, 5, np.float32)
    small, plain = nu_path(rows * np.float32(2**-40), [0.1, 0.5]), nu_path(rows, [0.1, 0.5])
    assert set(small.status) == {"converged"}
    np.testing.assert_allclose(small.coef * 2.0**40, plain.coef, rtol=1e-2)
    np.testing.assert_allclose(small.objective * 2.0**80, plain.objective, rtol=3e-6)


def test_a_row_that_vanishes_beside_the_others_counts_as_zeros():
    rows = make_rows(0, 30, 3, np.float32)
    rows[4] *= np.float32(1e-30)
    assert "1 of 30 rows is all zeros, first row 4, or so small" in nu_path(rows, [0.5]).warnings[0]


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_matrix"])
def test_sparse_rows_are_refused_with_a_way_out(kind):
    rows = getattr(sparse, kind)(make_rows(0))
    for fit in (lambda X: nu_path(X, [0.5]), fit_halfspaces, LinearOneClassSVM().fit):
        with pytest.raises(InputError, match=rf"sparse {kind}.*\(60, 5\).*X\.toarray\(\)"):
            fit(rows)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_a_row_that_is_not_finite_is_named(bad):
    rows = make_rows(0, 30, 3, np.float32)
    rows[13, 1] = bad
    with pytest.raises(InputError, match="row 13 holds"):
        nu_path(rows, [0.5])


@pytest.mark.parametrize("nu", [0, -0.1, 1.0001, np.nan, np.inf])
def test_nu_outside_its_range(nu):
    with pytest.raises(InputError, match=r"nu: .*expected a number in \(0, 1\]"):
        nu_path(make_rows(0), [0.5, nu])


@pytest.mark.parametrize("nus", [[], [[0.5]], 0.5, ["a"], None])
def test_nus_that_are_no_sequence_of_numbers(nus):
    with pytest.raises(InputError, match=r"nus?: "):
        nu_path(make_rows(0), nus)


@pytest.mark.parametrize("tol", [0, -1, np.nan, np.inf])
def test_tolerance_must_be_positive(tol):
    with pytest.raises(InputError, match="tol: "):
        nu_path(make_rows(0), [0.5], tol=tol)


@pytest.mark.parametrize("max_passes", [1, 0, 2.5])
def test_passes_must_suffice_for_a_certificate(max_passes):
    with pytest.raises(InputError, match="max_passes: "):
        nu_path(make_rows(0), [0.5], max_passes=max_passes)


def test_float16_rows_are_multiplied_in_float32():
    rows = make_rows(0, 100, 5, np.float16)
    path = nu_path(rows, [0.3])
    wide = nu_path(rows.astype(np.float32), [0.3])
    assert path.status == ("converged",)
    np.testing.assert_array_equal(path.coef, wide.coef)


def test_whole_numbers_are_multiplied_in_float64():
    rows = np.random.default_rng(0).integers(1, 255, (50, 4), dtype=np.uint8)
    path = nu_path(rows, [0.3], tol=1e-10)
    assert path.status == ("converged",)


def test_one_row():
    path = nu_path([[3.0, 4.0]], [0.5, 1.0])
    np.testing.assert_allclose(path.coef, [[3, 4], [3, 4]])
    np.testing.assert_allclose(path.offset, 25)
    assert "one row" in path.warnings[0]


def test_one_column():
    values = np.arange(1.0, 11.0)[:, None]
    path = nu_path(values, [0.2, 0.25])
    # The two lowest of ten, 1 and 2; then two and a half of them, the last one by half.
    np.testing.assert_allclose(path.coef[:, 0], [1.5, (1 + 2 + 0.5 * 3) / 2.5])


@pytest.mark.parametrize("shape", [(10, 200), (200, 10)])
def test_fewer_and_more_rows_than_columns(shape):
    assert set(nu_path(make_rows(0, *shape), [0.1, 0.6]).status) == {"converged"}

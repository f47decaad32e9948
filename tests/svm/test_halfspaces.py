"""Unions of half-spaces: from one, which is the paper's, to one per row, the nearest neighbour."""

import numpy as np
import pytest

from oneclass.errors import InputError
from oneclass.svm import _clusters, fit_halfspaces, halfspace_scores, nu_path
from svm.oracles import Pieces, make_rows


def bundles(seed=0, n_rows=400, n_columns=12, dtype=np.float64):
    """Unit rows in four directions, with the number of each row's direction."""
    rng = np.random.default_rng(seed)
    names = rng.integers(4, size=n_rows)
    rows = 3 * np.eye(4, n_columns)[names] + 0.2 * rng.random((n_rows, n_columns))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype), names


def test_one_halfspace_is_the_path_at_that_nu():
    rows = make_rows(0, 200, 6)
    union, path = fit_halfspaces(rows, nu=0.2), nu_path(rows, [0.2])
    np.testing.assert_array_equal(union.coef, path.coef)
    np.testing.assert_array_equal(union.offset, path.offset)
    assert union.n_passes == path.n_passes


def test_one_per_row_is_the_nearest_neighbour_by_cosine():
    rows, new = make_rows(0, 50, 6), make_rows(1, 30, 6)
    union = fit_halfspaces(rows, len(rows), nu=0.1)
    decision, winner = halfspace_scores(new, union.coef, union.offset)
    cosine = new @ rows.T
    np.testing.assert_allclose(decision, cosine.max(axis=1) - 1, atol=1e-12)
    np.testing.assert_array_equal(winner, cosine.argmax(axis=1))


@pytest.mark.parametrize("as_pieces", [False, True])
def test_clusters_are_found_and_each_solved_like_its_rows_alone(as_pieces):
    rows, names = bundles()
    source = Pieces(rows, [3, 100, 101]) if as_pieces else rows
    union = fit_halfspaces(source, 4, nu=0.3, tol=1e-10)
    assert set(union.status) == {"converged"}
    assert len({(a, b) for a, b in zip(union.assignment, names, strict=True)}) == 4
    for j in range(4):
        mine = rows[union.assignment == j]
        assert union.n_rows[j] == len(mine)
        alone = nu_path(mine, [0.3], tol=1e-10)
        np.testing.assert_allclose(union.coef[j], alone.coef[0], atol=1e-5)
        assert union.offset[j] == pytest.approx(alone.offset[0], abs=1e-5)


def test_labels_make_one_halfspace_each_in_sorted_order():
    rows, names = bundles()
    words = np.array(["d", "a", "c", "b"])[names]
    union = fit_halfspaces(rows, labels=words, nu=0.5)
    np.testing.assert_array_equal(union.assignment, np.array([3, 0, 2, 1])[names])
    _, winner = halfspace_scores(rows, union.coef, union.offset)
    np.testing.assert_array_equal(winner, union.assignment)


def test_the_seed_decides_and_nothing_else():
    rows, _ = bundles(dtype=np.float32)
    first, second = (fit_halfspaces(rows, 7, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.coef, second.coef)
    np.testing.assert_array_equal(first.assignment, second.assignment)


def test_clustering_a_sample_when_the_rows_exceed_the_budget(monkeypatch):
    rows, names = bundles(n_rows=1000)
    monkeypatch.setattr(_clusters, "_SAMPLE_BYTES", 200 * 12 * 8)
    union = fit_halfspaces(Pieces(rows, [500]), 4, nu=0.3)
    assert len({(a, b) for a, b in zip(union.assignment, names, strict=True)}) == 4
    with pytest.raises(InputError, match=r"n_halfspaces: 300; expected at most 200"):
        fit_halfspaces(rows, 300)


@pytest.mark.parametrize("most_rounds", [1, 2, 50])
def test_rounds_end_with_the_nearest_centre_of_each_row(monkeypatch, most_rounds):
    monkeypatch.setattr(_clusters, "_ROUNDS", most_rounds)
    rows, _ = bundles(n_rows=300)
    unit = rows / np.linalg.norm(rows, axis=1)[:, None]
    centres, labels = _clusters._refine(unit, unit[:9])
    np.testing.assert_array_equal(labels, (unit @ centres.T).argmax(axis=1))
    assert not np.array_equal(centres, unit[:9])


def test_repeated_rows_give_fewer_halfspaces_than_asked_for():
    rows = np.repeat(np.eye(3), 5, axis=0)
    union = fit_halfspaces(rows, 6, nu=0.5)
    assert len(union.coef) == 3
    assert union.n_rows.tolist() == [5, 5, 5]


def test_a_row_that_is_not_finite_is_named_by_clustering_too():
    rows, _ = bundles()
    rows[17, 0] = np.nan
    with pytest.raises(InputError, match="row 17 holds"):
        fit_halfspaces(rows, 4)


def test_zero_rows_join_a_cluster_and_are_reported():
    rows, _ = bundles()
    rows[3] = 0
    assert "first row 3" in fit_halfspaces(rows, 4).warnings[0]


@pytest.mark.parametrize("count", [0, -1, 61, 2.0, True, "3"])
def test_count_outside_its_range(count):
    with pytest.raises(InputError, match="n_halfspaces: "):
        fit_halfspaces(make_rows(0), count)


def test_labels_of_another_length():
    with pytest.raises(InputError, match=r"labels: shape \(59,\) for 60 rows"):
        fit_halfspaces(make_rows(0), labels=np.zeros(59))


@pytest.mark.parametrize("nu", [0, 1.5, "0.5", True, None])
def test_nu_outside_its_range(nu):
    with pytest.raises(InputError, match="nu: "):
        fit_halfspaces(make_rows(0), nu=nu)


def test_scores_are_the_largest_margin_over_any_blocks():
    rows = make_rows(0, 100, 6)
    coef, offset = make_rows(1, 5, 6), np.linspace(0, 1, 5)
    decision, winner = halfspace_scores(Pieces(rows, [10, 20]), coef, offset)
    margins = rows @ coef.T - offset
    np.testing.assert_allclose(decision, margins.max(axis=1), atol=1e-12)
    np.testing.assert_array_equal(winner, margins.argmax(axis=1))


@pytest.mark.parametrize(
    ("coef", "offset"), [((2, 5), (2,)), ((6,), (1,)), ((2, 6), (3,)), ((2, 6), ())]
)
def test_scores_refuse_shapes_that_do_not_fit(coef, offset):
    with pytest.raises(InputError, match="coef, offset: shapes"):
        halfspace_scores(make_rows(0, 4, 6), np.ones(coef), np.ones(offset))

"""Every way to the answer is a way to the same answer, and each is certified."""

import numpy as np
import pytest

from oneclass.svm import fit_halfspaces, nu_path
from oneclass.svm._products import Products
from oneclass.svm._program import Point, into_box
from oneclass.svm.clustered import each
from oneclass.svm.solving import active_set, band, gram, looks, rounds, shrinking, solve
from oneclass.svm.solving.active_set import minimise, ridge_for
from oneclass.svm.solving.band import beyond_bands
from svm.oracles import Pieces, libsvm_coef, make_rows, primal_value

GRID = [0.005, 0.05, 0.3, 0.7, 1.0]


def awkward(kind, n_rows=700, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "spread out":  # nearly half of the rows are free at small nu
        rows = np.maximum(rng.standard_normal((n_rows, 500)), 0)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if kind == "repeated":
        return make_rows(seed, 40, 30)[rng.integers(40, size=n_rows)]
    if kind == "dependent":
        return np.abs(rng.random((n_rows, 7)) @ rng.random((7, 90)))
    if kind == "far":
        rows = rng.random((n_rows, 40))
        rows[: n_rows // 50] += 50
        return rows
    if kind == "columns of any scale":
        return rng.random((n_rows, 40)) * 10.0 ** rng.uniform(-4, 3, 40)
    if kind == "yes and no":  # many rows have the same score, whatever w
        return (rng.random((n_rows, 12)) < 0.5) + 0.0
    if kind == "one of each":
        return np.concatenate([np.eye(9)[rng.integers(9, size=n_rows)] for _ in range(3)], axis=1)
    if kind == "histograms":  # all rows have the same score for the w of all small nu
        return rng.multinomial(12, np.ones(20) / 20, n_rows) / 12
    if kind == "zeros":
        rows = np.maximum(rng.standard_normal((n_rows, 30)), 0)
        rows[: n_rows // 3] = 0
        return rows
    if kind == "heavy tails":
        return np.abs(rng.standard_t(2, (n_rows, 30)))
    return make_rows(seed, n_rows, 25)


KINDS = [
    "spread out",
    "repeated",
    "dependent",
    "far",
    "columns of any scale",
    "heavy tails",
    "yes and no",
    "one of each",
    "histograms",
    "mild",
]


WAYS = ["gram", "rows", "rows, few", "passes", "stream"]


def by(way, rows, monkeypatch, tol, nus=GRID):
    with monkeypatch.context() as patch:
        if way in ("passes", "stream"):
            patch.setattr(solve, "_GRAM_BYTES", 0)
        if way.startswith("rows"):
            patch.setattr(gram, "WIDE_WORK", 0)
            patch.setattr(gram, "_FEWEST", 0)
            patch.setattr(shrinking, "_NEAREST", 3 if way == "rows, few" else 48)
        if way == "stream":
            patch.setattr("oneclass.svm.solving.scores._KEEP_BYTES", 0)
            rows = Pieces(rows, [1, 99, 400])
        path = nu_path(rows, nus, tol=tol)
    assert path.way == ("passes" if way in ("passes", "stream") else "gram")
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrix_band_and_stream_agree(kind, dtype, monkeypatch):
    rows, tol = awkward(kind).astype(dtype), 1e-6 if dtype == np.float32 else 1e-8
    paths = [by(way, rows, monkeypatch, tol) for way in WAYS]
    for path in paths:
        assert set(path.status) == {"converged"}
        assert path.dual_gap.max() <= tol
        np.testing.assert_allclose(path.objective, paths[0].objective, rtol=2.1 * tol)
    np.testing.assert_array_equal(paths[3].coef, paths[4].coef)


@pytest.mark.parametrize("kind", ["spread out", "far", "mild"])
def test_libsvm_agrees_to_one_part_in_a_billion(kind):
    rows = awkward(kind, 300)
    path = nu_path(rows, GRID, tol=1e-10)
    for nu, objective in zip(GRID[1:-1], path.objective[1:-1], strict=True):
        coef, _ = libsvm_coef(rows, nu)
        assert objective == pytest.approx(0.5 * coef @ coef, rel=1e-9)


@pytest.mark.parametrize("fitting", [1, 120, 10**6])
def test_clusters_brought_together_or_read_alone_agree(fitting, monkeypatch):
    rows = awkward("mild").astype(np.float32)
    labels = np.random.default_rng(0).permutation(np.arange(700) % 6)
    labels[labels == 5] = 4  # one twice as large
    labels[0] = 5  # one of one row
    expected = fit_halfspaces(rows, labels=labels, nu=0.2)
    monkeypatch.setattr(each, "_TOGETHER_BYTES", fitting * 25 * 4)
    found = fit_halfspaces(Pieces(rows, [10]), labels=labels, nu=0.2)
    assert set(found.status) == {"converged"}
    np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=1e-4)
    for j in range(6):
        alone = nu_path(rows[labels == j], [0.2])
        assert 0.5 * found.coef[j] @ found.coef[j] == pytest.approx(alone.objective[0], rel=3e-6)


def test_a_band_takes_no_more_memory_than_it_may(monkeypatch):
    rows = awkward("spread out").astype(np.float32)
    monkeypatch.setattr(solve, "_GRAM_BYTES", 0)
    monkeypatch.setattr(rounds, "_ALL_BANDS_BYTES", 40 * len(GRID) * 500 * 4)
    path = nu_path(rows, GRID, tol=1e-4)
    assert set(path.status) == {"converged"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_zeros_that_can_carry_all_weight_leave_nothing(dtype, monkeypatch):
    rows = awkward("zeros").astype(dtype)
    expected = ["origin_inside", "origin_inside", "origin_inside", "converged", "converged"]
    paths = [by(way, rows, monkeypatch, 1e-6) for way in WAYS]
    for path in paths:
        assert list(path.status) == expected
        np.testing.assert_allclose(path.objective, paths[0].objective, rtol=4e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_settles_a_program_ends_at_the_same_point(kind, monkeypatch):
    rows = awkward(kind, 120)
    gram = rows @ rows.T
    products = Products.of(gram, rows) if rows.shape[1] > 30 else Products.of_rows(rows)
    ridge, start, mass = ridge_for(products, exact=True), np.full(120, 0.2), 24.0

    def solve():
        weights = start
        for _ in range(3):
            face = minimise(products, gram @ weights, weights, mass, 0, ridge, np.ones(120))
            assert face.settled
            weights = into_box(face.weights, mass, np.ones(120))
        return weights @ gram @ weights

    expected = solve()
    with monkeypatch.context() as patch:  # the smoothed program's guess, instead of exchanges
        patch.setattr(active_set, "_PATIENCE", 1)
        assert solve() == pytest.approx(expected, rel=1e-9)
    monkeypatch.setattr(active_set, "_ROUNDS", 1)  # and descent, where no guess is good
    off = np.full(120, 0.2)
    monkeypatch.setattr(active_set, "smoothed", lambda *_: (Point(off, gram @ off, 0.0), 1.0))
    monkeypatch.setattr(active_set, "sharpened", lambda program, here, *_: here)
    assert solve() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["dependent", "patches"])
def test_rows_of_low_rank_take_few_linear_systems(kind, monkeypatch):
    rng = np.random.default_rng(0)
    if kind == "dependent":
        rows = np.abs(rng.standard_normal((3000, 20)) @ rng.standard_normal((20, 200)))
    else:  # few ways to vary, and noise that makes every row its own
        rows = np.maximum(rng.standard_normal((3000, 12)) @ rng.standard_normal((12, 150)), 0)
        rows += 0.02 * rng.random(rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    systems = []
    solve_system = np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve", lambda a, b: systems.append(1) or solve_system(a, b))
    path = nu_path(rows.astype(np.float32), np.linspace(0.01, 0.99, 21))
    assert set(path.status) == {"converged"}
    assert len(systems) < 2500


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["one of each", "yes and no", "histograms"])
def test_hundreds_of_tied_rows_are_solved_without_moving_them_one_by_one(kind, dtype, monkeypatch):
    rows = awkward(kind, 1200).astype(dtype)
    monkeypatch.setattr(active_set, "_descend", None)
    nus, tol = [0.03, 0.3, 0.6, 0.93], 1e-6 if dtype == np.float32 else 1e-8
    for way in WAYS:
        path = by(way, rows, monkeypatch, tol, nus)
        assert set(path.status) == {"converged"}
        for nu, coef, offset in zip(nus, path.coef, path.offset, strict=True):
            gap = primal_value(rows.astype(np.float64), nu, coef, offset) + 0.5 * coef @ coef
            assert gap <= 2.1 * tol * (coef @ coef)


def test_bands_are_not_for_more_ties_than_they_can_hold():
    assert beyond_bands(10_000, 64, 700, 0.28)
    assert not beyond_bands(10_000, 200, 16, 0.006)
    assert not beyond_bands(30_000, 152, 10, 0.004)


def test_tied_rows_are_taken_all_at_once_where_they_fit_and_else_by_passes(monkeypatch):
    rows = awkward("histograms", 1200)
    monkeypatch.setattr(solve, "_FEW_ROWS", 0)
    monkeypatch.setattr(band, "WIDEST", 100)
    at_once = nu_path(rows, GRID)
    monkeypatch.setattr(solve, "_GRAM_BYTES", 8 * 4 * rows.size - 1)
    by_passes = nu_path(rows, GRID)
    assert (at_once.way, by_passes.way) == ("gram", "passes")
    assert set(at_once.status) == set(by_passes.status) == {"converged"}
    np.testing.assert_allclose(at_once.objective, by_passes.objective, rtol=2.1e-6)


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "way"),
    [(5000, 30, "gram"), (20_000, 3, "gram"), (13_000, 90, "passes")],
)
def test_few_rows_are_taken_all_at_once(n_rows, n_columns, way):
    rows = np.random.default_rng(0).random((n_rows, n_columns)) + 0.2
    assert nu_path(rows, [0.1, 0.5]).way == way


def test_a_band_is_never_so_wide_that_its_matrix_fills_the_memory(monkeypatch):
    rows = awkward("spread out", 900)
    widths = []
    monkeypatch.setattr(solve, "_GRAM_BYTES", 0)
    monkeypatch.setattr(rounds, "WIDEST", 100)
    cut = looks.cut_scores
    monkeypatch.setattr(looks, "cut_scores", lambda *a: widths.append(a[2]) or cut(*a))
    path = nu_path(rows, GRID, tol=1e-3)
    assert max(widths) == 100
    assert set(path.status) == {"converged"}


def test_a_leap_by_a_sample_comes_near_and_bands_end_at_the_same_point(monkeypatch):
    rng = np.random.default_rng(0)
    rows = np.maximum(rng.standard_normal((20_000, 12)) @ rng.standard_normal((12, 60)), 0)
    rows += 0.05 * rng.random(rows.shape)
    plain = nu_path(rows, [0.2])
    monkeypatch.setattr(solve, "_SAMPLE_ROWS", 200)
    monkeypatch.setattr(solve, "_GRAM_BYTES", 0)
    monkeypatch.setattr(solve, "_HELD_BYTES", 0)
    monkeypatch.setattr(rounds, "WIDEST", 600)
    away, take = [], rounds.leap

    def leap(hull, cut, gathered):
        before = np.linalg.norm(hull.coef - plain.coef[0])
        take(hull, cut, gathered)
        away.append(np.linalg.norm(hull.coef - plain.coef[0]) / before)

    monkeypatch.setattr(rounds, "leap", leap)
    leapt = nu_path(rows, [0.2])
    assert away
    assert away[0] < 0.3
    assert leapt.status == ("converged",)
    np.testing.assert_allclose(leapt.coef, plain.coef, atol=2e-3 * np.abs(plain.coef).max())


def test_rows_tied_for_several_nu_are_solved_once():
    z = np.random.default_rng(0).standard_normal((600, 60)) * 2
    rows = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)  # all score the same where w is even
    path = nu_path(rows, [0.01, 0.05, 0.1, 0.3, 0.5])
    assert set(path.status) == {"converged"}
    assert path.dual_gap.max() <= 1e-6
    apart = [nu_path(rows, [nu], tol=1e-8).objective[0] for nu in (0.01, 0.1, 0.5)]
    np.testing.assert_allclose(path.objective[[0, 2, 4]], apart, rtol=2e-6)

"""The small programs inside: the band's, the atoms', and the cut through the scores."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.svm._products import Products
from oneclass.svm._program import Point, Program, into_box, lowest_first
from oneclass.svm.solving.active_set import minimise, ridge_for
from oneclass.svm.solving.minnorm import nearest_weights
from oneclass.svm.solving.scores import ScoreTable, cut_scores
from oneclass.svm.solving.smoothing import newton, smoothed

seeds = st.integers(0, 10**6)


@given(seeds, st.integers(1, 12), st.sampled_from([1, 3, 20]))
@settings(max_examples=60, deadline=None)
def test_nearest_weights_are_optimal(seed, n_points, n_columns):
    points = np.random.default_rng(seed).standard_normal((n_points, n_columns)) + 0.5
    start = np.zeros(n_points)
    start[0] = 1
    weights = nearest_weights(points @ points.T, start)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    nearest = weights @ points
    assert (points @ nearest).min() >= nearest @ nearest - 1e-9


def test_nearest_weights_of_repeated_and_zero_points():
    same = np.ones((4, 4))
    np.testing.assert_allclose(nearest_weights(same, np.array([1.0, 0, 0, 0])).sum(), 1)
    zeros = np.zeros((2, 2))
    np.testing.assert_array_equal(nearest_weights(zeros, np.array([1.0, 0])), [1, 0])


def program(seed, n_rows, n_columns, kind):
    """Rows, their scalar products and a linear term; some rows repeat or depend on others."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, n_columns)) + 0.5
    if kind == "repeated":
        rows = rows[rng.integers(3, size=n_rows) % n_rows]
    if kind == "zeros":
        rows[: n_rows // 2] = 0
    if kind == "scales":
        rows *= 10.0 ** rng.uniform(-3, 3, (n_rows, 1))
    return rows @ rows.T, rows @ rng.standard_normal(n_columns)


def bounds_of(seed, n_rows, largest):
    return np.random.default_rng(seed).integers(1, largest + 1, n_rows).astype(float)


@given(
    seeds,
    st.floats(0.01, 1),
    st.sampled_from([(1, 2), (2, 2), (20, 6), (20, 40), (60, 3)]),
    st.sampled_from(["plain", "repeated", "zeros", "scales"]),
    st.integers(0, 80),
    st.sampled_from([1, 3, 40]),
)
@settings(max_examples=250, deadline=None)
def test_the_programs_minimiser_is_feasible_and_no_exchange_of_weight_lowers_it(
    seed, share, shape, kind, n_free, largest
):
    gram, linear = program(seed, *shape, kind)
    bounds = bounds_of(seed, shape[0], largest)
    mass = share * bounds.sum()
    products = Products(np.diagonal(gram), gram, None)
    ridge = ridge_for(products, exact=True)
    weights = lowest_first(linear, mass, bounds)
    for _ in range(3):
        face = minimise(products, linear + gram @ weights, weights, mass, n_free, ridge, bounds)
        assert face.settled
        weights = into_box(face.weights, mass, bounds)
    assert weights.min() >= 0
    assert (weights <= bounds).all()
    assert weights.sum() == pytest.approx(mass)
    # The gap: what the best move of weight along the gradient could still gain.
    scores = linear + gram @ weights
    gap = scores @ (weights - lowest_first(scores, mass, bounds))
    assert gap <= 3e-8 * (np.abs(scores).max() * mass + np.abs(gram).max() * 0.1)


@given(
    seeds,
    st.floats(0.02, 0.98),
    st.sampled_from([(30, 6), (80, 12), (80, 120), (200, 5)]),
    st.integers(8, 100),
    st.sampled_from([1, 5]),
)
@settings(max_examples=100, deadline=None)
def test_newtons_method_ends_at_the_smoothed_programs_minimiser(seed, share, shape, count, largest):
    gram, linear = program(seed, *shape, "plain")
    bounds = bounds_of(seed, shape[0], largest)
    mass = share * bounds.sum()
    products, nothing = Products(np.diagonal(gram), gram, None), np.zeros(shape[0])
    near = linear + gram @ np.random.default_rng(seed).random(shape[0])
    start = lowest_first(near, mass, bounds)
    scores = linear + gram @ start
    ordered = np.sort(scores)
    width = float(ordered[min(count, len(scores)) - 1] - ordered[0])
    smooth = Program(products, bounds, mass, nothing, 1 / bounds, width)
    here = newton(smooth, Point(start, scores, float(ordered[-1])), shape[0])
    smooth = replace(smooth, width=width / 6)
    found = newton(smooth, here, shape[0])
    weights = smooth.inside(found)  # the optimality conditions, and nothing else
    assert weights.sum() == pytest.approx(mass, rel=1e-7)
    scale = np.abs(linear).max() + np.abs(gram).max() * mass
    np.testing.assert_allclose(found.scores, linear + gram @ weights, atol=1e-8 * scale)


@pytest.mark.parametrize("mass", [5.0, 20.0, 60.0])
def test_r_shrinks_where_all_rows_are_between_the_bounds_at_first(mass):
    rows, ones = np.random.default_rng(0).random((120, 8)) + 0.5, np.ones(120)
    products, start = Products.of_rows(rows), (np.arange(120) < 100) + 0.0
    scores = rows @ (start @ rows)
    near, width = smoothed(products, scores, start, mass, 120, 1e-8, ones, 1e-9)
    assert Program(products, ones, mass, np.zeros(120), ones, width).gap(near) <= 1e-4


@pytest.mark.parametrize("mass", [300.0, 500.0])
def test_rows_tied_at_the_threshold_are_guessed_free_and_take_one_system(mass, monkeypatch):
    aside = np.random.default_rng(0).standard_normal((300, 6))
    tied = np.column_stack([np.ones(600), np.concatenate([aside, -aside])])
    rows = np.concatenate([tied, np.full((50, 1), 2.0) * np.eye(7)[0]])
    products, ones, systems = Products.of_rows(rows), np.ones(650), []
    solved = Program.solved
    monkeypatch.setattr(Program, "solved", lambda *given: systems.append(1) or solved(*given))
    ridge = ridge_for(products, exact=True)
    face = minimise(products, rows @ rows.sum(0), ones, mass, 200, ridge, ones)
    assert face.settled
    assert face.n_free == 600
    assert len(systems) == 1


@given(seeds, st.floats(0.05, 0.95), st.sampled_from([(12, 4), (40, 60)]), st.floats(-3, 3))
@settings(max_examples=50, deadline=None)
def test_the_gap_is_never_less_than_what_the_best_move_gains(seed, share, shape, shift):
    gram, linear = program(seed, *shape, "plain")
    bounds = bounds_of(seed, shape[0], 3)
    mass = share * bounds.sum()
    weights = into_box(np.random.default_rng(seed).random(shape[0]), mass, bounds)
    scores = linear + gram @ weights
    gains = scores @ (weights - lowest_first(scores, mass, bounds))
    smooth = Program(Products(np.diagonal(gram), gram, None), bounds, mass, weights, 1 / bounds)
    rho = float(np.median(scores)) + shift
    found = smooth.gap(Point(weights, scores, rho)) * abs(rho) * mass
    assert found >= gains - 1e-9 * np.abs(scores).max() * mass
    order = np.argsort(scores)
    split = order[np.searchsorted(np.cumsum(bounds[order]), mass)]
    best = float(scores[split])  # there, the bound is what the move gains
    found = smooth.gap(Point(weights, scores, best)) * abs(best) * mass
    assert found == pytest.approx(gains, rel=1e-7, abs=1e-9 * np.abs(scores).max() * mass)


@given(seeds, st.floats(0.05, 0.95), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_into_box_makes_any_weights_feasible(seed, share, n):
    weights = np.random.default_rng(seed).normal(0.5, 1, n)
    bounds = bounds_of(seed, n, 3)
    mass = share * bounds.sum()
    inside = into_box(weights, mass, bounds)
    assert inside.min() >= 0
    assert (inside <= bounds + 1e-12).all()
    assert inside.sum() == pytest.approx(mass)
    np.testing.assert_array_equal(lowest_first(weights, float(bounds.sum()), bounds), bounds)


def brute_force_cut(scores, mass, width):
    order = np.argsort(scores, kind="stable")
    full = int(mass)
    lowest = (
        scores[order[:full]].sum() + (mass - full) * scores[order[min(full, len(order) - 1)]]
    ) / mass
    low = max(min(full - width // 2, len(scores) - width), 0)
    return lowest, set(order[:low]), set(order[low : low + width])


@given(
    seeds, st.integers(1, 40), st.floats(0.01, 1), st.sampled_from([1, 2, 8, 100]), st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_the_cut_is_the_one_of_a_full_sort_ties_included(seed, n_rows, nu, width, tied):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, n_rows).astype(float) if tied else rng.random(n_rows)
    mass = max(nu * n_rows, 1.0)
    cut = cut_scores(scores, mass, width, 0)
    lowest, below, band = brute_force_cut(scores, mass, width)
    assert cut.lowest == pytest.approx(lowest)
    assert set(cut.band) == band
    assert set(np.flatnonzero(cut.fixes(scores, 0))) == below
    half = n_rows // 2
    in_two = np.r_[cut.fixes(scores[:half], 0), cut.fixes(scores[half:], half)]
    np.testing.assert_array_equal(in_two, cut.fixes(scores, 0))
    assert np.count_nonzero(scores < cut.threshold) <= mass
    assert np.count_nonzero(scores <= cut.threshold) >= mass - 1e-9


@pytest.mark.parametrize("keep", [0, 1 << 20])
def test_the_table_keeps_scores_in_memory_or_in_a_file(keep, monkeypatch):
    monkeypatch.setattr("oneclass.svm.solving.scores._KEEP_BYTES", keep)
    values = np.random.default_rng(0).random((3, 50)).astype(np.float32)
    with ScoreTable(3, 50, values.dtype, in_memory=False) as table:
        table.write(0, values[:, :20])
        table.write(20, values[:, 20:])
        np.testing.assert_array_equal(table.column(1), values[1])
        np.testing.assert_array_equal(table.read(2, 15, 30), values[2, 15:30])

"""Programs over the rows near a threshold alone, and products that are made for these."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.svm._products import Products
from oneclass.svm._program import into_box, lowest_first, lowest_value
from oneclass.svm._row_products import RowProducts
from oneclass.svm.solving import shrinking
from oneclass.svm.solving.active_set import minimise, ridge_for
from oneclass.svm.solving.shrinking import Shrinking

seeds = st.integers(0, 10_000)


def drawn(seed, n_rows, n_columns, kind):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, n_columns)) + 0.4
    if kind == "clusters":
        rows = (rng.random((5, n_columns)) + 0.1)[rng.integers(5, size=n_rows)] + 0.05 * rows
    if kind == "scales":
        rows *= 10.0 ** rng.uniform(-1.5, 1.5, (n_rows, 1))
    if kind == "tied":
        rows = (rows > 0.4) + 0.0
        rows[:, 0] = 1
    return rows


@given(
    seeds,
    st.sampled_from([(400, 5), (300, 40), (200, 300)]),
    st.sampled_from(["plain", "clusters", "scales", "tied"]),
    st.sampled_from([1, 4]),
    st.sampled_from(["matrix", "rows", "float32"]),
)
@settings(max_examples=80, deadline=None)
def test_the_rows_near_the_threshold_give_the_minimum_over_all(seed, shape, kind, largest, how):
    rows = drawn(seed, *shape, kind)
    if how == "float32":
        rows = rows.astype(np.float32)
    exact = rows.astype(np.float64)
    gram = exact @ exact.T
    bounds = np.random.default_rng(seed).integers(1, largest + 1, len(rows)).astype(float)
    whole = Products.of(gram, None)
    products = whole if how == "matrix" else RowProducts(rows)
    near = Shrinking(products, ridge_for(products, exact=True), bounds, reach=2)
    weights, scores, n_free = bounds, gram @ bounds, 2
    for share in (0.9, 0.8, 0.3, 0.05):
        mass = share * bounds.sum()
        expected: int | None = n_free
        for _ in range(6):  # with exact scores again: that takes the ridge away, and roundings
            face = near.minimise(scores, weights, mass, expected, 1e-8)
            weights = into_box(face.weights, mass, bounds)
            scores, expected = gram @ weights, None
            square = weights @ scores
            loose = square - scores @ lowest_first(scores, mass, bounds)
        n_free = face.n_free
        # Where the origin is inside, the square is 0 but for roundings of the largest products.
        assert loose <= 1e-6 * abs(square) + 1e-8 * np.abs(gram).max()


@given(seeds, st.sampled_from(["plain", "clusters", "tied"]), st.sampled_from([1, 4]))
@settings(max_examples=40, deadline=None)
def test_steps_to_a_nu_far_away_stay_within_the_hull_and_make_w_shorter(seed, kind, largest):
    rows = drawn(seed, 200, 20, kind)
    gram = rows @ rows.T
    bounds = np.random.default_rng(seed).integers(1, largest + 1, len(rows)).astype(float)
    products = RowProducts(rows)
    near = Shrinking(products, ridge_for(products, exact=True), bounds)
    mass = 0.1 * bounds.sum()
    scores, weights = near._nearer(gram @ bounds, bounds, mass, 1e-8)
    assert weights.sum() == pytest.approx(mass)
    assert weights.min() >= 0
    assert (weights <= bounds + 1e-12).all()
    np.testing.assert_allclose(scores, gram @ weights, rtol=1e-9, atol=1e-9 * np.abs(gram).max())
    begun = 0.01 * bounds @ gram @ bounds
    face = near.minimise(gram @ bounds, bounds, mass, 10, 1e-8)
    least = face.weights @ gram @ face.weights
    # Most of the way to the minimum: ranks there are those that count.
    assert weights @ scores - least <= 0.3 * (begun - least) + 1e-9 * begun


def test_rows_on_the_wrong_side_join_in_however_few_are_taken_at_first(monkeypatch):
    monkeypatch.setattr(shrinking, "_NEAREST", 1)
    monkeypatch.setattr(shrinking, "_FEW", 1.0)
    rows = drawn(0, 400, 5, "clusters")
    gram, ones = rows @ rows.T, np.ones(400)
    products = RowProducts(rows)
    ridge = ridge_for(products, exact=True)
    found = Shrinking(products, ridge, ones, reach=1).minimise(gram @ ones, ones, 80.0, 2, 1e-8)
    matrix = Products.of(gram, None)
    over_all = minimise(matrix, gram @ ones, ones, 80.0, 2, ridge_for(matrix, exact=True), ones)
    expected = over_all.weights @ gram @ over_all.weights
    assert found.weights @ gram @ found.weights == pytest.approx(expected, rel=1e-7)


@given(seeds, st.sampled_from([(60, 7), (60, 90)]), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=40, deadline=None)
def test_products_made_one_after_the_other_are_those_of_all(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    rows = drawn(seed, *shape, "plain").astype(dtype)
    exact = rows.astype(np.float64)
    gram, products = exact @ exact.T, RowProducts(rows)
    order, weights = rng.permutation(60), rng.random(60)
    for count in (9, 20, 31):
        part, seen = products.part(order[:count], np.zeros(60), np.zeros(60), weights)
        ids = order[:count]
        matrix = part.rows @ part.rows.T if part.matrix is None else part.matrix
        np.testing.assert_allclose(matrix, gram[np.ix_(ids, ids)], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(seen, (gram @ weights)[ids], rtol=1e-10)
        weights = np.where(rng.random(60) < 0.3, rng.random(60), weights)
    np.testing.assert_allclose(products.exactly(weights), gram @ weights, rtol=1e-10)
    blurred = products.moved(np.zeros(60), np.zeros(60), weights)
    slack = (1e-5 if dtype == np.float32 else 1e-12) * (np.abs(gram) @ weights)  # scores cancel
    assert (np.abs(blurred - gram @ weights) <= slack).all()
    whole, _ = products.whole()
    np.testing.assert_allclose(whole.squares, np.diagonal(gram), rtol=1e-5)


@given(seeds, st.floats(0.01, 1), st.sampled_from([1, 5]))
@settings(max_examples=40, deadline=None)
def test_the_lowest_value_is_that_of_the_lowest_vertex(seed, share, largest):
    rng = np.random.default_rng(seed)
    scores, bounds = rng.integers(0, 9, 50) / 2, rng.integers(1, largest + 1, 50).astype(float)
    mass = share * bounds.sum()
    vertex = lowest_first(scores, mass, bounds)
    assert lowest_value(scores, mass, bounds) == pytest.approx(scores @ vertex, abs=1e-9)

"""Scalar products, by the matrix and by the rows: the same answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.svm._normal import NormalEquations
from oneclass.svm._products import Products, many

SHAPES = [(30, 4), (60, 7), (200, 3), (25, 20)]


def drawn(seed, shape, rank):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))


@given(st.integers(0, 10_000), st.sampled_from(SHAPES), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_scores_move_alike(seed, shape, rank):
    rows = drawn(seed, shape, rank)
    rng = np.random.default_rng(seed)
    now, goal = rng.random(shape[0]), rng.random(shape[0])
    still = rng.random(shape[0]) < rng.random()
    goal[still] = now[still]
    gram = rows @ rows.T
    for products in (Products.of(gram, rows), Products.of_rows(rows)):
        found = products.moved(gram @ now, now, goal)
        np.testing.assert_allclose(found, gram @ goal, atol=1e-10 * (1 + np.abs(gram).sum()))
        some = np.flatnonzero(~still)
        some_found = products.at(some, gram @ now, now, goal)
        np.testing.assert_allclose(some_found, found[some], atol=1e-10 * (1 + np.abs(gram).sum()))
        np.testing.assert_allclose(products.squares, np.diagonal(gram))


@given(
    st.integers(0, 10_000),
    st.sampled_from(SHAPES),
    st.integers(1, 4),
    st.sampled_from([1e-8, 1e-4, 1.0]),
    st.floats(0.05, 1),
)
@settings(max_examples=100, deadline=None)
def test_one_score_for_all_rows_and_the_mass_that_was_missing(seed, shape, rank, ridge, share):
    rows = drawn(seed, shape, rank)
    rng = np.random.default_rng(seed)
    ids = np.flatnonzero(rng.random(shape[0]) < share)
    if not len(ids):
        return
    ridges = ridge * (0.5 + rng.random(len(rows))) * float(np.mean(rows**2)) * shape[1]
    width = float(10.0 ** rng.uniform(0, 2))
    pull, missing = rng.standard_normal(len(ids)), float(rng.standard_normal())
    gram = rows @ rows.T
    for products in (Products.of(gram, rows), Products.of_rows(rows)):
        step, rho = products.to_one_score(ids, ridges, width, pull, missing)
        assert step.sum() == pytest.approx(missing, rel=1e-6, abs=1e-6 * np.abs(step).sum())
        left = pull + gram[np.ix_(ids, ids)] @ step + width * ridges[ids] * step - rho
        assert np.abs(left).max() <= 1e-9 * (1 + abs(rho) + np.abs(gram).max() * np.abs(step).sum())


@given(st.integers(0, 10_000), st.sampled_from(["plain", "ones", "scales", "dependent"]))
@settings(max_examples=40, deadline=None)
def test_normal_equations_of_rows_that_come_and_go_are_solved_far_below_any_tolerance(seed, kind):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((200, 9))
    if kind == "ones":
        rows = np.eye(9)[rng.integers(9, size=200)] + np.eye(9)[rng.integers(3, size=200)]
    if kind == "scales":
        rows *= 10.0 ** rng.uniform(-3, 3, 9)
    if kind == "dependent":
        rows[:, 4:] = rows[:, :5] @ rng.standard_normal((5, 5))
    squares = np.einsum("ij,ij->i", rows, rows)
    ridge = 1e-8 * (squares + squares.mean())
    normal = NormalEquations(rows)
    chosen = rng.random(200) < 0.5
    for turn in range(80):  # more than are mended before the sum is made anew
        ids, width = np.flatnonzero(chosen), float(10.0 ** rng.integers(0, 6))
        pull = rows[ids] @ rng.standard_normal(9)
        sides = np.stack([pull - pull.mean(), np.ones(len(ids))])
        found = normal.solve(ids, ridge, width, sides)
        left = sides - width * ridge[ids] * found - found @ rows[ids] @ rows[ids].T
        size = np.abs(found) @ np.abs(rows[ids]) @ np.abs(rows[ids]).T
        assert np.abs(left).max() <= 2e-11 * (np.abs(sides).max() + size.max())
        chosen ^= rng.random(200) < (0.03 if turn % 9 else 0.6)


def test_the_matrix_is_left_out_where_there_are_many_more_rows_than_columns():
    assert many(3000, 300)
    assert not many(300, 300)
    assert not many(300, 31_360)

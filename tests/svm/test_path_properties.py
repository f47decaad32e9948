"""What must hold for any rows: hypothesis looks for the ones where it does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.svm import nu_path
from oneclass.svm.solving import solve
from svm.oracles import Pieces, make_rows

GRID = [0.05, 0.2, 0.5, 0.8, 1.0]
seeds = st.integers(0, 10**6)
shapes = st.sampled_from([(1, 3), (7, 1), (30, 4), (25, 60), (150, 10)])


def relative(coef, other):
    return np.linalg.norm(coef - other) / np.linalg.norm(coef)


@given(seeds, shapes)
@settings(max_examples=40, deadline=None)
def test_certificate_and_fractions(seed, shape):
    rows = make_rows(seed, *shape)
    path = nu_path(rows, GRID)
    assert set(path.status) == {"converged"}
    assert np.all((path.dual_gap >= 0) & (path.dual_gap <= 1e-6))
    assert np.all(path.margin_error_fraction <= path.nus + 1e-12)
    assert np.all(path.support_fraction >= path.nus - 1e-12)
    assert np.all(np.diff(path.objective) >= -1e-6 * path.objective[1:])


@given(seeds, st.data())
@settings(max_examples=25, deadline=None)
def test_splitting_into_blocks_changes_nothing(seed, data):
    rows = make_rows(seed, 120, 6)
    cuts = data.draw(st.lists(st.integers(0, 120), max_size=8))
    whole, cut = nu_path(rows, GRID), nu_path(Pieces(rows, cuts), GRID)
    np.testing.assert_allclose(cut.coef, whole.coef, rtol=0, atol=1e-9)
    np.testing.assert_allclose(cut.offset, whole.offset, rtol=0, atol=1e-9)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_permuting_repeating_and_rescaling_rows(seed):
    rows = make_rows(seed, 50, 5)
    path = nu_path(rows, GRID, tol=1e-10)
    rng = np.random.default_rng(seed)
    shuffled = nu_path(rows[rng.permutation(50)], GRID, tol=1e-10)
    twice = nu_path(np.repeat(rows, 2, axis=0), GRID, tol=1e-10)
    larger = nu_path(8.0 * rows, GRID, tol=1e-10)
    for i in range(len(GRID)):
        assert relative(path.coef[i], shuffled.coef[i]) < 1e-4
        assert relative(path.coef[i], twice.coef[i]) < 1e-4
        assert relative(8 * path.coef[i], larger.coef[i]) < 1e-4
    np.testing.assert_allclose(shuffled.objective, path.objective, rtol=1e-9)
    np.testing.assert_allclose(twice.objective, path.objective, rtol=1e-9)
    np.testing.assert_allclose(larger.objective, 64 * path.objective, rtol=1e-9)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_a_path_equals_separate_solves(seed):
    rows = make_rows(seed, 90, 12)
    path = nu_path(rows, GRID, tol=1e-11)
    for i, nu in enumerate(GRID):
        alone = nu_path(rows, [nu], tol=1e-11)
        assert relative(path.coef[i], alone.coef[0]) < 1e-5


def test_threads_one_and_two_agree():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    rows = make_rows(0, 3000, 40, np.float32)
    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            found.append(nu_path(rows, GRID, tol=1e-5))
    np.testing.assert_allclose(found[0].objective, found[1].objective, rtol=2e-5)
    for i in range(len(GRID)):
        assert relative(found[0].coef[i], found[1].coef[i]) < 1e-2


def test_float32_rows_reach_the_default_tolerance_and_come_back_as_float64():
    rows = make_rows(1, 2000, 50, np.float32)
    path = nu_path(rows, GRID)
    assert set(path.status) == {"converged"}
    assert path.coef.dtype == path.offset.dtype == np.float64
    exact = nu_path(rows.astype(np.float64), GRID)
    np.testing.assert_allclose(path.objective, exact.objective, rtol=3e-6)


def test_same_answer_every_time():
    rows = make_rows(9, 400, 20, np.float32)
    first, second = nu_path(rows, GRID), nu_path(rows, GRID)
    np.testing.assert_array_equal(first.coef, second.coef)
    assert first.n_passes == second.n_passes


def test_small_budgets_take_the_same_way_as_big_data(monkeypatch):
    """With tiny budgets a few thousand rows go through sample, wide bands and the score file."""
    rows = make_rows(2, 8000, 8, np.float32)
    plain = nu_path(rows, GRID, tol=1e-5)
    monkeypatch.setattr(solve, "_GRAM_BYTES", 0)
    monkeypatch.setattr(solve, "_SAMPLE_BYTES", 500 * 8 * 4)
    monkeypatch.setattr("oneclass.svm.solving.scores._KEEP_BYTES", 0)
    monkeypatch.setattr("oneclass.rows.blocks.BLOCK_BYTES", 700 * 8 * 4)
    streamed = nu_path(Pieces(rows, [1, 10, 4000]), GRID, tol=1e-5)
    assert set(streamed.status) == {"converged"}
    np.testing.assert_allclose(streamed.objective, plain.objective, rtol=3e-5)


@pytest.mark.parametrize("way", ["gram", "passes"])
def test_passes_are_counted_as_they_are_read(way, monkeypatch):
    class Counting(Pieces):
        count = 0

        def blocks(self):
            self.count += 1
            return super().blocks()

    if way == "passes":
        monkeypatch.setattr(solve, "_GRAM_BYTES", 0)
    rows = Counting(make_rows(0, 2000, 30), [])
    path = nu_path(rows, GRID)
    assert path.way == way
    # Through the matrix, the rows are read once and kept.
    assert rows.count == (path.n_passes if way == "passes" else 1)

"""Small problems that are solved together: what each has alone, and nothing uncertified."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oneclass.rows import ArrayRows
from oneclass.svm import fit_halfspaces
from oneclass.svm.clustered import side_by_side as together
from oneclass.svm.clustered.side_by_side import solve_side_by_side
from oneclass.svm.solving.solve import solve

TOL = 1e-6
Rows = NDArray[np.floating[Any]]
KINDS = st.sampled_from(["away", "unit", "relu", "repeated", "flat", "zeros", "scaled"])


def rows_of(kind: str, n: int, d: int, random: np.random.Generator) -> Rows:
    rows = random.normal(size=(n, d))
    if kind in ("away", "scaled"):
        rows += 2
    if kind == "scaled":
        rows *= 10.0 ** random.integers(-3, 4)
    if kind == "relu":
        rows = np.maximum(rows, 0) + 0.01
    if kind == "repeated":
        rows = (rows + 1)[random.integers(0, max(n // 4, 1), n)]
    if kind == "flat":
        rows[:, 1:] = 1
    if kind == "unit":
        rows = rows + 1
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if kind == "zeros":
        rows[: n // 2] = 0
    return rows.astype(np.float32)


@given(
    st.lists(st.tuples(KINDS, st.integers(1, 60)), min_size=1, max_size=8),
    st.integers(2, 40),
    st.floats(0.01, 0.95),
    st.integers(0, 10**6),
)
@settings(max_examples=80, deadline=None)
def test_each_problem_has_the_point_that_it_has_alone(
    groups: list[tuple[str, int]], d: int, nu: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    batch = [rows_of(kind, n, d, random) for kind, n in groups]
    for rows, one in zip(batch, solve_side_by_side(batch, nu, TOL), strict=True):
        if one is None:
            continue
        alone = solve(ArrayRows(rows), [nu], tol=TOL, max_passes=200).solved[0]
        assert one.point.dual_gap <= TOL
        # Both have the least length, to a relative gap: so they lie near each other.
        apart = np.linalg.norm(one.point.coef - alone.point.coef)
        assert apart <= 3 * np.sqrt(TOL) * np.linalg.norm(alone.point.coef)
        below = rows.astype(np.float64) @ one.point.coef < one.point.offset
        assert np.count_nonzero(below) <= max(nu * len(rows), 1) + 1e-9


@pytest.mark.parametrize("nu", [0.02, 0.1, 0.5, 0.9])
def test_problems_like_those_of_patches_are_all_solved(nu: float) -> None:
    random = np.random.default_rng(0)
    batch = [rows_of("unit", n, 152, random) for n in range(2, 150, 7)]
    found = solve_side_by_side(batch, nu, TOL)
    assert all(one is not None and one.point.dual_gap <= TOL for one in found)


def test_what_is_too_large_or_one_row_is_left_to_others() -> None:
    random = np.random.default_rng(0)
    sizes = (1, together.MOST_ROWS, together.MOST_ROWS + 1, 10)
    found = solve_side_by_side([rows_of("away", n, 200, random) for n in sizes], 0.1, TOL)
    assert [one is None for one in found] == [True, False, True, False]
    narrow = [rows_of("away", n, 3, random) for n in (6, 7)]
    assert [one is None for one in solve_side_by_side(narrow, 0.4, TOL)] == [False, True]


def test_a_hull_that_holds_the_origin_is_left_to_others() -> None:
    rows = np.array([[1, 0], [-1, 0], [0, 0]], np.float32)
    assert solve_side_by_side([rows, np.zeros((3, 2), np.float32)], 0.5, TOL) == [None, None]


def test_where_exchanges_end_too_early_all_problems_are_solved_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(1)
    rows = rows_of("away", 300, 20, random)
    labels = np.arange(300) % 10
    usual = fit_halfspaces(rows, nu=0.2, labels=labels)
    monkeypatch.setattr(together, "_ROUNDS", 1)
    slow = fit_halfspaces(rows, nu=0.2, labels=labels)
    assert usual.status == slow.status == ("converged",) * 10
    np.testing.assert_allclose(usual.coef, slow.coef, atol=1e-3 * np.abs(slow.coef).max())
    assert max(usual.dual_gap.max(), slow.dual_gap.max()) <= TOL


def test_other_problems_in_the_batch_change_no_more_than_rounding() -> None:
    random = np.random.default_rng(2)
    batch = [rows_of("unit", n, 50, random) for n in (20, 45, 33, 40)]
    for rows, one in zip(batch, solve_side_by_side(batch, 0.1, TOL), strict=True):
        (alone,) = solve_side_by_side([rows], 0.1, TOL)
        assert one is not None
        assert alone is not None
        np.testing.assert_allclose(one.point.coef, alone.point.coef, atol=1e-6)


@pytest.mark.parametrize("kind", ["away", "unit", "relu", "flat", "scaled"])
@pytest.mark.parametrize("nu", [0.03, 0.3, 0.8])
def test_problems_begin_with_weights_that_make_w_shorter(kind: str, nu: float) -> None:
    random = np.random.default_rng(3)
    rows, present = together._padded([rows_of(kind, n, 30, random) for n in (50, 41, 36)])
    products = rows @ rows.transpose(0, 2, 1)
    masses = nu * present.sum(axis=1)
    weights, scores = together._stepped(products, present, masses)
    assert weights.min() >= 0
    assert weights.max() <= 1 + 1e-12
    assert not weights[~present].any()
    np.testing.assert_allclose(weights.sum(axis=1), masses)
    np.testing.assert_allclose(scores, (weights[:, None] @ products)[:, 0], rtol=1e-9)
    equal = present * nu
    means = np.einsum("bi,bij,bj->b", equal, products, equal)
    assert ((weights * scores).sum(axis=1) < (1 - 1e-6) * means).all()


def test_problems_that_are_settled_and_not_left_behind_at_once_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(4)
    batch = [rows_of("unit", n, 40, random) for n in (60, 55, 50, 48)]
    rows, present = together._padded(batch)
    products, masses = rows @ rows.transpose(0, 2, 1), 0.2 * present.sum(axis=1)
    found = []
    for part in (0.0, 0.3, 1.0):
        monkeypatch.setattr(together, "_PART", part)
        found.append(together._weights(products, present, masses))
    for weights, settled in found[1:]:
        np.testing.assert_array_equal(settled, found[0][1])
        np.testing.assert_allclose(weights, found[0][0], atol=1e-9)


def test_nearly_equal_sizes_share_a_batch() -> None:
    sizes = [50, 3, 48, 100, 2, 95]
    batches = list(together._batches([np.ones((n, 120), np.float32) for n in sizes]))
    assert [[sizes[i] for i in batch] for batch in batches] == [[100, 95], [50, 48], [3, 2]]

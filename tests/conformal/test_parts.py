"""Half-spaces by parts: nobody judges what he has seen, and the promised rate holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oneclass.conformal.calibration import Calibration, Method, Plan
from oneclass.conformal.parts import (
    MOST_PATCHES,
    PARTS,
    can_whiten,
    deal,
    fit_union,
    some_patches,
    weight_of_whole,
)
from oneclass.conformal.union import Joined, Union, worst_mean
from oneclass.errors import InputError
from oneclass.rows import ArrayRows, FileRows, SlicedRows


def unit_rows(n: int, seed: int, d: int = 20) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(1, 1, (n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plan_of(method: Method, n: int) -> Plan:
    return Plan(method, n, n // 3 if method is Method.SPLIT else n, 0.1)


def fit(rows: NDArray[np.float32], folds: NDArray[np.int64], **given: object):
    asked = {"nu": 0.1, "n_halfspaces": 20, "seed": 0, "one_scale": True, **given}
    return fit_union(rows, folds, **asked)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("one_scale", [True, False])
def test_new_rows_of_the_same_kind_are_called_anomalies_at_the_promised_rate(
    method: Method, one_scale: bool
) -> None:
    alarms = []
    for seed in range(30):
        rows = unit_rows(300, seed)
        folds = deal(np.arange(100), plan_of(method, 100), seed, None)
        fitted = fit(rows[:100], folds, one_scale=one_scale, seed=seed)
        known = fitted.held_out[np.isfinite(fitted.held_out)]
        threshold = Calibration(np.sort(known)).threshold(0.1)
        alarms.append(np.mean(fitted.union.image_scores(rows[100:]) > threshold))
    assert 0.04 < np.mean(alarms) < 0.115


@given(st.integers(0, 10**6), st.sampled_from(list(Method)), st.booleans())
@settings(max_examples=25, deadline=None)
def test_nobody_judges_what_he_has_seen(seed: int, method: Method, positions: bool) -> None:
    """Other images in the place of a part change its scores, and none of its judges."""
    n, random = 23, np.random.default_rng(seed)
    shape = (n, 12, 3) if positions else (n, 3)
    rows, others = (random.normal(size=shape).astype(np.float32) + 4 for _ in range(2))
    copies = np.cumsum(np.arange(n) % 5 > 0)  # some images are copies of the one before
    folds = deal(copies, plan_of(method, n), seed, None)
    before = fit(rows, folds, seed=seed, n_worst=2 * positions)
    for fold, judges in before.judges():
        judged = folds == fold
        assert not set(copies[judged]) & set(copies[~judged])
        mask = judged.reshape(-1, *[1] * (len(shape) - 1))
        after = fit(np.where(mask, others, rows), folds, seed=seed, n_worst=2 * positions)
        np.testing.assert_array_equal(after.union.coef[judges], before.union.coef[judges])
        assert not np.array_equal(after.held_out[judged], before.held_out[judged])
        own = before.union.only(judges)
        expected = [own.image_score(row) for row in rows[judged]]
        np.testing.assert_allclose(before.held_out[judged], expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_whitening_has_not_seen_the_images_that_calibrate(seed: int) -> None:
    """Other images in the place of a part change no judge of it; of the first, the whitening."""
    random = np.random.default_rng(seed)
    rows, others = (random.normal(size=(60, 8, 3)).astype(np.float32) + 4 for _ in range(2))
    folds = deal(np.arange(60), plan_of(Method.PARTS, 60), seed, None)
    before = fit(rows, folds, n_worst=2, whitened=True)
    np.testing.assert_array_equal(np.isnan(before.held_out), folds == 0)
    np.testing.assert_array_equal(np.isnan(before.peaks), folds == 0)
    for fold, judges in before.judges():
        judged = folds == fold
        after = fit(np.where(judged[:, None, None], others, rows), folds, n_worst=2, whitened=True)
        same = np.array_equal(after.union.whitening, before.union.whitening)
        assert same == (fold > 0)
        if fold:
            np.testing.assert_array_equal(after.union.coef[judges], before.union.coef[judges])
            own = before.union.only(judges)
            expected = [own.image_score(row) for row in rows[judged]]
            np.testing.assert_allclose(before.held_out[judged], expected, atol=1e-6)


@pytest.mark.parametrize("method", Method)
def test_the_promised_rate_holds_where_positions_are_whitened(method: Method) -> None:
    alarms = []
    for seed in range(15):
        rows = unit_rows(3 * 260, seed, 6).reshape(260, 3, 6)
        folds = deal(np.arange(60), plan_of(method, 60), seed, None)
        fitted = fit(rows[:60], folds, seed=seed, n_worst=1, whitened=True)
        known = fitted.held_out[np.isfinite(fitted.held_out)]
        threshold = Calibration(np.sort(known)).threshold(0.1)
        alarms.append(np.mean(fitted.union.image_scores(rows[60:]) > threshold))
    assert 0.04 < np.mean(alarms) < 0.115


@pytest.mark.parametrize(
    ("method", "n", "rate", "most", "expected"),
    [
        (Method.PARTS, 50, 0.05, None, True),
        (Method.PARTS, 49, 0.05, None, False),
        (Method.PARTS, 100, 0.01, None, False),  # ninety support no rate of one in a hundred
        (Method.PARTS, 200, 0.01, None, True),
        (Method.PARTS, 200, 0.05, 3, False),  # the first of three parts would be a third of all
        (Method.SPLIT, 20, 0.2, None, True),
    ],
)
def test_positions_are_whitened_where_a_part_can_be_spared(
    method: Method, n: int, rate: float, most: int | None, expected: bool
) -> None:
    plan = Plan(method, n, n // 3 if method is Method.SPLIT else n, rate)
    assert can_whiten(plan, deal(np.arange(n), plan, 0, most)) == expected


def test_the_model_is_never_harsher_than_the_judges() -> None:
    """So p-values are at least those of CV+, whose bound is proven."""
    rows, new = unit_rows(100, 1), unit_rows(200, 2)
    fitted = fit(rows, deal(np.arange(100), plan_of(Method.PARTS, 100), 0, None))
    scores = fitted.union.image_scores(new)
    for _, judges in fitted.judges():
        assert (fitted.union.only(judges).image_scores(new) >= scores - 1e-12).all()


def test_half_spaces_of_one_scale_have_unit_length_one_offset_and_keep_nu() -> None:
    rows = unit_rows(150, 4)
    for nu in (0.01, 0.1, 0.5):
        fitted = fit(rows, deal(np.arange(150), plan_of(Method.PARTS, 150), 0, None), nu=nu)
        np.testing.assert_allclose(np.linalg.norm(fitted.union.coef, axis=1), 1, atol=1e-6)
        assert len(set(fitted.union.offset)) == 1
        assert np.count_nonzero(fitted.union.row_scores(rows) > 0) <= nu * len(rows)
        assert fitted.dual_gap <= 1e-6
    assert set(np.bincount(fitted.part)) == {2}


@pytest.mark.parametrize("most", [None, 3])
def test_parts_are_even_and_copies_stay_together(most: int | None) -> None:
    copies = np.repeat(np.arange(40), 3)
    folds = deal(copies, plan_of(Method.PARTS, 40), 0, most)
    assert set(np.bincount(folds)) <= {12, 39, 42}
    assert len(set(folds)) == (most or PARTS)
    assert all(len(set(folds[copies == one])) == 1 for one in range(40))


def test_where_the_rows_lie_changes_nothing(tmp_path) -> None:
    rows = np.random.default_rng(0).normal(1, 1, (30, 12, 5)).astype(np.float16)
    rows.tofile(tmp_path / "rows")
    beside = np.concatenate([unit_rows(30, 1, 7), rows.reshape(30, -1).astype(np.float32)], axis=1)
    folds = deal(np.arange(30), plan_of(Method.PARTS, 30), 0, None)
    sources = [
        ArrayRows(rows),
        FileRows(tmp_path / "rows", rows.shape, rows.dtype),
        SlicedRows(ArrayRows(beside), 7, (12, 5)),
    ]
    fits = [fit(source, folds, n_worst=2) for source in sources]
    for other in fits[1:]:
        np.testing.assert_array_equal(other.union.coef, fits[0].union.coef)
        np.testing.assert_array_equal(other.held_out, fits[0].held_out)


def test_rows_that_cancel_out_are_refused() -> None:
    rows = np.concatenate([unit_rows(20, 1), -unit_rows(20, 1)])
    with pytest.raises(InputError, match="no boundary can be drawn"):
        fit(rows, np.arange(40) % 2, n_halfspaces=2, nu=0.01)


def test_a_sample_of_positions_is_bounded_and_the_same_each_time() -> None:
    rows = np.arange(40 * 2000 * 2, dtype=np.float32).reshape(40, 2000, 2)
    some = some_patches(rows, seed=1)
    assert some.shape == (MOST_PATCHES, 2)
    np.testing.assert_array_equal(some, some_patches(rows, seed=1))
    assert len(np.unique(some[:, 0])) == MOST_PATCHES
    assert some_patches(rows[:3], seed=1).shape == (6000, 2)


def test_the_worst_mean() -> None:
    assert worst_mean(np.array([1.0, 5.0, 3.0, -2.0]), 2) == 4
    assert worst_mean(np.array([1.0]), 3) == 1


def test_a_joined_score_is_the_sum_of_its_parts() -> None:
    rng = np.random.default_rng(0)
    whole = Union(rng.standard_normal((3, 4)).astype(np.float32), rng.standard_normal(3))
    patches = Union(rng.standard_normal((5, 2)).astype(np.float32), rng.standard_normal(5), 2)
    joined, row = Joined(whole, patches, 0.3), rng.standard_normal(4 + 6 * 2).astype(np.float32)
    alone = whole.image_score(row[:4]), patches.image_score(row[4:].reshape(6, 2))
    seen = joined.look(row)
    assert seen.score == pytest.approx(0.3 * alone[0] + alone[1], abs=1e-12)
    assert seen.rest + worst_mean(seen.positions, 2) == seen.score
    assert seen.winner == -1
    with pytest.raises(ValueError, match="weight"):
        Joined(whole, patches, float("nan"))


@pytest.mark.parametrize(
    ("spread", "near", "share"), [(0.05, 0.07, 0.5), (5.0, 0.07, 0.0), (0.05, 1e-5, 0.0)]
)
def test_whole_images_count_half_as_much_as_patches_and_less_where_they_are_far_apart(
    spread: float, near: float, share: float
) -> None:
    rng = np.random.default_rng(0)
    rows = 1 + spread * rng.standard_normal((100, 20)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    folds = np.arange(100) % PARTS
    whole, patches = fit(rows, folds), fit(unit_rows(600, 1).reshape(100, 6, 20), folds, n_worst=2)

    weight = weight_of_whole(whole, patches, near)

    counts = weight * whole.held_out.std() / patches.held_out.std()
    assert counts == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_what_a_union_sees_of_a_row_is_its_score_and_the_half_space_that_gave_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    union = Union(rng.standard_normal((7, 5)).astype(np.float32), rng.standard_normal(7))
    row = rng.standard_normal(5).astype(np.float32)
    by_hand = [union.offset[j] - np.dot(union.coef[j].astype(float), row) for j in range(7)]
    seen = union.look(row)
    assert seen.score == pytest.approx(min(by_hand), abs=1e-12)
    assert seen.winner == int(np.argmin(by_hand)) == union.winners(row[None])[0]
    assert seen.positions.tolist() == [seen.score]


@pytest.mark.parametrize("n", [1, 255, 256, 257, 1000])
@pytest.mark.parametrize("offsets", ["one", "own"])
def test_scores_of_positions_do_not_depend_on_how_they_are_cut(n: int, offsets: str) -> None:
    rng = np.random.default_rng(n)
    own = np.full(40, 0.25) if offsets == "one" else rng.uniform(size=40)
    union = Union(rng.standard_normal((40, 12)).astype(np.float32), own, 3, narrow=True)
    row = rng.standard_normal((n, 12)).astype(np.float32)
    whole = -(row @ union.coef.T - own.astype(np.float32)).max(axis=1)
    np.testing.assert_allclose(union.row_scores(row), whole, rtol=0, atol=1e-5)
    exact = (own - row.astype(float) @ union.coef.T.astype(float)).min(axis=1)
    np.testing.assert_allclose(union.row_scores(row), exact, rtol=0, atol=1e-5)

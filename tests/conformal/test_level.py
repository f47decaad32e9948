"""What nearly all positions of an image have in common is no defect, and is not held against it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oneclass.conformal.calibration import Calibration, Method, Plan, make_plan, threshold_rank
from oneclass.conformal.level import FEWEST, MOST, SLOPE, with_level
from oneclass.conformal.parts import (
    SPARED,
    TO_CALIBRATE,
    TO_LEARN,
    TO_SPARE,
    FittedUnion,
    deal,
    fit_union,
)
from oneclass.conformal.union import Union

WIDTH = 6
Rows = NDArray[np.float32]


def pictures(n: int, seed: int, positions: int = 40, rough: float = 1.0) -> Rows:
    """(n, p, d) positions that lie around one direction, in some pictures wider than in others."""
    random = np.random.default_rng(seed)
    width = 0.1 + 0.2 * rough * random.random((n, 1, 1))
    rows = 1 + width * random.normal(size=(n, positions, WIDTH))
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def some_union(seed: int) -> Union:
    random = np.random.default_rng(seed)
    coef = pictures(1, seed, 9)[0]
    whitening = 0.3 * random.normal(size=(2, WIDTH)).astype(np.float32) / WIDTH
    return Union(coef, np.full(9, 0.9), 2, narrow=True, whitening=whitening)


@given(st.integers(0, 10**6), st.integers(1, 90))
@settings(max_examples=60, deadline=None)
def test_the_level_is_that_which_a_quarter_of_positions_exceed(seed: int, positions: int) -> None:
    """Against the formula, in float64."""
    union, rows = some_union(seed), pictures(1, seed + 1, positions)[0]
    direction = np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32)
    wide = rows.astype(np.float64)
    away = wide @ union.whitening.T.astype(np.float64)
    lengths = np.sqrt((wide**2).sum(1) - (away**2).sum(1))
    odd = np.sort(-(wide / lengths[:, None]) @ direction)
    level = odd[-max(1, round(positions / 4))]
    found = replace(union, level=direction).positions(rows)
    np.testing.assert_allclose(found, union.row_scores(rows) - level, atol=2e-6)


@pytest.mark.parametrize(("n_halfspaces", "positions"), [(9, 40), (200, 700)])
def test_worst_scores_and_the_level_are_told_apart(n_halfspaces: int, positions: int) -> None:
    """Where bounds leave most positions out, and where they are too few for bounds."""
    coef, rows = pictures(1, 1, n_halfspaces)[0], pictures(1, 2, positions)[0]
    plain = replace(some_union(3), coef=coef, offset=np.full(n_halfspaces, 0.9))
    judge = replace(plain, level=0.3 * coef.mean(axis=0))
    worst, level = judge.worst_and_level(rows)
    np.testing.assert_allclose(worst, plain.worst(rows), atol=1e-6)
    np.testing.assert_allclose(worst - level, judge.worst(rows), atol=1e-6)
    assert level != 0


@pytest.mark.parametrize("seed", range(5))
def test_scores_vary_less_with_the_level_and_stay_where_they_were(seed: int) -> None:
    images, union = pictures(200, seed), some_union(seed)
    found = with_level(union, union, images)
    before, after = union.image_scores(images), found.image_scores(images)
    levels = np.array([np.quantile(-(union.seen(i) @ union.coef.mean(0)), 0.75) for i in images])
    assert np.corrcoef(after, levels)[0, 1] < np.corrcoef(before, levels)[0, 1]
    assert after.std() < before.std()
    assert after.mean() == pytest.approx(before.mean(), abs=1e-5)
    share = np.linalg.norm(found.level) / np.linalg.norm(union.coef.mean(0))
    assert share == pytest.approx(min(MOST, SLOPE * before.std() / levels.std()), rel=0.02)


def test_where_levels_are_alike_or_images_few_nothing_changes() -> None:
    union = some_union(0)
    assert with_level(union, union, pictures(FEWEST - 1, 0)) is union
    assert with_level(union, union, np.repeat(pictures(1, 0), 9, axis=0)) is union
    assert with_level(union, union, ()) is union
    assert with_level(union, union, pictures(FEWEST, 0)).level is not None


@pytest.mark.parametrize("flaw", ["width", "unwhitened", "wide"])
def test_a_level_that_does_not_fit_is_refused(flaw: str) -> None:
    union, level = some_union(0), np.ones(WIDTH, np.float32)
    change = {
        "width": {"level": level[1:]},
        "unwhitened": {"level": level, "whitening": None},
        "wide": {"level": level, "narrow": False},
    }[flaw]
    with pytest.raises(ValueError, match="level of shape"):
        replace(union, **change)


def plan_of(method: Method, n: int) -> Plan:
    return Plan(method, n, n // 2 if method is Method.SPLIT else n, 0.1)


def fit(rows: Rows, folds: NDArray[np.int64], seed: int = 0) -> FittedUnion:
    return fit_union(
        rows,
        folds,
        nu=0.1,
        n_halfspaces=40,
        seed=seed,
        one_scale=True,
        n_worst=2,
        whitened=True,
    )


@pytest.mark.parametrize("method", Method)
def test_the_images_that_calibrate_have_no_share_in_the_level(method: Method) -> None:
    n = 120
    rows, others = pictures(n, 1), pictures(n, 2)
    folds = deal(np.arange(n), plan_of(method, n), 0, None, spare=True)
    before = fit(rows, folds)
    assert before.union.level is not None
    for fold in np.unique(folds):
        changed = fit(np.where((folds == fold)[:, None, None], others, rows), folds)
        teaches = fold == 0 if method is Method.PARTS else fold in (TO_SPARE, TO_LEARN)
        assert np.array_equal(changed.union.level, before.union.level) != teaches
        if teaches and fold != TO_LEARN:
            assert np.isnan(before.held_out[folds == fold]).all()
            assert np.isnan(before.peaks[folds == fold]).all()


@pytest.mark.parametrize("method", Method)
def test_the_promised_rate_holds_less_the_level(method: Method) -> None:
    alarms = []
    for seed in range(20):
        rows = pictures(360, seed, 12)
        folds = deal(np.arange(100), plan_of(method, 100), seed, None, spare=True)
        fitted = fit(rows[:100], folds, seed)
        assert fitted.union.level is not None
        known = fitted.held_out[np.isfinite(fitted.held_out)]
        threshold = Calibration(np.sort(known)).threshold(0.1)
        alarms.append(np.mean(fitted.union.image_scores(rows[100:]) > threshold))
    assert 0.05 < np.mean(alarms) < 0.13


def test_the_model_is_never_harsher_than_the_judges() -> None:
    """They all take off the same level, so p-values are at least those of CV+."""
    rows, new = pictures(100, 1), pictures(200, 2)
    fitted = fit(rows, deal(np.arange(100), plan_of(Method.PARTS, 100), 0, None))
    assert fitted.union.level is not None
    scores = fitted.union.image_scores(new)
    for _, judges in fitted.judges():
        assert (fitted.union.only(judges).image_scores(new) >= scores - 1e-12).all()


@given(st.integers(2, 9000), st.sampled_from([0.3, 0.05, 0.01, 0.002]), st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_split_spares_few_and_never_too_many(n: int, rate: float, spare: bool) -> None:
    n_scored = max(1, n // 4)
    plan = Plan(Method.SPLIT, n, n_scored, max(rate, 1 / (n_scored + 1)))
    folds = deal(np.repeat(np.arange(n), 2), plan, 0, None, spare=spare)
    one_each = folds[::2]
    np.testing.assert_array_equal(one_each, folds[1::2])
    spared = np.count_nonzero(one_each == TO_SPARE)
    left = np.count_nonzero(one_each == TO_CALIBRATE)
    assert spared <= min(SPARED, n_scored / 10) * spare
    assert left + spared == min(n_scored, n - 1)
    assert threshold_rank(left, plan.false_alarms) >= 1
    if spare and rate == 0.3:
        assert spared == min(SPARED, n_scored // 10)


def test_a_usual_split_spares_fifty() -> None:
    folds = deal(np.arange(2000), make_plan(2000, None), 0, None, spare=True)
    assert np.bincount(folds + 1).tolist() == [1500, 450, 50]

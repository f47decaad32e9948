"""AUROC, average precision and F1 against scikit-learn's; intervals that cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
)

from oneclass.evaluation.ranking import Figure, rank
from oneclass.statistics import auroc_interval


def draw(seed: int, digits: int, n: int = 40, m: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=n).round(digits), rng.normal(0.8, size=m).round(digits)


@pytest.mark.parametrize("digits", [0, 1, 9])
@pytest.mark.parametrize("seed", range(8))
def test_figures_are_scikit_learns(seed: int, digits: int) -> None:
    normal, odd = draw(seed, digits)
    scores, truth = np.concatenate([normal, odd]), np.repeat([0, 1], [40, 30])
    called = scores > 0.3
    found = rank(normal, odd, called)
    assert found.auroc.value == pytest.approx(roc_auc_score(truth, scores))
    assert found.average_precision.value == pytest.approx(average_precision_score(truth, scores))
    precision, recall, _ = precision_recall_curve(truth, scores)
    best = np.nanmax(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert found.best_f1.value == pytest.approx(best)
    assert found.f1.value == pytest.approx(f1_score(truth, called))


@pytest.mark.parametrize("seed", range(4))
def test_bootstraps_are_those_of_repeated_images(seed: int) -> None:
    """Weights give what scikit-learn gives for images that really come several times."""
    from oneclass.evaluation import ranking

    normal, odd = draw(seed, 1, 12, 9)
    scores, truth = np.concatenate([normal, odd]), np.arange(21) >= 12
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(n, np.full(n, 1 / n), 20) for n in (12, 9)]
    none = np.zeros((20, 1), int)  # of what nobody saw
    for best in (False, True):
        ways = ranking._with_unseen(normal, odd, scores > 0.2, best=best)
        found = ways.measure(np.concatenate([drawn[0], none, drawn[1], none], axis=1))
    for k, times in enumerate(np.concatenate(drawn, axis=1)):
        again, answers = np.repeat(scores, times), np.repeat(truth, times)
        assert times[:12].sum() == 12
        assert times[12:].sum() == 9
        assert found[0, k] == pytest.approx(roc_auc_score(answers, again))
        assert found[1, k] == pytest.approx(average_precision_score(answers, again))
        assert found[3, k] == pytest.approx(f1_score(answers, again > 0.2))


def test_intervals_hold_the_figure_and_repeat_with_the_seed() -> None:
    normal, odd = draw(0, 9)
    called = np.concatenate([normal, odd]) > 0.3
    first, again = (rank(normal, odd, called, seed=3) for _ in range(2))
    assert first == again
    assert first != rank(normal, odd, called, seed=4)
    for figure in (first.auroc, first.average_precision, first.best_f1, first.f1):
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
        assert 0.02 < figure.high - figure.low < 0.5


def test_the_interval_of_the_average_precision_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    many = rank(rng.normal(size=40000), rng.normal(1, size=40000), np.zeros(80000, bool))
    truth = many.average_precision.value
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(100 + seed)
        one = rank(rng.normal(size=60), rng.normal(1, size=60), np.zeros(120, bool), seed=seed)
        covered += one.average_precision.low <= truth <= one.average_precision.high
    assert covered >= 33  # 38 are expected


def test_one_image_of_each_and_verdicts_without_any_call() -> None:
    found = rank(np.array([0.0]), np.array([1.0]), np.zeros(2, bool))
    assert (found.auroc.value, found.auroc.high) == (1, 1)
    assert (found.f1.value, found.f1.low) == (0, 0)
    for figure in (found.auroc, found.average_precision, found.best_f1, found.f1):
        assert figure.high - figure.low > 0.3
    assert rank(np.array([1.0]), np.array([1.0]), np.ones(2, bool)).auroc.value == 0.5


def test_the_interval_of_the_best_f1_covers_that_of_many() -> None:
    """The best threshold of few images flatters them, and that of a draw once more."""
    rng = np.random.default_rng(0)
    many = np.concatenate([rng.normal(size=100_000), rng.normal(1.19, size=100_000)])
    precision, recall, _ = precision_recall_curve(np.repeat([0, 1], 100_000), many)
    truth = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(1 + seed)
        normal, odd = rng.normal(size=100), rng.normal(1.19, size=100)
        one = rank(normal, odd, np.zeros(200, bool), seed=seed).best_f1
        held += one.low <= truth <= one.high
    assert held >= 54  # 57 are expected


@pytest.mark.parametrize("turned", [False, True])
def test_images_all_told_apart_have_intervals_by_how_many_they_are(turned: bool) -> None:
    before = np.full(4, np.inf)
    for n in (3, 10, 50):
        pair = np.arange(n, dtype=float), np.arange(n) + 100.0
        normal, odd = pair[::-1] if turned else pair
        found = rank(normal, odd, np.concatenate([normal, odd]) > 99)
        figures = (found.auroc, found.average_precision, found.best_f1, found.f1)
        assert all(one.low <= one.value <= one.high for one in figures)
        widths = np.array([one.high - one.low for one in figures])
        assert (widths > 0.01).all()
        assert (widths < before).all()
        before = widths


def test_the_interval_of_the_auroc_is_that_of_the_report() -> None:
    normal, odd = draw(0, 1)
    found = rank(normal, odd, np.zeros(70, bool)).auroc
    assert auroc_interval(normal, odd) == pytest.approx((found.low, found.high), abs=0.02)


def test_an_image_that_nobody_saw_moves_the_verdicts_too() -> None:
    """All of 20 odd images are found, without a false alarm: the next ones may be otherwise."""
    scores = np.arange(40.0)
    found = rank(scores[:20], scores[20:], scores > 19.5)
    assert found.f1 == Figure(1, pytest.approx(0.915, abs=0.02), 1)

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

from oneclass.evaluation.ranking import Figure, of_draws, rank


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
    order = np.argsort(-scores, kind="stable")
    firsts = np.nonzero(np.append(True, np.diff(scores[order]) != 0))[0]
    ways = ranking._Sorted(firsts, truth[order], (scores > 0.2)[order])
    weights = next(w for i, w in enumerate(ranking._weights(12, 9, np.random.default_rng(seed)))
                   if i == 1)[:20]  # fmt: skip
    found = ways.measure(weights[:, order])
    for k, times in enumerate(weights.astype(int)):
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
    assert found.auroc == Figure(1, 1, 1)
    assert found.f1 == Figure(0, 0, 0)
    assert rank(np.array([1.0]), np.array([1.0]), np.ones(2, bool)).auroc.value == 0.5


def test_draws_that_make_no_sense_are_left_out() -> None:
    assert of_draws(0.5, np.array([0.4, np.nan, 0.6])).low == pytest.approx(0.405)

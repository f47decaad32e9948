"""A method that fails leaves the detector as it was; copies, pickles and threads may have it."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from conftest import stripes
from oneclass import Detector, InputError, StorageError, load

SMALL = {"layer": "block_4@2", "size": (64, 64)}


@pytest.fixture
def fitted() -> Detector:
    return Detector(**SMALL).fit(stripes(40, seed=1))


def told(detector: Detector) -> tuple[object, ...]:
    scores = detector.score(stripes(3, seed=2)).scores.tolist()
    return scores, detector.card, detector.digest, detector.errors, detector.ignored


@pytest.mark.parametrize(
    "fails",
    [
        lambda d: d.fit(stripes(1, seed=9)),
        lambda d: d.fit(np.zeros((5, 24, 24), np.uint8)),
        lambda d: d.set_params(false_alarms=0.001).fit(stripes(30, seed=9)),
        lambda d: d.update(forget=stripes(40, seed=1)),
        lambda d: d.save("/nowhere/at/all"),
    ],
)
def test_what_fails_changes_nothing(
    fitted: Detector, tmp_path: Path, fails: Callable[[Detector], object]
) -> None:
    fitted.save(tmp_path / "m", rows=True)
    before = told(fitted)
    with pytest.raises((InputError, StorageError)):
        fails(fitted)
    assert told(fitted) == before
    more = fitted.set_params(false_alarms=None).update(stripes(2, seed=3))
    assert more.added == 2
    assert fitted.card["fit"]["n_images"] == 42  # the old images with the new ones


def test_an_interrupted_fit_changes_nothing(fitted: Detector) -> None:
    before = told(fitted)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted.fit(stripes(30, seed=5), progress=stop)
    assert told(fitted) == before


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_copies_say_the_same(fitted: Detector, tmp_path: Path, how: Callable) -> None:
    fitted.set_params(cache=tmp_path / "cache")
    fitted.score(stripes(2, seed=2))
    assert told(how(fitted)) == told(fitted)
    assert how(Detector(nu=0.5)).nu == 0.5


def test_another_process_says_the_same(fitted: Detector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m")
    images = stripes(3, seed=2)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        scores = pool.apply(_load_and_score, (tmp_path / "m", images))
    assert scores == fitted.score(images).scores.tolist()


def _load_and_score(file: Path, images: np.ndarray) -> list[float]:
    return load(file).score(images).scores.tolist()


def test_threads_may_share_a_fitted_detector(fitted: Detector) -> None:
    images = [stripes(6, seed=seed) for seed in range(8)]
    alone = [fitted.score(some).scores.tolist() for some in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda some: fitted.score(some).scores.tolist(), images))
    assert together == alone

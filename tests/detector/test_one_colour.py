"""An image of one single colour has nothing in it: no model that learnt from none judges it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import stripes, write_images
from detector.old_models import FOLDER
from oneclass import Detector, Explanation, ImageError, load
from oneclass.images.scale import is_one_colour

SMALL = {"size": (64, 64), "layer": "block_4", "grid": 2}
BLANK = np.full((40, 40), 255, np.uint8)


@pytest.fixture(scope="module")
def fitted() -> Detector:
    return Detector(**SMALL).fit(stripes(40, seed=1))


@pytest.mark.parametrize(
    "make", [lambda v: np.full((9, 130), v, np.uint8), lambda v: np.full((70, 9, 3), v, np.uint16)]
)
def test_one_pixel_makes_the_difference(make: type) -> None:
    for value in (0, 7, 255):
        pixels: NDArray[np.uint8] = make(value)
        assert is_one_colour(pixels)
        for place in [(0, 0), (0, 8), (8, 3), (len(pixels) - 1, 8)]:
            other = pixels.copy()
            other[place] ^= 1
            assert not is_one_colour(other)


def test_a_coloured_blank_is_one_colour() -> None:
    assert is_one_colour(np.broadcast_to(np.array([1, 2, 3], np.uint8), (80, 80, 3)))


def test_a_blank_is_not_judged_and_says_why(fitted: Detector) -> None:
    good = stripes(2, seed=2)
    scored = fitted.score([good[0], BLANK, good[1]])
    assert [error.name for error in scored.errors] == ["array[1]"]
    assert len(scored.predictions) == 2
    blank, *others = fitted.explain([BLANK, *good])
    for error in (scored.errors[0], blank):
        assert isinstance(error, ImageError)
        assert error.reason == "one_colour"
        assert "covered lens" in error.detail
    assert all(isinstance(one, Explanation) for one in others)


def test_a_blank_is_told_whatever_the_cache_knows(tmp_path: Path) -> None:
    learnt = write_images(tmp_path / "learnt", [*stripes(30, seed=3), BLANK])
    blank = learnt[-1:]
    knows = Detector(**SMALL, cache=tmp_path / "cache").fit(learnt)
    assert len(knows.score(blank).predictions) == 1
    other = Detector(**SMALL, cache=tmp_path / "cache").fit(learnt[:-1])
    for _ in range(2):
        assert [one.reason for one in other.score(blank).errors] == ["one_colour"]


def test_a_fit_names_the_blanks_that_it_learns_and_judges_such_images(tmp_path: Path) -> None:
    detector = Detector(**SMALL).fit([*stripes(30, seed=4), BLANK])
    told = [line for line in detector.card["fit"]["warnings"] if "one single colour" in line]
    assert len(told) == 1
    assert "array[30]" in told[0]
    detector.save(tmp_path / "m")
    assert len(load(tmp_path / "m").score([BLANK]).predictions) == 1


def test_a_blank_can_be_learnt_later_and_is_asked_about() -> None:
    detector = Detector(**SMALL).fit(stripes(30, seed=5))
    with pytest.warns(UserWarning, match="far odder"):
        did = detector.update([*stripes(3, seed=6), BLANK])
    assert did.added == 4
    assert [prediction.path for prediction in did.odd] == ["array[3]"]
    assert len(detector.score([BLANK]).predictions) == 1


def test_a_model_of_before_judges_as_it_did() -> None:
    assert len(load(FOLDER / "both.oneclass").score([BLANK]).predictions) == 1

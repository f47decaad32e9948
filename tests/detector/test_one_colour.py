"""An image of one single colour has nothing in it: no model that learnt from none judges it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import stripes, write_images
from detector.old_models import FOLDER
from oneclass import Detector, Explanation, ImageError, load
from oneclass.images.scale import one_colour

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
        assert one_colour(pixels) == (value,) * 3
        for place in [(0, 0), (0, 8), (8, 3), (len(pixels) - 1, 8)]:
            other = pixels.copy()
            other[place] ^= 1
            assert one_colour(other) is None


def test_a_coloured_blank_is_one_colour() -> None:
    assert one_colour(np.broadcast_to(np.array([1, 2, 3], np.uint8), (80, 80, 3))) == (1, 2, 3)


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


def reasons(detector: Detector, *images: NDArray[np.uint8]) -> list[str]:
    return [error.reason for error in detector.score(list(images)).errors]


def test_only_colours_like_the_learnt_ones_are_judged() -> None:
    detector = Detector(**SMALL).fit([*stripes(30, seed=5), BLANK // 5, BLANK // 2])
    assert reasons(detector, BLANK // 5, BLANK // 3, BLANK // 2) == []
    assert reasons(detector, BLANK, 0 * BLANK) == ["one_colour"] * 2


def test_a_blank_that_is_forgotten_is_no_longer_judged(tmp_path: Path) -> None:
    detector = Detector(**SMALL).fit([*stripes(30, seed=5), BLANK, 0 * BLANK])
    detector.save(tmp_path / "m", rows=True)
    detector = load(tmp_path / "m")
    assert detector.update(forget=[0 * BLANK]).forgotten == 1
    assert reasons(detector, BLANK) == []
    assert reasons(detector, 0 * BLANK) == ["one_colour"]
    assert detector.update(forget=[BLANK]).forgotten == 1
    assert reasons(detector, BLANK, 0 * BLANK) == ["one_colour"] * 2


def test_an_update_learns_no_blank_of_another_colour() -> None:
    detector = Detector(**SMALL).fit([*stripes(30, seed=5), BLANK])
    did = detector.update([*stripes(3, seed=6), 0 * BLANK, np.full((30, 30), 255, np.uint8)])
    assert (did.added, [error.reason for error in did.errors]) == (4, ["one_colour"])
    assert reasons(detector, 0 * BLANK) == ["one_colour"]


def test_a_model_of_before_judges_as_it_did() -> None:
    assert len(load(FOLDER / "both.oneclass").score([BLANK]).predictions) == 1

"""Pictures of quite another shape or size than those that were learnt are told at scoring."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, load
from oneclass.images.checking.sizes import Sizes, ends, is_unlike, tally, told_unlike
from oneclass.images.formats.source import Header
from oneclass.images.sources import gather

SMALL = {"size": (64, 64), "layer": "block_4", "grid": 2}


def of(width: int, height: int) -> Header:
    return Header(width, height, "uint8", 1, 1, "PNG")


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "plain", "on_tiles"),
    [
        (640, 480, False, False),
        (700, 500, False, False),
        (480, 640, True, True),
        (640, 640, True, True),
        (1200, 900, False, True),
        (330, 245, False, True),
        (1400, 1050, True, True),
        (300, 225, True, True),
    ],
)
def test_another_shape_counts_and_another_size_sooner_on_tiles(
    width: int, height: int, plain: bool, on_tiles: bool
) -> None:
    learnt = tally([of(640, 480)] * 20)
    assert is_unlike(of(width, height), learnt, tiles=False) == plain
    assert is_unlike(of(width, height), learnt, tiles=True) == on_tiles


def test_what_one_in_fifty_was_is_known() -> None:
    few = Counter({(640, 480): 100, (480, 640): 1})
    assert is_unlike(of(480, 640), few, tiles=False)
    assert not is_unlike(of(480, 640), few + Counter({(480, 640): 2}), tiles=False)


def test_sizes_are_kept_to_two_figures() -> None:
    assert tally([of(2448, 2051), of(2412, 2049), of(9, 64)]) == {
        (2400, 2100): 1,
        (2400, 2000): 1,
        (9, 64): 1,
    }
    assert ends(tally([of(640, 480)] * 3)) == "about 640 x 480"
    assert ends(tally([of(640, 480), of(1234, 99), of(30, 700)])) == "from 30 x 700 to 640 x 480"
    assert tally([]) == Sizes()


def test_of_many_images_some_are_looked_at_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneclass.images.checking.sizes.ASKED", 2)
    detector = Detector(**SMALL).fit(write_images(tmp_path / "good", stripes(20, seed=1)))
    told = detector.unlike(write_images(tmp_path / "high", [noise(120, 40), *stripes(2, seed=2)]))
    assert told is not None
    assert told.startswith("1 of the 2 images whose sizes were looked at, of 3, has quite another")


def test_python_warns_of_another_shape_once_and_of_no_other(tmp_path: Path) -> None:
    detector = Detector(**SMALL).fit(write_images(tmp_path / "good", stripes(20, seed=1)))
    high = write_images(tmp_path / "high", [noise(120, 40), *stripes(2, seed=2)])
    scored = detector.score(high)
    assert scored.unlike is not None
    assert scored.unlike.startswith("1 of 3 images has quite another shape or size than nearly all")
    assert f"such as {Path(high[0]).name}: 40 x 120 pixels" in scored.unlike
    with pytest.warns(UserWarning, match="quite another shape"):
        assert len(list(scored)) == 3
    alone = detector.score(high[:1]).unlike
    assert alone is not None
    assert alone.startswith("this image has quite another shape")
    assert "(40 x 120 pixels; those" in alone
    assert detector.score(stripes(3, seed=3)).unlike is None
    assert detector.unlike([noise(30, 90)]) is not None


def test_a_card_of_before_says_nothing() -> None:
    card = {"fit": {"sizes": [[64, 64, 20]]}, "representation": {}}
    wide = gather([noise(30, 300)])
    assert told_unlike(wide, card) is not None
    assert told_unlike(wide, {**card, "fit": {}}) is None


def test_an_update_keeps_sizes_as_a_fit_to_all_would(tmp_path: Path) -> None:
    good = write_images(tmp_path / "good", stripes(12, seed=1))
    more = write_images(tmp_path / "more", [noise(40, 120, seed) for seed in range(3)])
    whole = Detector(**SMALL).fit([*good, *more])
    file = tmp_path / "m.oneclass"
    Detector(**SMALL).fit(good).save(file, rows=True)
    grown = load(file)
    before = grown.card["fit"]["sizes"]
    grown.update(more)
    assert grown.card["fit"]["sizes"] == whole.card["fit"]["sizes"] != before
    assert grown.unlike(more) is None
    grown.update((), forget=more)
    assert grown.card["fit"]["sizes"] == before
    assert grown.unlike(more) is not None


def test_the_commands_tell_sizes(tmp_path: Path) -> None:
    good = tmp_path / "good"
    write_images(good, stripes(20, seed=1))
    model, wide = tmp_path / "m.oneclass", write_images(tmp_path / "w", [noise(20, 90)])[0]
    made = oneclass("fit", good, "-o", model, "--size", "64x64", "--rows", "image")
    assert made.returncode == 0, made.stderr
    told = oneclass("score", model, wide).stderr
    assert "note: this image has quite another shape or size" in told
    height, width = stripes(1, seed=1)[0].shape[:2]
    info = oneclass("info", model).stdout
    assert f"It has learnt 20 normal images, about {width} x {height} pixels large, whose" in info
    assert "sizes:" not in info.split("In detail")[1]

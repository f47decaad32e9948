"""The plain sentences about a model say what it is, for every kind of model."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, ModelFileError, load
from oneclass.cli.talk.showing import amount
from oneclass.detector.files.information import (
    ARRAYS,
    detail,
    looks_at,
    model_card,
    not_tried,
    outline,
    plainly,
)
from oneclass.detector.predictions import digits

LARGE = np.kron(stripes(8, seed=1), np.ones((1, 11, 11), np.uint8))
"""264 x 264 pixels, so that the default looks at patches, too."""


@pytest.mark.parametrize(
    ("settings", "looks", "tried"),
    [
        (
            {"backbone": "greyscale"},
            "It looks at the raw pixels of whole images, resized to 264 x 264 pixels.",
            None,
        ),
        (
            {"rows": "image", "size": (48, 64)},
            "It looks at whole images, resized to 64 x 48 pixels (width x height), through "
            "efficientnet-lite0.",
            "whole images alone",
        ),
        (
            {"rows": "patches", "size": (64, 64)},
            "It looks at patches of the images, resized to 64 x 64 pixels, through "
            "efficientnet-lite0.",
            "patches alone",
        ),
        (
            {"rows": "both", "size": (64, 64)},
            "It looks at whole images, resized to 224 x 224 pixels, and at their patches, the "
            "images resized to 64 x 64 pixels, through efficientnet-lite0.",
            "both together",
        ),
    ],
)
def test_what_a_model_looks_at(settings: dict, looks: str, tried: str | None) -> None:
    card = Detector(**settings).fit(LARGE).card
    assert looks_at(card) == looks
    told = not_tried(card)
    if tried is None:
        assert told is None
    else:
        words = {"whole images alone", "patches alone", "both together"}
        assert {word for word in words if f"{word} (--rows" in str(told)} == words - {tried}


@pytest.mark.parametrize("rows", ["image", "both"])
def test_every_array_of_a_model_is_named_in_words(rows: str) -> None:
    detector = Detector(rows=rows, size=(64, 64)).fit(stripes(50, seed=1, side=48))
    arrays = detector.model.arrays()
    assert ("whitening" in arrays) == ("level" in arrays) == (rows == "both")
    assert arrays.keys() <= ARRAYS.keys()


def test_the_details_say_nothing_twice_and_nothing_that_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "m.oneclass"
    Detector(rows="both", size=(64, 96)).fit(LARGE).save(file)
    card = model_card(file)
    assert card["arrays"]["calm"].endswith(" x 0 x 0")  # where patches are looked at
    told = outline(detail(card))
    assert "calm" not in told
    assert "None" not in told
    assert "asked" not in told
    assert told.count("sha256: ") == 3  # of the file, the images and the backbone
    assert told.count("efficientnet-lite0\n") == 1
    assert "    size: 96 x 64 pixels (width x height)\n" in told
    whole = told.split("whole images, else as above:\n")[1].split("arrays:")[0]
    assert " ".join(whole.split()) == (
        "kind: means_and_deviations layers: block_2@7, block_14@2 preprocessing: "
        "size: 224 x 224 pixels"
    )
    assert card == model_card(file)  # as programs read it
    digest = sha256(file.read_bytes()[:-32]).hexdigest()
    assert f"sha256: {digest} (without the last 32 bytes, which hold it)\n" in told


@pytest.mark.parametrize("rows", ["image", "patches", "both"])
def test_both_thresholds_are_told_apart(rows: str, tmp_path: Path) -> None:
    detector = Detector(rows=rows, size=(64, 64)).fit(LARGE)
    detector.save(tmp_path / "m.oneclass")
    told = " ".join(plainly(tmp_path / "m.oneclass"))
    assert f"an anomaly if its score is above {digits(detector.score_threshold)}. Of" in told
    assert f"its value in the heatmap is above {digits(detector.pixel_threshold)}; about" in told
    share = f"{100 * detector.card['false_alarms']:.3g} %"
    assert f"; about {share} of normal images, or fewer, have such a place." in told


def test_a_model_without_heatmaps_has_one_threshold(tmp_path: Path) -> None:
    Detector(layer="pool").fit(stripes(20, seed=1)).save(tmp_path / "m.oneclass")
    told = plainly(tmp_path / "m.oneclass")
    assert "heatmap" not in " ".join(told)
    assert "" not in told


def test_scores_of_equal_digits_look_alike_everywhere() -> None:
    assert [digits(x) for x in (1, 1.004, 1.01, 0.23559, -0.5, 0)] == [
        "1.000", "1.004", "1.010", "0.2356", "-0.5000", "0.000",
    ]  # fmt: skip


def test_a_model_saved_without_rows_says_how_to_get_them(tmp_path: Path) -> None:
    Detector(backbone="greyscale").fit(stripes(20, seed=1)).save(tmp_path / "m.oneclass")
    detector = load(tmp_path / "m.oneclass")
    with pytest.raises(ModelFileError, match=r"m.oneclass.rows.*--keep-rows.*rows=True"):
        detector.update(stripes(2, seed=2))
    with pytest.raises(ModelFileError, match=r"--keep-rows"):
        detector.save(tmp_path / "n.oneclass", rows=True)


def in_megabytes(told: str) -> float:
    number, unit = told.split()
    return float(number) * {"kB": 1e-3, "MB": 1.0, "GB": 1e3}[unit]


def test_fit_says_that_it_kept_no_rows_of_patches(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(8, seed=1))
    words = ("fit", "good", "-o", "m.oneclass", "--rows", "patches", "--size", "64")
    done = oneclass(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'oneclass update' cannot teach this model more images" in done.stderr
    told = re.search(r"the first ones, (.*) of these 8\.", done.stderr)
    assert told is not None, done.stderr
    update = oneclass("update", "m.oneclass", "good", cwd=tmp_path)
    assert update.returncode == 4
    each = re.search(r"\(here they take (.*) MB\)", update.stderr)
    assert each is not None, update.stderr
    assert float(each[1]) == pytest.approx(in_megabytes(told[1]), abs=0.1)
    kept = oneclass(*words, "--keep-rows", cwd=tmp_path)
    assert "cannot teach" not in kept.stderr
    size = (tmp_path / "m.oneclass.rows").stat().st_size
    assert f"m.oneclass.rows: {amount(size, 'B')} that 'oneclass update' needs" in kept.stderr

"""Whole images and patches in one model, chosen by the size of the pictures; patches learn more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import stripes, write_images
from oneclass import Detector, Explanation, InputError, load
from oneclass.detector.views import DEFAULT_LAYER, _squeezed, choose_view, patch_size
from oneclass.images import Header
from oneclass.representations import MeansAndDeviations, PretrainedLayers, WholeAndPatches
from oneclass.statistics import auroc

SMALL = {"rows": "both", "size": (64, 64), "layer": "block_2+block_4", "n_halfspaces": 20}


def scratched(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    marked = images.copy()
    marked[:, 10:14, 8:20] = 255
    return marked


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(**SMALL).fit(stripes(40, seed=1, side=48))


def header(height: int, width: int) -> Header:
    return Header(width, height, "uint8", 1, 1, "PNG")


@pytest.mark.parametrize(
    ("sizes", "view"),
    [
        ([(255, 400)], "image"),
        ([(256, 256)], "both"),
        ([(28, 28)], "image"),
        ([(100, 100), (300, 300), (300, 500)], "both"),
        ([(4000, 3000)], "both"),
    ],
)
def test_the_size_of_the_pictures_decides(sizes: list[tuple[int, int]], view: str) -> None:
    assert choose_view([header(*size) for size in sizes]) == view


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((300, 300), (288, 288)),
        ((640, 640), (640, 640)),
        ((3000, 4000), (640, 864)),
        ((4000, 3000), (864, 640)),
        ((28, 28), (224, 224)),
        ((300, 3000), (288, 576)),
        ((264, 236), (256, 224)),
    ],
)
def test_patches_keep_the_shape_and_never_see_more_than_there_is(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert patch_size([header(*size)]) == expected


@pytest.mark.parametrize(
    ("n", "told"),
    [
        (0, None),
        (1, "1 of the 20 pictures has quite another shape than most, and is squeezed"),
        (11, "9 of the 20 pictures have quite another shape than most, and are squeezed"),
    ],
)
def test_pictures_of_another_shape_than_most_are_told(n: int, told: str | None) -> None:
    headers = [header(40, 60)] * (20 - n) + [header(60, 40)] * n
    said = _squeezed(headers)
    assert said is None if told is None else said is not None and told in said


def test_settings_of_whole_images_mean_whole_images() -> None:
    images = stripes(12, seed=1, side=260)
    card = Detector(layer="block_4@2").fit(images).card
    assert card["representation"]["kind"] == "pretrained_layers"
    assert Detector(size=64).fit(images).card["representation"]["kind"] == "pretrained_layers"


def test_the_score_is_its_parts(detector: Detector) -> None:
    for image in (*stripes(3, seed=2, side=48), *scratched(stripes(2, seed=3, side=48))):
        (e,) = detector.explain([image])
        assert isinstance(e, Explanation)
        assert e.prediction == detector.score([image])[0]
        worst = np.sort(e.anomaly_map.ravel())[::-1][: e.n_worst]
        assert worst.mean() + e.offset == pytest.approx(e.prediction.score, abs=1e-12)
        assert (e.prediction.score > detector.score_threshold) == e.prediction.is_anomaly


@pytest.mark.parametrize(("rows", "evened"), [("image", False), ("patches", True), ("both", True)])
def test_patches_see_images_with_half_of_their_exposure_taken_off(
    rows: str, evened: bool, tmp_path: Path
) -> None:
    layer = "pool" if rows == "image" else SMALL["layer"]
    fitted = Detector(rows=rows, size=(64, 64), layer=layer).fit(stripes(20, seed=1, side=48))
    fitted.save(tmp_path / "m.oneclass")

    for one in (fitted, load(tmp_path / "m.oneclass")):
        made = one.model.representation
        assert made.preprocessing.evened == evened
        assert getattr(made, "whole", made).preprocessing.evened == evened


def test_odd_ones_are_found_at_the_promised_rate(detector: Detector) -> None:
    normal = detector.score(stripes(60, seed=5, side=48))
    odd = detector.score(scratched(stripes(30, seed=6, side=48)))
    assert auroc(normal.scores, odd.scores) > 0.95
    assert sum(p.is_anomaly for p in normal) <= 9
    assert "how much whole images count beside patches" in detector.card["calibration"]["guarantee"]


def test_a_file_gives_it_back(detector: Detector, tmp_path: Path) -> None:
    detector.save(tmp_path / "m.oneclass")
    loaded = load(tmp_path / "m.oneclass")
    images = stripes(5, seed=7, side=48)
    np.testing.assert_array_equal(loaded.score(images).scores, detector.score(images).scores)
    assert loaded.card == detector.card
    assert loaded.fit(stripes(40, seed=1, side=48)).save(tmp_path / "again") == detector.save(
        tmp_path / "once more"
    )


@pytest.mark.parametrize(("rate", "told"), [(0.017, True), (0.019, False), (None, False)])
def test_a_rate_that_leaves_no_image_for_the_whitening_says_so(
    rate: float | None, told: bool
) -> None:
    asked = {**SMALL, "rows": "patches", "false_alarms": rate}
    model = Detector(**asked).fit(stripes(60, seed=1, side=48)).model
    assert (model.last.whitening is None) == told
    said = [warning for warning in model.card["fit"]["warnings"] if "whitened" in warning]
    assert len(said) == told
    if told:
        assert "at 1.7 % all 60 images are needed" in said[0]
        assert "From 1.82 % on" in said[0]


@pytest.mark.parametrize("rows", ["patches", "both"])
def test_a_model_that_whitens_is_kept_and_says_so(rows: str, tmp_path: Path) -> None:
    detector = Detector(**{**SMALL, "rows": rows}).fit(stripes(50, seed=1, side=48))
    calibration = detector.card["calibration"]
    assert calibration["n_held_out"] == 45
    assert "those taught how patches compare" in calibration["guarantee"]
    assert detector.model.last.level is not None
    new = list(stripes(3, seed=2, side=48))
    digest = detector.save(tmp_path / "m", rows=True)
    again = load(tmp_path / "m")
    assert again.score(new).scores.tolist() == detector.score(new).scores.tolist()
    assert load(tmp_path / "m", false_alarms=0.1).card["calibration"]["rate_at_most"] > 0.2
    for one in detector.explain(new):
        assert isinstance(one, Explanation)
        worst = np.sort(one.anomaly_map.ravel())[-one.n_worst :].mean()
        assert one.prediction.score == pytest.approx(worst + one.offset, abs=1e-9)
    more = list(stripes(5, seed=3, side=48))
    again.update(more)
    fresh = Detector(**{**SMALL, "rows": rows}).fit([*stripes(50, seed=1, side=48), *more])
    assert fresh.save(tmp_path / "fresh") == again.save(tmp_path / "m") != digest


def test_a_model_that_could_not_whiten_says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where all positions of the part that would teach it are the same."""
    monkeypatch.setattr("oneclass.conformal.parts.learn_whitening", lambda rows: None)
    calibration = Detector(**SMALL).fit(stripes(50, seed=1, side=48)).card["calibration"]
    assert calibration["n_held_out"] == 50
    assert "is not held out" not in calibration["guarantee"]


@pytest.mark.parametrize("rows", ["patches", "both"])
def test_update_is_a_fresh_fit(rows: str, tmp_path: Path) -> None:
    images = stripes(30, seed=1, side=48)
    given = {**SMALL, "rows": rows}
    Detector(**given).fit(images[:25]).save(tmp_path / "m", rows=True)
    detector = load(tmp_path / "m")
    did = detector.update(images[25:], forget=images[:5])
    assert (did.added, did.forgotten) == (5, 5)
    fresh = Detector(**given).fit(images[5:])
    assert detector.save(tmp_path / "a") == fresh.save(tmp_path / "b")


def test_without_rows_an_update_says_what_to_do(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(12, seed=1, side=48))
    Detector(**SMALL).fit(tmp_path / "good").save(tmp_path / "m")
    with pytest.raises(Exception, match="so it can score, but not be updated"):
        load(tmp_path / "m").update(stripes(2, seed=2, side=48))


def test_the_rate_can_be_set_after_the_fit(detector: Detector, tmp_path: Path) -> None:
    detector.save(tmp_path / "m")
    images = stripes(40, seed=9, side=48)
    strict, easy = (load(tmp_path / "m", false_alarms=rate) for rate in (0.03, 0.5))
    assert strict.score_threshold > easy.score_threshold
    called = [sum(p.is_anomaly for p in one.score(images)) for one in (strict, easy)]
    assert called[0] < called[1]
    assert strict.score(images).scores.tolist() == easy.score(images).scores.tolist()
    assert "one in 2 (50 %)" in easy.card["calibration"]["promise"]
    with pytest.raises(InputError, match=r"support no rate below 2\.44 %.*at least 99"):
        load(tmp_path / "m", false_alarms=0.01)
    with pytest.raises(InputError, match="false_alarms is 2"):
        load(tmp_path / "m", false_alarms=2)


def test_whole_images_beside_patches_are_seen_by_how_they_vary(detector: Detector) -> None:
    made = detector.model.representation
    assert isinstance(made, WholeAndPatches)
    assert isinstance(made.whole, MeansAndDeviations)
    assert str(made.whole.layers) == DEFAULT_LAYER
    assert made.whole.n_columns == 24 * 49 + 192 * 4 + 24 + 192
    alone = Detector(rows="image", size=(64, 64)).fit(stripes(20, seed=1, side=48))
    assert type(alone.model.representation) is PretrainedLayers


def test_other_networks_have_no_default_for_whole_images(tmp_path: Path) -> None:
    representation = Detector(**SMALL).fit(stripes(6, seed=1, side=48)).model.representation
    assert isinstance(representation, WholeAndPatches)
    with pytest.raises(InputError, match="greyscale has none"):
        Detector(rows="both", backbone="greyscale").fit(stripes(6, seed=1))


def test_a_picture_of_another_shape_is_scored(detector: Detector, tmp_path: Path) -> None:
    Image.fromarray(stripes(1, seed=2, side=96)[0][:50]).save(tmp_path / "flat.png")
    assert np.isfinite(detector.score(tmp_path / "flat.png").scores).all()

"""The rule for intensities, where a few values would decide over all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import damage
from commands import oneclass
from conftest import stripes
from oneclass import Detector, InputError
from oneclass.detector.learning import refuse_all_alike
from oneclass.images.check import check
from oneclass.images.scale import PixelRange, PixelScale, choose_common_scale, choose_scale

FLOATS = stripes(60, seed=1, side=64).astype(np.float32)


def ranges(images: list[np.ndarray]) -> list[PixelRange]:
    return [PixelRange.of(image) for image in images]


@pytest.mark.parametrize("value", [-3.4e38, -1e7, -9999, 1e6, 3.4e38])
@pytest.mark.parametrize("pixels", [1, 3, 192])
def test_one_image_does_not_set_the_scale(value: float, pixels: int) -> None:
    images = [*FLOATS]
    images[17] = images[17].copy()
    images[17].reshape(-1)[:pixels] = value
    scale, far = choose_common_scale("float32", ranges(images))
    others = np.delete(FLOATS, 17, axis=0)
    assert far == (17,)
    assert others.min() <= scale.low <= others.min() + 20
    assert others.max() - 20 <= scale.high <= others.max()


def test_one_pixel_in_every_image_does_not_set_the_scale() -> None:
    """12-bit data of a camera with one dead pixel, which reads 65535."""
    images = list(stripes(30, seed=1, side=64).astype(np.uint16) * 16)
    plain, _ = choose_common_scale("uint16", ranges(images))
    for image in images:
        image[5, 6] = 65535
    scale, far = choose_common_scale("uint16", ranges(images))
    assert scale == plain == PixelScale("uint16", 0.0, 4095.0)
    assert far == tuple(range(30))


@pytest.mark.parametrize("mark", [-3.4e38, -9999, 3.4e38])
@pytest.mark.parametrize("every", [1, 3, 10])
def test_a_mark_in_many_images_does_not_set_the_scale(mark: float, every: int) -> None:
    """A border without data around each image, or around some of them."""
    images = [image.copy() for image in FLOATS]
    for image in images[::every]:
        image[:3] = image[:, -2:] = mark
    scale, far = choose_common_scale("float32", ranges(images))
    assert far == tuple(range(0, 60, every))
    assert FLOATS.min() <= scale.low < scale.high <= FLOATS.max()
    assert scale.high - scale.low > 0.8 * (FLOATS.max() - FLOATS.min())


def test_saturated_borders_of_12_bit_data_do_not_set_the_scale() -> None:
    images = list(stripes(30, seed=1, side=64).astype(np.uint16) * 16)
    for image in images:
        image[:, :5] = 65535
    scale, far = choose_common_scale("uint16", ranges(images))
    assert (scale.high, len(far)) == (4095.0, 30)


@pytest.mark.parametrize("object_to", [20000, 65534])
def test_a_white_background_is_part_of_the_picture(object_to: int) -> None:
    image = np.full((64, 64), 65535, np.uint16)
    image[20:40, 20:40] = np.linspace(0, object_to, 400).reshape(20, 20)
    assert choose_common_scale("uint16", ranges([image] * 9)) == (
        PixelScale("uint16", 0.0, 65535.0),
        (),
    )


def test_two_values_alone_are_both_meant() -> None:
    image = np.zeros((64, 64), np.float32)
    image[9:30] = 1000
    assert choose_common_scale("float32", ranges([image] * 9))[0].high == 1000


@pytest.mark.parametrize("n_bright", [4, 15, 29])
def test_images_that_the_common_scale_hides_are_named(tmp_path: Path, n_bright: int) -> None:
    """8 bits kept in 16 among images that use all 16: the bright ones set the scale."""
    (tmp_path / "normal").mkdir()
    for i, image in enumerate(stripes(30, seed=1, side=64).astype(np.uint16)):
        pixels = image * 250 if i < n_bright else image
        (tmp_path / "normal" / f"{i:03}.tif").write_bytes(damage.tiff(pixels))
    report = check([tmp_path / "normal"])
    assert len(report.faint) == 30 - n_bright
    assert report.faint[0].name == f"{n_bright:03}.tif"
    assert "less than a sixteenth of the scale" in report.text()
    (note,) = (
        told
        for told in Detector(size=(64, 64)).fit(tmp_path / "normal").card["fit"]["warnings"]
        if "sixteenth" in told
    )
    assert f"{n_bright:03}.tif" in note


@given(st.lists(st.lists(st.floats(10, 30, width=32), min_size=1, max_size=9), min_size=1))
def test_values_that_keep_together_set_it_as_ever(values: list[list[float]]) -> None:
    images = [np.array([10, 20, 30, *some], np.float32) for some in values]
    everything = np.concatenate(images)
    scale, far = choose_common_scale("float32", ranges(images))
    if PixelRange.of(everything).low < PixelRange.of(everything).high:
        assert (scale, far) == (choose_scale("float32", 10, 30), ())


def test_a_second_kind_of_image_is_no_outlier() -> None:
    images = [*FLOATS[:30], *(FLOATS[30:40] * 50)]
    scale, far = choose_common_scale("float32", ranges(images))
    assert far == ()
    assert scale.high == max(image.max() for image in images)


def folder_with_no_data(folder: Path) -> Path:
    folder.mkdir()
    for i, image in enumerate(FLOATS):
        pixels = image.copy()
        if i == 7:
            pixels[:3] = -1e7
        (folder / f"{i:03}.tif").write_bytes(damage.tiff(pixels))
    return folder


def test_check_and_fit_name_it_and_the_model_still_sees(tmp_path: Path) -> None:
    """With the scale of all pixels every new image has p = 1."""
    folder = folder_with_no_data(tmp_path / "normal")
    report = check([folder])
    assert [path.name for path in report.far] == ["007.tif"]
    assert "values far from all others" in report.text()
    assert report.to_json()["far"] == [str(folder / "007.tif")]
    done = oneclass("fit", "normal", "-o", "m.oneclass", "--size", "64", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: 1 image holds pixel values far from all others" in done.stderr
    assert "normal/007.tif" in done.stderr
    detector = Detector(size=(64, 64)).fit(folder)
    assert "007.tif" in detector.card["fit"]["warnings"][0]
    odd = [image.transpose().copy() for image in stripes(9, seed=3, side=64).astype(np.float32)]
    assert all(p.is_anomaly for p in detector.score(odd))
    good = [*stripes(40, seed=4, side=64).astype(np.float32)]
    assert len({p.p_value for p in detector.score(good)}) > 5


def test_the_cache_gives_the_same_scale(tmp_path: Path) -> None:
    folder = folder_with_no_data(tmp_path / "normal")
    cards = [
        Detector(size=(64, 64), cache=cache).fit(folder).card
        for cache in (None, tmp_path / "c", tmp_path / "c")
    ]
    assert cards[0] == cards[1] == cards[2]


@pytest.mark.parametrize("level", [0.0, -0.37, 1e-9, -250.0])
def test_a_model_whose_scores_are_all_alike_is_refused(level: float) -> None:
    scores = np.full(60, level)
    scores[3] = level + 1
    with pytest.raises(InputError, match="held-out normal images are all alike"):
        refuse_all_alike(scores)
    refuse_all_alike(level + np.linspace(0, 1e-3 * max(abs(level), 1e-3), 60))
    refuse_all_alike(np.full(9, level))  # so few may well be

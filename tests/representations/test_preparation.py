"""One linear rule for every bit depth, never clipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oneclass.backbones import Preprocessing
from oneclass.errors import InputError
from oneclass.images.scale import PixelScale, choose_scale
from oneclass.representations.preparation import exposure_gain, luminance, prepare

PLAIN = Preprocessing((20, 30), "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("brightest", "high"),
    [(0, 255), (255, 255), (256, 511), (1023, 1023), (4095, 4095), (4096, 8191), (65535, 65535)],
)
def test_16_bit_images_are_scaled_by_the_bits_that_they_use(brightest: int, high: int) -> None:
    assert choose_scale("uint16", 0, brightest) == PixelScale("uint16", 0, high)


def test_8_bit_and_float_rules() -> None:
    assert choose_scale("uint8", 3, 7) == PixelScale("uint8", 0, 255)
    assert choose_scale("float32", 0.1, 0.9) == PixelScale("float32", 0, 1)
    assert choose_scale("float32", -1000, 3000) == PixelScale("float32", -1000, 3000)


def test_what_cannot_be_scaled_is_refused() -> None:
    with pytest.raises(InputError, match="every pixel of every normal image is 7"):
        choose_scale("float32", 7, 7)
    with pytest.raises(InputError, match="'int64': expected one of uint8, uint16, float32"):
        choose_scale("int64", 0, 1)


@given(hnp.arrays(np.uint16, (5, 7)), st.integers(0, 65535))
def test_the_rule_is_linear_and_never_clips(pixels: np.ndarray, brightest: int) -> None:
    scale = choose_scale("uint16", 0, brightest)
    unit = scale.intensities(pixels)
    np.testing.assert_allclose(unit.astype(float) * scale.high, pixels, rtol=1e-6, atol=1e-6)
    assert unit.dtype == np.float32
    if brightest > 0 and pixels.max() > scale.high:
        assert unit.max() > 1


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)))
def test_an_image_looks_the_same_at_8_and_at_16_bits(pixels: np.ndarray) -> None:
    deep = pixels.astype(np.uint16) * 257
    shallow = prepare(pixels, choose_scale("uint8", 0, 255), PLAIN)
    np.testing.assert_allclose(
        prepare(deep, PixelScale("uint16", 0, 65535), PLAIN), shallow, atol=1.01 / 255
    )


def test_same_size_images_pass_through_exactly() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    planes = prepare(pixels, choose_scale("uint8", 0, 255), PLAIN)
    np.testing.assert_allclose(planes, (pixels / 255).transpose(2, 0, 1), rtol=1e-6)


@pytest.mark.parametrize("light", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("depth", ["uint8", "float32"])
def test_half_of_an_exposure_is_taken_off(depth: str, light: float) -> None:
    bright = np.random.default_rng(0).integers(0, 240, (20, 30)).astype(np.float32)
    scale, evened = PixelScale(depth, 0, 255), replace(PLAIN, evened=True)

    given, seen = (
        prepare((share * bright).round().astype(depth), scale, evened) for share in (1.0, light)
    )

    np.testing.assert_allclose(seen, given * light**0.5, atol=0.011)


def test_an_image_of_the_usual_exposure_stays_as_it_is_and_a_black_one_black() -> None:
    usual, record = np.full((20, 30), 0.75, np.float32), replace(PLAIN, evened=True)
    scale = choose_scale("float32", 0, 1)

    np.testing.assert_array_equal(prepare(usual, scale, record), prepare(usual, scale, PLAIN))
    assert not prepare(np.zeros((20, 30), np.float32), scale, record).any()


def test_the_exposure_is_what_a_tenth_of_an_image_lies_above() -> None:
    planes = np.zeros((3, 40, 40), np.float32)
    planes[1:, :, :4] = 3  # in two channels of three, so 2 on average: three quarters of the range

    assert exposure_gain(planes, -1.0, 4.0) == pytest.approx(1.0)
    planes[:, :8, :4] = 0  # less than a tenth is left
    assert exposure_gain(planes, -1.0, 4.0) == pytest.approx(3**0.5)


def test_a_grey_image_has_the_exposure_that_it_has_in_colours() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)
    record, scale = replace(PLAIN, evened=True), choose_scale("uint8", 0, 255)

    coloured = prepare(np.repeat(grey[..., None], 3, axis=2), scale, record)

    np.testing.assert_array_equal(prepare(grey, scale, record), coloured)


def test_records_say_whether_exposures_are_evened() -> None:
    evened = replace(PLAIN, evened=True)

    assert Preprocessing.from_json(evened.to_json()) == evened
    assert "evened" not in PLAIN.to_json()
    with pytest.raises(ValueError, match="evened is 1"):
        Preprocessing.from_json({**PLAIN.to_json(), "evened": 1})


def test_mean_and_std_are_applied_per_channel() -> None:
    record = Preprocessing((4, 4), "nearest", (0.1, 0.2, 0.3), (1.0, 2.0, 4.0))
    planes = prepare(np.full((4, 4), 255, np.uint8), choose_scale("uint8", 0, 255), record)
    np.testing.assert_allclose(planes[:, 0, 0], [0.9, 0.4, 0.175], rtol=1e-6)


def test_colour_for_a_grey_network_becomes_luminance() -> None:
    record = Preprocessing((4, 4), "nearest", (0.0,), (1.0,))
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    planes = prepare(red, choose_scale("uint8", 0, 255), record)
    assert planes.shape == (1, 4, 4)
    np.testing.assert_allclose(planes, 0.299, rtol=1e-6)
    np.testing.assert_allclose(luminance(np.ones((3, 2, 2), np.float32)), 1, rtol=1e-6)


def test_a_shrunk_checkerboard_is_grey_not_moire() -> None:
    board = (np.indices((200, 300)).sum(0) % 2 * 255).astype(np.uint8)
    planes = prepare(board, choose_scale("uint8", 0, 255), PLAIN)
    assert abs(planes - 0.5).max() < 0.03

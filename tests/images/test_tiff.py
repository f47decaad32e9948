"""TIFF of every depth, layout and code, written by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import damage
from oneclass import ImageError, images
from reading import GREY, RGB, RNG, assert_reads, on_white, put, refusal, saved

DTYPES = [np.uint8, np.uint16, np.int8, np.int16, np.float16, np.float32, np.float64]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "layout",
    [{}, {"big": True}, {"strip": 4}, {"planar": True, "strip": 5}, {"tile": (16, 16)},
     {"tile": (16, 32), "planar": True}, {"code": 8, "strip": 4}, {"code": 5, "tile": (16, 16)},
     {"code": 32773, "planar": True, "strip": 3}],
    ids=str,
)  # fmt: skip
def test_tiff_of_every_depth_and_layout(
    tmp_path: Path, layout: dict[str, object], dtype: type, order: str
) -> None:
    for channels in (1, 3):
        pixels = _values(dtype, (19, 23, channels))
        expected = pixels if dtype in (np.uint8, np.uint16) else pixels.astype(np.float32)
        path = put(tmp_path, damage.tiff(pixels, order=order, **layout))
        assert_reads(path, expected[..., 0] if channels == 1 else expected)


def _values(dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    if np.dtype(dtype).kind == "f":
        return RNG.normal(0, 100, shape).astype(dtype)
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", [1, 5, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_tiff_predictors(tmp_path: Path, dtype: type, code: int, order: str) -> None:
    for channels in (1, 3):
        for layout in ({}, {"planar": True}, {"tile": (16, 16)}):
            pixels = _values(dtype, (19, 23, channels))
            predictor = 3 if np.dtype(dtype).kind == "f" else 2
            data = damage.tiff(pixels, order=order, code=code, predictor=predictor, **layout)
            expected = pixels if dtype in (np.uint8, np.uint16) else pixels.astype(np.float32)
            assert_reads(put(tmp_path, data), expected[..., 0] if channels == 1 else expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_of_odd_bits_is_scaled_to_the_full_range(
    tmp_path: Path, bits: int, channels: int
) -> None:
    top, dtype = 2**bits - 1, np.uint8 if bits < 8 else np.uint16
    values = RNG.integers(0, top, (7, 13, channels), dtype=dtype, endpoint=True)
    full = np.iinfo(dtype).max
    expected = np.floor(values * (full / top) + 0.5).astype(dtype)
    expected = expected[..., 0] if channels == 1 else expected
    assert_reads(put(tmp_path, damage.tiff(values, bits=bits)), expected)
    inverted = damage.tiff(values, bits=bits, photometric=0)
    if channels == 1:
        assert_reads(put(tmp_path, inverted), full - expected)


def test_tiff_of_reversed_bits(tmp_path: Path) -> None:
    values = RNG.integers(0, 2, (5, 19), dtype=np.uint8)
    plain = damage.tiff(values, bits=1)
    rows = 5 * 3
    mirror = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
    tagged = damage.tiff(values, bits=1, more=((266, 3, [2]),))
    data = tagged[:-rows] + plain[-rows:].translate(mirror)
    assert_reads(put(tmp_path, data), values * np.uint8(255))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_alpha(tmp_path: Path, dtype: type) -> None:
    top = np.iinfo(dtype).max
    for channels in (2, 4):
        pixels = RNG.integers(0, top, (6, 5, channels), dtype=dtype, endpoint=True)
        photometric = 1 if channels == 2 else 2
        data = damage.tiff(pixels, extra=2, photometric=photometric)
        assert_reads(put(tmp_path, data), on_white(pixels))
        unspecified = damage.tiff(pixels, extra=0, photometric=photometric)
        colour = pixels[..., :-1]
        assert_reads(put(tmp_path, unspecified), colour[..., 0] if channels == 2 else colour)
        colour[:] = np.minimum(colour, pixels[..., -1:])
        expected = colour + (top - pixels[..., -1:])
        data = damage.tiff(pixels, extra=1, photometric=photometric)
        assert_reads(put(tmp_path, data), expected[..., 0] if channels == 2 else expected)


def test_tiff_palettes_keep_their_depth(tmp_path: Path) -> None:
    index = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
    colours = RNG.integers(0, 256, (256, 3), dtype=np.uint16)
    wide = RNG.integers(0, 65536, (256, 3), dtype=np.uint16)
    for table, expected in ((colours * 257, colours.astype(np.uint8)),
                            (colours * 256, colours.astype(np.uint8)), (wide, wide)):  # fmt: skip
        data = damage.tiff(index, photometric=3, more=((320, 3, table.T.reshape(-1).tolist()),))
        assert_reads(put(tmp_path, data), expected[index])


def test_16_bit_cmyk_tiff(tmp_path: Path) -> None:
    ink = RNG.integers(0, 65536, (4, 5, 4), dtype=np.uint16)
    light = 1 - ink / 65535
    expected = np.floor(light[..., :3] * light[..., 3:] * 65535 + 0.5).astype(np.uint16)
    assert_reads(put(tmp_path, damage.tiff(ink, photometric=5)), expected)


def test_wide_integers_are_floats_or_refused(tmp_path: Path) -> None:
    for dtype, values in ((np.uint32, [0, 2**24]), (np.int32, [-(2**24), 5])):
        pixels = np.array([values], dtype)
        assert_reads(put(tmp_path, damage.tiff(pixels)), pixels.astype(np.float32))
    error = refusal(put(tmp_path, damage.tiff(np.array([[-(2**24) - 1, 0]], np.int32))))
    assert error.reason == "unsupported"
    assert "16777217" in error.detail


@pytest.mark.parametrize("code", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"])
def test_tiff_compressions_of_libtiff(tmp_path: Path, code: str) -> None:
    for pixels in (GREY, RGB, GREY.astype(np.uint16) * 251):
        assert_reads(saved(tmp_path, Image.fromarray(pixels), "tif", compression=code), pixels)


@pytest.mark.parametrize("code", ["group3", "group4", "tiff_ccitt"])
def test_fax_tiff(tmp_path: Path, code: str) -> None:
    path = saved(tmp_path, Image.fromarray(GREY > 127), "tif", compression=code)
    assert_reads(path, (GREY > 127) * np.uint8(255))


def test_jpeg_tiff(tmp_path: Path) -> None:
    for pixels in (GREY, RGB):
        path = saved(tmp_path, Image.fromarray(pixels), "tif", compression="jpeg")
        assert_reads(path, np.asarray(Image.open(path)), atol=1)


def test_a_smaller_copy_in_a_tiff_is_no_second_page(tmp_path: Path) -> None:
    tags = [(254, 4, [1]), (256, 4, [1]), (257, 4, [1]), (262, 3, [1])]
    first = damage.tiff(GREY)
    table = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, values[0]) for tag, kind, values in tags
    )
    count = struct.unpack_from("<H", first, 8)[0]
    link = 10 + 12 * count
    whole = first[:link] + struct.pack("<I", len(first)) + first[link + 4 :] + table + b"\0" * 4
    assert_reads(put(tmp_path, whole), GREY)


LOWEST = float(np.finfo(np.float32).min)


def no_data_tag(text: str) -> tuple[tuple[int, int, list[int]], ...]:
    return ((42113, 2, [*text.encode(), 0]),)


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        ("float32", "-3.4028234663852886e+38", LOWEST),
        ("float32", "-9999", -9999),
        ("float32", " -1e7 ", -1e7),
        ("float64", "-1.7976931348623157e+308", float(np.finfo(np.float64).min)),
        ("int16", "-32768", -32768),
        ("uint16", "65535", 65535),
    ],
)
def test_pixels_marked_as_no_data_are_refused_like_nan(
    tmp_path: Path, dtype: str, text: str, value: float
) -> None:
    pixels = np.random.default_rng(1).uniform(0, 100, (8, 9)).astype(dtype)
    pixels[2:4] = value
    (tmp_path / "a.tif").write_bytes(damage.tiff(pixels, more=no_data_tag(text)))
    with pytest.raises(ImageError, match=r"18 of 72 pixels are .* GDAL tag") as error:
        images.read(tmp_path / "a.tif")
    assert error.value.reason == "not_finite"


@pytest.mark.parametrize(("dtype", "text", "value"), [
    ("uint8", "0", 0), ("uint8", "255", 255), ("uint16", "0", 0),
    ("float32", "-9999", 3), ("float32", "nan", 3), ("float32", "n/a", 3), ("uint16", "", 3),
    ("uint16", "-3.4e38", 3), ("float32", "1e999", 3),
])  # fmt: skip
def test_a_tag_that_marks_nothing_harmful_changes_nothing(
    tmp_path: Path, dtype: str, text: str, value: float
) -> None:
    pixels = np.full((8, 9), 7, dtype)
    pixels[2] = value
    (tmp_path / "a.tif").write_bytes(damage.tiff(pixels, more=no_data_tag(text)))
    assert np.array_equal(images.read(tmp_path / "a.tif"), pixels)

"""The reader against files that were made without it, bit by bit."""

from __future__ import annotations

import io
import os
import shutil
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

import damage
from oneclass import images
from oneclass.errors import ImageError

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (13, 21), dtype=np.uint8)
RGB = RNG.integers(0, 256, (13, 21, 3), dtype=np.uint8)
RGBA = RNG.integers(0, 256, (13, 21, 4), dtype=np.uint8)
SECONDS = 2.0


def put(folder: Path, data: bytes, name: str = "x.png") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def saved(folder: Path, image: Image.Image, suffix: str, **options: object) -> Path:
    path = folder / f"x.{suffix}"
    image.save(path, **options)
    return path


def assert_reads(path: Path, expected: np.ndarray, atol: int = 0) -> None:
    """Same shape, depth and values, and a header that said so beforehand."""
    header = images.probe(path)
    pixels = images.read(path)
    assert pixels.dtype == expected.dtype
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(float) - expected.astype(float)).max() <= atol
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert (header.height, header.width) == pixels.shape[:2]
    assert header.depth == pixels.dtype.name
    assert header.channels == (1 if pixels.ndim == 2 else 3)
    assert header.nbytes == pixels.nbytes
    assert header.frames == 1


def refusal(path: Path | str, **options: int) -> ImageError:
    start = time.perf_counter()
    with pytest.raises(ImageError) as caught:
        images.read(path, **options)
    assert time.perf_counter() - start < SECONDS
    assert caught.value.reason in images.REASONS
    assert caught.value.path == Path(path)
    return caught.value


def on_white(pixels: np.ndarray) -> np.ndarray:
    """The rule in floating point: the reader works in integers."""
    top = np.iinfo(pixels.dtype).max
    alpha = pixels[..., -1:] / top
    mixed = pixels[..., :-1] * alpha + top * (1 - alpha)
    return np.squeeze(np.floor(mixed + 0.5), -1 if pixels.shape[2] == 2 else ()).astype(
        pixels.dtype
    )


# -- every format at every depth


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm", "pgm"])
def test_8_bit_files_of_pillow_come_back(tmp_path: Path, suffix: str) -> None:
    if suffix != "ppm":
        assert_reads(saved(tmp_path, Image.fromarray(GREY), suffix), GREY)
    if suffix != "pgm":
        assert_reads(saved(tmp_path, Image.fromarray(RGB), suffix), RGB)


def test_webp_is_rgb_and_composited(tmp_path: Path) -> None:
    assert_reads(saved(tmp_path, Image.fromarray(RGB), "webp", lossless=True), RGB)
    path = saved(tmp_path, Image.fromarray(RGBA), "webp", lossless=True, exact=True)
    assert_reads(path, on_white(RGBA), atol=1)
    lossy = saved(tmp_path, Image.fromarray(RGB), "webp", quality=80)
    assert_reads(lossy, np.asarray(Image.open(lossy)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100, "subsampling": 0}])
def test_jpeg_is_what_libjpeg_makes_of_it(tmp_path: Path, options: dict[str, object]) -> None:
    for pixels in (GREY, RGB):
        path = saved(tmp_path, Image.fromarray(pixels), "jpg", **options)
        assert_reads(path, np.asarray(Image.open(path)))


def test_cmyk_jpeg_and_tiff(tmp_path: Path) -> None:
    image = Image.frombytes("CMYK", (21, 13), RGBA.tobytes())
    for suffix in ("jpg", "tif"):
        path = saved(tmp_path, image, suffix)
        assert_reads(path, np.asarray(Image.open(path).convert("RGB")), atol=1)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_every_colour_type(
    tmp_path: Path, channels: int, dtype: type, interlaced: bool
) -> None:
    pixels = RNG.integers(0, np.iinfo(dtype).max + 1, (11, 9, channels), dtype=dtype)
    path = put(tmp_path, damage.png(pixels, interlaced=interlaced))
    plain = pixels[..., 0] if channels == 1 else pixels
    assert_reads(path, on_white(pixels) if channels in (2, 4) else plain)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 9), width=st.integers(1, 9), channels=st.sampled_from([1, 2, 3, 4]),
    seed=st.integers(0, 2**32 - 1), interlaced=st.booleans(),
)  # fmt: skip
def test_16_bit_png_keeps_every_bit(
    tmp_path_factory: pytest.TempPathFactory,
    height: int, width: int, channels: int, seed: int, interlaced: bool,
) -> None:  # fmt: skip
    pixels = np.random.default_rng(seed).integers(
        0, 65536, (height, width, channels), dtype=np.uint16
    )
    if channels in (2, 4):
        pixels[..., -1] = 65535  # opaque: no arithmetic may touch the colour
    path = put(tmp_path_factory.getbasetemp(), damage.png(pixels, interlaced=interlaced))
    expected = pixels[..., : channels - 1] if channels in (2, 4) else pixels
    assert_reads(path, expected[..., 0] if expected.shape[2] == 1 else expected)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_below_8_bits(tmp_path: Path, bits: int) -> None:
    values = RNG.integers(0, 2**bits, (7, 13), dtype=np.uint8)
    scaled = values * np.uint8(255 // (2**bits - 1))
    for interlaced in (False, True):
        assert_reads(put(tmp_path, damage.png(values, bits=bits, interlaced=interlaced)), scaled)
    palette = RNG.integers(0, 256, (2**bits, 3), dtype=np.uint8)
    coloured = damage.png(values, bits=bits, palette=palette.tobytes())
    assert_reads(put(tmp_path, coloured), palette[values])


def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    greys = bytes(v for v in (9, 200, 77, 4) for _ in range(3))
    values = RNG.integers(0, 4, (5, 6), dtype=np.uint8)
    expected = np.array([9, 200, 77, 4], np.uint8)[values]
    assert_reads(put(tmp_path, damage.png(values, palette=greys)), expected)


def test_transparent_colours_of_png_become_white(tmp_path: Path) -> None:
    values = np.array([[0, 1], [2, 3]], np.uint8)
    trns = damage.chunk(b"tRNS", bytes([0, 128]))
    palette = bytes([10, 20, 30, 100, 0, 0, 1, 2, 3, 4, 5, 6])
    expected = np.array([[[255] * 3, [177, 127, 127]], [[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert_reads(put(tmp_path, damage.png(values, palette=palette, chunks=trns)), expected)
    wide = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint16)
    key = damage.chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))
    white = np.array([[[65535] * 3, [1, 2, 4]]], np.uint16)
    assert_reads(put(tmp_path, damage.png(wide, chunks=key)), white)
    low = damage.png(np.array([[1, 2]], np.uint8), bits=2, chunks=damage.chunk(b"tRNS", b"\0\1"))
    assert_reads(put(tmp_path, low), np.array([[255, 170]], np.uint8))


# -- TIFF

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


@pytest.mark.parametrize(
    "code", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "tiff_deflate"]
)
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


# -- PNM and BMP by hand


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P1\n# ink\n3 2\n1 0 1\n010", np.array([[0, 255, 0], [255, 0, 255]], np.uint8)),
        (b"P2 2 1 3\n0 2", np.array([[0, 170]], np.uint8)),
        (b"P2 2 1 1000 0 500 # half\n", np.array([[0, 32768]], np.uint16)),
        (b"P3\n1 1\n255\n1 2 3\n", np.array([[[1, 2, 3]]], np.uint8)),
        (b"P4 10 1\n\xaa\x80", np.array([[0, 255] * 4 + [0, 255]], np.uint8)),
        (b"P5\r\n#a\r\n2 #b\n 2\t255\n\0\1\2\3", np.array([[0, 1], [2, 3]], np.uint8)),
        (b"P5 2 1 65535\n\1\2\3\4", np.array([[0x102, 0x304]], np.uint16)),
        (b"P5 2 1 4095\n\x0f\xff\x08\0", np.array([[65535, 32776]], np.uint16)),
        (b"P6 1 1 65535\n\0\1\0\2\0\3", np.array([[[1, 2, 3]]], np.uint16)),
    ],
)
def test_pnm(tmp_path: Path, data: bytes, expected: np.ndarray) -> None:
    assert_reads(put(tmp_path, data, "x.pgm"), expected)


def _bmp(bits: int, rows: bytes, palette: bytes = b"", height: int = 1, masks: bytes = b"",
         code: int = 0) -> bytes:  # fmt: skip
    size = 40 if not masks else 108
    used = len(palette) // 4
    head = struct.pack("<IiiHHIIiiII", size, 2, height, 1, bits, code, 0, 0, 0, used, 0)
    head += masks.ljust(size - 40, b"\0")
    return b"BM" + struct.pack("<III", 0, 0, 14 + size + len(palette)) + head + palette + rows


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (_bmp(24, bytes([3, 2, 1, 6, 5, 4, 0, 0])), [[[1, 2, 3], [4, 5, 6]]]),
        (_bmp(32, bytes([3, 2, 1, 0, 6, 5, 4, 0])), [[[1, 2, 3], [4, 5, 6]]]),
        (_bmp(1, b"\x40\0\0\0", bytes(4) + b"\xff" * 3 + b"\0"), [[0, 255]]),
        (_bmp(1, b"\x40\0\0\0", b"\xff" * 3 + bytes(5)), [[255, 0]]),
        (_bmp(4, b"\x10\0\0\0", bytes([9, 9, 9, 0, 7, 7, 7, 0])), [[7, 9]]),
        (_bmp(8, b"\1\0\0\0", bytes([3, 2, 1, 0, 6, 5, 4, 0])), [[[4, 5, 6], [1, 2, 3]]]),
        (_bmp(8, b"\1\0\0\0\0\1\0\0", bytes([9, 9, 9, 0, 7, 7, 7, 0]), -2), [[7, 9], [9, 7]]),
        (_bmp(8, b"\2\1\0\1", bytes([9, 9, 9, 0, 7, 7, 7, 0]), code=1), [[7, 7]]),
        (
            _bmp(32, bytes([0, 0, 0, 255, 0, 0, 0, 0]), code=3,
                 masks=struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
            [[[0, 0, 0], [255, 255, 255]]],
        ),
        (
            _bmp(32, bytes([3, 2, 1, 0, 6, 5, 4, 0]), code=3,
                 masks=struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
            [[[1, 2, 3], [4, 5, 6]]],
        ),
    ],
)  # fmt: skip
def test_bmp(tmp_path: Path, data: bytes, expected: list[object]) -> None:
    assert_reads(put(tmp_path, data, "x.bmp"), np.array(expected, np.uint8))


def test_a_still_gif(tmp_path: Path) -> None:
    index = RNG.integers(0, 4, (5, 6), dtype=np.uint8)
    image = Image.fromarray(index, "L").convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    palette = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)
    assert_reads(saved(tmp_path, image, "gif"), palette[index])


# -- orientation

TURNED = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}
STORED = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)


def exif(orientation: int, order: str = "<") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 274, 3, 1, orientation, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + b"\0" * 4


@pytest.mark.parametrize("orientation", TURNED)
def test_every_orientation(tmp_path: Path, orientation: int) -> None:
    expected = np.array(TURNED[orientation], np.uint8)
    for order in "<>":
        chunk = damage.chunk(b"eXIf", exif(orientation, order))
        assert_reads(put(tmp_path, damage.png(STORED, chunks=chunk)), expected)
    tiff = damage.tiff(STORED, more=((274, 3, [orientation]),))
    assert_reads(put(tmp_path, tiff), expected)
    colour = np.repeat(STORED[..., None], 3, axis=2)
    webp = saved(tmp_path, Image.fromarray(colour), "webp", lossless=True, exif=exif(orientation))
    assert_reads(webp, np.repeat(expected[..., None], 3, axis=2))
    blocks = np.kron(STORED * np.uint8(40), np.ones((16, 16), np.uint8))
    data = damage.jpeg(blocks, quality=95, exif=b"Exif\0\0" + exif(orientation))
    large = np.kron(expected * np.uint8(40), np.ones((16, 16), np.uint8))
    assert_reads(put(tmp_path, data), large, atol=6)


@pytest.mark.parametrize(
    "block",
    [b"", b"II*\0", exif(0), exif(9), exif(6)[:15], b"\xff" * 40, b"II*\0\xff\xff\xff\xff",
     exif(3).replace(b"\3\0\1", b"\4\0\1")],
)  # fmt: skip
def test_broken_exif_means_upright(tmp_path: Path, block: bytes) -> None:
    assert_reads(put(tmp_path, damage.png(STORED, chunks=damage.chunk(b"eXIf", block))), STORED)
    path = put(tmp_path, damage.jpeg(GREY, exif=b"Exif\0\0" + block))
    assert images.read(path).shape == GREY.shape


# -- metadata that misbehaves in good pictures


@pytest.mark.parametrize(
    "chunk",
    [
        damage.chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(10**8))),
        damage.chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(10**8))),
        damage.chunk(b"iTXt", b"x\0\1\0\0\0" + zlib.compress(bytes(10**8))),
        damage.chunk(b"tEXt", b"no separator") * 500,
        damage.chunk(b"acTL", b"\0" * 8),
        damage.chunk(b"pHYs", b"1"),
        damage.chunk(b"gAMA", b"")[:-1] + b"?",
    ],
    ids=["iCCP bomb", "zTXt bomb", "iTXt bomb", "tEXt", "acTL", "pHYs", "wrong checksum"],
)
def test_hostile_metadata_does_not_hide_a_good_png(tmp_path: Path, chunk: bytes) -> None:
    start = time.perf_counter()
    assert_reads(put(tmp_path, damage.png(RGB, chunks=chunk)), RGB)
    assert time.perf_counter() - start < SECONDS


@pytest.mark.parametrize("tail", [b"garbage", b"\0" * 10**5, b"\xff\xd8\xff\xd9"])
def test_what_follows_a_whole_picture_is_ignored(tmp_path: Path, tail: bytes) -> None:
    assert_reads(put(tmp_path, damage.png(RGB) + tail), RGB)
    data = damage.jpeg(GREY)
    assert_reads(put(tmp_path, data + tail), np.asarray(Image.open(io.BytesIO(data))))


def test_nothing_global_is_asked_or_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    bomb, good = put(tmp_path, b"P5 60000 60000 255\n", "a"), put(tmp_path, damage.png(RGB), "b")
    refusal(bomb)
    images.read(good)
    assert limits == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for suffix in ("png", "jpg", "tif", "bmp", "gif"):
        path = saved(tmp_path, Image.fromarray(RGB), suffix)
        images.read(path)
        whole = path.read_bytes()
        for keep in (0.5, 0.9):
            path.write_bytes(whole[: int(len(whole) * keep)])
            refusal(path)


# -- refusals

DAMAGED = 300


def test_every_damaged_file_is_refused_in_time_with_the_right_reason(tmp_path: Path) -> None:
    for path, reasons in damage.write_damaged(tmp_path / "bad", DAMAGED).items():
        error = refusal(path)
        assert error.reason in reasons, (path.name, error)
        assert len(error.detail) > 20


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp", "gif", "ppm"])
def test_a_file_cut_anywhere_is_never_a_picture(tmp_path: Path, suffix: str) -> None:
    whole = saved(tmp_path, Image.fromarray(RGB), suffix).read_bytes()
    last = len(whole) - (12 if suffix in ("png", "gif") else 1)
    for keep in range(0, last, max(1, last // 150)):
        assert refusal(put(tmp_path, whole[:keep])).reason in damage.HOPELESS


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_random_bytes_end_in_a_picture_or_an_image_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    samples = list(SAMPLES)
    broken = bytearray(data.draw(st.sampled_from(samples)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(broken), 160) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    path = put(tmp_path_factory.getbasetemp(), bytes(broken), "fuzz")
    start = time.perf_counter()
    try:
        outcome = images.read(path).dtype.name
    except ImageError as error:
        outcome = error.reason
    assert outcome in ("uint8", "uint16", "float32", *images.REASONS)
    assert time.perf_counter() - start < SECONDS


SAMPLES = (
    damage.png(RGB), damage.jpeg(RGB), damage.jpeg(GREY, progressive=True),
    damage.tiff(RGB, code=8, predictor=2), damage.tiff(RGB.astype(np.uint16), tile=(16, 16)),
    damage.tiff(GREY, big=True), b"P2 2 1 3\n0 2", b"P6 1 1 255\n123",
    *damage.frames().values(), _bmp(8, b"\2\1\0\1", bytes(8), code=1),
)  # fmt: skip


def test_the_caps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, damage.png(RGB))
    assert images.read(path, max_pixels=RGB[..., 0].size).shape == RGB.shape
    error = refusal(path, max_pixels=RGB[..., 0].size - 1)
    assert error.reason == "too_large"
    assert "21 x 13" in error.detail
    monkeypatch.setattr(images, "MAX_BYTES", RGB.nbytes - 1)
    assert refusal(path).reason == "too_large"


def test_frames_are_counted(tmp_path: Path) -> None:
    for name, data in damage.frames().items():
        path = put(tmp_path, data, name)
        assert images.probe(path).frames == 2
        assert "2 frames" in refusal(path).detail


def test_not_finite_says_how_many(tmp_path: Path) -> None:
    pixels = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
    error = refusal(put(tmp_path, damage.tiff(pixels)))
    assert (error.reason, error.detail[:6]) == ("not_finite", "3 of 4")
    assert refusal(put(tmp_path, damage.tiff(np.array([[1e300]])))).reason == "not_finite"


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing.png").reason == "missing"
    assert refusal("zero\0byte.png").reason == "missing"
    assert refusal(tmp_path).reason == "not_a_file"
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path / "pipe.png").reason == "not_a_file"
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert refusal(tmp_path / "loop.png").reason == "unreadable"
    assert refusal("x" * 5000).reason == "unreadable"


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    path = put(tmp_path, damage.png(GREY), "picture.jpg")
    assert_reads(path, GREY)
    assert images.probe(path).format == "PNG"


# -- threads


def test_good_images_are_the_same_amid_bad_ones_in_threads(tmp_path: Path) -> None:
    good = damage.write_good(tmp_path / "good", 20)
    for i, data in enumerate(SAMPLES[:6]):
        good.append(put(tmp_path, data, f"sample-{i}"))
    alone = [images.read(path) for path in good]
    bad = list(damage.write_damaged(tmp_path / "bad", 60))
    barrier = threading.Barrier(8)

    def work(seed: int) -> list[np.ndarray]:
        barrier.wait()
        order = np.random.default_rng(seed).permutation(len(good) + len(bad))
        found: dict[int, np.ndarray] = {}
        for i in order:
            if i < len(good):
                found[i] = images.read(good[i])
            else:
                refusal(bad[i - len(good)])
        return [found[i] for i in range(len(good))]

    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(work, range(8)):
            assert all(map(np.array_equal, result, alone))
    shutil.rmtree(tmp_path / "bad")

"""The reader against files that were made without it, bit by bit."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import damage
from oneclass import images
from reading import GREY, RGB, RGBA, RNG, assert_reads, on_white, put, saved

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
    image = Image.fromarray(index).convert("P")
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

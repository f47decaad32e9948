"""Hostile, damaged and impossible files; good ones amid them; and nothing but an error."""

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
from oneclass.images import reading
from reading import GREY, RGB, SECONDS, assert_reads, put, refusal, saved

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


def test_a_picture_that_the_decoder_finds_larger_is_not_decoded(tmp_path: Path) -> None:
    """Two readers of one GIF: where an extension is empty, Pillow takes what follows for its data.

    So it passes over the frame of 7 x 6 pixels, and finds the one behind the end, of which no
    header told.
    """
    screen = b"GIF87a" + struct.pack("<HHBBB", 7, 6, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 7, 6, 0) + b"\2\1\0\0;"
    hidden = b"," + struct.pack("<HHHHB", 24716, 1536, 4, 16, 0) + b"\2\1\0\0;"
    file = put(tmp_path, screen + b"!\1\0" + frame.ljust(45, b"\0") + b"\0" + hidden)
    with Image.open(file) as image:
        assert image.size == (24720, 1552)
    assert reading.probe(file).pixels == 42
    error = refusal(file)
    assert error.reason == "damaged"
    assert "disagree about its size" in error.detail


@pytest.mark.parametrize(("width", "reason"), [(2**21, None), (2**23 + 1, "unsupported")])
def test_a_line_that_a_code_leaves_out_ends_in_time(
    tmp_path: Path, width: int, reason: str | None
) -> None:
    """Run-length code that begins with "end of line", so that all of it is filled up."""
    head = struct.pack("<IIIIiiHHIIiiII", 0, 0, 62, 40, width, 1, 1, 8, 1, 0, 0, 0, 2, 0)
    file = put(tmp_path, b"BM" + head + b"\0\0\xff\0\0\xff\0\0" + b"\1\0\0\0")
    start = time.process_time()
    if reason is None:
        pixels = images.read(file)
        assert pixels.shape == (1, width, 3)
        assert (pixels == [255, 0, 0]).all()
    else:
        assert refusal(file).reason == reason
    assert time.process_time() - start < SECONDS


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


RLE = b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 62, 40, 2, 1, 1, 8, 1, 0, 0, 0, 2, 0)
RLE += bytes(8) + b"\2\1\0\1"
SAMPLES = (
    damage.png(RGB), damage.jpeg(RGB), damage.jpeg(GREY, progressive=True),
    damage.tiff(RGB, code=8, predictor=2), damage.tiff(RGB.astype(np.uint16), tile=(16, 16)),
    damage.tiff(GREY, big=True), b"P2 2 1 3\n0 2", b"P6 1 1 255\n123",
    *damage.frames().values(), RLE,
)  # fmt: skip


def test_the_caps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, damage.png(RGB))
    assert images.read(path, max_pixels=RGB[..., 0].size).shape == RGB.shape
    error = refusal(path, max_pixels=RGB[..., 0].size - 1)
    assert error.reason == "too_large"
    assert "21 x 13" in error.detail
    monkeypatch.setattr(reading, "MAX_BYTES", RGB.nbytes - 1)
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


@pytest.mark.linux
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

"""What the tests of the reader share: small pictures, and what must hold of every reading."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    start = time.thread_time()  # the processor's: others may have it meanwhile
    with pytest.raises(ImageError) as caught:
        images.read(path, **options)
    assert time.thread_time() - start < SECONDS
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

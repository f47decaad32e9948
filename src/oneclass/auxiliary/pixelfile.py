"""All images of a training, prepared once: bytes in one file, mapped into memory.

A network sees every image hundreds of times and decoding costs more than a training step, so the
images are decoded and resized once. Eight bits a value are enough to train on; the exported network
gets its images at full depth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import Preprocessing
from oneclass.detector.collecting import choose_pixel_scale, read_headers
from oneclass.errors import ImageError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Progress, Sources, check_depth, content_digest, gather
from oneclass.representations.preparation import prepare
from oneclass.system.files import translated_errors
from oneclass.system.host.workers import ordered_map, worker_count

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class PixelFile:
    """Prepared images.

    Attributes:
        pixels: (n, channels, height, width) uint8, intensity 0 to 1 as 0 to 255; memory-mapped.
        kept: (n,) index of each image among those that were asked for: the readable ones.
        digests: (n,) of each image's content.
        scale: the rule that made intensities of pixel values.
        errors: one per image that could not be read.
    """

    pixels: Bytes
    kept: NDArray[np.intp]
    digests: tuple[bytes, ...]
    scale: PixelScale
    errors: tuple[ImageError, ...]


def write_pixels(
    paths: tuple[Path, ...],
    size: tuple[int, int],
    channels: int | None,
    file: Path,
    *,
    progress: Progress | None = None,
) -> PixelFile:
    """Read and resize images and write them to `file`, a .npy file.

    Args:
        paths: of the images.
        size: (height, width).
        channels: 1 for grey, 3 for colour; None for 3 if any image has colours.
        file: to write.
        progress: called with (images done, images in all).

    Raises:
        InputError: fewer than two images can be read; the place cannot be written to.
        StorageError: the disk is full.
    """
    sources = gather(paths)
    workers = worker_count()
    headers = list(read_headers(sources, workers=workers).values())
    scale, _ = choose_pixel_scale(sources, headers, workers=workers)
    planes = channels or (3 if any(header.channels >= 3 for header in headers) else 1)
    shape = (len(sources), planes, *size)
    kept: list[int] = []
    digests: list[bytes] = []
    errors = list(sources.errors)
    with translated_errors(file):
        pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
        for index, result in enumerate(_prepared(sources, scale, shape[1:], workers=workers)):
            if isinstance(result, ImageError):
                errors.append(result)
            else:
                pixels[len(kept)] = result[0]
                kept.append(index)
                digests.append(result[1])
            if progress:
                progress(index + 1, len(sources))
        pixels.flush()
    return PixelFile(pixels[: len(kept)], np.array(kept), tuple(digests), scale, tuple(errors))


def data_digest(pixel_file: PixelFile, chosen: NDArray[np.intp], names: list[str]) -> str:
    """SHA-256 over the content and the sub-category of the chosen images, in order."""
    digest = hashlib.sha256()
    for index, name in zip(chosen, names, strict=True):
        digest.update(pixel_file.digests[index] + name.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def mean_and_std(
    pixels: Bytes, chosen: NDArray[np.intp]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of each channel, over the chosen images, as intensities in [0, 1].

    A channel without any contrast gets standard deviation 1.
    """
    means, stds = [], []
    for channel in range(pixels.shape[1]):
        counts = np.zeros(256, np.int64)
        for start in range(0, len(chosen), 1024):
            some = pixels[chosen[start : start + 1024], channel]
            counts += np.bincount(some.ravel(), minlength=256)
        values = np.arange(256) / 255
        mean = counts @ values / counts.sum()
        std = float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
        means.append(float(mean))
        stds.append(std if std > 0 else 1.0)
    return tuple(means), tuple(stds)


def _prepared(
    sources: Sources, scale: PixelScale, shape: tuple[int, ...], *, workers: int
) -> Iterator[tuple[Bytes, bytes] | ImageError]:
    """Each image as (channels, height, width) bytes and its digest, in order, ahead of the use."""
    channels, *size = shape
    as_bytes = Preprocessing(
        (size[0], size[1]), "bilinear", (0.0,) * channels, (1 / 255,) * channels
    )

    def one(index: int) -> tuple[Bytes, bytes] | ImageError:
        try:
            with sources.room(index):
                pixels: NDArray[Any] = sources.pixels(index)
                check_depth(pixels, scale.depth, sources.names[index])
                values = prepare(pixels, scale, as_bytes)
                return np.rint(values).clip(0, 255).astype(np.uint8), content_digest(pixels)
        except ImageError as error:
            return error

    return ordered_map(one, range(len(sources)), workers)

"""The rows of a data set's images: each image passes each network once, whatever it is used for."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import ImageError, InputError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Progress, gather
from oneclass.representations.extraction import extract, open_store
from oneclass.representations.layers import Greyscale, PretrainedLayers
from oneclass.rows.store import CacheUse
from oneclass.system.workers import worker_count

SCALE = PixelScale("uint8", 0, 255)
Rows = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Pass:
    """One data set's images on their way through one network.

    Attributes:
        images: how many became rows.
        seconds: that reading, resizing and the network took, for all tasks and layers together.
        cache: what the cache was good for; None without one.
    """

    images: int
    seconds: float
    cache: CacheUse | None = None

    @property
    def per_second(self) -> float:
        """Images a second."""
        return self.images / max(self.seconds, 1e-9)


def extract_rows(
    images: NDArray[np.uint8],
    used: Indices,
    representation: Greyscale | PretrainedLayers,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> tuple[list[Rows], Pass]:
    """For each layer, rows of the used images.

    Args:
        images: (n, h, w) uint8.
        used: (m,) which of them.
        representation: grey-scale, or layers of one network.
        cache: folder of the row store; the rows are the same with and without it.
        progress: called with (images done, images in all).

    Returns:
        For each layer (m, d) float32: raw intensities, or rows of unit length; and what it took.

    Raises:
        InputError: an image has no row, as where every unit of a layer is zero.
    """
    began = time.perf_counter()
    is_grey = isinstance(representation, Greyscale)
    # A grey-scale row is made faster than it is found.
    store = None if cache is None or is_grey else open_store(cache, representation, SCALE)
    sources = gather([images[i] for i in used])
    widths = _widths(representation)
    ends = np.cumsum(widths)[:-1]
    # In joined rows each of m layers has length 1 / sqrt(m); alone it has unit length.
    scale = np.float32(math.sqrt(len(widths)))
    found = [np.empty((len(used), width), np.float32) for width in widths]
    results = extract(sources, representation, SCALE, workers=worker_count(), store=store)
    for number, result in enumerate(results):
        if isinstance(result, ImageError):
            raise InputError(
                f"image {used[number]} of the data set has no row: {result.detail}. Leave this "
                "representation out."
            )
        for rows, part in zip(found, np.split(result.row, ends), strict=True):
            rows[number] = part * scale
        if progress:
            progress(number + 1, len(used))
    seconds = time.perf_counter() - began
    return found, Pass(len(used), seconds, None if store is None else store.use)


def _widths(representation: Greyscale | PretrainedLayers) -> list[int]:
    if isinstance(representation, Greyscale):
        return [representation.n_columns]
    return [math.prod(shape) for shape in representation.shapes]

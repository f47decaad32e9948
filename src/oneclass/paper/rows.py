"""The rows of a data set's images: each image passes each network once, whatever it is used for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import ImageError, InputError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Progress, gather
from oneclass.representations import Representation
from oneclass.representations.extraction import NO_DIRECTION, Workers, extract, open_store
from oneclass.rows.store import CacheUse
from oneclass.system.arrays import Indices, Planes
from oneclass.system.host.workers import worker_count

SCALE = PixelScale("uint8", 0, 255)


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
    representation: Representation,
    *,
    workers: Workers | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> tuple[list[Planes], Pass]:
    """For each layer, rows of the used images.

    Args:
        images: (n, h, w) uint8.
        used: (m,) which of them.
        representation: grey-scale, or layers of one network side by side.
        workers: threads, or a cluster's; None for a thread on each core.
        cache: folder of the row store; the rows are the same with and without it.
        progress: called with (images done, images in all).

    Returns:
        For each layer (m, d) float32: raw intensities, or rows of unit length; and what it took.

    Raises:
        InputError: an image has no row, as where every unit of a layer is zero.
    """
    began = time.perf_counter()
    kept = cache if representation.backbone else None  # a grey-scale row is made faster than found
    store = None if kept is None else open_store(kept, representation, SCALE)
    sources = gather([images[i] for i in used])
    found: list[Planes] = []
    workers = workers or worker_count()
    results = extract(sources, representation, SCALE, workers=workers, store=store)
    for number, result in enumerate(results):
        if isinstance(result, ImageError):
            raise _without_row(used[number], result.detail)
        parts = representation.parts(result.row[None])
        found = found or [np.empty((len(used), part.shape[1]), np.float32) for part in parts]
        for rows, part in zip(found, parts, strict=True):
            if representation.backbone and not part.any():
                raise _without_row(used[number], NO_DIRECTION)
            rows[number] = part[0]
        if progress:
            progress(number + 1, len(used))
    seconds = time.perf_counter() - began
    return found, Pass(len(used), seconds, None if store is None else store.use)


def _without_row(index: int, why: str) -> InputError:
    return InputError(
        f"image {index} of the data set has no row: {why}. Leave this representation out."
    )

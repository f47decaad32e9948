"""Images to rows: each worker takes a few images all the way, from their files to their rows.

No stage waits for another: while one worker reads and resizes, the others compute the network. So
the cores are busy as long as there are images, whichever stage is the slow one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from oneclass.errors import ImageError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Sources, check_depth, content_digest
from oneclass.representations.base import Representation
from oneclass.rows.store import RowStore
from oneclass.system.arrays import Planes, Rows
from oneclass.system.machine import cpu_name, versions
from oneclass.system.stages import Stages
from oneclass.system.workers import ordered_map

BATCH = 16
"""For those who make rows of whole batches."""
CHUNKS_AHEAD = 4
"""For each worker: enough that none waits where images differ in size."""
WORKING_BYTES = 2**28
"""For all workers: of prepared images and of rows, where so few images at a time allow it."""
NO_DIRECTION = "every unit of the layer is zero for it, so it has no direction to compare"
PREPARATION = 1
"""Of the way from a file to a row; a change that changes rows must count it up."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """One image's row.

    Attributes:
        index: of the image among the sources.
        row: (d,), or (p, d) for patches, of the representation's `row_dtype`.
        digest: of the image's content.
    """

    index: int
    row: Rows
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An image whose row is to be made; the key is None where it must not be kept."""

    index: int
    digest: bytes
    key: bytes | None


def open_store(cache: Path, representation: Representation, scale: PixelScale) -> RowStore:
    """The store of the rows that a representation makes, in a folder of such stores.

    Rows of other versions of what computes them, or of another kind of processor, are kept apart:
    their last bits may differ.

    Raises:
        InputError: there can be no such folder.
    """
    return RowStore(
        cache,
        {
            "representation": representation.to_json(),
            "pixel_scale": scale.to_json(),
            "made_by": {
                "preparation": PREPARATION,
                "processor": cpu_name(),
                "computed_by": representation.version,
                "versions": versions(),
            },
        },
    )


def extract(
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    *,
    workers: int,
    store: RowStore | None = None,
    stages: Stages | None = None,
) -> Iterator[Extracted | ImageError]:
    """Yield each image's row, or why it has none, in order and in constant memory.

    A row depends on its own image alone: neither on its neighbours nor on `workers`.

    Args:
        sources: the images.
        representation: what makes rows of them.
        scale: the rule for intensities; images of another bit depth get an error.
        workers: threads, each of which reads, resizes and computes.
        store: of `open_store`: rows in it are not made again, others are added to it.
        stages: where to add up the time that each stage takes.
    """
    step = _images_a_chunk(representation, workers)
    chunks = (
        range(start, min(start + step, len(sources))) for start in range(0, len(sources), step)
    )
    rooms = _Rooms(step, representation)
    work = partial(
        _chunk,
        sources=sources,
        representation=representation,
        scale=scale,
        store=store,
        rooms=rooms,
        stages=stages or Stages(),
    )
    with closing(ordered_map(work, chunks, workers, ahead=CHUNKS_AHEAD * workers)) as done:
        try:
            for key, result in chain.from_iterable(done):
                if store is not None and key is not None and isinstance(result, Extracted):
                    store.put(key, result.row, result.digest)
                yield result
        finally:
            if store is not None:
                store.flush()


class _Rooms:
    """Arrays for prepared images, used again and again: new memory costs more than the resizing."""

    def __init__(self, images: int, representation: Representation) -> None:
        self._shape = (images, *representation.prepared_shape)
        self._free: deque[Planes] = deque()

    def take(self) -> Planes:
        try:
            return self._free.pop()
        except IndexError:
            return np.empty(self._shape, np.float32)

    def give_back(self, room: Planes) -> None:
        self._free.append(room)


def _images_a_chunk(representation: Representation, workers: int) -> int:
    most = WORKING_BYTES // (representation.nbytes * workers * CHUNKS_AHEAD)
    return max(1, min(representation.together, most))


def _chunk(
    indices: range,
    *,
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    store: RowStore | None,
    rooms: _Rooms,
    stages: Stages,
) -> list[tuple[bytes | None, Extracted | ImageError]]:
    """The rows of a few images, each with the key under which to keep it, if any."""
    planes = rooms.take()
    prepared: list[_Prepared] = []
    found = []
    for index in indices:
        out = planes[len(prepared)]
        item = _look(index, sources, representation, scale, store, out, stages)
        found.append(item)
        if isinstance(item, _Prepared):
            prepared.append(item)
    with stages.measure("network"):
        rows = iter(representation.rows(planes[: len(prepared)]) if prepared else ())
    rooms.give_back(planes)
    return [
        (item.key, _result(item, next(rows), representation, sources))
        if isinstance(item, _Prepared)
        else (None, item)
        for item in found
    ]


def _look(
    index: int,
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    store: RowStore | None,
    out: Planes,
    stages: Stages,
) -> _Prepared | Extracted | ImageError:
    """An image's row where the store has it; else the image is prepared into `out`."""
    key = None
    if store is not None:
        with stages.measure("cache"):
            key = sources.key(index)
            if key is not None and (found := store.get(key)):
                return Extracted(index, *found)
    try:
        with stages.measure("read and decode"):
            pixels = sources.pixels(index, representation.preprocessing.at_least)
        check_depth(pixels, scale.depth, sources.names[index])
    except ImageError as error:
        return error
    if key is not None:
        with stages.measure("cache"):
            if sources.key(index) != key:
                key = None  # the file was changed while it was read: whose row this is nobody knows
    with stages.measure("resize"):
        representation.prepare(pixels, scale, out)
    with stages.measure("digest"):
        return _Prepared(index, content_digest(pixels), key)


def _result(
    item: _Prepared, row: Rows, representation: Representation, sources: Sources
) -> Extracted | ImageError:
    error = _refusal(row, representation, sources.names[item.index])
    return error or Extracted(item.index, row, item.digest)


def _refusal(row: Rows, representation: Representation, name: str) -> ImageError | None:
    if not np.isfinite(row).all():
        why = "the network's output for it is not finite; are its pixel values far out of range?"
        return ImageError(name, "row_not_finite", why)
    if representation.unit_length and not row.any():
        return ImageError(name, "row_zero", NO_DIRECTION)
    return None

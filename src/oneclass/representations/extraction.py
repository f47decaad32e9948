"""Images to rows: each worker takes a few images all the way, from their files to their rows.

No stage waits for another: while one worker reads and resizes, the others compute the network. So
the cores are busy as long as there are images, whichever stage is the slow one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from oneclass.errors import ImageError, StorageError
from oneclass.images.scale import Colour, PixelScale, one_colour
from oneclass.images.sources import NO_MEMORY, Sources, check_depth, content_digest
from oneclass.representations.base import Representation
from oneclass.rows.store import RowStore
from oneclass.system.arrays import Pixels, Planes, Rows
from oneclass.system.host.blas import one_blas_thread
from oneclass.system.host.machine import versions
from oneclass.system.host.portable import cpu_name
from oneclass.system.host.workers import AHEAD, ordered_map
from oneclass.system.places import held
from oneclass.system.stages import Stages

BATCH = 16
"""For those who make rows of whole batches."""
IN_TURN, IN_TURN_BYTES = 8, 2**25
"""So many images go through a stage before any goes on to the next, as long as they take no more
bytes: a stage finds its code and tables in the caches that the network leaves cold behind it."""
WORKING_BYTES = 2**28
"""For all workers: of prepared images and of rows, where so few images at a time allow it."""
LARGE_BYTES = 2**29
"""For all workers: of images that are so large that few fit."""
NOT_FINITE = (
    "the numbers made of it are not finite, or too large to square: some of its pixel values are "
    "far out of range; correct them, or leave it out"
)
NO_DIRECTION = "every unit of the layer is zero for it, so it has no direction to compare"
PREPARATION = 2
"""Of the way from a file to a row; a change that changes rows must count it up."""
SIGN, INFINITE = 0x8000, 0x7C00
"""Of the bits of a float16."""
BEGINNING = 1024
R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Extracted:
    """One image's row.

    Attributes:
        index: of the image among the sources.
        row: (d,), or (p, d) for patches, of the representation's `row_dtype`.
        digest: of the image's content; empty where neither a store nor the caller wants it.
        key: of the file or array as it was read, where a store was asked for it.
        glance: what was made of its pixels, where that was asked for.
        name: of the image, for messages and results.
        one_colour: that of all its pixels, where they are alike.
    """

    index: int
    row: Rows
    digest: bytes
    key: bytes | None = None
    glance: Any = None
    name: str = ""
    one_colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An image whose row is to be made; the key is None where it must not be kept."""

    index: int
    digest: bytes
    key: bytes | None
    glance: Any
    one_colour: Colour | None


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
    workers: Workers,
    store: RowStore | None = None,
    stages: Stages | None = None,
) -> Generator[Extracted | ImageError, None, None]:
    """Yield each image's row, or why it has none, in order and in constant memory.

    A row depends on its own image alone: neither on its neighbours nor on `workers`.

    Args:
        sources: the images.
        representation: what makes rows of them.
        scale: the rule for intensities; images of another bit depth get an error.
        workers: threads, each of which reads, resizes and computes; or those of a cluster.
        store: of `open_store`: rows in it are not made again, others are added to it.
        stages: where to add up the time that each stage takes.
    """
    return extract_and(
        _as_it_is,
        sources,
        representation,
        scale,
        workers=workers,
        store=store,
        stages=stages,
    )


def extract_and(
    finish: Callable[[Extracted], R],
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    *,
    workers: Workers,
    glance: Callable[[Pixels], Any] | None = None,
    store: RowStore | None = None,
    stages: Stages | None = None,
    digests: bool = True,
) -> Generator[R | ImageError, None, None]:
    """Like `extract`, and what is made of each image's row: in the workers, while it is at hand.

    Args:
        finish: called with each row; threads share it, and to a cluster's workers it travels.
        sources, representation, scale, workers, store, stages: as for `extract`.
        glance: called with the pixels of each image as they were read (a large JPEG at a part of
            its size); `finish` finds the result in `Extracted.glance`. Pixels are not kept.
        digests: whether `finish` needs `Extracted.digest`. Threads leave it out where nobody does:
            of a large photograph it takes milliseconds.
    """
    if not isinstance(workers, int):
        yield from workers.extract_and(
            finish, sources, representation, scale, glance=glance, store=store
        )
        return
    workers = max(1, min(sources.threads(workers), LARGE_BYTES // representation.nbytes))
    chosen = range(len(sources))
    step = _images_a_chunk(len(sources), representation, workers)
    chunks = (chosen[start : start + step] for start in range(0, len(chosen), step))
    rooms = _Rooms(step, representation)
    work = _Work(
        sources, representation, scale, store, stages or Stages(), rooms, finish, glance, digests
    )
    with one_blas_thread(), closing(ordered_map(work.results, chunks, workers)) as done:
        try:
            for new, result in chain.from_iterable(done):
                if store is not None and new is not None and new.key:
                    store.put(new.key, new.row, new.digest)
                yield result
        finally:
            if store is not None:
                store.flush()


class Elsewhere(Protocol):
    """Workers that are no threads of this process."""

    def extract_and(
        self,
        finish: Callable[[Extracted], R],
        sources: Sources,
        representation: Representation,
        scale: PixelScale,
        *,
        glance: Callable[[Pixels], Any] | None,
        store: RowStore | None,
    ) -> Generator[R | ImageError, None, None]:
        """As the function of that name."""
        ...

    def each(self, function: Callable[[Sources, int], T], sources: Sources) -> Iterator[T]:
        """`function` of the images and the number of each, in their order."""
        ...


Workers = int | Elsewhere
"""Who makes rows of images: so many threads, or others."""


def _as_it_is(image: Extracted) -> Extracted:
    return image


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


def _images_a_chunk(n_images: int, representation: Representation, workers: int) -> int:
    few = min(IN_TURN, IN_TURN_BYTES // representation.nbytes, n_images // (workers * AHEAD))
    wanted = max(1, few // representation.together) * representation.together
    most = WORKING_BYTES // (representation.nbytes * workers * AHEAD)
    return max(1, min(wanted, most))


@dataclass(frozen=True, slots=True)
class _Work(Generic[R]):
    """What a worker does with a few images."""

    sources: Sources
    representation: Representation
    scale: PixelScale
    store: RowStore | None
    stages: Stages
    rooms: _Rooms
    finish: Callable[[Extracted], R]
    glance: Callable[[Pixels], Any] | None
    digests: bool

    def results(self, indices: Sequence[int]) -> list[tuple[Extracted | None, R | ImageError]]:
        """What was made of some images, and of each the row that the store should keep, if any."""
        found = self._rows(indices)
        return [
            (
                one if new and self.store is not None and isinstance(one, Extracted) else None,
                one if isinstance(one, ImageError) else self.finish(one),
            )
            for new, one in found
        ]

    def _rows(self, indices: Sequence[int]) -> list[tuple[bool, Extracted | ImageError]]:
        """The rows of some images, and of each whether it was made here."""
        try:
            planes = self.rooms.take()
        except MemoryError:
            return [(False, self._no_memory(index)) for index in indices]
        found: list[tuple[bool, _Prepared | Extracted | ImageError]] = []
        n_prepared = 0
        for index in indices:
            found.append(self._look(index, planes[n_prepared]))
            n_prepared += isinstance(found[-1][1], _Prepared)
        rows = iter(self._network(planes[:n_prepared]))
        self.rooms.give_back(planes)
        return [
            (new, self._result(item, next(rows)) if isinstance(item, _Prepared) else item)
            for new, item in found
        ]

    def _look(self, index: int, out: Planes) -> tuple[bool, _Prepared | Extracted | ImageError]:
        """An image's row where it is known; else the image is prepared into `out`."""
        with self._fetched(index):
            return self._look_at(index, out)

    @contextmanager
    def _fetched(self, index: int) -> Iterator[None]:
        """While in here, a remote image is fetched once, however often it is read."""
        with ExitStack() as stack:
            with self.stages.measure("read and decode"):
                stack.enter_context(held(self.sources.items[index]))
            yield

    def _look_at(self, index: int, out: Planes) -> tuple[bool, _Prepared | Extracted | ImageError]:
        key = None
        try:
            if self.store is not None:
                with self.stages.measure("cache"):
                    key = self.sources.key(index)
                    found = None if key is None else self.store.get(key)
                if found:
                    return False, Extracted(
                        index, *found, key, self._glance_at(index), self.sources.names[index]
                    )
            with self.sources.room(index):
                return True, self._prepare(index, key, out)
        except ImageError as error:
            return False, error

    def _glance_at(self, index: int) -> Any:
        """What is made of the pixels of an image whose row is known."""
        if self.glance is None:
            return None
        with self.sources.room(index):
            return self._glanced(self._pixels(index))

    def _pixels(self, index: int) -> Pixels:
        with self.stages.measure("read and decode"):
            return self.sources.pixels(index, self.representation.preprocessing.at_least)

    def _glanced(self, pixels: Pixels) -> Any:
        if self.glance is None:
            return None
        with self.stages.measure("draw"):
            return self.glance(pixels)

    def _prepare(self, index: int, key: bytes | None, out: Planes) -> _Prepared:
        pixels = self._pixels(index)
        check_depth(pixels, self.scale.depth, self.sources.names[index])
        if key is not None:
            with self.stages.measure("cache"):
                if self.sources.key(index) != key:
                    key = None  # changed while it was read: whose row this is nobody knows
        with self.stages.measure("resize"):
            self.representation.prepare(pixels, self.scale, out)
        glance, colour = self._glanced(pixels), one_colour(pixels)
        if colour:
            key = None  # a row that is known does not say so
        if key is None and not self.digests:
            return _Prepared(index, b"", None, glance, colour)
        with self.stages.measure("digest"):
            return _Prepared(index, content_digest(pixels), key, glance, colour)

    def _network(self, planes: Planes) -> list[Rows | None]:
        """The row of each image; None for one that does not fit into memory even alone."""
        if not len(planes):
            return []
        step = self.representation.together
        try:
            with self.stages.measure("network"):
                computed = [
                    self.representation.compute(planes[start : start + step])
                    for start in range(0, len(planes), step)
                ]
                return [row for some in computed for row in self.representation.rows_of(some)]
        except (MemoryError, StorageError):
            ones = [planes[i : i + 1] for i in range(len(planes))]
            return [None] if len(ones) == 1 else [r for one in ones for r in self._network(one)]

    def _no_memory(self, index: int) -> ImageError:
        return ImageError(self.sources.names[index], "too_large", NO_MEMORY)

    def _result(self, item: _Prepared, row: Rows | None) -> Extracted | ImageError:
        name = self.sources.names[item.index]
        if row is None:
            return self._no_memory(item.index)
        if not _finite(row):
            return ImageError(name, "row_not_finite", NOT_FINITE)
        if self.representation.unit_length and not _any(row):
            return ImageError(name, "row_zero", NO_DIRECTION)
        return Extracted(item.index, row, item.digest, item.key, item.glance, name, item.one_colour)


def _finite(row: Rows) -> bool:
    """Whether all is finite, and its squares are; of float16, whose squares are float32, itself.

    Of float16 the bits are looked at: arithmetic with it is slow.
    """
    if row.dtype != np.float16:
        flat = row.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(flat @ flat))
    bits = np.ascontiguousarray(row)
    signed, plain = bits.view(np.int16), bits.view(np.uint16)  # negative ones are the largest
    return bool(signed.max(initial=0) < INFINITE and plain.max(initial=0) < SIGN + INFINITE)


def _any(row: Rows) -> bool:
    """Whether anything is not zero; the beginning mostly tells."""
    return bool(row.reshape(-1)[:BEGINNING].any() or row.any())

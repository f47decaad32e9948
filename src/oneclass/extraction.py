"""Images to rows: many threads read and resize ahead of the one that runs the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import ImageError
from oneclass.machine import cpu_name, versions
from oneclass.pixels import PixelScale
from oneclass.representation import Representation
from oneclass.sources import Sources, check_depth, content_digest
from oneclass.store import RowStore

BATCH, QUEUE = 16, 64
AHEAD_BYTES = 2**28
PREPARATION = 1
"""Of the way from a file to a row; a change that changes rows must count it up."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """One image's row.

    Attributes:
        index: of the image among the sources.
        row: (d,) float32.
        digest: of the image's content.
    """

    index: int
    row: NDArray[np.float32]
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Prepared:
    index: int
    planes: NDArray[np.float32]
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
) -> Iterator[Extracted | ImageError]:
    """Yield each image's row, or why it has none, in order and in constant memory.

    A row depends on its own image alone: neither on its neighbours in a batch nor on `workers`.

    Args:
        sources: the images.
        representation: what makes rows of them.
        scale: the rule for intensities; images of another bit depth get an error.
        workers: threads that read and resize.
        store: of `open_store`: rows in it are not made again, others are added to it.
    """

    def prepare(index: int) -> _Prepared | Extracted | ImageError:
        key = None if store is None else sources.key(index)
        if store is not None and key is not None and (found := store.get(key)):
            return Extracted(index, *found)
        try:
            pixels = sources.pixels(index)
            check_depth(pixels, scale.depth, sources.names[index])
        except ImageError as error:
            return error
        if key is not None and sources.key(index) != key:
            key = None  # the file was changed while it was read: whose row this is nobody knows
        planes = representation.prepare(pixels, scale)
        return _Prepared(index, planes, content_digest(pixels), key)

    queue = max(2, min(QUEUE, AHEAD_BYTES // representation.preprocessing.nbytes))
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[_Prepared | Extracted | ImageError]] = deque()
        indices = iter(range(len(sources)))
        try:
            while True:
                ahead.extend(pool.submit(prepare, i) for i in islice(indices, queue - len(ahead)))
                if not ahead:
                    return
                batch = [
                    ahead.popleft().result() for _ in range(min(BATCH, queue // 2, len(ahead)))
                ]
                yield from _rows_of(batch, representation, sources, store)
        finally:
            for future in ahead:
                future.cancel()
            if store is not None:
                store.flush()


def _rows_of(
    batch: list[_Prepared | Extracted | ImageError],
    representation: Representation,
    sources: Sources,
    store: RowStore | None,
) -> Iterator[Extracted | ImageError]:
    planes = [item.planes for item in batch if isinstance(item, _Prepared)]
    rows = iter(representation.rows(planes) if planes else ())
    for item in batch:
        if not isinstance(item, _Prepared):
            yield item
        else:
            row: NDArray[np.float32] = next(rows)
            error = _refusal(row, representation, sources.names[item.index])
            if store is not None and item.key is not None and error is None:
                store.put(item.key, row, item.digest)
            yield error or Extracted(item.index, row, item.digest)


def _refusal(
    row: NDArray[np.float32], representation: Representation, name: str
) -> ImageError | None:
    if not np.isfinite(row).all():
        why = "the network's output for it is not finite; are its pixel values far out of range?"
        return ImageError(name, "row_not_finite", why)
    if representation.unit_length and not row.any():
        why = "every unit of the layer is zero for it, so it has no direction to compare"
        return ImageError(name, "row_zero", why)
    return None

"""Feature rows, read block by block and as often as wanted.

A solver that reads its rows only through this protocol works alike on an array, on a file bigger
than memory and on rows that are made while they are read. Every source here yields blocks of the
same number of rows for the same number of columns, so the results do not depend on how the caller
cut his blocks.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.system.host import portable

Floats = NDArray[np.floating[Any]]

BLOCK_BYTES = 8 << 20  # small enough to stay in the last-level cache between two uses
NEAR = 2  # of a file, rows that are no further apart are read together with what lies between


@runtime_checkable
class RowBlocks(Protocol):
    """What the solver asks of its rows.

    Attributes:
        n_rows: number of rows, known beforehand.
        n_columns: number of columns.
        dtype: the dtype of the blocks.
    """

    @property
    def n_rows(self) -> int: ...

    @property
    def n_columns(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield all rows in order as (b, n_columns) arrays; again, the same ones, at every call.

        A block is valid until the next one is asked for: a source may reuse its buffer.
        """
        ...


@runtime_checkable
class RowSource(RowBlocks, Protocol):
    """The rows of images on their way to a fit, in memory or in a file.

    Two-dimensional ones are `RowBlocks`. Of (n, p, d), the p patches of n images, a block is
    (b, p, d), and `n_columns` counts all numbers of an image.

    Attributes:
        shape: (n, d), or (n, p, d) for patches.
        stored: the dtype in which they are kept, which may be narrower than that of the blocks.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def stored(self) -> np.dtype[Any]: ...

    def take(self, indices: Any, positions: Any = None) -> NDArray[Any]:
        """(m, d), or (m, p, d), in memory, as they are kept: some images in the order asked for.

        Nobody writes to them: they may be those that the source itself holds.

        With `positions`, (m, d): of each of these images the patch at its position.
        """
        ...

    def chosen(self, mask: NDArray[np.bool_]) -> RowSource:
        """The images where (n,) `mask` holds; those of a file are read when they are needed."""
        ...


def block_length(n_columns: int, dtype: np.dtype[Any]) -> int:
    """Rows per block; it depends on nothing else, so that results do not either."""
    return max(1, BLOCK_BYTES // (n_columns * working_dtype(dtype).itemsize))


def working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """float32 for float16 and float32, float64 for the rest of the real numbers."""
    if dtype.kind == "f" and dtype.itemsize <= 4:
        return np.dtype(np.float32)
    return np.dtype(np.float64)


class ArrayRows:
    """The rows of an array in memory, as views.

    Args:
        array: (n, ...), any real dtype.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape, self.stored = array.shape, array.dtype
        self.n_rows, self.n_columns = self.shape[0], math.prod(self.shape[1:])
        self.dtype = working_dtype(array.dtype)

    def blocks(self) -> Iterator[Floats]:
        step = block_length(self.n_columns, self.dtype)
        for start in range(0, self.n_rows, step):
            yield np.ascontiguousarray(self._array[start : start + step], dtype=self.dtype)

    def take(self, indices: Any, positions: Any = None) -> NDArray[Any]:
        if positions is None and len(indices) == 1:  # one of a megabyte or two needs no copy
            return np.asarray(self._array[int(indices[0])])[None]
        return np.asarray(self._array[indices if positions is None else (indices, positions)])

    def chosen(self, mask: NDArray[np.bool_]) -> ArrayRows:
        return self if mask.all() else ArrayRows(self._array[mask])


class FileRows:
    """Rows of a C-ordered binary file, read into buffers.

    A mapped page that was read counts as memory of the process; a buffer counts once. So the peak
    memory of a pass does not depend on the length of the file. The file is opened once: another
    one that takes its name later changes nothing. A pickle holds the rows themselves.

    Args:
        file: its path; or the open file, which is closed when nobody needs the rows any more.
        shape: (n, ...).
        dtype: dtype of the stored numbers, native or not.
        offset: position of the first number in bytes.

    Raises:
        InputError: the file is shorter than ``offset`` and ``shape`` say.
        OSError: it cannot be opened.
    """

    def __init__(
        self, file: str | Path | IO[bytes], shape: tuple[int, ...], dtype: Any, offset: int = 0
    ) -> None:
        if isinstance(file, str | Path):
            file = Path(file).open("rb", buffering=0)  # noqa: SIM115 -- open while rows are needed
        self._name = file.name if isinstance(file.name, str) else "the file of the rows"
        self.shape, self.stored = shape, np.dtype(dtype)
        self.n_rows, self.n_columns = shape[0], math.prod(shape[1:])
        self.dtype = working_dtype(self.stored)
        self._offset, self._lock = offset, threading.Lock()
        self._file = file
        weakref.finalize(self, file.close)
        needed = offset + self.n_rows * self.n_columns * self.stored.itemsize
        found = file.seek(0, os.SEEK_END)
        if found < needed:
            raise InputError(
                f"rows: {self._name} holds {found} bytes, but {' x '.join(map(str, shape))} "
                f"{self.stored} after byte {offset} need {needed}; give the shape it was "
                "written with"
            )

    def blocks(self) -> Iterator[Floats]:
        step = block_length(self.n_columns, self.dtype)
        buffer = np.empty((min(step, self.n_rows), *self.shape[1:]), self.stored)
        for start in range(0, self.n_rows, step):
            block = buffer[: self.n_rows - start]
            self._fill(block, start * self.n_columns)
            yield block.astype(self.dtype, copy=False)

    def take(self, indices: Any, positions: Any = None) -> NDArray[Any]:
        units, shape = np.asarray(indices, np.int64), self.shape[1:]
        if positions is not None:
            units, shape = units * self.shape[1] + np.asarray(positions), self.shape[2:]
        found = np.empty((len(units), *shape), self.stored)
        order = np.argsort(units, kind="stable")  # a disk is read forwards
        near = np.flatnonzero(np.diff(units[order]) > NEAR) + 1
        for run in np.split(order, near) if len(order) else ():
            first, last = units[run[0]], units[run[-1]]
            piece = np.empty((last - first + 1, *shape), self.stored)
            self._fill(piece, int(first) * math.prod(shape))
            found[run] = piece[units[run] - first]
        return found

    def chosen(self, mask: NDArray[np.bool_]) -> FileRows | ChosenRows:
        return self if mask.all() else ChosenRows(self, np.flatnonzero(mask))

    def _fill(self, block: NDArray[Any], start: int) -> None:
        """Read as many numbers as `block` holds, from number `start` on."""
        view, at = (
            block.reshape(-1).view(np.uint8).data,
            self._offset + start * self.stored.itemsize,
        )
        while view:
            count = self._read(view, at)
            if not count:
                raise InputError(
                    f"rows: {self._name} ended while the rows from {start // self.n_columns} on "
                    "were read; leave the file as it is during the fit"
                )
            view, at = view[count:], at + count

    def _read(self, view: memoryview, at: int) -> int:
        """Several threads may read at once."""
        return portable.read_at(self._file, view, at, self._lock)

    def __reduce__(self) -> tuple[type[ArrayRows], tuple[NDArray[Any]]]:
        return ArrayRows, (self.take(range(self.n_rows)),)


class ChosenRows:
    """Some rows of a file or an array, without a copy of them.

    Args:
        source: of all rows.
        indices: (n,) which of them, in which order.
    """

    def __init__(self, source: FileRows | ArrayRows, indices: NDArray[np.intp]) -> None:
        self._source, self._indices = source, indices
        self.shape, self.stored = (len(indices), *source.shape[1:]), source.stored
        self.n_rows, self.n_columns = len(indices), source.n_columns
        self.dtype = source.dtype

    def blocks(self) -> Iterator[Floats]:
        step = block_length(self.n_columns, self.dtype)
        for start in range(0, self.n_rows, step):
            block = self._source.take(self._indices[start : start + step])
            yield block.astype(self.dtype, copy=False)

    def take(self, indices: Any, positions: Any = None) -> NDArray[Any]:
        return self._source.take(self._indices[indices], positions)

    def chosen(self, mask: NDArray[np.bool_]) -> ChosenRows:
        return ChosenRows(self._source, self._indices[mask])


class RechunkedRows:
    """Somebody else's row blocks, checked and cut into blocks of our own length."""

    def __init__(self, source: RowBlocks) -> None:
        self._source = source
        self.n_rows, self.n_columns = int(source.n_rows), int(source.n_columns)
        self.dtype = working_dtype(np.dtype(source.dtype))

    def blocks(self) -> Iterator[Floats]:
        step = block_length(self.n_columns, self.dtype)
        buffer = np.empty((step, self.n_columns), self.dtype)
        filled = seen = 0
        for number, block in enumerate(self._source.blocks()):
            if block.ndim != 2 or block.shape[1] != self.n_columns:
                raise InputError(
                    f"rows: block {number} has shape {block.shape}; expected (rows, "
                    f"{self.n_columns}): yield blocks with n_columns columns"
                )
            seen += len(block)
            while len(block):
                take = min(step - filled, len(block))
                buffer[filled : filled + take] = block[:take]
                filled, block = filled + take, block[take:]
                if filled == step:
                    yield buffer
                    filled = 0
        if filled:
            yield buffer[:filled]
        if seen != self.n_rows:
            raise InputError(
                f"rows: blocks() yielded {seen} rows, but n_rows is {self.n_rows}; "
                "blocks() must yield all rows anew at every call (a generator is used up after one)"
            )


def as_source(rows: NDArray[Any] | RowSource) -> RowSource:
    """An array as a source; a source as it is."""
    return ArrayRows(rows) if isinstance(rows, np.ndarray) else rows

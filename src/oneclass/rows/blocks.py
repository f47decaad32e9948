"""Feature rows, read block by block and as often as wanted.

A solver that reads its rows only through this protocol works alike on an array, on a file bigger
than memory and on rows that are made while they are read. Every source here yields blocks of the
same number of rows for the same number of columns, so the results do not depend on how the caller
cut his blocks.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError

Floats = NDArray[np.floating[Any]]

BLOCK_BYTES = 8 << 20  # small enough to stay in the last-level cache between two uses


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
        array: (n, d), any real dtype.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.n_rows, self.n_columns = array.shape
        self.dtype = working_dtype(array.dtype)

    def blocks(self) -> Iterator[Floats]:
        step = block_length(self.n_columns, self.dtype)
        for start in range(0, self.n_rows, step):
            yield np.ascontiguousarray(self._array[start : start + step], dtype=self.dtype)


class FileRows:
    """Rows of a C-ordered binary file, read into one buffer that every block reuses.

    A mapped page that was read counts as memory of the process; a buffer counts once. So the peak
    memory of a pass does not depend on the length of the file.

    Args:
        path: the file.
        shape: (n, d).
        dtype: dtype of the stored numbers, native or not.
        offset: position of the first number in bytes.

    Raises:
        InputError: the file is shorter than ``offset`` and ``shape`` say.
    """

    def __init__(
        self, path: str | Path, shape: tuple[int, int], dtype: Any, offset: int = 0
    ) -> None:
        self._path = Path(path)
        self._stored = np.dtype(dtype)
        self._offset = offset
        self.n_rows, self.n_columns = shape
        self.dtype = working_dtype(self._stored)
        needed = offset + self.n_rows * self.n_columns * self._stored.itemsize
        found = self._path.stat().st_size
        if found < needed:
            raise InputError(
                f"rows: {self._path} holds {found} bytes, but {self.n_rows} x {self.n_columns} "
                f"{self._stored} after byte {offset} need {needed}; give the shape it was "
                "written with"
            )

    def blocks(self) -> Iterator[Floats]:
        step = block_length(self.n_columns, self.dtype)
        buffer = np.empty((min(step, self.n_rows), self.n_columns), self._stored)
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._offset)
            for start in range(0, self.n_rows, step):
                block = buffer[: self.n_rows - start]
                self._fill(file, block, start)
                yield block.astype(self.dtype, copy=False)

    def _fill(self, file: Any, block: NDArray[Any], start: int) -> None:
        view = block.reshape(-1).view(np.uint8).data
        while view:
            count = file.readinto(view)
            if not count:
                raise InputError(
                    f"rows: {self._path} ended while the rows from {start} on were read; "
                    "leave the file as it is during the fit"
                )
            view = view[count:]


class ChosenRows:
    """Some rows of a source, without a copy of them.

    Args:
        source: of all rows.
        chosen: (n,) which of them.
    """

    def __init__(self, source: RowBlocks, chosen: NDArray[np.bool_]) -> None:
        self._source, self._chosen = source, chosen
        self.n_rows, self.n_columns = int(chosen.sum()), source.n_columns
        self.dtype = source.dtype

    def blocks(self) -> Iterator[Floats]:
        start = 0
        for block in self._source.blocks():
            yield block[self._chosen[start : start + len(block)]]
            start += len(block)


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


def chosen_rows(rows: NDArray[Any], chosen: NDArray[np.bool_]) -> NDArray[Any] | ChosenRows:
    """Some rows of an array; of a memory-mapped one they are read when they are needed.

    Args:
        rows: (n, d).
        chosen: (n,) which of them.
    """
    if chosen.all():
        return rows
    return ChosenRows(as_rows(rows), chosen) if isinstance(rows, np.memmap) else rows[chosen]


def as_rows(X: Any) -> RowBlocks:
    """Take an array, a memory-mapped array or an object with the `RowBlocks` protocol.

    Args:
        X: (n, d) with real numbers. float16 and float32 are used as float32, other numbers as
            float64. A memory-mapped array is read through its file, not through the mapping.

    Raises:
        InputError: X is not two-dimensional, has no rows or no columns, is sparse, or holds no real
            numbers.
    """
    check_dense(X)
    if isinstance(X, RowBlocks):
        _check_shape((int(X.n_rows), int(X.n_columns)), np.dtype(X.dtype))
        return X if isinstance(X, ArrayRows | FileRows | RechunkedRows) else RechunkedRows(X)
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    _check_shape(array.shape, array.dtype)
    return _mapped_rows(array) or ArrayRows(array)


def check_dense(X: Any) -> None:
    """Raise InputError for a sparse matrix or array of scipy's."""
    if hasattr(X, "nnz") and hasattr(X, "toarray"):
        raise InputError(
            f"X: a sparse {type(X).__name__} of shape {X.shape}; expected a dense array: convert "
            "with X.toarray(), or give an object with blocks() that converts some rows at a time"
        )


def _check_shape(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 2:
        raise InputError(
            f"X: shape {shape}; expected two dimensions (rows, columns): reshape one row with "
            "X.reshape(1, -1), one column with X.reshape(-1, 1)"
        )
    if 0 in shape:
        raise InputError(
            f"X: shape {shape}; expected at least one row and one column: give more data"
        )
    if dtype.kind not in "fiub":
        raise InputError(
            f"X: dtype {dtype}; expected real numbers: convert with X.astype('float32')"
        )


def _mapped_rows(array: NDArray[Any]) -> FileRows | None:
    """The file behind a memory map or a contiguous part of one; None where that is no file's."""
    if not isinstance(array, np.memmap) or array.mode == "c" or not array.flags.c_contiguous:
        return None
    mapping, name = getattr(array, "_mmap", None), array.filename
    if mapping is None or not isinstance(name, str | os.PathLike):
        return None
    # numpy keeps the parent's offset in a slice, so the position comes from the addresses.
    mapped_from = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    first = np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    inside = array.__array_interface__["data"][0] - first
    if not 0 <= inside <= len(mapping) - array.nbytes:
        return None
    return FileRows(name, (array.shape[0], array.shape[1]), array.dtype, mapped_from + inside)

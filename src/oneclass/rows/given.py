"""What a caller may give as rows: an array, a memory map, or row blocks of his own."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.rows.blocks import (
    ArrayRows,
    ChosenRows,
    FileRows,
    Floats,
    RechunkedRows,
    RowBlocks,
    block_length,
    working_dtype,
)
from oneclass.system.host import portable


class MappedRows:
    """The rows of a memory map, read through the map itself: its name may be another file's by now.

    A mapped page that was read counts as memory of the process, so every block's pages are given
    back when the next one is asked for. So the peak memory of a pass does not depend on the length
    of the file.

    Args:
        array: (n, d), C-contiguous, any real dtype, native or not.
        mapping: what its numbers lie in.
        first: position of its first byte in the mapping.
        mapped_from: position of the mapping's first byte in the file.
    """

    def __init__(
        self, array: NDArray[Any], mapping: mmap.mmap, first: int, mapped_from: int
    ) -> None:
        self._array, self._mapping, self._first = np.asarray(array), mapping, first
        self._end = mapped_from + first + array.nbytes
        self.shape, self.stored = array.shape, array.dtype
        self.n_rows, self.n_columns = array.shape
        self.dtype = working_dtype(array.dtype)

    def blocks(self) -> Iterator[Floats]:
        step = block_length(self.n_columns, self.dtype)
        for start in range(0, self.n_rows, step):
            self._check_length()
            block = self._array[start : start + step]
            yield np.ascontiguousarray(block, dtype=self.dtype)
            self._give_back(start, block.nbytes)

    def _check_length(self) -> None:
        """A page behind the file's end would kill the process, not raise."""
        found = self._mapping.size()
        if found < self._end:
            raise InputError(
                f"X: the mapped file now holds {found} bytes, but the rows mapped from it end at "
                f"{self._end}; leave the file as it is during the fit, or give an array in memory"
            )

    def _give_back(self, start: int, n_bytes: int) -> None:
        low = self._first + start * (self._array.nbytes // self.n_rows)
        portable.give_back(self._mapping, low, n_bytes)


def as_rows(X: Any) -> RowBlocks:
    """Take an array, a memory-mapped array or an object with the `RowBlocks` protocol.

    Args:
        X: (n, d) with real numbers. float16 and float32 are used as float32, other numbers as
            float64. Of a memory-mapped array one block at a time counts as memory.

    Raises:
        InputError: X is not two-dimensional, has no rows or no columns, is sparse, or holds no real
            numbers.
    """
    check_dense(X)
    if isinstance(X, RowBlocks):
        if isinstance(X, ArrayRows | FileRows | MappedRows | ChosenRows):
            _check_shape(X.shape, X.dtype)
            return X
        _check_shape((int(X.n_rows), int(X.n_columns)), np.dtype(X.dtype))
        return X if isinstance(X, RechunkedRows) else RechunkedRows(X)
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
    if not shape:
        raise InputError(
            "X: one value or text; expected an array of two dimensions (rows, columns), or an "
            "object with blocks(): read a file first, as with numpy.load(file, mmap_mode='r')"
        )
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


def _mapped_rows(array: NDArray[Any]) -> MappedRows | None:
    """A memory map of a file, or a contiguous part of one; None where it is no such thing."""
    # The pages of a private map may hold changes that are nowhere else.
    if not isinstance(array, np.memmap) or array.mode == "c" or not array.flags.c_contiguous:
        return None
    mapping = getattr(array, "_mmap", None)
    if not isinstance(mapping, mmap.mmap):
        return None
    # numpy keeps the parent's offset in a slice, so the position comes from the addresses.
    mapped_from = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    first = np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    inside = array.__array_interface__["data"][0] - first
    if not 0 <= inside <= len(mapping) - array.nbytes:
        return None
    return MappedRows(array, mapping, inside, mapped_from)

"""Rows on their way to a fit: in memory or, where there are many, in a temporary file.

Where the system can, the file is unlinked as soon as it is open, so that even a killed program
leaves nothing; elsewhere it goes when it is closed.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import StorageError
from oneclass.rows.blocks import ArrayRows, ChosenRows, FileRows
from oneclass.system.files import FULL
from oneclass.system.host.portable import plain_memory

IN_MEMORY_BYTES = 256 << 20
"""Rows that take more go to a file."""
PIECE_BYTES = 64 << 20
LONG_BYTES = 64 << 10
"""Rows as long as this are read where they lie; shorter ones are brought into their order first."""
Rows = NDArray[np.floating[Any]]


class ScratchRows:
    """Collects rows, one after the other, and gives them back in any order.

    Args:
        most: how many rows there may be.
        shape, dtype: of one row.

    Raises:
        StorageError: the disk has no room for so many.
        MemoryError: nor has memory.
    """

    def __init__(self, most: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype = shape, dtype
        self._n_bytes = dtype.itemsize * math.prod(shape)
        self._array: Rows | None = None
        self._file: IO[bytes] | None = None
        self.n_rows = 0
        if most * self._n_bytes <= IN_MEMORY_BYTES:
            self._array = _empty((most, *shape), dtype)
            return
        times = 1 if self._n_bytes >= LONG_BYTES else 2
        needed, free = times * most * self._n_bytes, shutil.disk_usage(tempfile.gettempdir()).free
        if needed > free:
            raise self._no_room(f"they need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} are free")
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `ordered`

    def add(self, row: Rows, instead_of: int | None = None) -> None:
        """Keep one more row, or one in the place of another.

        Raises:
            StorageError: the disk is full.
        """
        place = self.n_rows if instead_of is None else instead_of
        if self._array is not None:
            self._array[place] = row
        else:
            self._write(self._file, row, place * self._n_bytes)
        self.n_rows += instead_of is None

    def ordered(self, order: Sequence[int]) -> ArrayRows | FileRows | ChosenRows:
        """Some rows or all in that order, (n, *shape); afterwards nothing can be added.

        Raises:
            StorageError: the disk is full.
        """
        places = np.asarray(order, np.int64)
        if self._array is not None:
            if self._n_bytes >= LONG_BYTES:
                return ChosenRows(ArrayRows(self._array[: self.n_rows]), places)
            return ArrayRows(self._array[places])
        assert self._file is not None, "rows are in memory or in a file"
        self._write(self._file)
        added = FileRows(self._file, (self.n_rows, *self._shape), self._dtype)
        if self._n_bytes >= LONG_BYTES:
            return ChosenRows(added, places)
        out = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the rows in it
        step = max(1, PIECE_BYTES // self._n_bytes)
        for start in range(0, len(order), step):
            self._write(out, added.take(order[start : start + step]), start * self._n_bytes)
        self._write(out)
        self._file.close()
        return FileRows(out, (len(order), *self._shape), self._dtype)

    def _write(self, file: IO[bytes] | None, values: Rows | None = None, at: int = 0) -> None:
        """Write some values from a byte on; without any, make sure that all are written."""
        assert file is not None, "rows are in memory or in a file"
        try:
            if values is None:
                file.flush()
            else:
                file.seek(at)
                file.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise self._no_room(error.strerror or str(error)) from error

    def _no_room(self, why: str) -> StorageError:
        return StorageError(
            f"the rows of the images do not fit into {tempfile.gettempdir()}: {why}. Name a folder "
            "on a larger disk in the environment variable TMPDIR, give fewer images, or see them "
            "smaller (--size, in Python size=); without tiles, a coarser pooling grid does, too "
            "(such as --layer block_8@4)."
        )


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rows:
    n_numbers = math.prod(shape)
    if n_numbers == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(plain_memory(dtype.itemsize * n_numbers), dtype).reshape(shape)

"""Rows on their way to a fit: in memory or, where there are many, in a file that has no name.

The file is unlinked as soon as it is open, so that even a killed program leaves nothing. It is
reached by its descriptor, which Linux shows under /proc.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import StorageError
from oneclass.system.files import FULL

IN_MEMORY_BYTES = 256 << 20
"""Rows that take more go to a file."""
PIECE_BYTES = 64 << 20
Rows = NDArray[np.floating[Any]]


class ScratchRows:
    """Collects rows, one after the other, and gives them back in any order.

    Args:
        most: how many rows there may be.
        shape, dtype: of one row.

    Raises:
        StorageError: the disk has no room for so many.
    """

    def __init__(self, most: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype = shape, dtype
        self._n_bytes = dtype.itemsize * math.prod(shape)
        self._array: Rows | None = None
        self._file: IO[bytes] | None = None
        self.n_rows = 0
        if most * self._n_bytes <= IN_MEMORY_BYTES:
            self._array = np.empty((most, *shape), dtype)
            return
        needed, free = 2 * most * self._n_bytes, shutil.disk_usage(tempfile.gettempdir()).free
        if needed > free:
            raise self._no_room(f"they need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} are free")
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `ordered`

    def add(self, row: Rows) -> None:
        """Keep one more row.

        Raises:
            StorageError: the disk is full.
        """
        if self._array is not None:
            self._array[self.n_rows] = row
        else:
            self._write(self._file, row)
        self.n_rows += 1

    def ordered(self, order: Sequence[int]) -> Rows:
        """All rows in that order; afterwards nothing can be added.

        Returns:
            (n, *shape): an array, or a read-only map of a file, which `rows.as_rows` reads
            block by block.

        Raises:
            StorageError: the disk is full.
        """
        if self._array is not None:
            return np.asarray(self._array[np.asarray(order)])
        assert self._file is not None, "rows are in memory or in a file"
        self._file.flush()
        out = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the map of it
        step = max(1, PIECE_BYTES // self._n_bytes)
        for start in range(0, len(order), step):
            wanted = np.asarray(order[start : start + step])
            piece = np.empty((len(wanted), *self._shape), self._dtype)
            for place in np.argsort(wanted):  # a disk is read forwards
                # Read, not mapped: pages of a map would count as memory of the process.
                position = int(wanted[place]) * self._n_bytes
                os.preadv(
                    self._file.fileno(), [piece[place].reshape(-1).view(np.uint8).data], position
                )
            self._write(out, piece)
        out.flush()
        self._file.close()
        rows = _mapped(out, (len(order), *self._shape), self._dtype)
        weakref.finalize(rows, out.close)
        return rows

    def _write(self, file: IO[bytes] | None, values: Rows) -> None:
        assert file is not None, "rows are in memory or in a file"
        try:
            file.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise self._no_room(error.strerror or str(error)) from error

    def _no_room(self, why: str) -> StorageError:
        return StorageError(
            f"the rows of the images do not fit into {tempfile.gettempdir()}: {why}. Name a folder "
            "on a larger disk in the environment variable TMPDIR, use a pooling grid (such as "
            "--grid 4) or a smaller layer, or give fewer images."
        )


def _mapped(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rows:
    return np.memmap(f"/proc/self/fd/{file.fileno()}", dtype, "r", shape=shape)

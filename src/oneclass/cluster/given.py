"""What a caller may give as rows on a cluster: a Dask array, futures, or a file all can read."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, Future, default_client
from numpy.typing import NDArray

from oneclass.cluster.calls import calling
from oneclass.cluster.rows import ClusterRows
from oneclass.errors import ClusterError, InputError
from oneclass.rows.blocks import BLOCK_BYTES, block_length

CHUNK_BYTES = 16 * BLOCK_BYTES
"""Of a file's chunks: large, for a task costs a millisecond; small, for a worker holds several."""


def rows_of(X: Any, *, client: Client | None = None) -> ClusterRows:
    """Rows that lie on the workers, for `nu_path` and `fit_halfspaces`.

    Args:
        X: a Dask array of two dimensions; futures of (n, d) arrays; or the path of a .npy file that
            every worker can read, of which each worker reads its chunks.
        client: of Dask; None for the one that was opened last.

    Raises:
        InputError: X is none of these.
        ClusterError: there is no client, or the cluster is gone.
    """
    if client is None:
        try:
            client = default_client()
        except ValueError as error:
            raise ClusterError(
                "cluster: there is no client of Dask. Open one (distributed.Client(address)), or "
                "give it: rows_of(X, client=...)."
            ) from error
    if isinstance(X, ClusterRows):
        return X
    if isinstance(X, (str, Path)):
        return ClusterRows(client, _of_file(client, Path(X)))
    if hasattr(X, "to_delayed") and hasattr(X, "chunks"):
        return ClusterRows(client, _of_array(client, X))
    if isinstance(X, Sequence) and X and all(isinstance(item, Future) for item in X):
        return ClusterRows(client, X)
    raise InputError(
        f"rows of type {type(X).__name__}: expected a Dask array, futures of (n, d) arrays, or the "
        "path of a .npy file that all workers can read."
    )


def _of_array(client: Client, array: Any) -> list[Future]:
    if array.ndim != 2:
        raise InputError(
            f"X: a Dask array of {array.ndim} dimensions; expected two (rows, columns)."
        )
    whole = array.rechunk({1: -1})
    with calling(client):
        futures: list[Future] = client.compute(whole.to_delayed().ravel().tolist())
    return futures


def _of_file(client: Client, file: Path) -> list[Future]:
    try:
        rows = np.load(file, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file}: no .npy file that can be read ({error}); write one with numpy.save."
        ) from error
    if rows.ndim != 2:
        raise InputError(f"{file}: shape {rows.shape}; expected two dimensions (rows, columns).")
    # Whole blocks, as one machine would cut them.
    block = block_length(rows.shape[1], rows.dtype)
    step = block * max(1, CHUNK_BYTES // (block * rows.shape[1] * rows.dtype.itemsize))
    with calling(client):
        return [
            client.submit(read_chunk, str(file), start, min(start + step, len(rows)), pure=False)
            for start in range(0, len(rows), step)
        ]


def read_chunk(file: str, start: int, stop: int) -> NDArray[Any]:
    """Some rows of a .npy file, in memory.

    Raises:
        InputError: this machine cannot read it.
    """
    try:
        rows: NDArray[Any] = np.load(file, mmap_mode="r")[start:stop]
        return np.array(rows)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file}: the worker on {platform.node()} cannot read it ({error}). Put it where all "
            "machines find it under the same path, as on a network folder."
        ) from error

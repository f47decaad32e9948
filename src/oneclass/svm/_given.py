"""Rows for the solver: of this machine, or on the workers of a cluster."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from oneclass.rows import RowBlocks, as_rows
from oneclass.svm.solving.looks import Looks


def taken(X: Any) -> RowBlocks:
    """What `as_rows` takes, and what lies on a cluster: a Dask array, futures, or `ClusterRows`.

    Raises:
        InputError: it cannot be used.
    """
    if isinstance(X, Looks) and isinstance(X, RowBlocks):
        return X
    if not _of_dask(X):
        return as_rows(X)
    # By name, for that room stands above this one; who has a Dask array has Dask.
    found: RowBlocks = import_module("oneclass.cluster.given").rows_of(X)
    return found


def _of_dask(X: Any) -> bool:
    first = X[0] if isinstance(X, list | tuple) and X else X
    return type(first).__module__.split(".")[0] in ("dask", "distributed")

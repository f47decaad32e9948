"""Slow: workers whose memory is smaller than their rows, which go to their disks and come back."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import numpy as np
import pytest

from oneclass.cluster import ClusterRows
from oneclass.svm import nu_path

pytestmark = [pytest.mark.slow, pytest.mark.linux]
CHUNKS, ROWS, COLUMNS = 60, 5000, 800
LIMIT = 500_000_000
"""Bytes of each of two workers, Python and packages among them; half of the rows take 480 MB."""


def made(number: int) -> np.ndarray:
    rows = np.abs(np.random.default_rng(number).normal(size=(ROWS, COLUMNS))) + 0.1
    return (rows / np.linalg.norm(rows, axis=1)[:, None]).astype("float32")


def solved(limit: int) -> tuple[str, int]:
    """The digest of a path, and the bytes that lay on the workers' disks at its end."""
    import dask
    import distributed

    workers: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": limit}
    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": "127.0.0.1:0"}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 10}),
        distributed.LocalCluster(**workers, **quiet) as cluster,
        distributed.Client(cluster) as client,
    ):
        parts = [client.submit(made, number, pure=False) for number in range(CHUNKS)]
        path = nu_path(ClusterRows(client, parts), [0.05, 0.5])
        spilled = client.run(lambda dask_worker: dask_worker.data.spilled_total.memory)
        digest = hashlib.sha256(path.coef.tobytes() + path.offset.tobytes()).hexdigest()
        return digest, sum(spilled.values())


def test_a_full_memory_changes_no_bit() -> None:
    wanted, none = solved(4_000_000_000)
    found, spilled = solved(LIMIT)
    assert (found, none) == (wanted, 0)
    assert spilled > 100_000_000

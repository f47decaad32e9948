"""Who reads the images and runs the network: threads of this process, or a cluster's workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oneclass.cluster.traffic import Traffic
from oneclass.representations.extraction import Workers


@contextmanager
def crew_of(cluster: Any, threads: int, traffic: list[Traffic]) -> Iterator[Workers]:
    """Those of a cluster, whose connection is open inside; or else so many threads.

    Args:
        cluster: as the setting of that name; None for threads.
        threads: of this process.
        traffic: where each pass of a cluster adds what it sent.

    Raises:
        InputError: the cluster's address is none.
        ClusterError: it does not answer, or a machine of it differs from this one.
        MissingDependencyError: Dask is not installed.
    """
    if cluster is None:
        yield threads
        return
    from oneclass.cluster.clients import connected

    with connected(cluster) as client:
        from oneclass.cluster.extraction import ClusterWorkers

        yield ClusterWorkers(client, traffic)

"""Who reads the images and runs the network: threads of this process, or a cluster's workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from oneclass.detector.settings import Settings
from oneclass.representations.extraction import Workers


@contextmanager
def crew_of(asked: Settings) -> Iterator[Workers]:
    """Those that the settings ask for; a cluster's connection is open inside.

    Raises:
        InputError: the cluster's address is none.
        ClusterError: it does not answer, or a machine of it differs from this one.
        MissingDependencyError: Dask is not installed.
    """
    if asked.cluster is None:
        yield asked.workers
        return
    from oneclass.cluster.clients import connected

    with connected(asked.cluster) as client:
        from oneclass.cluster.extraction import ClusterWorkers

        yield ClusterWorkers(client)

"""Images to rows on the workers: a task takes some images all the way, as a thread would here."""

from __future__ import annotations

import hashlib
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from distributed import Client, Future
from distributed.protocol.pickle import dumps, loads

from oneclass.cluster.calls import calling, result_of
from oneclass.cluster.machines import Installed, check_here, installed
from oneclass.cluster.tasks import same
from oneclass.cluster.traffic import Traffic
from oneclass.errors import ClusterError, ImageError, OneclassError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Sources
from oneclass.representations import Representation
from oneclass.representations.extraction import Extracted, extract_and, open_store
from oneclass.rows.store import CacheUse, RowStore
from oneclass.system.arrays import Pixels
from oneclass.system.host.workers import AHEAD, ordered_map
from oneclass.system.places import Remote, place

T = TypeVar("T")
R = TypeVar("R")

IMAGES_A_TASK = 32
"""Enough that Dask's millisecond or two a task counts for nothing, and few to do again."""
HEADERS_A_TASK = 256
SHARED = "Put the images where all machines find them under the same path, as on a network folder."
FETCHED = "Every machine fetches images itself: it needs the same packages and credentials."
TASKS_A_THREAD = 4
"""At least, where there are images enough: or threads would wait for the last one."""


class ClusterWorkers:
    """Workers of a cluster, where threads of this process would do the same.

    Args:
        client: of Dask, of machines that were looked at (`connected`).
        traffic: where each pass over the images adds what it sent.
    """

    def __init__(self, client: Client, traffic: list[Traffic] | None = None) -> None:
        self._client, self._traffic = client, [] if traffic is None else traffic

    def extract_and(
        self,
        finish: Callable[[Extracted], R],
        sources: Sources,
        representation: Representation,
        scale: PixelScale,
        *,
        glance: Callable[[Pixels], Any] | None,
        store: RowStore | None,
    ) -> Generator[R | ImageError, None, None]:
        """As `representations.extraction.extract_and`; a row is the same, whoever makes it.

        The workers open the store for themselves, at its path on their own machine.

        Raises:
            ClusterError: the cluster is gone, or a machine differs or does not see the images.
        """
        self._check_sight(sources)
        cache = None if store is None else store.cache
        job = dumps(_Job(representation, scale, cache, finish, glance, installed()))
        done = self._in_order("images", extract_some, job, sources, IMAGES_A_TASK)
        with closing(done):
            for results, use in done:
                if store is not None and use is not None:
                    store.add_use(use)
                yield from results

    def each(self, function: Callable[[Sources, int], T], sources: Sources) -> Iterator[T]:
        """`function` of the images and the number of each, in their order.

        Raises:
            ClusterError: as for `extract_and`.
        """
        self._check_sight(sources)
        told, most = dumps(function), HEADERS_A_TASK
        for results in self._in_order("first look", call_for_some, told, sources, most):
            yield from results

    def _in_order(
        self, what: str, work: Callable[..., bytes], told: bytes, sources: Sources, most: int
    ) -> Generator[Any, None, None]:
        """What `work` makes of some images at a time, in their order, a few tasks ahead."""
        self._traffic.append(Traffic(what, out=len(told)))
        with calling(self._client):
            n_threads = sum(self._client.nthreads().values()) or 1
            common = self._client.submit(same, told, pure=False)
        step = max(1, min(most, len(sources) // (TASKS_A_THREAD * n_threads)))
        starts = range(0, len(sources), step)
        parts = (_part(sources, start, start + step) for start in starts)
        yield from self._map(work, common, parts, AHEAD * n_threads)

    def _map(
        self,
        work: Callable[..., bytes],
        common: Future,
        parts: Iterable[bytes],
        ahead: int,
    ) -> Generator[Any, None, None]:
        rest, begun, this = iter(parts), deque[Future](), self._traffic[-1]
        started = time.perf_counter()

        def begin(count: int) -> None:
            for part in islice(rest, count):
                this.out += len(part)
                begun.append(self._client.submit(work, common, part, pure=False))

        try:
            with calling(self._client):
                begin(ahead)
            while begun:
                result = result_of(self._client, begun.popleft())
                with calling(self._client):
                    begin(1)
                this.back += len(result)
                this.rounds += 1
                yield loads(result)
        finally:
            this.seconds += time.perf_counter() - started
            # Whoever was interrupted may have closed the client before this.
            if begun and self._client.status == "running":
                with suppress(OSError):  # the scheduler is gone, of which the call before told
                    self._client.cancel(list(begun))

    def _check_sight(self, sources: Sources) -> None:
        """Refuse machines that do not see the first image: they would call every one missing.

        Raises:
            ClusterError: one does not.
        """
        first = next((item for item in islice(sources.items, 1) if isinstance(item, Path)), None)
        if first is None or not _exists(first):
            return
        with calling(self._client):
            seen = self._client.run(_sees, str(first))
        for address, (machine, amiss) in seen.items():
            if amiss:
                raise ClusterError(
                    f"cluster: the worker on {machine} ({address}) does not see {first} ({amiss}). "
                    + (FETCHED if isinstance(first, Remote) else SHARED)
                )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a store that refuses to say; the image itself will tell
        return False


@dataclass(frozen=True)
class _Job:
    """What is the same for all tasks of an extraction."""

    representation: Representation
    scale: PixelScale
    cache: Path | None
    finish: Callable[[Extracted], Any]
    glance: Callable[[Pixels], Any] | None
    expected: Installed


class _OpenJob:
    """A job on a worker: its network is open, and its store."""

    def __init__(self, job: _Job) -> None:
        self.job, self._lock, self._told = job, threading.Lock(), CacheUse(0, 0, 0, None)
        self.store: RowStore | None = None
        if job.cache is not None:
            self.store = open_store(job.cache, job.representation, job.scale)

    def use(self) -> CacheUse | None:
        """What the store was good for since this was last asked."""
        if self.store is None:
            return None
        with self._lock:
            now, before = self.store.use, self._told
            self._told = now
        return CacheUse(
            now.found - before.found,
            now.computed - before.computed,
            now.damaged - before.damaged,
            now.stopped,
        )


_open: dict[str, Any] = {}
_opening = threading.Lock()


def _opened(told: bytes, make: Callable[[Any], T]) -> T:
    """What was sent, opened once in this process; the one before it is closed."""
    name = hashlib.sha256(told).hexdigest()
    with _opening:
        if name not in _open:
            made = make(loads(told))
            _open.clear()
            _open[name] = made
        found: T = _open[name]
        return found


def extract_some(told: bytes, part: bytes) -> bytes:
    """A task: what becomes of some images, and what the store was good for, pickled.

    Args:
        told: a job.
        part: of `_part`.

    Raises:
        ClusterError: this machine differs from the one that asks.
    """
    here, (start, items, names) = _opened(told, _open_job), loads(part)
    results = extract_and(
        _Renumbered(here.job.finish, start),
        _sources(items, names),
        here.job.representation,
        here.job.scale,
        workers=1,
        glance=here.job.glance,
        store=here.store,
    )
    done: bytes = dumps((list(results), here.use()))
    return done


@dataclass(frozen=True)
class _Renumbered:
    """What is made of a row, with the image's number among all rather than in its task."""

    finish: Callable[[Extracted], Any]
    start: int

    def __call__(self, image: Extracted) -> Any:
        return self.finish(replace(image, index=image.index + self.start))


def call_for_some(told: bytes, part: bytes) -> bytes:
    """A task: a function of each of some images, pickled."""
    function, (_, items, names) = _opened(told, same), loads(part)
    sources = _sources(items, names)
    each = ordered_map(partial(function, sources), range(len(sources)), sources.threads(1))
    done: bytes = dumps(list(each))
    return done


def _open_job(job: _Job) -> _OpenJob:
    check_here(job.expected)
    return _OpenJob(job)


def _part(sources: Sources, start: int, stop: int) -> bytes:
    """Some images, pickled: the number of the first among all, paths as texts or arrays, names."""
    items = [str(item) if isinstance(item, Path) else item for item in sources.items[start:stop]]
    part: bytes = dumps((start, items, list(sources.names[start:stop])))
    return part


def _sources(items: Sequence[Any], names: Sequence[str]) -> Sources:
    return Sources([place(item) if isinstance(item, str) else item for item in items], names)


def _sees(path: str) -> tuple[str, str]:
    """This machine's name, and why it does not see a file; nothing where it does."""
    name, first = platform.node(), place(path)
    try:
        first.stat()
    except OneclassError as error:  # a package that reads such addresses is not installed here
        return name, str(error)
    except OSError as error:
        return name, error.strerror or str(error)
    return name, ""

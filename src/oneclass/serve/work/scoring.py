"""One thread scores what all clients send, several images of a model at a time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace

from oneclass.errors import ImageError, OneclassError
from oneclass.images.sources import Sources
from oneclass.serve.records.database import Database
from oneclass.serve.records.predictions import Made, Predictions
from oneclass.serve.records.versions import Version, Versions
from oneclass.serve.work.keeping import Kept
from oneclass.serve.work.library import MOST_LOADED, Library

BATCH = 32
LARGE = 8_000_000
"""A batch holds at most so many pixels: what is decoded at a time stays bounded."""


class BusyError(OneclassError):
    """More waits than may; `retry` seconds later there may be room."""

    def __init__(self, what: str, retry: int = 2) -> None:
        super().__init__(f"{what}; try again in {retry} seconds.")
        self.retry = retry


@dataclass(frozen=True)
class Scored:
    """What became of one image: a prediction with its id, on the disk."""

    id: int
    made: Made
    version: Version


@dataclass
class Asked:
    """One image that waits for its score.

    Attributes:
        version: of the model.
        source: "page", "api" or "watch:ID".
        image: kept.
        also: written in the same transaction, given what is in it by then.
    """

    version: Version
    source: str
    image: Kept
    also: Callable[[Scored | ImageError, sqlite3.Connection], None] | None = None
    arrived: float = field(default_factory=time.time)
    answer: Future[Scored | ImageError] = field(default_factory=Future)


class Scorer:
    """The queue and its thread. An answer is given once it is on the disk.

    Args:
        library: of detectors.
        database: for predictions.
        most: images that may wait.
        tell: called with each answer, in the scoring thread.
    """

    def __init__(
        self,
        library: Library,
        database: Database,
        most: int,
        tell: Callable[[Asked, Scored | ImageError], None],
    ) -> None:
        self._library, self._database, self._most = library, database, most
        self._predictions, self._tell = Predictions(database), tell
        self._queue: deque[Asked] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._busy = 0
        self._thread = threading.Thread(target=self._run, name="scoring", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether somebody scores."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Images that wait or are being scored."""
        return len(self._queue) + self._busy

    def ask(self, asked: Sequence[Asked]) -> None:
        """Queue images; all of them, or none.

        Raises:
            BusyError: too many wait already.
        """
        with self._changed:
            if self._stopping:
                raise BusyError("the server is stopping", 10)
            if len(self._queue) + len(asked) > max(
                self._most, len(asked) if not self._queue else 0
            ):
                raise BusyError(f"{len(self._queue)} images wait already")
            self._queue.extend(asked)
            self._changed.notify()

    def fail(
        self,
        version_id: int,
        source: str,
        error: ImageError,
        also: Callable[[Scored | ImageError, sqlite3.Connection], None] | None = None,
    ) -> None:
        """Record an image that did not get so far as to be scored."""
        with self._database.write() as connection:
            self._predictions.add_failure(version_id, source, error, connection)
            if also is not None:
                also(error, connection)

    def stop(self, seconds: float) -> None:
        """Score what waits, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        self._get_ready()
        while batch := self._next():
            try:
                results = self._score(batch)
                answers = self._record(batch, results)
            except BaseException as error:  # the clients hear of it, and the thread goes on
                for asked in batch:
                    asked.answer.set_exception(error)
                continue
            finally:
                self._busy = 0
            for asked, answer in zip(batch, answers, strict=True):
                asked.answer.set_result(answer)
                self._tell(asked, answer)

    def _get_ready(self) -> None:
        """Load what serves, so that the first image need not wait for it."""
        for version in Versions(self._database).serving()[:MOST_LOADED]:
            with suppress(OneclassError):  # whoever asks for it will hear of it
                self._library.detector(version)

    def _next(self) -> list[Asked]:
        """Images of one model, in the order in which they came; none at the end."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            batch: list[Asked] = []
            pixels = 0
            while self._queue and len(batch) < BATCH:
                first = self._queue[0]
                pixels += first.image.pixels
                if batch and (first.version.id != batch[0].version.id or pixels > LARGE):
                    break
                batch.append(self._queue.popleft())
            self._busy = len(batch)
            return batch

    def _score(self, batch: list[Asked]) -> list[Made | ImageError]:
        version = batch[0].version
        detector = self._library.detector(version)
        sources = Sources([a.image.file for a in batch], [a.image.name for a in batch])
        results: list[Made | ImageError] = []
        for asked, result in zip(batch, detector.score_each(sources), strict=True):
            if isinstance(result, ImageError):
                results.append(ImageError(asked.image.name, result.reason, result.detail))
                continue
            results.append(
                Made(
                    version.id,
                    asked.source,
                    asked.image.name,
                    asked.image.sha256,
                    result.score,
                    result.p_value,
                    result.is_anomaly,
                    version.false_alarms,
                    asked.arrived,
                    0.0,
                )
            )
        return results

    def _record(
        self, batch: list[Asked], results: list[Made | ImageError]
    ) -> list[Scored | ImageError]:
        """Write all of a batch in one transaction: the disk is waited for once."""
        answers: list[Scored | ImageError] = []
        now = time.time()
        with self._database.write() as connection:
            for asked, result in zip(batch, results, strict=True):
                answer = self._add(asked, result, now, connection)
                if asked.also is not None:
                    asked.also(answer, connection)
                answers.append(answer)
        return answers

    def _add(
        self, asked: Asked, result: Made | ImageError, now: float, connection: sqlite3.Connection
    ) -> Scored | ImageError:
        image = asked.image
        if isinstance(result, ImageError):
            self._predictions.add_failure(asked.version.id, asked.source, result, connection)
            return result
        connection.execute(
            "INSERT INTO image (sha256, bytes, at) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET at = excluded.at",
            (image.sha256, image.bytes, now),
        )
        made = replace(result, seconds=max(0.0, now - asked.arrived))
        return Scored(self._predictions.add(made, connection), made, asked.version)

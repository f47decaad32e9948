"""What all clients send is scored image by image, and recorded as many at a time as are ready.

A thread for each core scores; one more writes. So no core waits for the disk, and where many images
are under way, the disk is waited for once for several of them.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from oneclass.errors import ImageError, OneclassError
from oneclass.images.sources import Sources
from oneclass.serve.records.database import Database
from oneclass.serve.records.predictions import Made, Predictions
from oneclass.serve.records.reviews import carry
from oneclass.serve.records.versions import Version, Versions
from oneclass.serve.work.keeping import Kept
from oneclass.serve.work.library import MOST_LOADED, Library
from oneclass.system.host.workers import worker_count
from oneclass.system.names import count

BATCH = 64
"""Answers in one transaction at most."""
GATHERING = 0.01
"""Seconds to wait for more of them, while images queue up for the threads that score."""

Keep = Callable[[], Kept]
"""Puts an image into its place; raises an `ImageError` if it is none."""


class BusyError(OneclassError):
    """More waits than may; `retry` seconds later there may be room."""

    def __init__(self, what: str, retry: int = 2) -> None:
        super().__init__(f"{what}; try again in {count(retry, 'second')}.")
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
        keep: called in the thread that then scores the image; its `ImageError` is the answer.
        also: written in the same transaction, given what is in it by then.
        arrived: when, in seconds since 1970.
        waited: seconds that its file had been there by then, which count until its answer, too.
    """

    version: Version
    source: str
    keep: Keep
    also: Callable[[Scored | ImageError, sqlite3.Connection], None] | None = None
    arrived: float = field(default_factory=time.time)
    waited: float = 0.0
    answer: Future[Scored | ImageError] = field(default_factory=Future)


Result = tuple[Kept, Made] | ImageError
Done = tuple[Asked, Result]


def outcome_of(keep: Keep) -> Future[Kept]:
    """Keep an image before its turn; the `result` of what comes back is a `Keep` again."""
    outcome: Future[Kept] = Future()
    try:
        outcome.set_result(keep())
    except ImageError as error:
        outcome.set_exception(error)
    return outcome


class Scorer:
    """The queue and its threads. An answer is given once it is on the disk.

    Args:
        library: of detectors.
        database: for predictions.
        most: images that may wait.
        threads: that score; None for one on each core.
        tell: called with each answer, in the recording thread.
        answered: called when some answers were given, in the thread that gave them.
    """

    def __init__(
        self,
        library: Library,
        database: Database,
        most: int,
        threads: int | None,
        tell: Callable[[Asked, Scored | ImageError], None],
        answered: Callable[[], None],
    ) -> None:
        self._library, self._database, self._most = library, database, most
        self._predictions, self._tell, self._flush = Predictions(database), tell, answered
        self._queue: SimpleQueue[Asked | None] = SimpleQueue()
        self._done: SimpleQueue[Done | None] = SimpleQueue()
        self._counting = threading.Lock()
        self._waiting, self._stopping = 0, False
        self._scoring = [
            threading.Thread(target=self._score_all, name=f"scoring-{i}", daemon=True)
            for i in range(worker_count(threads))
        ]
        self._recording = threading.Thread(target=self._record_all, name="recording", daemon=True)

    def get_ready(self) -> None:
        """Load what serves in a thread of its own, so that the first image need not wait for it."""
        threading.Thread(target=self._load, name="loading", daemon=True).start()

    def start(self) -> None:
        """Begin."""
        for thread in (*self._scoring, self._recording):
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether somebody scores, and somebody records it."""
        return all(thread.is_alive() for thread in (*self._scoring, self._recording))

    @property
    def waiting(self) -> int:
        """Images that have no answer yet."""
        return self._waiting

    def ask(self, asked: Sequence[Asked]) -> None:
        """Queue images; all of them, or none.

        Raises:
            BusyError: too many wait already.
        """
        with self._counting:
            if self._stopping:
                raise BusyError("the server is stopping", 10)
            if self._waiting and self._waiting + len(asked) > self._most:
                raise BusyError(f"{count(self._waiting, 'image waits', 'images wait')} already")
            self._waiting += len(asked)
        for one in asked:
            self._queue.put(one)

    def stop(self, seconds: float) -> None:
        """Score what waits, and end."""
        until = time.monotonic() + seconds
        with self._counting:
            self._stopping = True
        for queue, threads in ((self._queue, self._scoring), (self._done, [self._recording])):
            for _ in threads:
                queue.put(None)
            for thread in threads:
                if thread.is_alive():
                    thread.join(max(0.0, until - time.monotonic()))

    def _score_all(self) -> None:
        while (asked := self._queue.get()) is not None:
            try:
                self._done.put((asked, self._score(asked)))
            except BaseException as error:  # the client hears of it, and the thread goes on
                self._give_up([asked], error)

    def _load(self) -> None:
        with suppress(OneclassError):  # whoever asks for one will hear of it
            for version in Versions(self._database).serving()[:MOST_LOADED]:
                with suppress(OneclassError):
                    self._library.detector(version)

    def _score(self, asked: Asked) -> Result:
        version = asked.version
        try:
            image = asked.keep()
        except ImageError as error:
            return error
        detector = self._library.detector(version)
        (result,) = detector.score_each(Sources([image.file], [image.name]))
        if isinstance(result, ImageError):
            return ImageError(image.name, result.reason, result.detail)
        return image, Made(
            version.id,
            asked.source,
            image.name,
            image.sha256,
            result.score,
            result.p_value,
            result.is_anomaly,
            version.false_alarms,
            asked.arrived,
            0.0,
            result.is_unclear,
            None if detector.model.learnt is None else result.learnt,
        )

    def _record_all(self) -> None:
        while done := self._next_done():
            self._answer(done)

    def _answer(self, done: list[Done]) -> None:
        try:
            answers = self._record(done)
        except BaseException as error:  # the clients hear of it, and the thread goes on
            if len(done) > 1 and not isinstance(error, OneclassError):
                for one in done:  # a bug with one of them is no trouble of the others
                    self._answer([one])
            else:
                self._give_up([asked for asked, _ in done], error)
            return
        self._answered(len(done))
        for (asked, _), answer in zip(done, answers, strict=True):
            asked.answer.set_result(answer)
            self._tell(asked, answer)
        self._flush()

    def _next_done(self) -> list[Done]:
        """What is ready, or is about to be while no thread runs dry; nothing at the end."""
        done: list[Done] = []
        until = math.inf
        with suppress(Empty):
            while len(done) < BATCH:
                left = until - time.monotonic() if self._queue.qsize() else 0.0
                one = self._done.get(timeout=max(0.0, left)) if done else self._done.get()
                until = min(until, time.monotonic() + GATHERING)
                if one is None:
                    self._done.put(None)  # for the next time
                    break
                done.append(one)
        return done

    def _record(self, done: list[Done]) -> list[Scored | ImageError]:
        """Write several in one transaction: the disk is waited for once."""
        answers: list[Scored | ImageError] = []
        now = time.time()
        with self._database.write() as connection:
            for asked, result in done:
                answer = self._add(asked, result, now, connection)
                if asked.also is not None:
                    asked.also(answer, connection)
                answers.append(answer)
        return answers

    def _add(
        self, asked: Asked, result: Result, now: float, connection: sqlite3.Connection
    ) -> Scored | ImageError:
        if isinstance(result, ImageError):
            self._predictions.add_failure(asked.version.id, asked.source, result, connection)
            return result
        image, made = result
        connection.execute(
            "INSERT INTO image (sha256, bytes, at) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET at = excluded.at",
            (image.sha256, image.bytes, now),
        )
        made = replace(made, seconds=max(0.0, now - asked.arrived) + asked.waited)
        number = self._predictions.add(made, connection)
        carry(number, connection)
        return Scored(number, made, asked.version)

    def _give_up(self, asked: Sequence[Asked], error: BaseException) -> None:
        self._answered(len(asked))
        for one in asked:
            one.answer.set_exception(error)
        self._flush()

    def _answered(self, n: int) -> None:
        with self._counting:
            self._waiting -= n

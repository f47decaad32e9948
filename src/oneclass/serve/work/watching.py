"""Folders whose images are scored as they arrive; asked again and again, so network drives work."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from oneclass.detector.predictions import FINE
from oneclass.errors import ImageError, InputError, OneclassError
from oneclass.images import SUFFIXES
from oneclass.serve.records.database import Row
from oneclass.serve.records.versions import Versions
from oneclass.serve.records.watches import ON, Watches
from oneclass.serve.work.keeping import Keeping, Kept
from oneclass.serve.work.places import is_within, open_within
from oneclass.serve.work.rounds import Rounds
from oneclass.serve.work.scoring import Asked, BusyError, Scored, Scorer, outcome_of
from oneclass.system.host.portable import as_typed

EVERY = 1.0
SETTLED = 2.0
"""Seconds that a file must not have changed for, before it counts as whole."""
GROWING = 30.0
"""Seconds for which a file that looks cut off is looked at again: slow writers pause."""
AT_A_TIME = 64
NEW = 60.0
"""Seconds for which a file counts as one that came now, so that its wait tells how fast it goes."""
COUNTED = 10_000
"""Images of a folder that are counted before it is watched: a person need not know more exactly."""
GONE = "{}: this folder is not there any more. Watching goes on by itself once it is back."
CLOSED = (
    "{}: the server was started without this folder, so its pictures wait. Start the server with "
    "--folder {} (or a folder around it): the watch goes on by itself then, with what came "
    "meanwhile."
)
HALF = {"truncated", "empty", "damaged", "not_an_image"}
"""Reasons that a file which is still being written may give."""


@dataclass(frozen=True)
class State:
    """A file as it was seen: size, and nanoseconds of its last change."""

    bytes: int
    changed: int


class Watcher:
    """One thread looks at all watched folders in turn.

    Args:
        watches: which there are.
        versions: of the models.
        keeping: copies the images.
        scorer: scores them.
        roots: folders that may be watched.
        tell: called with a watch's id when something came.
        say: called with what is wrong with a watch, once for each trouble.
    """

    def __init__(
        self,
        watches: Watches,
        versions: Versions,
        keeping: Keeping,
        scorer: Scorer,
        roots: tuple[Path, ...],
        tell: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self.watches, self._versions, self._keeping = watches, versions, keeping
        self._scorer, self._roots, self._tell, self._say = scorer, roots, tell, say
        self._seen: dict[int, dict[str, tuple[int, int]]] = {}
        self._arriving: dict[int, dict[str, tuple[State, float]]] = {}
        self.problems: dict[int, str] = {}
        self._rounds = Rounds("watching", EVERY, self._look_around, say)

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def stop(self) -> None:
        """End after the files in hand."""
        self._rounds.stop(10)

    def waiting_in(self, folder: Path, name: str) -> tuple[int, bool]:
        """How many images of a folder a watch with a model would score now, and whether all count.

        A watch that ended goes on where it was, so what it has seen is left out.

        Raises:
            OSError: the folder cannot be read.
        """
        before = self.watches.ended_like(str(folder), name)
        seen = {} if before is None else self.watches.seen(before["id"])
        new = (
            1 for path, state in files_in(folder) if seen.get(path) != (state.bytes, state.changed)
        )
        n = sum(islice(new, COUNTED + 1))
        return min(n, COUNTED), n <= COUNTED

    def _look_around(self) -> None:
        for watch in self.watches.all():
            if watch["state"] != ON or self._rounds.stopping:
                continue
            try:
                self._look(watch)
                self.problems.pop(watch["id"], None)
            except (OneclassError, OSError) as error:
                gone = isinstance(error, FileNotFoundError) and not Path(watch["folder"]).is_dir()
                problem = GONE.format(watch["folder"]) if gone else str(error)
                if watch["id"] not in self.problems:
                    self._say(f"watching {watch['folder']} waits: {problem}")
                self.problems[watch["id"]] = problem

    def _look(self, watch: Row) -> None:
        number, folder = watch["id"], watch["folder"]
        if not is_within(Path(folder).resolve(), self._roots):
            raise InputError(CLOSED.format(folder, as_typed([folder])))
        seen = self._seen.setdefault(number, self.watches.seen(number))
        before = self._arriving.get(number, {})
        now = time.monotonic()
        arriving: dict[str, tuple[State, float]] = {}
        whole: list[tuple[str, State]] = []
        for path, state in files_in(Path(folder)):
            if seen.get(path) == (state.bytes, state.changed):
                continue
            known = before.get(path)
            since = known[1] if known and known[0] == state else now
            arriving[path] = (state, since)
            if now - since >= SETTLED and len(whole) < AT_A_TIME:
                whole.append((path, state))
        self._arriving[number] = arriving
        if whole:
            self._score(watch, whole, {path: now - arriving[path][1] for path, _ in whole})
            self._tell(number)

    def _score(self, watch: Row, whole: list[tuple[str, State]], quiet: dict[str, float]) -> None:
        version = self._versions.named(watch["name"])
        if version is None:
            raise OneclassError(
                f"the model {watch['name']} is not there any more: end this watch, or learn one "
                "of that name."
            )
        seen = self._seen[watch["id"]]
        asked: list[tuple[str, State, Asked]] = []
        for path, state in whole:
            outcome = outcome_of(partial(self._kept, path))
            error = outcome.exception()
            reason = error.reason if isinstance(error, ImageError) else None
            if reason == "missing":
                continue  # once it is back, as with its network drive, it is a file like others
            if reason in HALF and max(quiet[path], _age(path)) < GROWING:
                continue
            also = self._also(watch, path, state)
            one = Asked(version, f"watch:{watch['id']}", outcome.result, also)
            one.waited = age if 0 <= (age := _age(path)) <= NEW else 0.0
            asked.append((path, state, one))
        try:
            self._scorer.ask([one for _, _, one in asked])
        except BusyError:
            return  # they are still there a second later
        failed = [one.answer.exception() for _, _, one in asked]
        for (path, state, _), error in zip(asked, failed, strict=True):
            if error is None:  # also of those after one that could not be recorded
                seen[path] = (state.bytes, state.changed)
        if error := next(filter(None, failed), None):
            raise error

    def _kept(self, path: str) -> Kept:
        try:
            with open_within(Path(path), self._roots) as file:
                return self._keeping.copy(file, path)
        except FileNotFoundError:
            raise ImageError(path, "missing", "it was gone before it could be read") from None

    def _also(
        self, watch: Row, path: str, state: State
    ) -> Callable[[Scored | ImageError, sqlite3.Connection], None]:
        """With the prediction: that the file was seen, and what to tell the webhook."""

        def write(answer: Scored | ImageError, connection: sqlite3.Connection) -> None:
            file = (path, state.bytes, state.changed)
            verdict = None if isinstance(answer, ImageError) else answer.made.verdict
            self.watches.dealt_with(watch["id"], file, verdict, connection)
            if isinstance(answer, ImageError):
                return
            if watch["webhook"] and (verdict != FINE or not watch["only_odd"]):
                self.watches.tell(watch["id"], message(watch, answer), connection)

        return write


def files_in(folder: Path) -> Iterator[tuple[str, State]]:
    """Images in a folder and below; hidden ones, links, and those of no image's name left out.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from files_in(Path(entry.path))
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield entry.path, State(facts.st_size, facts.st_mtime_ns)


def _age(path: str) -> float:
    """Seconds since a file was written, moved or copied to where it is, by its disk's own clock.

    One that lay there before it was watched, or before a restart, has been quiet for longer than
    it was seen.
    """
    try:
        facts = Path(path).stat()
    except OSError:
        return 0.0
    return time.time() - max(facts.st_mtime, facts.st_ctime)


def message(watch: Row, scored: Scored) -> str:
    """What a webhook is told of one image."""
    made, version = scored.made, scored.version
    return json.dumps(
        {
            "event": "prediction",
            "id": scored.id,
            "watch": watch["id"],
            "at": made.at,
            "model": version.name,
            "version": version.number,
            "model_sha256": version.digest,
            "path": made.path,
            "score": made.score,
            "p_value": made.p_value,
            "is_anomaly": made.is_anomaly,
            "verdict": made.verdict,
        }
    )

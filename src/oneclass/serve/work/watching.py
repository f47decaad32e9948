"""Folders whose images are scored as they arrive; asked again and again, so network drives work."""

from __future__ import annotations

import json
import sqlite3
import time
import traceback
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from oneclass.detector.predictions import FINE
from oneclass.errors import ImageError, InputError, OneclassError
from oneclass.serve.records.database import Row
from oneclass.serve.records.versions import Versions
from oneclass.serve.records.watches import ON, Watches
from oneclass.serve.work.keeping import Keeping, Kept
from oneclass.serve.work.places import Found, State, Walk, is_within, open_within
from oneclass.serve.work.rounds import Rounds
from oneclass.serve.work.scoring import Asked, BusyError, Scored, Scorer, outcome_of
from oneclass.system.host.portable import as_typed
from oneclass.system.names import some_names, spelt_out

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
OWN = "{}: is where this server keeps what it was sent. Watch the folder that the pictures come to."
OUTSIDE = (
    "it is a link that leads out of the folders that this server may read; put the picture itself "
    "there, or start the server with --folder for the place that it leads to"
)
BUG = (
    "{} cannot be scored because of a bug of oneclass ({}). It is tried again each second; the "
    "terminal that the server was started in shows more."
)
HALF = {"truncated", "empty", "damaged", "not_an_image"}
"""Reasons that a file which is still being written may give."""


class Watcher:
    """One thread looks at all watched folders in turn.

    Args:
        watches: which there are.
        versions: of the models.
        keeping: copies the images.
        scorer: scores them.
        roots: folders that may be watched.
        data: folder of all that the server keeps, which is not.
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
        data: Path,
        tell: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self.watches, self._versions, self._keeping = watches, versions, keeping
        self._scorer, self._roots, self._data = scorer, roots, data
        self._tell, self._say = tell, say
        self._seen: dict[int, dict[str, tuple[int, int]]] = {}
        self._arriving: dict[int, dict[str, tuple[State, float]]] = {}
        self._stuck: dict[int, dict[str, BaseException]] = {}
        self.problems: dict[int, str] = {}
        self._rounds = Rounds("watching", EVERY, self._look_around, say)

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def stop(self) -> None:
        """End after the files in hand."""
        self._rounds.stop(10)

    def check(self, folder: Path) -> None:
        """Refuse to watch what the server itself keeps.

        Raises:
            InputError: the folder lies there.
        """
        if folder.resolve().is_relative_to(self._data):
            raise InputError(OWN.format(folder))

    def waiting_in(self, folder: Path, name: str) -> tuple[int, bool, int]:
        """How many images of a folder a watch with a model would score now, and whether all count.

        A watch that ended goes on where it was, so what it has seen is left out. The third is how
        many links among these lead out of the folders that may be read.

        Raises:
            OSError: the folder cannot be read.
        """
        before = self.watches.ended_like(str(folder), name)
        seen = {} if before is None else self.watches.seen(before["id"])
        images = Walk(folder, self._roots, self._data).images()
        new = (one.outside for one in images if seen.get(one.name) != one.state)
        outside = list(islice(new, COUNTED + 1))
        n = outside.count(False)
        return min(n, COUNTED), len(outside) <= COUNTED, outside.count(True)

    def _look_around(self) -> None:
        for watch in self.watches.all():
            if watch["state"] != ON or self._rounds.stopping:
                continue
            try:
                self._look(watch)
            except Exception as error:  # the other watches go on
                self._waits(watch, error)
            else:
                self.problems.pop(watch["id"], None)

    def _waits(self, watch: Row, error: Exception) -> None:
        """Note why a watch cannot go on, and say it once."""
        folder = watch["folder"]
        if isinstance(error, (OneclassError, OSError)):
            gone = isinstance(error, FileNotFoundError) and not Path(folder).is_dir()
            problem = shown = GONE.format(folder) if gone else spelt_out(str(error))
        else:
            bug: BaseException = error
            what = f"what is in {folder}"
            if isinstance(error, _StuckError):
                bug, what = error.bugs[0], str(error)
            problem = BUG.format(what, spelt_out(f"{type(bug).__name__}: {bug}"))
            shown = problem + "\n" + "".join(traceback.format_exception(bug))
        if watch["id"] not in self.problems:
            self._say(f"watching {folder} waits: {shown}")
        self.problems[watch["id"]] = problem

    def _look(self, watch: Row) -> None:
        number, folder = watch["id"], watch["folder"]
        if not is_within(Path(folder).resolve(), self._roots):
            raise InputError(CLOSED.format(folder, as_typed([folder])))
        self.check(Path(folder))
        seen = self._seen.setdefault(number, self.watches.seen(number))
        before = self._arriving.get(number, {})
        now = time.monotonic()
        arriving: dict[str, tuple[State, float]] = {}
        whole: list[Found] = []
        for found in Walk(Path(folder), self._roots, self._data).images():
            name, state = found.name, found.state
            if seen.get(name) == state:
                continue
            known = before.get(name)
            since = known[1] if known and known[0] == state else now
            arriving[name] = (state, since)
            if now - since >= SETTLED:
                whole.append(found)
        self._arriving[number] = arriving
        stuck = {name: bug for name, bug in self._stuck.get(number, {}).items() if name in arriving}
        self._stuck[number] = stuck
        if whole:
            whole.sort(key=lambda one: one.name in stuck)  # the others do not wait for these
            del whole[AT_A_TIME:]
            self._score(watch, whole, {one.name: now - arriving[one.name][1] for one in whole})
            self._tell(number)
        if stuck:
            raise _StuckError(stuck)

    def _score(self, watch: Row, whole: list[Found], quiet: dict[str, float]) -> None:
        version = self._versions.named(watch["name"])
        if version is None:
            raise OneclassError(
                f"the model {watch['name']} is not there any more: end this watch, or learn one "
                "of that name."
            )
        seen, stuck = self._seen[watch["id"]], self._stuck[watch["id"]]
        asked: list[tuple[Found, Asked]] = []
        for found in whole:
            try:
                outcome = outcome_of(partial(self._kept, found))
            except (OneclassError, OSError):
                raise
            except Exception as bug:
                stuck[found.name] = bug
                continue
            error = outcome.exception()
            reason = error.reason if isinstance(error, ImageError) else None
            if reason == "missing":
                continue  # once it is back, as with its network drive, it is a file like others
            age = _age(found.path)
            if reason in HALF and max(quiet[found.name], age) < GROWING:
                continue
            one = Asked(version, f"watch:{watch['id']}", outcome.result, self._also(watch, found))
            one.waited = age if 0 <= age <= NEW else 0.0
            asked.append((found, one))
        try:
            self._scorer.ask([one for _, one in asked])
        except BusyError:
            return  # they are still there a second later
        refused: list[BaseException] = []
        for found, one in asked:
            error = one.answer.exception()
            if error is None:  # also of those after one that could not be recorded
                seen[found.name] = found.state
                stuck.pop(found.name, None)
            elif isinstance(error, (OneclassError, OSError)):
                refused.append(error)
            else:
                stuck[found.name] = error
        if refused:
            raise refused[0]

    def _kept(self, found: Found) -> Kept:
        if found.outside:
            raise ImageError(found.name, "unreadable", OUTSIDE)
        try:
            with open_within(Path(found.path), self._roots) as file:
                return self._keeping.copy(file, found.name)
        except FileNotFoundError:
            raise ImageError(found.name, "missing", "it was gone before it could be read") from None
        except ImageError as error:
            raise ImageError(found.name, error.reason, error.detail) from None

    def _also(
        self, watch: Row, found: Found
    ) -> Callable[[Scored | ImageError, sqlite3.Connection], None]:
        """With the prediction: that the file was seen, and what to tell the webhook."""

        def write(answer: Scored | ImageError, connection: sqlite3.Connection) -> None:
            file = (found.name, *found.state)
            verdict = None if isinstance(answer, ImageError) else answer.made.verdict
            self.watches.dealt_with(watch["id"], file, verdict, connection)
            if isinstance(answer, ImageError):
                return
            if watch["webhook"] and (verdict != FINE or not watch["only_odd"]):
                self.watches.tell(watch["id"], message(watch, answer), connection)

        return write


class _StuckError(Exception):
    """Pictures, by their names, that a bug keeps from being scored."""

    def __init__(self, bugs: dict[str, BaseException]) -> None:
        super().__init__(some_names([*bugs]))
        self.bugs = [*bugs.values()]


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

"""Jobs run one after the other, each as a program of its own."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from oneclass.errors import InputError, OneclassError
from oneclass.serve.records.database import Row
from oneclass.serve.records.jobs import CANCELLED, DONE, FAILED, Jobs
from oneclass.serve.records.reviews import Reviews
from oneclass.serve.records.versions import Version, Versions
from oneclass.serve.work.jobs import sets
from oneclass.serve.work.jobs.reports import Reports
from oneclass.serve.work.keeping import Keeping
from oneclass.serve.work.library import Library
from oneclass.serve.work.scoring import BusyError
from oneclass.system.host import portable

# With -P no file of the folder that the server was started in can stand for a module.
PROGRAM = (sys.executable, "-P", "-m", "oneclass.serve.work.jobs.program")
EVERY = 0.3
"""Seconds between two records of progress."""
AGAIN = 1.0
"""Seconds until what could not be recorded is tried again, as where the disk is full."""
SAME_SIGNAL = 2.0
"""Seconds in which a signal that ended a job may have told the server to end, too."""
UNRECORDED = (OneclassError, sqlite3.Error)
T = TypeVar("T")


class _TooLateError(Exception):
    """A job was cancelled before what came of it was recorded: nothing of it is."""


class JobRunner:
    """The queue of jobs and its thread; what a stop interrupts begins again at the next start.

    The thread outlives a database that cannot be written: what becomes of a job is tried again
    until it is recorded, and `problem` says meanwhile why it is not.

    Args:
        jobs: the queue.
        library: takes new models in.
        versions: which there are.
        reviews: what updates learn from, and are compared on.
        reports: what those are of, and where they lie.
        keeping: the images.
        threads: of a detector; None for all cores.
        most: jobs that may wait.
        tell: called with a job's id when it moves on.
        say: called with why jobs wait, once for each trouble.
    """

    def __init__(
        self,
        jobs: Jobs,
        library: Library,
        versions: Versions,
        reviews: Reviews,
        reports: Reports,
        keeping: Keeping,
        threads: int | None,
        most: int,
        tell: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self.jobs, self._library, self._versions = jobs, library, versions
        self._reviews, self._reports = reviews, reports
        self._keeping = keeping
        self._threads, self._most, self._tell, self._say = threads, most, tell, say
        self._changed = threading.Condition()
        self._stopping = False
        self.problem: str | None = None
        self._running: tuple[int, subprocess.Popen[str]] | None = None
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin, with what was running when the server last ended."""
        self._clear()
        self.jobs.begin_again()
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether somebody runs jobs."""
        return self._thread.is_alive()

    def add(self, kind: str, name: str, request: dict[str, Any]) -> int:
        """Queue a job; its id.

        Raises:
            BusyError: too many wait already.
        """
        if self.jobs.waiting() >= self._most:
            raise BusyError(f"{self._most} jobs wait already", 30)
        number = self.jobs.add(kind, name, request)
        with self._changed:
            self._changed.notify()
        return number

    def cancel(self, number: int) -> bool:
        """Stop a job that waits or runs; False if it has ended: what it made stays then."""
        cancelled = self.jobs.end(number, CANCELLED)
        running = self._running
        if cancelled and running and running[0] == number:
            running[1].terminate()
        self._tell(number)
        return cancelled

    def take_no_more(self) -> None:
        """Begin no other job; the server is about to end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def stop(self, job_seconds: float, seconds: float) -> None:
        """Let the running job finish if it does so in time; else it begins again next time.

        Args:
            job_seconds: for its program, which can be stopped at any time.
            seconds: for what is made of its result, which is better done whole.
        """
        self.take_no_more()
        if self._thread.is_alive():
            self._thread.join(job_seconds)
        if running := self._running:
            running[1].kill()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping:
            with suppress(*UNRECORDED):  # the server stops, and the job begins again
                job = self._recorded(self.jobs.next)
                if job is None:
                    with self._changed:
                        if not self._stopping:
                            self._changed.wait(timeout=1.0)
                    continue
                self._until_its_end(job)

    def _until_its_end(self, job: dict[str, Any]) -> None:
        """Run a job, and record what became of it, whatever that is.

        Raises:
            OneclassError, sqlite3.Error: it could not be recorded before the server was stopped.
        """
        tell, failed = partial(self._tell, job["id"]), None
        try:
            self._recorded(tell)
            self._one(job)
        except _TooLateError:
            with suppress(OSError):
                self._reports.file(job["id"]).unlink()
        except UNRECORDED as error:
            failed = str(error)
        except Exception as error:
            failed = f"a bug of oneclass: {error!r}"
        if failed is not None:
            self._recorded(partial(self.jobs.end, job["id"], FAILED, error=failed))
        self._recorded(tell)

    def _recorded(self, write: Callable[[], T]) -> T:
        """What comes of a record that is made as soon as the database allows it.

        Raises:
            OneclassError, sqlite3.Error: it did not before the server was stopped.
        """
        while True:
            try:
                made = write()
            except UNRECORDED as error:
                if self.problem is None:
                    self._say(f"jobs wait: {error}")
                self.problem = str(error)
                with self._changed:
                    if self._changed.wait_for(lambda: self._stopping, AGAIN):
                        raise
            else:
                self.problem = None
                return made

    def _one(self, job: dict[str, Any]) -> None:
        out = self._library.making / f"job-{job['id']}.oneclass"
        request = self._request(job, out)
        try:
            said = self._program(job["id"], request)
            if self._cancelled(job["id"]):  # maybe as it ended
                raise _TooLateError
            if said is None:  # the server stops
                return
            if "error" in said:
                end = partial(self.jobs.end, job["id"], FAILED, error=said["error"])
                self._recorded(end)
            elif job["kind"] == "fit":
                self._learnt(job, out, said["result"])
            elif job["kind"] == "update":
                self._updated(job, out, said["result"], request["learn"])
            else:
                self._recorded(partial(self._done, job, said["result"]))
        finally:  # what came of it lies elsewhere now
            self._clear()

    def _clear(self) -> None:
        """Remove what programs that were stopped had on its way; none runs now."""
        self._library.clear()
        self._reports.clear()

    def _done(self, job: dict[str, Any], result: dict[str, Any]) -> None:
        """Record what came of a job, in the transaction that this is called in if it is in one.

        Raises:
            _TooLateError: it was cancelled meanwhile.
        """
        if not self.jobs.end(job["id"], DONE, result=result):
            raise _TooLateError

    def _request(self, job: dict[str, Any], out: Path) -> dict[str, Any]:
        request = {**job["request"], "kind": job["kind"], "threads": self._threads}
        if job["kind"] in ("check", "fit"):
            request["odd"] = self._reviews.called_odd()
            reviewed = self._reviews.reviewed(job["name"])
            request["reviewed"] = {
                row["image"]: str(self._keeping.place(row["image"])) for row in reviewed
            }
        elif job["kind"] == "report":
            version = self._version(job)
            request |= self._reports.request(job["id"], version)
            request["model"] = str(self._library.file(version))
        elif job["kind"] == "update":
            parent = self._version(job)
            place = self._keeping.place
            request["model"] = str(self._library.file(parent))
            reviewed = self._reviews.reviewed(job["name"])
            request["learn"] = _still_false(request["learn"], reviewed)
            request["forget"] = {
                str(place(row["image"])): row["path"]
                for row in reviewed
                if row["review"] == "real" and row["image"] not in request.get("anyway", ())
            }
            request["images"] = [str(place(image)) for image in request["learn"]]
            pictures = {row["image"]: row["id"] for row in reviewed}
            request["reviewed"] = [(i, str(place(image))) for image, i in pictures.items()]
            said = _said_by(parent, reviewed)
            request["before"] = [
                (i, str(place(image))) for image, i in pictures.items() if image not in said
            ]
        return {**request, "out": str(out)}

    def _program(self, number: int, request: dict[str, Any]) -> dict[str, Any] | None:
        """Run it, and record how far it is; what it said last, None if it was stopped."""
        last: dict[str, Any] = {}
        told = 0.0
        pipe = subprocess.PIPE
        # Ctrl-C is for the server, which then says what becomes of the job.
        apart = portable.own_group()
        with subprocess.Popen(PROGRAM, stdin=pipe, stdout=pipe, text=True, **apart) as program:
            self._running = (number, program)
            if self._cancelled(number):  # before there was a program to stop
                program.terminate()
            assert program.stdin is not None
            assert program.stdout is not None
            with suppress(BrokenPipeError):  # it was stopped before it had read what to do
                json.dump(request, program.stdin)
                program.stdin.close()
            for line in program.stdout:
                last = json.loads(line)
                with suppress(*UNRECORDED):  # the next one may be; the job needs none of them
                    if "stage" in last:
                        self.jobs.stage(number, last["stage"])
                    elif "done" in last and time.monotonic() - told > EVERY:
                        told = time.monotonic()
                        self.jobs.progress(number, last["done"], last["total"])
                    else:
                        continue
                    self._tell(number)
            code = program.wait()
        self._running = None
        if "result" in last or "error" in last:
            return last
        if code == 0 or self._cancelled(number) or self._is_stopping(told=code < 0):
            return None
        advice = "was the memory enough? Try fewer or smaller images."
        return {"error": f"it ended with exit code {code}: {advice}"}

    def _is_stopping(self, *, told: bool) -> bool:
        """Whether the server ends; with `told` it may be about to: systemd stops all it started."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping, SAME_SIGNAL if told else 0)

    def _cancelled(self, number: int) -> bool:
        job = self.jobs.one(number)
        return job is not None and job["state"] == CANCELLED

    def _learnt(self, job: dict[str, Any], out: Path, result: dict[str, Any]) -> None:
        kinds, taught = result.pop("kinds"), result.pop("taught")

        def along(version: Version) -> None:
            self._reviews.note_taught(version.id, taught)
            if version.number == 1 or job["request"].get("take", True):
                self._versions.take(version, who="learning")
            self._done(job, {**result, "number": version.number})

        self._library.take_in(out, job["name"], origin="fit", kinds=kinds, along=along)
        sets.remove(Path(job["request"]["folder"]))

    def _updated(
        self,
        job: dict[str, Any],
        out: Path,
        result: dict[str, Any],
        learnt: list[str],
    ) -> None:
        parent = self._version(job)
        reviewed = self._reviews.reviewed(job["name"])
        images = {row["id"]: row["image"] for row in reviewed}
        said = _said_by(parent, reviewed)
        said |= {images.get(i, ""): (p, taught) for i, p, taught in result.pop("before")}
        compared = [
            (i, score, p, image in learnt, before, taught, before_taught)
            for i, score, p, taught in result.pop("compared")
            for image in [images.get(i, "")]
            for before, before_taught in [said.get(image, (None, None))]
        ]

        def along(version: Version) -> None:
            self._reviews.compare(version.id, compared)
            self._done(job, {**result, "number": version.number})

        self._library.take_in(
            out,
            job["name"],
            origin="update",
            parent_id=parent.id,
            n_learnt=result["added"],
            kinds=parent.kinds,
            along=along,
        )

    def _version(self, job: dict[str, Any]) -> Version:
        version = self._versions.by_id(job["request"]["version_id"])
        assert version is not None, "versions are never removed"
        return version


def _said_by(version: Version, reviewed: list[Row]) -> dict[str, tuple[float, bool | None]]:
    """By digests of images, what p-values a version gave itself, and whether it had learnt them."""
    return {
        row["image"]: (row["p_value"], row["learnt"])
        for row in reviewed
        if row["version_id"] == version.id
    }


def _still_false(images: list[str], reviewed: list[Row]) -> list[str]:
    """Those of some images, by their digests, that are false alarms still.

    Raises:
        InputError: none is: people said something else while the job waited.
    """
    if not images:  # something is to be left out alone
        return []
    false = {row["image"] for row in reviewed if row["review"] == "false_alarm"}
    left = [image for image in images if image in false]
    if not left:
        raise InputError("none of them is called good any more: there is nothing to learn.")
    return left

"""Everything that runs behind the pages, put together once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from oneclass.detector.predictions import FINE
from oneclass.errors import ImageError, OneclassError
from oneclass.serve.records import retention
from oneclass.serve.records.database import Database
from oneclass.serve.records.deletions import Deletions
from oneclass.serve.records.jobs import DONE, Jobs
from oneclass.serve.records.predictions import Predictions
from oneclass.serve.records.reviews import Reviews
from oneclass.serve.records.tokens import Tokens, no_token
from oneclass.serve.records.versions import Version, Versions
from oneclass.serve.records.watches import Watches
from oneclass.serve.settings import Settings
from oneclass.serve.work.deleting import Deleting
from oneclass.serve.work.events import Events
from oneclass.serve.work.handing import Handing
from oneclass.serve.work.jobs.reports import Reports
from oneclass.serve.work.jobs.runner import JobRunner
from oneclass.serve.work.jobs.sets import Sets, Waiting
from oneclass.serve.work.keeping import Keeping
from oneclass.serve.work.lessons import Judging, Lesson, Taught, grown, learnt_by, lessons
from oneclass.serve.work.library import Library
from oneclass.serve.work.metrics import Metrics
from oneclass.serve.work.rounds import Rounds
from oneclass.serve.work.scoring import Asked, Scored, Scorer
from oneclass.serve.work.watching import Watcher
from oneclass.serve.work.webhooks import Webhooks

TIDY_EVERY = 60.0


class Service:
    """What the endpoints and pages use.

    Args:
        settings: what the server may do.

    Raises:
        InputError: the data folder cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.limits = settings, settings.limits
        self.say: Callable[[str], None] = lambda _: None
        """Called with a sentence for who started the server, such as that a disk is full."""
        data = settings.data.resolve()
        self.roots = tuple(dict.fromkeys(folder.resolve() for folder in settings.folders))
        self.database = Database(data)
        self.versions, self.jobs = Versions(self.database), Jobs(self.database)
        self.predictions, self.reviews = Predictions(self.database), Reviews(self.database)
        self.tokens, self.watches = Tokens(self.database), Watches(self.database)
        self.updating = threading.Lock()
        """Held from the look for a job that learns the same until another one is queued."""
        self.events, self.metrics, self.handing = Events(), Metrics(), Handing()
        taken = partial(retention.images_bytes, self.database)
        self.keeping = Keeping(data / "images", self.limits, taken)
        self.library = Library(data / "models", self.versions, settings.threads)
        self.taught = Taught(self.reviews, self.library, self.keeping)
        self.judging = Judging(self.reviews, self.library, self.keeping)
        self.deleting = Deleting(
            Deletions(self.database), self.versions, self.library, self.watches, self.jobs
        )
        self.sets = Sets(data / "sets", self.keeping)
        self.reports = Reports(data / "reports", self.database, self.keeping)
        self.scorer = Scorer(
            self.library,
            self.database,
            self.limits.queue,
            settings.threads,
            self._scored,
            self.handing.flush,
        )
        self.runner = self._runner()
        self.watcher = Watcher(
            self.watches,
            self.versions,
            self.keeping,
            self.scorer,
            self.roots,
            data,
            lambda number: self.events.tell("watch", id=number),
            self._say,
        )
        self.webhooks = Webhooks(self.watches, self._say)
        self._tidying = Rounds("tidying", TIDY_EVERY, self.tidy, self._say)

    def check_tokens(self) -> None:
        """Refuse to be open to others without a token.

        Raises:
            InputError: others would reach it, and there is none.
        """
        if not self.settings.open and not self.tokens.all():
            self.database.close()
            raise no_token(self.settings)

    def start(self) -> None:
        """Begin to work."""
        for part in (self.scorer, self.runner, self.watcher, self.webhooks, self._tidying):
            part.start()

    def stop(self) -> None:
        """Finish what runs, as far as the time allows, and close the database."""
        until = time.monotonic() + self.limits.stop_seconds
        self.watcher.stop()
        self.webhooks.stop()
        self.scorer.stop(max(1.0, until - time.monotonic()))
        self.runner.stop(self.limits.job_seconds, max(5.0, until - time.monotonic()))
        self._tidying.stop(5)
        self.database.close()

    @property
    def ready(self) -> bool:
        """Whether images would be scored."""
        return self.scorer.alive and self.runner.alive

    async def results(self, asked: list[Asked]) -> list[Scored | ImageError]:
        """Queue images, and wait for their answers; in the event loop.

        Raises:
            BusyError: too many wait already.
        """
        self.scorer.ask(asked)
        return await self.handing.results([one.answer for one in asked])

    def names(self) -> list[str]:
        """Of all models, and of those that are being learnt or wait for it."""
        fits = (job["name"] for job in self.jobs.unfinished() if job["kind"] == "fit")
        return sorted({*self.versions.names(), *fits})

    def lessons(self, name: str) -> list[Lesson]:
        """What of a model's reviews can be learnt by the version in use, which `judging` asks."""
        version = self.versions.named(name)
        return [] if version is None else lessons(self.taught, version)

    def has_learnt(
        self,
        version: Version,
        images: set[str],
        *,
        alone: bool = False,
        anyway: frozenset[str] = frozenset(),
    ) -> Version | None:
        """The version that grew from this one last, if it has learnt these images, or only them.

        Args:
            version: that it grew from.
            images: their digests.
            alone: whether it must have learnt no others.
            anyway: of what is called really odd it has learnt these, and no others.
        """
        newest = grown(self.versions, version)
        if newest is None or not learnt_by(self.reviews, newest, images, alone=alone):
            return None
        return newest if self.taught.anomalies(newest).keys() == anyway else None

    def waiting_sets(self) -> list[Waiting]:
        """Sets that were sent and not learnt from, such as those of a job that was cancelled."""
        return self.sets.waiting(self._sets_in_use())

    def tidy(self) -> None:
        """Remove what need not be kept any longer; where some cannot be, the rest all the same.

        Raises:
            OneclassError, OSError: of the first that could not be removed.
        """
        database, images, settings = self.database, self.keeping, self.settings
        steps: list[Callable[[], object]] = [
            partial(retention.forget_images, database, images.place, settings.keep_bytes),
            partial(retention.forget_orphans, database, images.folder),
            self.reports.tidy,
            self.deleting.tidy,
            lambda: self.sets.tidy(self._sets_in_use()),
        ]
        if settings.keep_seconds is not None:
            oldest = time.time() - settings.keep_seconds
            steps.insert(0, partial(retention.forget_predictions, database, oldest))
        failures = []
        for step in steps:
            try:
                step()
            except (OneclassError, OSError) as error:
                self.metrics.count("oneclass_tidying_failures_total", reason=type(error).__name__)
                failures.append(error)
        if failures:
            raise failures[0]

    def _sets_in_use(self) -> set[str]:
        return {Path(job["request"].get("folder", "")).name for job in self.jobs.unfinished()}

    def _say(self, sentence: str) -> None:
        self.say(sentence)  # which is set after the parts are made

    def _scored(self, asked: Asked, answer: Scored | ImageError) -> None:
        if isinstance(answer, ImageError):
            self.metrics.count("oneclass_images_total", verdict="unusable")
            return
        verdict = answer.made.verdict
        counted = "normal" if verdict == FINE else verdict  # as it has been called from the start
        self.metrics.count("oneclass_images_total", verdict=counted)
        self.metrics.took(answer.made.seconds)
        self.events.tell(
            "prediction",
            id=answer.id,
            model=answer.version.name,
            source=answer.made.source,
            is_anomaly=answer.made.is_anomaly,
            verdict=verdict,
        )

    def _runner(self) -> JobRunner:
        return JobRunner(
            self.jobs,
            self.library,
            self.versions,
            self.reviews,
            self.reports,
            self.keeping,
            self.settings.threads,
            self.limits.jobs,
            self._moved_on,
            self._say,
        )

    def _moved_on(self, number: int) -> None:
        self.events.tell("job", id=number)
        job = self.jobs.one(number)
        if job is not None and (job["kind"], job["state"]) == ("fit", DONE):
            self.events.tell("model", name=job["name"])  # what was learnt is in use

"""What is deleted goes to a folder beside the models, from which it can be got back for a while."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from oneclass.serve.records.database import Row
from oneclass.serve.records.deletions import Deletions
from oneclass.serve.records.jobs import Jobs
from oneclass.serve.records.versions import Version, Versions
from oneclass.serve.records.watches import Watches
from oneclass.serve.web.words import titled
from oneclass.serve.work.library import Library


class Deleting:
    """Deletes models, gets them back, and removes those whose time is over.

    The records are changed before the files are moved, and a file is found in either folder: so
    one that a kill left where it was is no harm.

    Args:
        deletions: the records.
        versions: of the models.
        library: the files.
        watches: folders that may be watched with a model.
        jobs: that may be about a model.
    """

    def __init__(
        self,
        deletions: Deletions,
        versions: Versions,
        library: Library,
        watches: Watches,
        jobs: Jobs,
    ) -> None:
        self.deletions, self._versions, self._library = deletions, versions, library
        self._watches, self._jobs = watches, jobs

    def uses(self, name: str) -> list[str]:
        """What a model is needed for now, in words; as long as it is, it is not deleted."""
        watches = [
            f"the folder {row['folder']} is watched with it (watch {row['id']})"
            for row in self._watches.all()
            if row["name"] == name
        ]
        jobs = [
            _unfinished(row)
            for row in self._jobs.listed(200)
            if row["name"] == name and row["state"] in ("queued", "running")
        ]
        return [*watches, *jobs]

    def uses_of(self, version: Version) -> list[str]:
        """What one version is needed for now, in words; as long as it is, it is not deleted."""
        jobs = [
            _unfinished(job)
            for job in self._jobs.unfinished()
            if job["request"].get("version_id") == version.id
        ]
        return [*(["it scores now"] if version.serves else []), *jobs]

    def delete(self, name: str, *, who: str, number: int | None = None) -> int | None:
        """Delete a model that nothing uses, or one version of it; the deletion's id.

        Args:
            name: of the model.
            who: deletes it.
            number: of the only version that goes; None for all.

        Returns:
            None where that version has come into use meanwhile, or is gone.
        """
        versions = [one for one in self._versions.of(name) if number in (None, one.number)]
        deletion = self.deletions.add(name, who=who, number=number)
        self._versions.forget()
        for version in versions if deletion is not None else []:
            self._library.set_aside(version)
        return deletion

    def take_back(self, deletion: Row, *, who: str) -> None:
        """Get what was deleted back, beside what was learnt under its name meanwhile.

        What is in use stays in use. Where nothing is, it is the version that was taken last, or the
        newest; the history tells it wherever that is another one than it says already.
        """
        name, versions = deletion["name"], self._versions.deleted(deletion["id"])
        used = self._versions.named(name)
        self.deletions.take_back(deletion["id"], who=who)
        self._versions.forget()
        for version in versions:
            self._library.bring_back(version)
        used = used or self._versions.named(name) or max(versions, key=lambda one: one.number)
        if [row["number"] for row in self._versions.taken(name)[:1]] != [used.number]:
            self._versions.take(used, who=who)

    def tidy(self) -> None:
        """Remove the files of those whose time is over; their verdicts stay in the records."""
        for deletion in self.deletions.all():
            if deletion["until"] < time.time():
                for version in self._versions.deleted(deletion["id"]):
                    self._library.remove(version)
                self.deletions.end(deletion["id"])


def _unfinished(job: Mapping[str, Any]) -> str:
    """That a job has not ended, as the page calls it and by its number."""
    return f"{titled(job)} (job {job['id']}) has not ended"

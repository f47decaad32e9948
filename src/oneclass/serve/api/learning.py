"""Sets of good images, the jobs that learn from them, and reports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from oneclass.detector.predictions import digits
from oneclass.errors import InputError
from oneclass.serve.api.predictions import PNG, UNCHANGING
from oneclass.serve.api.schemas import (
    CheckIn,
    Done,
    ExpectedIn,
    FitIn,
    JobOut,
    JobsOut,
    ReportIn,
    SetAdded,
    SetExpecting,
    SetKept,
    SetOut,
    SetSame,
    SetsOut,
    UpdateIn,
    responses,
)
from oneclass.serve.records import summaries
from oneclass.serve.records.jobs import DONE, QUEUED, RUNNING
from oneclass.serve.records.versions import Version
from oneclass.serve.web.asking import one_of, version_of
from oneclass.serve.web.bodies import NAMED, RAW, name_of, received
from oneclass.serve.web.dependencies import Reader, Reviewer, Teacher, TheService
from oneclass.serve.web.problems import WORDS, ProblemError
from oneclass.serve.work import drawing
from oneclass.serve.work.lessons import Lesson
from oneclass.serve.work.library import check_name
from oneclass.serve.work.service import Service
from oneclass.system.names import count, plural, some_names

router = APIRouter(tags=["learning"])
RECENT_JOBS = 1000
"""Jobs among which the one is looked for that has used a set up."""
SHOWN = 20
"""Images that an answer names."""


@router.post("/sets", responses=responses(507))
def make_set(service: TheService, holder: Teacher) -> SetOut:
    """Make an empty set for good images."""
    service.keeping.check_room()
    return SetOut(id=service.sets.make(), images=0)


@router.get("/sets", responses=responses())
def list_sets(service: TheService, holder: Teacher) -> SetsOut:
    """List the sets that no job uses, such as that of a fit that was cancelled or failed."""
    return SetsOut(sets=waiting_sets(service))


@router.put("/sets/{key}/expected", responses=responses(507))
def expect(key: str, asked: ExpectedIn, service: TheService, holder: Teacher) -> SetExpecting:
    """Say which images are about to be sent into a set, so that whoever goes on with it is told
    what did not arrive; an empty list, when all were sent. With `bytes` the answer says which are
    in it already; nothing is noted then if there are any, for they need not be sent. Once all were
    sent it says whether another set holds the very same pictures.
    """
    if asked.bytes is not None and len(asked.bytes) != len(asked.names):
        raise InputError(
            f"bytes has {len(asked.bytes)} numbers, names {len(asked.names)}: give one for each."
        )
    files = list(zip(asked.names, asked.bytes or (), strict=False))
    if not (known := service.sets.known(key, files)):
        service.sets.expect(key, asked.names, ended=asked.ended)
    same = None if asked.names else _same(service, key)
    return SetExpecting(id=key, images=service.sets.count(key), known=known, same=same)


@router.post("/sets/{key}/images", responses=responses(408, 507), openapi_extra={**RAW, **NAMED})
async def add_to_set(key: str, request: Request, service: TheService, holder: Teacher) -> SetAdded:
    """Add one image, the body, to a set; its name is in the header X-File-Name, URL-encoded."""
    await asyncio.to_thread(service.sets.folder, key)
    async with received(request.stream(), service, service.limits.image_bytes) as file:
        name = name_of(request.headers)
        count, stored = await asyncio.to_thread(service.sets.add, key, name, file)
    return SetAdded(id=key, images=count, file=stored)


@router.get("/sets/{key}/images/{name}/picture.png", response_class=Response, responses=responses())
def get_set_picture(key: str, name: str, service: TheService, holder: Teacher) -> Response:
    """A small picture of one image of a set, by the name of its file as a check tells it."""
    small = drawing.small_of(service.sets.file(key, name), name)
    return Response(small, media_type=PNG, headers=UNCHANGING)


@router.delete("/sets/{key}/images/{name}", responses=responses())
def take_out(key: str, name: str, service: TheService, holder: Teacher) -> SetOut:
    """Remove one image of a set, by the name of its file as a check tells it."""
    return SetOut(id=key, images=service.sets.take_out(key, name))


@router.delete("/sets/{key}", responses=responses())
def remove_set(key: str, service: TheService, holder: Teacher) -> Done:
    """Remove a set and its images."""
    service.sets.remove(key)
    return Done()


@router.post("/jobs/check", responses=responses(409))
def start_check(asked: CheckIn, service: TheService, holder: Teacher) -> JobOut:
    """Look at a set, as `oneclass check` does: sizes, kinds, copies, what to mend."""
    folder = _folder_of(service, asked.set)
    return _queued(service, "check", "", {"folder": str(folder)})


@router.post("/jobs/fit", responses=responses(409))
def start_fit(asked: FitIn, service: TheService, holder: Teacher) -> JobOut:
    """Learn a model, or a new version of one, from a set; the set is used up. Images that somebody
    called really odd, by any model, are left out unless `anyway` names them.
    """
    with service.updating:
        folder = _folder_of(service, asked.set)
        check_name(asked.name, service.names())
        service.sets.check_some(asked.set)
        settings = asked.model_dump(include={"false_alarms", "rows", "tiles"})
        request = {"folder": str(folder), "settings": settings, "anyway": asked.anyway}
        return _queued(service, "fit", asked.name, request)


@router.post("/models/{name}/update", responses=responses(404, 409))
def start_update(name: str, asked: UpdateIn, service: TheService, holder: Teacher) -> JobOut:
    """Learn reviewed false alarms into a new version, compared with the one in use on all reviews.

    What it had learnt and somebody calls really odd is left out, but for `anyway`. The new version
    does not serve until it is taken. What waits or runs already is not asked for
    twice: the answer is that job. One of other false alarms is refused until that has ended.
    """
    with service.updating:
        return _update(service, version_of(service, name), asked)


def _update(service: Service, version: Version, asked: UpdateIn) -> JobOut:
    if not service.library.can_learn(version):
        raise ProblemError(
            409,
            "cannot_learn",
            "this version came without the rows of what it learnt, as uploaded ones do: learn a "
            "new one from all good images.",
        )
    lessons = service.lessons(version.name)
    if asked.predictions is not None:
        chosen = set(asked.predictions)
        lessons = [lesson for lesson in lessons if lesson.ids & chosen]
    odd = service.taught.anomalies(version)
    anyway = frozenset(
        image for image, rows in odd.items() if {row["id"] for row in rows} & set(asked.anyway)
    )
    if not lessons and (asked.predictions is not None or odd.keys() == anyway):
        raise ProblemError(409, "nothing_to_learn", _why_nothing(service.reviews.lost(version.id)))
    images = {lesson.image for lesson in lessons}
    alone = asked.predictions is not None
    if same := service.has_learnt(version, images, alone=alone, anyway=anyway):
        raise ProblemError(
            409,
            "nothing_to_learn",
            f"version {same.number} has learnt these pictures already, and is not in use: take "
            'it, review more first, or name others in "predictions".',
        )
    if not asked.yes:
        _ask(version, service.judging.judge(version, lessons))
    request = {"version_id": version.id, "learn": sorted(images), "anyway": sorted(anyway)}
    return _queued_once(service, version, request)


def _why_nothing(lost: int) -> str:
    """Why there is nothing to learn.

    Args:
        lost: pictures that were called good and cannot be learnt, since they are not kept.
    """
    learnt = "all that was called good (`false_alarm`) is learnt, and nothing really odd is."
    if not lost:
        return learnt
    return (
        f"{count(lost, 'picture')} that {plural(lost, 'was', 'were')} called good (`false_alarm`) "
        f"can't be learnt: {plural(lost, 'its image is', 'their images are')} no longer kept (a "
        "larger --keep-images keeps more). "
        f"All else {learnt.removeprefix('all ')}"
    )


def _queued_once(service: Service, version: Version, request: dict[str, Any]) -> JobOut:
    """The job of an update, that of before where the same one has not ended.

    Raises:
        ProblemError: an update of other false alarms has not ended.
    """
    for job in service.jobs.unfinished():
        if (job["kind"], job["name"]) != ("update", version.name):
            continue
        if job["request"] == request:
            return job_out(job)
        raise ProblemError(
            409,
            "updating",
            f"job {job['id']} learns other pictures for {version.name}: wait until that has "
            "ended, or cancel it, and ask again.",
        )
    return _queued(service, "update", version.name, request)


def _ask(version: Version, lessons: list[Lesson]) -> None:
    """Ask whether images that look like no normal one are to be learnt as normal.

    Args:
        version: that is to learn them.
        lessons: as it judges them.

    Raises:
        ProblemError: some are far odder than any normal one, or could not be judged.
    """
    doubtful = [one for one in lessons if one.doubtful]
    if not doubtful:
        return
    by, told = f"version {version.number}", []
    if far := [f"{_named(one)}, {digits(one.said[0])})" for one in doubtful if one.said]:
        told.append(
            f"{count(len(far), 'image')} to learn {plural(len(far), 'is', 'are')} far odder than "
            f"any normal one so far, by {by} (score): {some_names(far, SHOWN)}."
        )
    if unknown := [f"{_named(one)})" for one in doubtful if not one.said]:
        n = count(len(unknown), "image")
        told.append(f"{n} cannot be judged by {by}: {some_names(unknown, SHOWN)}.")
    raise ProblemError(
        409,
        "far_odder",
        f"{' '.join(told)} Look at {plural(len(doubtful), 'it', 'them')}. If all are normal, ask "
        'again with "yes": true; if not, review anew what is not, or name the others in '
        '"predictions".',
    )


def _named(lesson: Lesson) -> str:
    return f"{lesson.path} (prediction {lesson.id}"


@router.post("/models/{name}/report", responses=responses(404, 409))
def start_report(name: str, asked: ReportIn, service: TheService, holder: Reviewer) -> JobOut:
    """Write a page on the last predictions of a version, as `oneclass report` does."""
    version = version_of(service, name, asked.version)
    if not service.predictions.of_version(version.id):
        why = "has scored nothing yet"
        if summaries.why_none(service.database, version.id) == "removed":
            why = "has no verdicts left, as --keep removed them"
        raise ProblemError(
            409,
            "nothing_to_report",
            f"version {version.number} of {name} {why}: score images first. What "
            f"other versions scored is reported on the model's page, /models/{quote(name)}.",
        )
    return _queued(service, "report", name, {"version_id": version.id, "number": version.number})


@router.get(
    "/jobs/{number}/report.html",
    response_class=Response,
    responses={**responses(404), 200: {"content": {"text/html": {}}}},
)
def get_report(number: int, service: TheService, holder: Reader) -> Response:
    """The page that a job has written: one file, to be kept and opened in a browser."""
    job, file = _job(service, number), service.reports.file(number)
    if job.kind != "report" or job.state != "done" or not file.exists():
        raise ProblemError(
            404, "no_report", f"job {number} has no report, or it was removed: make it anew."
        )
    return FileResponse(file, filename=f"{job.name} report.html", media_type="text/html")


@router.get("/jobs", responses=responses())
def list_jobs(service: TheService, holder: Reader, limit: int = Query(50, ge=1, le=200)) -> JobsOut:
    """List jobs, the newest first."""
    return JobsOut(jobs=[job_out(job) for job in service.jobs.listed(limit)])


@router.get("/jobs/{number}", responses=responses(404))
def get_job(number: int, service: TheService, holder: Reader) -> JobOut:
    """A job: how far it is, and what came of it."""
    return _job(service, number)


@router.delete("/jobs/{number}", responses=responses(404, 409))
def cancel_job(number: int, service: TheService, holder: Teacher) -> JobOut:
    """Cancel a job that waits or runs: nothing comes of it, and what was sent for it is kept."""
    _job(service, number)
    if not service.runner.cancel(number):
        late = _job(service, number).state == DONE
        stays = ": cancelling it came too late, and what it made stays" if late else ""
        raise ProblemError(409, WORDS[409], f"job {number} has ended already{stays}.")
    return _job(service, number)


def waiting_sets(service: Service) -> list[SetKept]:
    """The sets that no job uses, with what is known of how they came."""
    return [
        SetKept(**vars(one), **vars(service.sets.arrivals(one.id)))
        for one in service.waiting_sets()
    ]


def _same(service: Service, key: str) -> SetSame | None:
    """The set that holds the same pictures as another one, by their bytes, which may be learnt."""
    fits = (job for job in service.jobs.unfinished() if job["kind"] == "fit")
    learning = {Path(job["request"]["folder"]).name: job["name"] for job in fits}
    same = service.sets.same_as(key, service.sets.waiting(set()))
    if same is None:
        return None
    return SetSame(id=same.id, images=same.images, at=same.at, learning=learning.get(same.id))


def _folder_of(service: Service, key: str) -> Path:
    """Where a set lies that is still to be learnt from.

    Raises:
        ProblemError: a job learns from it, or has: whoever has it on another page asks where it is.
        InputError: there is none of this id.
    """
    fits = [row for row in service.jobs.listed(RECENT_JOBS) if row["kind"] == "fit"]
    for job in (row for row in fits if Path(row["request"].get("folder", "")).name == key):
        if job["state"] in (QUEUED, RUNNING):
            told, where = "are being learnt already", "the page Learn shows how far that is"
        elif job["state"] == DONE:
            told, where = (
                "have been learnt already",
                f"they are in /models/{quote(job['name'])}",
            )
        else:
            continue
        raise ProblemError(
            409,
            "learnt_from",
            f"these images {told}, as {job['name']}: {where}. Nothing was begun.",
        )
    return service.sets.folder(key)


def _queued(service: Service, kind: str, name: str, request: dict[str, Any]) -> JobOut:
    return _job(service, service.runner.add(kind, name, request))


def _job(service: Service, number: int) -> JobOut:
    return job_out(one_of(service.jobs.one, number, "job"))


def job_out(job: dict[str, Any]) -> JobOut:
    """A job as JSON."""
    return JobOut(**{name: job[name] for name in JobOut.model_fields})

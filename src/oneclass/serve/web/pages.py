"""The pages, and the parts that they ask for again while they are open."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from pydantic import NonNegativeInt
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from oneclass.errors import OneclassError
from oneclass.serve.api.learning import waiting_sets
from oneclass.serve.api.models import deletion_out, versions_of
from oneclass.serve.api.watches import watches_out
from oneclass.serve.records.comparisons import comparison
from oneclass.serve.web import facts, words
from oneclass.serve.web.asking import service_of, version_of
from oneclass.serve.web.dependencies import Chosen, Id, List, TheService, ToReview, needs
from oneclass.serve.web.rendering import STATIC, page

router = APIRouter(include_in_schema=False, dependencies=[needs("read")])
LARGE = 640
"""Pixels on the shorter side, above which pictures are made smaller, unless by tiles."""


def add(app: FastAPI, tell: Callable[[Request, Exception], Awaitable[Response]]) -> None:
    """Add the pages and their files to an app.

    Args:
        app: to add them to.
        tell: what a program is told of an error; a person is told the same on a page.
    """

    async def explain(request: Request, error: Exception) -> Response:
        told = await tell(request, error)
        path = request.url.path[len(service_of(request).settings.prefix) :]
        if "text/html" not in request.headers.get("accept", "") or path.startswith("/api/"):
            return told
        message = json.loads(bytes(told.body))["message"]
        try:
            shown = page(request, "problem.html", tab="", message=message)
        except Exception:  # what is broken may be the pages themselves
            return told
        shown.status_code = told.status_code
        return shown

    for kind in (HTTPException, OneclassError, RequestValidationError, Exception):
        app.add_exception_handler(kind, explain)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


@router.get("/")
def home(request: Request, service: TheService) -> Response:
    """Scoring; learning where there is no model yet; or where a deleted one can be got back."""
    none = "models" if service.deleting.deletions.all() else "learn"
    tab = "score" if service.versions.serving() else none
    return RedirectResponse(f"{service.settings.prefix}/{tab}", 303)


@router.get("/learn")
def learn(request: Request, service: TheService) -> Response:
    """Good images in, a model out."""
    waiting = waiting_sets(service)
    running, learnt = facts.running(service, "fit"), facts.last_learnt(service)
    return page(request, "learn.html", running=running, learnt=learnt, waiting=waiting)


@router.get("/parts/check/{number}")
def check_part(
    number: int, request: Request, service: TheService, anyway: NonNegativeInt = 0
) -> Response:
    """What is in a set, while and after it is looked at; and what so many more of its images allow
    that somebody called really odd, and that are to be learnt all the same.
    """
    job = facts.job(service, number)
    names = [version.name for version in service.versions.serving()]
    following = {name: service.versions.next_number(name) for name in names}
    before, deleted = facts.asked_before(service, job), facts.deleted_names(service)
    asked = before["request"]["settings"] if before else {}
    return page(
        request,
        "part_check.html",
        job=job,
        names=following,
        deleted=deleted,
        in_use=facts.rates_in_use(service),
        name=before["name"] if before else facts.free_name([*names, *deleted]),
        look=facts.look_of(asked),
        rate=asked.get("false_alarms"),
        **facts.arrived(job),
        large=LARGE,
        anyway=anyway,
    )


@router.get("/parts/job/{number}")
def job_part(number: int, request: Request, service: TheService) -> Response:
    """How far a job is, and what came of it."""
    job = facts.job(service, number)
    version = None
    if job["kind"] == "fit" and job["result"]:
        version = service.versions.named(job["name"], job["result"]["number"])
    return page(request, "part_job.html", job=job, version=version, left=facts.left(service, job))


@router.get("/parts/taking/{name}/{number}")
def taking_part(name: str, number: int, service: TheService) -> PlainTextResponse:
    """What is asked before a version comes into use; empty where nothing speaks against it."""
    version = version_of(service, name, number)
    if version.serves:
        return PlainTextResponse()
    found = facts.against(service, version)
    missed, learnt = ([row["path"] for row in found[key]] for key in ("missed", "learnt"))
    return PlainTextResponse(words.against(version, missed, learnt))


@router.get("/score")
def score(request: Request, service: TheService, about: Chosen, shown: List) -> Response:
    """Images in, verdicts out; or only some verdicts, such as those of a watched folder."""
    tiles = facts.tiles(service, about.chosen, shown)
    return page(request, "score.html", about, **facts.reports(service, about.chosen), **tiles)


@router.get("/parts/promise")
def promise_part(request: Request, about: Chosen) -> Response:
    """What a model promises by now: its rate, or the version in use, may have changed."""
    return page(request, "part_promise.html", about)


@router.get("/parts/tiles")
def tiles_part(
    request: Request,
    service: TheService,
    about: Chosen,
    shown: List,
    before: Id = None,
    after: Id = None,
) -> Response:
    """Verdicts: older ones, or those that came since."""
    tiles = facts.tiles(service, about.chosen, shown, before=before, after=after)
    return page(request, "part_tiles.html", about, **tiles)


@router.get("/p/{number}")
def prediction(number: int, request: Request, service: TheService, shown: List) -> Response:
    """One image, as large as it may be, and where it is odd."""
    told = facts.prediction(service, number)
    name = told["one"].model
    return page(
        request,
        "prediction.html",
        tab="score",
        here=name if service.versions.named(name) else None,
        **told,
        **facts.beside(service, number, shown),
    )


@router.get("/review")
def review(request: Request, service: TheService, about: ToReview) -> Response:
    """The queue of what was called odd."""
    return page(request, "review.html", about, **facts.queue(service, about.chosen))


@router.get("/parts/review")
def review_part(
    request: Request, service: TheService, about: ToReview, before: Id = None, at: Id = None
) -> Response:
    """The next one of the queue; or the one that a person went back to."""
    queue = facts.queue(service, about.chosen, before=before, at=at)
    return page(request, "part_review.html", about, **queue)


@router.get("/parts/lessons")
def lessons_part(request: Request, service: TheService, about: Chosen) -> Response:
    """What was reviewed, and what can be learnt from it."""
    return page(request, "part_lessons.html", about, **facts.lessons(service, about.chosen))


@router.get("/watch")
def watch(request: Request, service: TheService, about: Chosen) -> Response:
    """The watched folders."""
    watches = watches_out(service)
    return page(
        request,
        "watch.html",
        about,
        watches=watches,
        ended=service.watches.ended(),
        roots=service.roots,
    )


@router.get("/parts/watches")
def watches_part(request: Request, service: TheService) -> Response:
    """The watched folders, as they are now."""
    ended = service.watches.ended()
    return page(request, "part_watches.html", watches=watches_out(service), ended=ended)


@router.get("/monitor")
def monitor(request: Request, service: TheService, about: Chosen) -> Response:
    """How it goes over time."""
    limits = facts.rate_limits(service, about.chosen)
    return page(request, "monitor.html", about, **facts.reports(service, about.chosen), **limits)


@router.get("/parts/rate")
def rate_part(request: Request, service: TheService, about: Chosen) -> Response:
    """How low the rate of false alarms can go: another version may have come into use."""
    return page(request, "part_rate.html", about, **facts.rate_limits(service, about.chosen))


@router.get("/models")
def models(request: Request, service: TheService, about: Chosen) -> Response:
    """All models."""
    learners = facts.learners(service, about.versions)
    deleted = [deletion_out(row) for row in service.deleting.deletions.all()]
    newer = facts.newer(service, about.versions)
    return page(request, "models.html", about, learners=learners, deleted=deleted, newer=newer)


@router.get("/models/{name}")
def model(name: str, request: Request, service: TheService) -> Response:
    """One model with its versions."""
    there = versions_of(service, name)
    rates = service.versions.rates_for(name, there)
    versions = [replace(version, false_alarms=rates[version.id][0]) for version in there]
    taken = service.versions.taken(name)
    return page(
        request,
        "model.html",
        tab="models",
        name=name,
        here=name if any(version.serves for version in versions) else None,
        versions=versions,
        nearest={v.id for v in versions if rates[v.id][1] == "nearest"},
        wanted=facts.wanted(service, name, rates),
        serving=next((version for version in versions if version.serves), None),
        changes=facts.changes(taken),
        before={row["number"] for row in taken},
        comparisons={
            v.id: comparison(service.reviews, service.versions, v, rates[v.id]) for v in versions
        },
        learners=facts.learners(service, versions),
        used={v.id for v in versions if service.predictions.of_version(v.id)},
        **facts.reports(service, there[0]),
        uses=service.deleting.uses(name),
        last=facts.last_scored(service, name),
    )

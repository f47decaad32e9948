"""The pages: what is on them, and the parts that they ask for again while they are open."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from oneclass import __version__
from oneclass.errors import InputError, OneclassError
from oneclass.serve.api.learning import job_out
from oneclass.serve.api.models import version_out
from oneclass.serve.api.predictions import found, record
from oneclass.serve.api.watches import watch_out
from oneclass.serve.records.predictions import Filter
from oneclass.serve.records.versions import Version
from oneclass.serve.web import words
from oneclass.serve.web.asking import Reader, TheService, service_of
from oneclass.serve.web.problems import not_found
from oneclass.serve.work import drawing
from oneclass.serve.work.service import Service

router = APIRouter(include_in_schema=False)
STATIC = Path(__file__).parents[1] / "static"
TABS = (
    ("score", "Score"),
    ("learn", "Learn"),
    ("watch", "Watch"),
    ("review", "Review"),
    ("monitor", "Monitor"),
    ("models", "Models"),
)
PAGE = 48


def environment() -> Environment:
    """The templates; whatever comes from outside is escaped, and a missing name is an error."""
    made = Environment(
        loader=PackageLoader("oneclass.serve", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        name: getattr(words, name) for name in ("percent", "when", "left", "span", "size", "short")
    }
    made.globals |= {"odds": words.odds, "verdicts": words.VERDICTS, "origins": words.ORIGINS}
    made.globals |= {"promise": words.promise, "tabs": TABS, "version_of_package": __version__}
    return made


TEMPLATES = environment()


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
        shown = page(request, "problem.html", tab="", message=message)
        shown.status_code = told.status_code
        return shown

    for kind in (HTTPException, OneclassError, RequestValidationError):
        app.add_exception_handler(kind, explain)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def page(request: Request, template: str, **facts: Any) -> Response:
    """A page or a part of one."""
    service, state = service_of(request), request.scope["state"]
    holder = state["holder"]
    text = TEMPLATES.get_template(template).render(
        {
            "prefix": service.settings.prefix,
            "csrf": state["csrf"],
            "holder": holder,
            "can": holder.scopes if holder else frozenset(),
            "tab": template.partition(".")[0],
            **facts,
        }
    )
    return Response(text, media_type="text/html")


@router.get("/")
def home(request: Request, service: TheService) -> Response:
    """Scoring, or learning where there is no model yet."""
    tab = "score" if service.versions.serving() else "learn"
    return RedirectResponse(f"{service.settings.prefix}/{tab}", 303)


@router.get("/learn")
def learn(request: Request, service: TheService, holder: Reader) -> Response:
    """Good images in, a model out."""
    jobs = [job for job in service.jobs.listed(20) if job["kind"] == "fit"]
    running = [job for job in jobs if job["state"] in ("queued", "running")]
    names = [version.name for version in service.versions.serving()]
    return page(request, "learn.html", running=running, names=names)


@router.get("/parts/check/{number}")
def check_part(number: int, request: Request, service: TheService, holder: Reader) -> Response:
    """What is in a set, while and after it is looked at."""
    job = _job(service, number)
    names = [version.name for version in service.versions.serving()]
    return page(request, "part_check.html", job=job, names=names, free=_free_name(names))


@router.get("/parts/job/{number}")
def job_part(number: int, request: Request, service: TheService, holder: Reader) -> Response:
    """How far learning is, and what came of it."""
    job = _job(service, number)
    version = None
    if job["state"] == "done" and job["result"]:
        version = service.versions.named(job["name"], job["result"]["number"])
    return page(request, "part_job.html", job=job, version=version)


@router.get("/score")
def score(
    request: Request, service: TheService, holder: Reader, model: str | None = None
) -> Response:
    """Images in, verdicts out."""
    versions = service.versions.serving()
    chosen = _chosen(versions, model)
    tiles = _tiles(service, chosen, only=False, before=None, after=None)
    return page(request, "score.html", versions=versions, chosen=chosen, only=False, **tiles)


@router.get("/parts/tiles")
def tiles_part(
    request: Request,
    service: TheService,
    holder: Reader,
    model: str | None = None,
    only: bool = False,
    before: int | None = Query(None, ge=0, le=2**62),
    after: int | None = Query(None, ge=0, le=2**62),
) -> Response:
    """Verdicts: older ones, or those that came since."""
    chosen = _chosen(service.versions.serving(), model)
    tiles = _tiles(service, chosen, only=only, before=before, after=after)
    return page(
        request, "part_tiles.html", chosen=chosen, only=only, newer=after is not None, **tiles
    )


@router.get("/p/{number}")
def prediction(number: int, request: Request, service: TheService, holder: Reader) -> Response:
    """One image, as large as it may be, and where it is odd."""
    return page(request, "prediction.html", tab="score", **_facts(service, number))


@router.get("/review")
def review(
    request: Request, service: TheService, holder: Reader, model: str | None = None
) -> Response:
    """The queue of what was called odd."""
    versions = service.versions.serving()
    chosen = _chosen(versions, model)
    queue = _queue(service, chosen)
    return page(request, "review.html", versions=versions, chosen=chosen, **queue)


@router.get("/parts/review")
def review_part(
    request: Request,
    service: TheService,
    holder: Reader,
    model: str | None = None,
    before: int | None = Query(None, ge=0, le=2**62),
    at: int | None = Query(None, ge=0, le=2**62),
) -> Response:
    """The next one of the queue; or the one that a person went back to."""
    chosen = _chosen(service.versions.serving(), model)
    queue = _queue(service, chosen, before=before, at=at)
    return page(request, "part_review.html", chosen=chosen, **queue)


@router.get("/parts/lessons")
def lessons_part(
    request: Request, service: TheService, holder: Reader, model: str | None = None
) -> Response:
    """What was reviewed, and what can be learnt from it."""
    chosen = _chosen(service.versions.serving(), model)
    return page(request, "part_lessons.html", chosen=chosen, **_lessons(service, chosen))


@router.get("/watch")
def watch(request: Request, service: TheService, holder: Reader) -> Response:
    """The watched folders."""
    return page(
        request,
        "watch.html",
        watches=[watch_out(service, row) for row in service.watches.all()],
        versions=service.versions.serving(),
        roots=service.roots,
    )


@router.get("/parts/watches")
def watches_part(request: Request, service: TheService, holder: Reader) -> Response:
    """The watched folders, as they are now."""
    watches = [watch_out(service, row) for row in service.watches.all()]
    return page(request, "part_watches.html", watches=watches)


@router.get("/monitor")
def monitor(
    request: Request, service: TheService, holder: Reader, model: str | None = None
) -> Response:
    """How it goes over time."""
    versions = service.versions.serving()
    chosen = _chosen(versions, model)
    return page(request, "monitor.html", versions=versions, chosen=chosen)


@router.get("/models")
def models(request: Request, service: TheService, holder: Reader) -> Response:
    """All models."""
    return page(request, "models.html", versions=service.versions.serving())


@router.get("/models/{name}")
def model(name: str, request: Request, service: TheService, holder: Reader) -> Response:
    """One model with its versions."""
    versions = service.versions.of(name)
    if not versions:
        raise not_found(f"model named {name[:60]!r}")
    serving = next((version for version in versions if version.serves), None)
    return page(
        request,
        "model.html",
        tab="models",
        name=name,
        versions=versions,
        serving=serving,
        taken=service.versions.taken(name),
        comparisons={v.id: _comparison(service, v) for v in versions},
        learners={v.id for v in versions if service.library.can_learn(v)},
        version_out=version_out,
    )


def _job(service: Service, number: int) -> dict[str, Any]:
    job = service.jobs.one(number) if 0 <= number < 2**62 else None
    if job is None:
        raise not_found(f"job {number}")
    return {**job_out(job).model_dump(), "request": job["request"]}


def _free_name(names: list[str]) -> str:
    """A name that no model has yet."""
    candidates = ["parts", *(f"parts {i}" for i in range(2, len(names) + 3))]
    return next(name for name in candidates if name not in names)


def _chosen(versions: list[Version], name: str | None) -> Version | None:
    """The model that a page is about: the named one, or the newest."""
    named = [version for version in versions if version.name == name]
    return next(iter(named or sorted(versions, key=lambda v: -v.at)), None)


def _tiles(
    service: Service, chosen: Version | None, *, only: bool, before: int | None, after: int | None
) -> dict[str, Any]:
    if chosen is None:
        return {"tiles": [], "next": None}
    rows = service.predictions.listed(
        Filter(chosen.name, only_odd=only, before=before, after=after, limit=PAGE)
    )
    more = rows[-1]["id"] if len(rows) == PAGE and after is None else None
    return {"tiles": [record(row) for row in rows], "next": more}


def _facts(service: Service, number: int) -> dict[str, Any]:
    """A prediction with what belongs to it."""
    row = found(service, number)
    version = service.versions.by_id(row["version_id"])
    assert version is not None, "versions are never removed"
    file = service.keeping.place(row["image"])
    boxes: list[drawing.Box] = []
    heat = False
    if file.exists():
        detector = service.library.detector(version)
        try:
            boxes = drawing.boxes(drawing.map_of(file, row["path"], detector), detector.heat_scale)
            heat = True
        except InputError:  # this model's layers have no map
            pass
    return {
        "one": record(row),
        "kept": file.exists(),
        "version": version,
        "boxes": boxes,
        "heat": heat,
        "said": service.reviews.of(number),
    }


def _queue(
    service: Service, chosen: Version | None, *, before: int | None = None, at: int | None = None
) -> dict[str, Any]:
    """The one to look at, and how many wait."""
    if chosen is None:
        return {"facts": None, "waiting": 0, "skipped": False}
    if at is not None:
        return {
            "facts": _facts(service, at),
            "waiting": service.predictions.waiting(chosen.name),
            "skipped": False,
        }
    wanted = Filter(chosen.name, only_odd=True, review="none", before=before, limit=1)
    rows = service.predictions.listed(wanted)
    waiting = service.predictions.waiting(chosen.name)
    return {
        "facts": _facts(service, rows[0]["id"]) if rows else None,
        "waiting": waiting,
        "skipped": not rows and waiting > 0,
    }


def _lessons(service: Service, chosen: Version | None) -> dict[str, Any]:
    if chosen is None:
        return {"counts": {}, "lessons": [], "able": False, "candidate": None, "comparison": None}
    newest = service.versions.of(chosen.name)[0]
    candidate = newest if newest.parent_id == chosen.id else None
    return {
        "counts": service.reviews.counts(chosen.name),
        "lessons": service.reviews.not_learnt(chosen.name),
        "able": service.library.can_learn(chosen),
        "candidate": candidate,
        "comparison": candidate and _comparison(service, candidate),
        "job": next(
            (
                job
                for job in service.jobs.listed(20)
                if job["kind"] == "update"
                and job["name"] == chosen.name
                and job["state"] in ("queued", "running")
            ),
            None,
        ),
    }


def _comparison(service: Service, version: Version) -> dict[str, Any] | None:
    """An update beside the version that it grew from, on all that was reviewed before."""
    rows = service.reviews.compared(version.id)
    if not rows:
        return None
    real = [row for row in rows if row["review"] == "real"]
    false = [row for row in rows if row["review"] == "false_alarm"]
    new = [row for row in false if not row["learnt"]]
    return {
        "real": len(real),
        "real_before": sum(row["is_anomaly"] for row in real),
        "real_after": sum(row["odd"] for row in real),
        "learnt": len(false) - len(new),
        "learnt_after": sum(row["odd"] for row in false if row["learnt"]),
        "false": len(new),
        "false_before": sum(row["is_anomaly"] for row in new),
        "false_after": sum(row["odd"] for row in new),
        "lost": [row for row in real if row["is_anomaly"] and not row["odd"]],
    }

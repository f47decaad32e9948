"""What is asked most, and at once: whether it lives, is ready, and images in, scores out.

Called without FastAPI, which takes longer to import than the rest of the server, and longer to find
an endpoint and its arguments than all else takes that a request with a small image needs.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from oneclass import __version__
from oneclass.detector.predictions import Prediction, told_learnt
from oneclass.errors import ImageError, StorageError
from oneclass.results.runs import json_line
from oneclass.serve.records.versions import Version
from oneclass.serve.web.asking import LARGEST_ID, check_query, holder_for, service_of, version_of
from oneclass.serve.web.bodies import after, name_of, received, small
from oneclass.serve.web.problems import WORDS, ProblemError, from_browser, wrong_part
from oneclass.serve.work.keeping import Kept
from oneclass.serve.work.places import file_within, open_within
from oneclass.serve.work.scoring import Asked, Keep, Scored, outcome_of
from oneclass.serve.work.service import Service

LINES = "application/x-ndjson"


async def alive(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "alive", "version": __version__})


async def ready(request: Request) -> Response:
    """The threads work, the database answers, the disk has room and can be written to.

    Raises:
        OneclassError, ProblemError: not so.
    """
    await asyncio.to_thread(_check, service_of(request))
    return JSONResponse({"status": "ready", "version": __version__})


async def score(request: Request) -> Response:
    """Score what the body of a request holds; its path names the model.

    Raises:
        OneclassError, ProblemError: it is not done; the message says why.
    """
    holder_for(request, "score")
    check_query(request, ("version",))
    service = service_of(request)
    chosen = _version(service, request)  # nearly always known without the disk
    source = "page" if from_browser(request.headers) else "api"
    asked = [Asked(chosen, source, keep) for keep in await _arrived(request, service)]
    results = await service.results(asked)
    failed = [result for result in results if isinstance(result, ImageError)]
    if len(results) == len(failed) == 1:
        raise failed[0]
    if LINES in request.headers.get("accept", ""):
        three = chosen.unclear is not None
        predictions = (_prediction(r) for r in results if isinstance(r, Scored))
        lines = [json_line(prediction, verdict=three) for prediction in predictions]
        # Who finds no odd one among the lines must not take a picture without a verdict for fine.
        lines += [json.dumps(_error(one)) for one in failed]
        return Response("".join(f"{line}\n" for line in lines), media_type=LINES)
    drift = await asyncio.to_thread(_drift, service, chosen, results) if len(results) > 1 else None
    return JSONResponse(_answer(chosen, results, drift))


def _check(service: Service) -> None:
    if not service.ready:
        raise ProblemError(503, WORDS[503], "it starts or stops.", {"Retry-After": "2"})
    service.database.value("SELECT 1")
    service.keeping.check_writable()
    if (problem := service.runner.problem) is not None:
        raise StorageError(problem)


def _version(service: Service, request: Request) -> Version:
    given = request.query_params.get("version") if request.scope["query_string"] else None
    if given is not None and not (given.isascii() and given.isdecimal()):
        message = f"query.version: {given[:60]!r}: expected a whole number."
        raise ProblemError(422, WORDS[422], message)
    number = None if given is None else min(int(given[:19]), LARGEST_ID)
    return version_of(service, request.path_params["name"], number)


async def _arrived(request: Request, service: Service) -> list[Keep]:
    """What the body holds, each image on its way to its place."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _multipart(request, service)
    if kind == "application/json":
        return await _paths(request, service)
    if kind in ("", "application/octet-stream") or kind.startswith("image/"):
        return [await _alone(request, service)]
    raise ProblemError(
        415,
        WORDS[415],
        f"a body of type {kind[:60]!r}: expected an image as application/octet-stream, "
        "multipart/form-data, or application/json with paths.",
    )


async def _alone(request: Request, service: Service) -> Keep:
    most, name = service.limits.image_bytes, name_of(request.headers)
    pieces = request.stream()
    beginning, is_all = await small(pieces, most)
    if is_all:
        return partial(service.keeping.keep_bytes, beginning, name)
    async with received(after(beginning, pieces), service, most) as file:
        return await _now(partial(service.keeping.keep, file, name))


async def _multipart(request: Request, service: Service) -> list[Keep]:
    most = service.limits.images
    try:
        async with request.form(max_files=most, max_fields=10) as form:
            arrived = [
                await _now(
                    partial(service.keeping.copy, part.file, (part.filename or "image")[:500])
                )
                for _, part in form.multi_items()
                if isinstance(part, UploadFile)
            ]
    except HTTPException as error:
        if not error.detail.startswith("Too many files"):
            raise
        raise _too_many(most) from None
    if not arrived:
        raise ProblemError(422, WORDS[422], "there is no file in the form; send at least one.")
    return arrived


def _too_many(most: int) -> ProblemError:
    message = f"there are more than {most} images in one request; send fewer at a time."
    return ProblemError(413, WORDS[413], message)


async def _paths(request: Request, service: Service) -> list[Keep]:
    from pydantic import ValidationError

    from oneclass.serve.api.schemas import Paths

    try:
        given = Paths.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "too_long":
            raise _too_many(first["ctx"]["max_length"]) from None
        told = first["msg"]
        if first["loc"] == ("version",):
            told = "version is not known there: give it in the address, as ?version=2"
        elif first["loc"]:
            told = wrong_part(request, {**first, "loc": ("body", *first["loc"])})
        raise ProblemError(
            422, WORDS[422], f'expected {{"paths": ["...", ...]}}: {told}.'
        ) from None
    if not service.roots:
        raise ProblemError(
            403, WORDS[403], "this server reads no files by path; start it with --folder."
        )
    return [await _now(partial(_copy_of, service, path)) for path in given.paths]


async def _now(keep: Keep) -> Keep:
    """Keep an image in a thread of its own: its form will be gone, or its drive may be slow."""
    return (await asyncio.to_thread(outcome_of, keep)).result


def _copy_of(service: Service, path: str) -> Kept:
    try:
        with open_within(file_within(path, service.roots), service.roots) as file:
            return service.keeping.copy(file, path)
    except FileNotFoundError:
        detail = "there is no such file in the folders of this server"
        raise ImageError(path, "missing", detail) from None


def _prediction(scored: Scored) -> Prediction:
    made = scored.made
    learnt = bool(made.learnt)
    return Prediction(made.path, made.score, made.p_value, made.is_anomaly, made.is_unclear, learnt)


def _drift(service: Service, version: Version, results: list[Scored | ImageError]) -> str | None:
    predictions = [_prediction(result) for result in results if isinstance(result, Scored)]
    return service.library.detector(version).drift(predictions)


def _error(error: ImageError) -> dict[str, str]:
    """As `FailureOut` describes it."""
    return {"path": str(error.path), "reason": error.reason, "detail": error.detail}


def _answer(
    version: Version, results: list[Scored | ImageError], drift: str | None
) -> dict[str, Any]:
    """As `ScoredOut` describes it."""
    scored = [one for one in results if isinstance(one, Scored)]
    return {
        "model": version.name,
        "version": version.number,
        "model_sha256": version.digest,
        "false_alarms": version.false_alarms,
        "predictions": [
            {
                "path": one.made.path,
                "score": one.made.score,
                "p_value": one.made.p_value,
                "is_anomaly": one.made.is_anomaly,
                "verdict": one.made.verdict,
                "id": one.id,
                "learnt": one.made.learnt,
            }
            for one in scored
        ],
        "errors": [_error(one) for one in results if isinstance(one, ImageError)],
        "drift": drift,
        "learnt": told_learnt([one.made.path for one in scored if one.made.learnt], len(scored)),
    }

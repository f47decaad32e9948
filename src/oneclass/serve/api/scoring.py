"""`POST /api/v1/models/{name}/score`: images in, the numbers of `oneclass score` out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from oneclass.detector.predictions import Prediction
from oneclass.errors import ImageError
from oneclass.results.runs import json_line
from oneclass.serve.api.schemas import FailureOut, Paths, PredictionOut, ScoredOut
from oneclass.serve.records.versions import Version
from oneclass.serve.web.asking import Sender, TheService, version_of
from oneclass.serve.web.bodies import BINARY, name_of, received
from oneclass.serve.web.gate import from_browser
from oneclass.serve.web.problems import WORDS, ProblemError, responses
from oneclass.serve.work.keeping import Kept
from oneclass.serve.work.places import open_within
from oneclass.serve.work.scoring import Asked, Scored
from oneclass.serve.work.service import Service

router = APIRouter(tags=["scoring"])
LINES = "application/x-ndjson"
BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"files": {"type": "array", "items": BINARY["schema"]}},
                }
            },
            "application/json": {"schema": Paths.model_json_schema()},
        },
    }
}
Arrived = Kept | ImageError


@router.post(
    "/models/{name}/score",
    response_model=ScoredOut,
    responses={**responses(404, 408, 415, 507), 200: {"content": {LINES: {}}}},
    openapi_extra=BODIES,
)
async def score(
    name: str, request: Request, service: TheService, holder: Sender, version: int | None = None
) -> Response:
    """Score one image (its bytes as the body), several (multipart), or files on the server (JSON).

    With `Accept: application/x-ndjson` the answer is what `oneclass score --json` prints.
    """
    chosen = version_of(service, name, version)  # nearly always known without the disk
    arrived = await _arrived(request, service)
    source = "page" if from_browser(request.headers) else "api"
    results = await _scored(service, chosen, source, arrived)
    failed = [result for result in results if isinstance(result, ImageError)]
    if len(results) == len(failed) == 1:
        raise failed[0]
    if LINES in request.headers.get("accept", ""):
        lines = [json_line(_prediction(r)) for r in results if isinstance(r, Scored)]
        return Response("".join(f"{line}\n" for line in lines), media_type=LINES)
    drift = await asyncio.to_thread(_drift, service, chosen, results) if len(results) > 1 else None
    return JSONResponse(_answer(chosen, results, drift).model_dump())


async def _arrived(request: Request, service: Service) -> list[Arrived]:
    """What the body holds, kept; or why it could not be."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _multipart(request, service)
    if kind == "application/json":
        return await _paths(request, service)
    if kind in ("", "application/octet-stream") or kind.startswith("image/"):
        async with received(request, service, service.limits.image_bytes) as file:
            return [await asyncio.to_thread(_keep, service, file, name_of(request.headers))]
    raise ProblemError(
        415,
        WORDS[415],
        f"a body of type {kind[:60]!r}: expected an image as application/octet-stream, "
        "multipart/form-data, or application/json with paths.",
    )


async def _multipart(request: Request, service: Service) -> list[Arrived]:
    arrived: list[Arrived] = []
    async with request.form(max_files=service.limits.images, max_fields=10) as form:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                arrived.append(await asyncio.to_thread(_copy, service, part))
    if not arrived:
        raise ProblemError(422, WORDS[422], "there is no file in the form; send at least one.")
    return arrived


async def _paths(request: Request, service: Service) -> list[Arrived]:
    try:
        given = Paths.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        raise ProblemError(
            422, WORDS[422], f'expected {{"paths": ["...", ...]}}: {first["msg"]}.'
        ) from None
    if not service.roots:
        raise ProblemError(
            403, WORDS[403], "this server reads no files by path; start it with --folder."
        )
    return [await asyncio.to_thread(_open, service, path) for path in given.paths]


def _keep(service: Service, file: Path, name: str) -> Arrived:
    try:
        return service.keeping.keep(file, name)
    except ImageError as error:
        return error


def _copy(service: Service, part: UploadFile) -> Arrived:
    try:
        return service.keeping.copy(part.file, (part.filename or "image")[:500])
    except ImageError as error:
        return error


def _open(service: Service, path: str) -> Arrived:
    try:
        with open_within(Path(path), service.roots) as file:
            return service.keeping.copy(file, path)
    except FileNotFoundError:
        detail = "there is no such file in the folders of this server"
        return ImageError(path, "missing", detail)
    except ImageError as error:
        return error


async def _scored(
    service: Service, version: Version, source: str, arrived: list[Arrived]
) -> list[Scored | ImageError]:
    """Each image's answer, in order, once all are on the disk."""
    asked = [Asked(version, source, one) for one in arrived if isinstance(one, Kept)]
    answers: Iterable[Future[Scored | ImageError]] = iter(service.ask(asked)) if asked else iter(())
    results: list[Any] = []
    for one in arrived:
        if isinstance(one, Kept):
            results.append(asyncio.wrap_future(next(iter(answers))))
        else:
            await asyncio.to_thread(service.scorer.fail, version.id, source, one)
            service.metrics.count("oneclass_images_total", verdict="unusable")
            results.append(one)
    return [one if isinstance(one, ImageError) else await one for one in results]


def _prediction(scored: Scored) -> Prediction:
    made = scored.made
    return Prediction(made.path, made.score, made.p_value, made.is_anomaly)


def _drift(service: Service, version: Version, results: list[Scored | ImageError]) -> str | None:
    predictions = [_prediction(result) for result in results if isinstance(result, Scored)]
    return service.library.detector(version).drift(predictions)


def _answer(version: Version, results: list[Scored | ImageError], drift: str | None) -> ScoredOut:
    scored = [result for result in results if isinstance(result, Scored)]
    return ScoredOut(
        model=version.name,
        version=version.number,
        model_sha256=version.digest,
        false_alarms=version.false_alarms,
        predictions=[
            PredictionOut(
                id=one.id,
                path=one.made.path,
                score=one.made.score,
                p_value=one.made.p_value,
                is_anomaly=one.made.is_anomaly,
            )
            for one in scored
        ],
        errors=[
            FailureOut(path=str(e.path), reason=e.reason, detail=e.detail)
            for e in results
            if isinstance(e, ImageError)
        ],
        drift=drift,
    )

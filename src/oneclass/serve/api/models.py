"""Models: versions, cards, download, upload, which one serves, and the rate of false alarms."""

from __future__ import annotations

import asyncio
import json

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from oneclass.serve.api.schemas import (
    DeletionOut,
    DeletionsOut,
    ModelOut,
    ModelsOut,
    RateIn,
    TakeIn,
    TakenOut,
    VersionOut,
    responses,
)
from oneclass.serve.records import export
from oneclass.serve.records.database import Row
from oneclass.serve.records.versions import Version
from oneclass.serve.web.asking import no_version, one_of, version_of
from oneclass.serve.web.bodies import RAW, received
from oneclass.serve.web.dependencies import Reader, Teacher, TheService
from oneclass.serve.web.problems import ProblemError
from oneclass.serve.work.library import check_name
from oneclass.serve.work.service import Service

router = APIRouter(tags=["models"])


@router.get("/models", responses=responses())
def list_models(service: TheService, holder: Reader) -> ModelsOut:
    """List the versions that serve, one for each model."""
    return ModelsOut(models=[version_out(service, v) for v in service.versions.serving()])


@router.get("/models/{name}", responses=responses(404))
def get_model(name: str, service: TheService, holder: Reader) -> ModelOut:
    """A model with all its versions."""
    return ModelOut(
        name=name, versions=[version_out(service, v) for v in versions_of(service, name)]
    )


@router.get(
    "/models/{name}/versions/{number}/file", response_class=Response, responses=responses(404)
)
def download_model(name: str, number: int, service: TheService, holder: Reader) -> Response:
    """The model file of a version; `oneclass score` takes it."""
    version = version_of(service, name, number)
    file = service.library.file(version)
    return FileResponse(file, filename=version.file, media_type="application/octet-stream")


@router.get(
    "/models/{name}/results.csv", response_class=StreamingResponse, responses=responses(404)
)
def model_results(name: str, service: TheService, holder: Reader) -> StreamingResponse:
    """All that a model's versions said, as a table, the oldest first."""
    versions_of(service, name)
    return StreamingResponse(
        export.of_model(service.database, name),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


@router.put("/models/{name}/file", responses=responses(408, 507), openapi_extra=RAW)
async def upload_model(
    name: str, request: Request, service: TheService, holder: Teacher
) -> VersionOut:
    """Take a model file in as a new version; it serves if it is the model's first. One that is a
    version of this model already is not taken in twice: the answer is that version.
    """
    check_name(name, service.names())
    async with received(request.stream(), service, service.limits.body_bytes) as file:
        version = await asyncio.to_thread(service.library.take_in, file, name, origin="upload")
    if service.versions.named(name) is None:
        await asyncio.to_thread(service.versions.take, version, who=holder.name)
    return version_out(service, version_of(service, name, version.number))


@router.post("/models/{name}/take", responses=responses(404))
def take_version(name: str, which: TakeIn, service: TheService, holder: Teacher) -> TakenOut:
    """Let a version serve from now on: a newer one, or an older one again. A rate of false alarms
    that was set is the model's, and holds on, as near as the version supports it.
    """
    version = version_of(service, name, which.version)
    service.library.detector(version)  # refuses a damaged file before it serves
    rate, rate_from = service.versions.rate_for(version)
    service.versions.take(version, who=holder.name, rate=rate)
    service.events.tell("model", name=name)
    taken = version_out(service, version_of(service, name))
    return TakenOut(**taken.model_dump(), rate_from=rate_from)


@router.put("/models/{name}/rate", responses=responses(404))
def set_rate(name: str, given: RateIn, service: TheService, holder: Teacher) -> VersionOut:
    """Let verdicts of the version that serves go by another rate of false alarms from now on."""
    service.versions.set_rate(version_of(service, name), given.false_alarms, who=holder.name)
    service.events.tell("model", name=name)
    return version_out(service, version_of(service, name))


@router.delete("/models/{name}", responses=responses(404, 409))
def delete_model(name: str, service: TheService, holder: Teacher) -> DeletionOut:
    """Delete a model with all its versions, unless a watch or a job uses it; for 30 days it can be
    got back, and only then is its room on the disk free. Its verdicts and reviews stay in the
    records.
    """
    versions_of(service, name)
    if uses := service.deleting.uses(name):
        raise ProblemError(
            409,
            "in_use",
            f"{name} is not deleted: {'; '.join(uses)}. End that first: stop watching, or press "
            "Cancel where a job's progress is shown.",
        )
    return _deleted(service, name, service.deleting.delete(name, who=holder.name))


@router.delete("/models/{name}/versions/{number}", responses=responses(404, 409))
def delete_version(name: str, number: int, service: TheService, holder: Teacher) -> DeletionOut:
    """Delete one version, unless it is in use; for 30 days it can be got back, and only then is
    its room on the disk free. Its verdicts and reviews stay in the records.
    """
    if uses := service.deleting.uses_of(version_of(service, name, number)):
        raise ProblemError(
            409,
            "in_use",
            f"version {number} of {name} is not deleted: {'; '.join(uses)}. Let another version "
            "serve first, or wait until the job has ended, or cancel it.",
        )
    return _deleted(service, name, service.deleting.delete(name, who=holder.name, number=number))


def _deleted(service: Service, name: str, number: int | None) -> DeletionOut:
    if number is None:
        raise ProblemError(409, "in_use", "it came into use, or was deleted, a moment ago.")
    service.events.tell("model", name=name)
    return deletion_out(one_of(service.deleting.deletions.one, number, "deletion"))


@router.get("/deleted", responses=responses())
def list_deleted(service: TheService, holder: Reader) -> DeletionsOut:
    """List the deleted models that can be got back, the newest first."""
    return DeletionsOut(deleted=[deletion_out(row) for row in service.deleting.deletions.all()])


@router.post("/deleted/{number}/restore", responses=responses(404))
def restore_model(number: int, service: TheService, holder: Teacher) -> ModelOut:
    """Get what was deleted back; what was learnt under its name meanwhile goes on serving."""
    deletion = one_of(service.deleting.deletions.one, number, "deletion")
    check_name(deletion["name"], service.names())
    service.deleting.take_back(deletion, who=holder.name)
    service.events.tell("model", name=deletion["name"])
    return get_model(deletion["name"], service, holder)


def deletion_out(row: Row) -> DeletionOut:
    """What was deleted as JSON."""
    numbers = json.loads(row["numbers"])
    return DeletionOut(
        id=row["id"],
        model=row["name"],
        versions=len(numbers),
        numbers=numbers,
        at=row["at"],
        who=row["who"],
        until=row["until"],
    )


def versions_of(service: Service, name: str) -> list[Version]:
    """All versions of a model, the newest first.

    Raises:
        ProblemError: there is none.
    """
    versions = service.versions.of(name)
    if not versions:
        raise no_version(service, name)
    return versions


def version_out(service: Service, version: Version) -> VersionOut:
    """A version as JSON."""
    return VersionOut(
        can_learn=service.library.can_learn(version),
        model=version.name,
        version=version.number,
        model_sha256=version.digest,
        origin=version.origin,
        at=version.at,
        serves=version.serves,
        false_alarms=version.false_alarms,
        n_learnt=version.n_learnt,
        card=version.card,
    )

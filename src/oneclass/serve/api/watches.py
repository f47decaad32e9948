"""Watched folders."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from oneclass.errors import InputError
from oneclass.serve.api.schemas import (
    Done,
    FailureOut,
    LookIn,
    LookOut,
    WatchChange,
    WatchesOut,
    WatchIn,
    WatchMade,
    WatchOut,
    responses,
)
from oneclass.serve.records import export
from oneclass.serve.records.database import Row
from oneclass.serve.web.asking import one_of, version_of
from oneclass.serve.web.dependencies import Reader, Teacher, TheService
from oneclass.serve.work.places import folder_within
from oneclass.serve.work.service import Service
from oneclass.serve.work.webhooks import check_address

router = APIRouter(tags=["watching"])


@router.get("/watches", responses=responses())
def list_watches(service: TheService, holder: Reader) -> WatchesOut:
    """List the watched folders, and those within which folders may be watched."""
    return WatchesOut(watches=watches_out(service), folders=[str(root) for root in service.roots])


@router.post("/watches", responses=responses(404))
def add_watch(asked: WatchIn, service: TheService, holder: Teacher) -> WatchMade:
    """Score the images of a folder on the server as they arrive, those that lie there first."""
    version_of(service, asked.model)
    folder = folder_within(asked.folder, service.roots)
    webhook = check_address(asked.webhook) if asked.webhook else None
    service.watcher.check(folder)
    if service.watches.like(str(folder), asked.model, webhook) is not None:
        raise InputError(
            f"{folder}: is watched already with the model {asked.model}; each image would count "
            "twice. Stop that watch first, or choose another folder or model."
        )
    beside = [
        row["id"]
        for row in service.watches.all()
        if row["name"] == asked.model and _share(folder, Path(row["folder"]))
    ]
    number = service.watches.add(
        str(folder), asked.model, webhook=webhook, only_odd=asked.only_anomalies
    )
    row = _watch(service, number)
    return WatchMade(**watch_out(service, row).model_dump(), secret=row["secret"], beside=beside)


@router.post("/watches/look", responses=responses(404))
def look(asked: LookIn, service: TheService, holder: Teacher) -> LookOut:
    """Count the images that are in a folder already, and that a watch with a model would score."""
    version_of(service, asked.model)
    folder = folder_within(asked.folder, service.roots)
    service.watcher.check(folder)
    images, whole, outside = service.watcher.waiting_in(folder, asked.model)
    return LookOut(images=images, whole=whole, outside=outside)


@router.patch("/watches/{number}", responses=responses(404))
def change_watch(number: int, asked: WatchChange, service: TheService, holder: Teacher) -> WatchOut:
    """Pause a watch, or let it go on with what came meanwhile."""
    _watch(service, number)
    service.watches.set_state(number, asked.state)
    service.events.tell("watch", id=number)
    return watch_out(service, _watch(service, number))


@router.delete("/watches/{number}", responses=responses(404))
def remove_watch(number: int, service: TheService, holder: Teacher) -> Done:
    """Watch no longer; the predictions stay, and the same folder and model go on where it ended."""
    _watch(service, number)
    service.watches.remove(number)
    return Done()


@router.get(
    "/watches/{number}/results.csv", response_class=StreamingResponse, responses=responses(404)
)
def watch_results(number: int, service: TheService, holder: Reader) -> StreamingResponse:
    """All that a watch found, as a table; also of one that has ended."""
    if number not in {row["id"] for row in service.watches.ended()}:
        _watch(service, number)
    return StreamingResponse(
        export.of_source(service.database, f"watch:{number}"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="watch-{number}.csv"'},
    )


def _share(one: Path, other: Path) -> bool:
    """Whether two folders are the same, or one of them lies in the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def _watch(service: Service, number: int) -> Row:
    return one_of(service.watches.one, number, "watch")


def watches_out(service: Service) -> list[WatchOut]:
    """All watches as JSON."""
    return [watch_out(service, row) for row in service.watches.all()]


def watch_out(service: Service, row: Row) -> WatchOut:
    """A watch as JSON, with what came of it."""
    deliveries = service.watches.deliveries(row["id"])
    assert deliveries is not None
    return WatchOut(
        id=row["id"],
        folder=row["folder"],
        model=row["name"],
        state=row["state"],
        webhook=row["webhook"],
        only_anomalies=bool(row["only_odd"]),
        images=row["images"],
        anomalies=row["anomalies"],
        unclear=row["unclear"],
        failures=row["failures"],
        last=row["last"],
        problem=service.watcher.problems.get(row["id"]),
        unusable=[FailureOut(**dict(one)) for one in service.watches.unusable(row["id"])],
        deliveries=dict(deliveries),
    )

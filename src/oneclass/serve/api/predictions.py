"""Predictions as they are kept: lists, pictures, heat, and what people say of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Response

from oneclass.detector.estimator import Detector
from oneclass.serve.api.schemas import PredictionsIn, RecordOut, RecordsOut, ReviewIn, responses
from oneclass.serve.records import export
from oneclass.serve.records.database import Row
from oneclass.serve.records.predictions import MOST, Filter, verdict
from oneclass.serve.records.reviews import ANYTHING
from oneclass.serve.web.asking import check_kept, one_of
from oneclass.serve.web.dependencies import Id, Reader, Reviewer, TheService
from oneclass.serve.web.problems import WORDS, ProblemError, not_found
from oneclass.serve.web.words import reviewed, whom
from oneclass.serve.work import drawing
from oneclass.serve.work.service import Service

router = APIRouter(tags=["predictions"])
PNG, NPY = "image/png", "application/octet-stream"
GONE = (
    "the model was deleted and its file, by which pictures are drawn, removed since. The numbers "
    "are kept."
)
UNCHANGING = {"Cache-Control": "private, max-age=86400, immutable"}


@router.get("/predictions", responses=responses())
def list_predictions(
    service: TheService,
    holder: Reader,
    model: str | None = None,
    source: str | None = None,
    only_anomalies: bool = False,
    noticed: bool = Query(False, description="Only anomalies and unclear ones."),
    review: str | None = Query(None, pattern="^(none|real|false_alarm|unsure)$"),
    before: Id = None,
    limit: int = Query(60, ge=1, le=MOST),
) -> RecordsOut:
    """List predictions, the newest first."""
    chosen = Filter(model, source, only_anomalies, noticed, review, before, limit)
    rows = service.predictions.listed(chosen)
    return RecordsOut(
        predictions=[record(row) for row in rows],
        next=rows[-1]["id"] if len(rows) == limit else None,
    )


@router.post(
    "/predictions.csv",
    response_class=Response,
    responses={**responses(404), 200: {"content": {"text/csv": {}}}},
)
def table_of_predictions(chosen: PredictionsIn, service: TheService, holder: Reader) -> Response:
    """Some predictions as a table, in the order asked for: predictions.csv of `oneclass score`."""
    try:
        table = export.as_predictions(service.database, chosen.predictions)
    except KeyError as missing:
        raise not_found(f"prediction {missing.args[0]}") from None
    return Response(table, media_type="text/csv")


@router.get("/predictions/{number}", responses=responses(404))
def get_prediction(number: int, service: TheService, holder: Reader) -> RecordOut:
    """One prediction."""
    return record(found(service, number))


@router.get("/predictions/{number}/picture.png", response_class=Response, responses=responses(404))
def get_picture(number: int, service: TheService, holder: Reader, large: bool = False) -> Response:
    """The image as people look at it; PNG of at most 512 pixels, or larger and then JPEG or PNG."""

    def draw(file: Path, name: str, detector: Detector) -> bytes:
        return drawing.picture_of(file, name, detector, large=large)

    drawn = _drawn(service, number, draw)
    kind = PNG if drawn.startswith(b"\x89PNG") else "image/jpeg"
    return Response(drawn, media_type=kind, headers=UNCHANGING)


@router.get("/predictions/{number}/heatmap.png", response_class=Response, responses=responses(404))
def get_heatmap(number: int, service: TheService, holder: Reader) -> Response:
    """Where the image is odd, drawn over it, as `oneclass score --heatmaps` does it."""
    return Response(_drawn(service, number, drawing.overlay_of), media_type=PNG, headers=UNCHANGING)


@router.get("/predictions/{number}/heat.png", response_class=Response, responses=responses(404))
def get_heat(number: int, service: TheService, holder: Reader) -> Response:
    """The heat alone, transparent where nothing is odd, to be laid over the picture."""
    return Response(_drawn(service, number, drawing.heat_of), media_type=PNG, headers=UNCHANGING)


@router.get("/predictions/{number}/heatmap.npy", response_class=Response, responses=responses(404))
def get_heatmap_npy(number: int, service: TheService, holder: Reader) -> Response:
    """The anomaly map as numbers: (h, w) float64, as `oneclass score --heatmaps` writes it."""

    def draw(file: Path, name: str, detector: Detector) -> bytes:
        return drawing.npy_of(drawing.map_of(file, name, detector))

    return Response(_drawn(service, number, draw), media_type=NPY, headers=UNCHANGING)


@router.post("/predictions/{number}/review", responses=responses(404, 409))
def review_prediction(
    number: int, said: ReviewIn, service: TheService, holder: Reviewer
) -> RecordOut:
    """Say whether an anomaly or unclear one is real, a false alarm, or unsure; real if missed. Of a
    model that was deleted nothing is noted.
    """
    check_kept(service, found(service, number))
    seen = said.seen if "seen" in said.model_fields_set else ANYTHING
    if not service.reviews.add(number, said.verdict, who=holder.name, seen=seen):
        raise ProblemError(409, WORDS[409], said_meanwhile(service, number))
    service.events.tell("review", id=number)
    return record(found(service, number))


def said_meanwhile(service: Service, number: int) -> str:
    """That somebody else was quicker, and what they said."""
    last, one = service.reviews.of(number)[0], service.predictions.one(number)
    assert one is not None, "it was there a moment ago"
    what = "took the verdict back"
    if last["verdict"] is not None:
        what = f"said “{reviewed(last['verdict'], verdict(one['is_anomaly'], one['is_unclear']))}”"
    return (
        f"{whom(last['who'])} {what} meanwhile, so yours is not noted. Look again, and say "
        "what holds."
    )


def found(service: Service, number: int) -> Row:
    """A prediction.

    Raises:
        ProblemError: there is none.
    """
    return one_of(service.predictions.one, number, "prediction")


def record(row: Row) -> RecordOut:
    """A row as JSON."""
    return RecordOut(
        id=row["id"],
        path=row["path"],
        score=row["score"],
        p_value=row["p_value"],
        is_anomaly=bool(row["is_anomaly"]),
        verdict=verdict(row["is_anomaly"], row["is_unclear"]),
        at=row["at"],
        model=row["name"],
        version=row["number"],
        model_sha256=row["digest"],
        image_sha256=row["image"],
        image_kept=bool(row["kept"]),
        source=row["source"],
        false_alarms=row["false_alarms"],
        seconds=row["seconds"],
        review=row["review"],
        learnt=None if row["learnt"] is None else bool(row["learnt"]),
    )


def _drawn(service: Service, number: int, draw: Callable[[Path, str, Detector], Any]) -> bytes:
    row = found(service, number)
    file = service.keeping.place(row["image"])
    version = service.versions.by_id(row["version_id"])
    assert version is not None, "versions are never removed"
    if not file.exists():
        raise ProblemError(
            404,
            "image_gone",
            "the image is no longer kept; the numbers are. --keep-images says how many bytes of "
            "images a server keeps.",
        )
    if not service.library.file(version).exists():
        raise ProblemError(404, "model_gone", GONE)
    drawn: bytes = draw(file, row["path"], service.library.detector(version))
    return drawn

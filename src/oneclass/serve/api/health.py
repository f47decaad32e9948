"""Whether the server lives, is ready, what it counts, and what happens as it happens."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from oneclass import __version__
from oneclass.serve.api.schemas import Health
from oneclass.serve.web.asking import Reader, TheService
from oneclass.serve.web.problems import WORDS, ProblemError, responses
from oneclass.serve.work.service import Service

router = APIRouter(tags=["health"])
events = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """Whether the process answers."""
    return Health(status="alive", version=__version__)


@router.get("/readyz", responses=responses(507))
def readyz(service: TheService) -> Health:
    """Whether images would be scored: the threads work, the database answers, the disk has room."""
    if not service.ready:
        raise ProblemError(503, WORDS[503], "it starts or stops.", {"Retry-After": "2"})
    service.database.value("SELECT 1")
    service.keeping.check_room()
    return Health(status="ready", version=__version__)


@router.get("/metrics", response_class=Response, responses=responses())
def metrics(service: TheService, holder: Reader) -> Response:
    """Counts in the text format of Prometheus."""
    gauges = {
        "oneclass_images_waiting": float(service.scorer.waiting),
        "oneclass_jobs_waiting": float(service.jobs.waiting()),
        "oneclass_disk_free_bytes": float(shutil.disk_usage(service.keeping.folder).free),
    }
    return Response(service.metrics.text(gauges), media_type="text/plain; version=0.0.4")


@events.get("/events", response_class=StreamingResponse, responses=responses())
async def listen(service: TheService, holder: Reader) -> StreamingResponse:
    """What happens, as server-sent events: prediction, review, job, model, watch."""
    return StreamingResponse(
        _stream(service),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(service: Service) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    async for event in service.events.listen():
        if event is None:
            yield ": still here\n\n"
        else:
            yield f"event: {event['kind']}\ndata: {json.dumps(event)}\n\n"

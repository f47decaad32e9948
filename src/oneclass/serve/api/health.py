"""Whether the server lives, is ready, what it counts, and what happens as it happens."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from oneclass.serve.api import answering
from oneclass.serve.api.schemas import Health, responses
from oneclass.serve.web.dependencies import Reader, TheService
from oneclass.serve.work.service import Service

router = APIRouter(tags=["health"])
events = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health)
async def healthz(request: Request) -> Response:
    """Whether the process answers."""
    return await answering.alive(request)


@router.get("/readyz", response_model=Health, responses=responses(507))
async def readyz(request: Request) -> Response:
    """Whether images would be scored: threads work, the database answers, the disk takes files."""
    return await answering.ready(request)


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

"""The app: endpoints, pages and the gate before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from oneclass import __version__
from oneclass.serve.api import health, learning, models, monitor, predictions, scoring, watches
from oneclass.serve.web import pages, sessions
from oneclass.serve.web.gate import Gate
from oneclass.serve.web.problems import told
from oneclass.serve.work.service import Service

API = "/api/v1"
ABOUT = """Learn what normal images look like, and say how odd a new one is.

Every error is `{"error": "a_word", "message": "a sentence"}`. Where the server asks for a token,
send it as `Authorization: Bearer TOKEN`."""


def make_app(service: Service) -> ASGIApp:
    """The app for a service, which it starts and stops."""
    app = inner_app(service)
    return Gate(app, service)


def inner_app(service: Service) -> FastAPI:
    """The app without the gate."""

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        service.events.open()
        service.start()
        yield
        service.stop()

    app = FastAPI(
        title="oneclass",
        version=__version__,
        description=ABOUT,
        lifespan=living,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
    )
    app.state.service = service
    app.add_exception_handler(Exception, told)
    for part in (scoring, predictions, models, monitor, learning, watches):  # the busiest first
        app.include_router(part.router, prefix=API)
    app.include_router(health.router)
    app.include_router(health.events, prefix=API)
    app.include_router(sessions.router)
    pages.add(app, told)
    return app

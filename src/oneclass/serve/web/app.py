"""The app: endpoints, pages and the gate before them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from oneclass import __version__
from oneclass.serve.api import health, learning, models, monitor, predictions, scoring, watches
from oneclass.serve.web import pages, sessions
from oneclass.serve.web.gate import Gate
from oneclass.serve.web.problems import told
from oneclass.serve.work.service import Service

API = "/api/v1"
SCORE = re.compile(rf"{API}/models/([^/]+)/score")
ABOUT = """Learn what normal images look like, and say how odd a new one is.

Every error is `{"error": "a_word", "message": "a sentence"}`. Where the server asks for a token,
send it as `Authorization: Bearer TOKEN`."""


def make_app(service: Service) -> ASGIApp:
    """The app for a service, which it starts and stops."""
    return Gate(Shortcut(inner_app(service)), service)


class Shortcut:
    """Calls the busiest endpoint itself.

    To find it among all, and its arguments, costs more than all the rest of a request with a small
    image.

    Args:
        app: that has all endpoints, and documents this one, too.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path = scope.get("path", "")[len(scope.get("root_path", "")) :]
        found = SCORE.fullmatch(path) if scope.get("method") == "POST" else None
        if not found:
            await self._app(scope, receive, send)
            return
        request = Request(
            {**scope, "app": self._app, "path_params": {"name": found[1]}}, receive, send
        )
        try:
            reply = await scoring.respond(request)
        except ClientDisconnect:
            raise
        except Exception as error:
            reply = await told(request, error)
            await reply(scope, receive, send)
            if reply.status_code == 500:
                raise  # the server's log gets it
            return
        await reply(scope, receive, send)


def inner_app(service: Service) -> FastAPI:
    """The app without the gate."""

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        service.events.open()
        service.handing.open()
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
    app.include_router(health.router)  # first: what stands before a match is made ready, too
    app.include_router(health.events, prefix=API)
    for part in (scoring, predictions, models, monitor, learning, watches):
        app.include_router(part.router, prefix=API)
    app.include_router(sessions.router)
    pages.add(app, told)
    return app

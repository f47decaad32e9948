"""The app: what is asked most is answered here, all else by endpoints that are made meanwhile."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from oneclass.serve.api import answering
from oneclass.serve.web.gate import Gate
from oneclass.serve.web.problems import told
from oneclass.serve.work.service import Service

API = "/api/v1"
SCORE = re.compile(rf"{API}/models/([^/]+)/score")
LATER = 2.0
"""Seconds after the start at which the endpoints are imported, unless somebody asks earlier."""


def make_app(service: Service) -> ASGIApp:
    """The app for a service, which it starts and stops."""
    return Gate(App(service), service)


class App:
    """Answers what must not wait, and hands on all else.

    Args:
        service: started and stopped with the app.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._endpoints = service, Endpoints()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The life of the app, or one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path = scope["path"][len(scope.get("root_path", "")) :]
        if scope["method"] == "HEAD" and not path.startswith("/api/"):
            scope = {**scope, "method": "GET"}  # the server sends no body, whatever comes
        found = quick(scope["method"], path)
        if found is None:
            await (await self._endpoints.app())(scope, receive, send)
            return
        answer, parameters = found
        request = Request({**scope, "app": self, "path_params": parameters}, receive, send)
        try:
            reply = await answer(request)
        except ClientDisconnect:
            raise
        except Exception as error:
            reply = await told(request, error)
            await reply(scope, receive, send)
            if reply.status_code == 500:
                raise  # the server's log gets it
            return
        await reply(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._service.events.open()
        self._service.handing.open()
        self._service.start()
        self._endpoints.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._endpoints.stop()
        self._service.stop()
        await send({"type": "lifespan.shutdown.complete"})


def quick(
    method: str, path: str
) -> tuple[Callable[[Request], Awaitable[Response]], dict[str, str]] | None:
    """What answers a request here, and its parameters; None if the endpoints do."""
    if method == "POST" and (found := SCORE.fullmatch(path)):
        return answering.score, {"name": found[1]}
    if method == "GET" and path == "/healthz":
        return answering.alive, {}
    if method == "GET" and path == "/readyz":
        return answering.ready, {}
    return None


class Endpoints:
    """FastAPI's app, imported in a thread of its own: that takes as long as all else of a start."""

    def __init__(self) -> None:
        self._made: Future[ASGIApp] = Future()
        self._wanted = threading.Event()
        self._over = False
        self._making = threading.Thread(target=self._make, name="endpoints", daemon=True)

    def start(self) -> None:
        """Begin; a first image that is sent at once need not share the processor with it."""
        self._making.start()

    async def app(self) -> ASGIApp:
        """The app, once it is there."""
        if not self._made.done():
            self._wanted.set()
            await asyncio.wait([asyncio.wrap_future(self._made)])
        return self._made.result()

    def stop(self) -> None:
        """End, with it or without."""
        self._over = True
        self._wanted.set()
        self._making.join()

    def _make(self) -> None:
        self._wanted.wait(LATER)
        if self._over:
            return
        try:
            from oneclass.serve.web.endpoints import make_endpoints

            self._made.set_result(make_endpoints(API))
        except BaseException as error:  # whoever asks hears of it
            self._made.set_exception(error)

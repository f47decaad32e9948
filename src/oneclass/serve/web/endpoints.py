"""All endpoints and pages, as FastAPI has and documents them."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from oneclass import __version__
from oneclass.serve.api import health, learning, models, monitor, predictions, scoring, watches
from oneclass.serve.web import pages, sessions
from oneclass.serve.web.dependencies import KNOWN_QUERY
from oneclass.serve.web.problems import WORDS, answer, told, wrong_part

ABOUT = """Learn what normal images look like, and say how odd a new one is.

Every error is `{"error": "a_word", "message": "a sentence"}`. Where the server asks for a token,
send it as `Authorization: Bearer TOKEN`."""


def make_endpoints(prefix: str) -> FastAPI:
    """The app behind the gate.

    Args:
        prefix: of the addresses of the service.
    """
    app = FastAPI(
        title="oneclass",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{prefix}/openapi.json",
    )
    app.include_router(health.router)  # first: what stands before a match is made ready, too
    for part in (scoring, predictions, models, monitor, learning, watches):
        app.include_router(part.router, prefix=prefix, dependencies=[KNOWN_QUERY])
    app.include_router(health.events, prefix=prefix, dependencies=[KNOWN_QUERY])
    app.include_router(sessions.router)
    pages.add(app, _told)
    return app


async def _told(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, RequestValidationError):
        found = "; ".join(wrong_part(request, one) for one in error.errors())
        return answer(422, WORDS[422], found[:1000] + ".")
    return await told(request, error)

"""All endpoints and pages, as FastAPI has and documents them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from oneclass import __version__
from oneclass.serve.api import health, learning, models, monitor, predictions, scoring, watches
from oneclass.serve.web import pages, sessions
from oneclass.serve.web.problems import WORDS, answer, told

ABOUT = """Learn what normal images look like, and say how odd a new one is.

Every error is `{"error": "a_word", "message": "a sentence"}`. Where the server asks for a token,
send it as `Authorization: Bearer TOKEN`."""
JSON = "application/json"
PLACES = {"query": "address, behind a ?", "header": "headers"}
"""Where a part of a request stands, in words."""
KINDS = {"int_parsing": "expected a whole number", "float_parsing": "expected a number"}
"""What is expected of a value that is no number, by pydantic's word for that."""
SHOWN = 60
"""Characters of a value that an error repeats."""


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
    app.include_router(health.events, prefix=prefix)
    for part in (scoring, predictions, models, monitor, learning, watches):
        app.include_router(part.router, prefix=prefix)
    app.include_router(sessions.router)
    pages.add(app, _told)
    return app


async def _told(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, RequestValidationError):
        found = "; ".join(_problem(request, one) for one in error.errors())
        return answer(422, WORDS[422], found[:1000] + ".")
    return await told(request, error)


def _problem(request: Request, one: Mapping[str, Any]) -> str:
    """What is wrong with a part of a request, in the words of our own errors.

    Args:
        request: that has it.
        one: as pydantic tells it: `loc`, `type`, `msg` and `input`.
    """
    where, *names = one["loc"]
    if where == "body" and (not names or one["type"] == "json_invalid"):
        given = request.headers.get("content-type")
        sent = "" if given == JSON else f", with the header 'Content-Type: {JSON}'"
        return f'the body is no JSON object: send one such as {{"name": "value"}}{sent}'
    name = ".".join(map(str, names))
    if one["type"] == "missing":
        return f"{name} is missing: send it in the {PLACES.get(where, where)}"
    if one["type"] == "extra_forbidden":
        return f"{name} is not known here: leave it out"
    wrong = KINDS.get(one["type"], str(one["msg"]).replace("Input should be ", "expected "))
    if where == "path":
        name = f"the {name} in the address"
    return f"{name} is {ascii(one['input'])[:SHOWN]}: {wrong[:1].lower()}{wrong[1:]}"

"""Every way to fail, as a status, a short word, and a sentence that says what to do next."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse

from oneclass.errors import (
    ImageError,
    InputError,
    MissingDependencyError,
    ModelFileError,
    OneclassError,
    StorageError,
)
from oneclass.serve.work.jobs.sets import NoSetError
from oneclass.serve.work.scoring import BusyError
from oneclass.system.files import UnwritableError
from oneclass.system.names import spelt_out


class ProblemError(HTTPException):
    """A request that is not done; the status, a word for programs, a sentence for people.

    `programs` is a further sentence, which only they are told.
    """

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        programs: str = "",
    ) -> None:
        super().__init__(status, message, headers)
        self.error, self.programs = error, programs


WORDS = {
    400: "bad_request",
    401: "no_token",
    403: "not_allowed",
    404: "not_found",
    405: "wrong_method",
    408: "too_slow",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported",
    421: "wrong_host",
    422: "unusable",
    429: "too_many_requests",
    431: "too_large",
    500: "bug",
    501: "not_installed",
    503: "busy",
    507: "disk_full",
}


LISTS = {
    "model": "the page /models",
    "version": "the page /models",
    "prediction": "the page /score, or /api/v1/predictions",
    "job": "/api/v1/jobs",
    "watch": "the page /watch, or /api/v1/watches",
    "deletion": "the page /models, or /api/v1/deleted",
}
"""Where all things of a kind are listed."""
LET_IT_WRITE = (
    "Nothing is wrong with what was sent: whoever runs the server lets its user write there, or "
    "sees whether the drive is there and not read-only; then send it again."
)


PAGE = (Path(__file__).parents[1] / "templates" / "refused.html").read_text("utf-8")
STYLE = PAGE.partition("<style>")[2].partition("</style>")[0]
STYLE_SHA256 = b64encode(sha256(STYLE.encode()).digest()).decode()
STYLE_ALONE = (
    f"default-src 'none'; style-src 'sha256-{STYLE_SHA256}'; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""The policy of a page that has this style inside: to a wrong host no other file is given."""

JSON = "application/json"
PLACES = {"query": "address, behind a ?", "header": "headers"}
"""Where a part of a request stands, in words."""
KINDS = {"int_parsing": "expected a whole number", "float_parsing": "expected a number"}
"""What is expected of a value that is no number, by pydantic's word for that."""
SHOWN = 60
"""Characters of a value that an error repeats."""


def from_browser(headers: Headers) -> bool:
    """Whether a browser sent it, for whom somebody else may have written it."""
    return any(name in headers for name in ("origin", "sec-fetch-site", "cookie", "referer"))


def not_found(what: str) -> ProblemError:
    """There is no such thing, such as `job 7`."""
    known = LISTS.get(what.split()[0])
    where = f"; {known} lists those that there are" if known else ""
    return ProblemError(404, WORDS[404], f"there is no {what}{where}.")


def answer(
    status: int, error: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem as it is sent."""
    return JSONResponse({"error": error, "message": message}, status, headers=dict(headers or {}))


def answer_page(
    status: int, error: str, message: str, home: str | None, headers: Mapping[str, str]
) -> HTMLResponse:
    """The same for a person, on a page that needs no other file.

    Args:
        status, error, message, headers: as for `answer`.
        home: where the start page is; None where a link would lead nowhere.
    """
    onwards = "" if home is None else f'<p><a href="{escape(home)}">To the start</a></p>\n'
    text = Template(PAGE).substitute(
        message=escape(message[:1].upper() + message[1:]),
        onwards=onwards,
        status=status,
        error=error.replace("_", " "),
    )
    return HTMLResponse(text, status, {**headers, "Content-Security-Policy": STYLE_ALONE})


async def told(request: Request, error: Exception) -> JSONResponse:
    """What a program, or a script of a page, is told of an error."""
    if isinstance(error, OneclassError):
        return of_error(error)
    if isinstance(error, HTTPException):
        word = getattr(error, "error", WORDS.get(error.status_code, "error"))
        message = str(error.detail)
        more = getattr(error, "programs", "")
        if more and not from_browser(request.headers):
            message = f"{message} {more}"
        if message == "Not Found":
            message = "there is no such page or endpoint; the start page leads to all pages."
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "GET, HEAD")  # files of the pages
            message = f"{request.method} is not for this address; it takes {allowed}."
        return answer(error.status_code, word, message, error.headers)
    return answer(500, WORDS[500], "this is a bug of oneclass; the server's log has more.")


def of_error(error: OneclassError) -> JSONResponse:
    """What a client is told of an error of the package's own."""
    text = spelt_out(str(error))
    if isinstance(error, BusyError):
        return answer(503, WORDS[503], text, {"Retry-After": str(error.retry)})
    if isinstance(error, ImageError):
        return answer(422, error.reason, text)
    if isinstance(error, NoSetError):
        return answer(422, "no_set", text)
    if isinstance(error, UnwritableError):  # a client chooses none of the server's places
        return answer(507, "not_writable", f"the server {error.refused} {LET_IT_WRITE}")
    for kind, status in (
        (InputError, 422),
        (ModelFileError, 422),
        (MissingDependencyError, 501),
        (StorageError, 507),
    ):
        if isinstance(error, kind):
            return answer(status, WORDS[status], text)
    return answer(500, WORDS[500], text)


def wrong_part(request: Request, one: Mapping[str, Any]) -> str:
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

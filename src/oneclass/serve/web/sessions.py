"""Logging in with a token, and out again, for people with a browser."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from oneclass.serve.records.tokens import SESSION_SECONDS, Holder
from oneclass.serve.web.dependencies import TheService
from oneclass.serve.web.gate import CSRF, CSRF_HEADER, SESSION, cookies_of
from oneclass.serve.web.problems import WORDS, ProblemError
from oneclass.serve.web.rendering import page

router = APIRouter(include_in_schema=False)
LONGEST = 10_000


@router.get("/login")
def login_page(request: Request, service: TheService) -> Response:
    """Where a token is entered; who has done so is led onwards."""
    onwards = own_path(request.query_params.get("next", "/"))
    holder: Holder | None = request.scope["state"]["holder"]
    if holder is not None and holder.by_cookie:
        return RedirectResponse(service.settings.prefix + onwards, 303)
    return page(request, "login.html", wrong=False, next=onwards)


@router.post("/login")
async def login(request: Request, service: TheService) -> Response:
    """Exchange a token for a session."""
    form = await _form(request)
    _check_csrf(request, form)
    session = service.tokens.begin_session(form.get("token", "").strip())
    onwards = own_path(form.get("next", "/"))
    if session is None:
        refused = page(request, "login.html", wrong=True, next=onwards)
        refused.status_code = 401
        return refused
    settings = service.settings
    reply = RedirectResponse(settings.prefix + onwards, 303)
    reply.set_cookie(
        SESSION,
        session,
        max_age=int(SESSION_SECONDS),
        path=settings.prefix or "/",
        secure=settings.secure,
        httponly=True,
        samesite="strict",
    )
    return reply


@router.post("/logout")
async def logout(request: Request, service: TheService) -> Response:
    """End the session."""
    _check_csrf(request, await _form(request))
    service.tokens.end_session(cookies_of(request.headers).get(SESSION, ""))
    reply = RedirectResponse(f"{service.settings.prefix}/login", 303)
    reply.delete_cookie(SESSION, path=service.settings.prefix or "/")
    return reply


def own_path(asked: str) -> str:
    """The path of this server that was asked for, with its query; for anything else the start.

    Browsers take a backslash for a slash and leave tabs and line ends out, so that what looks like
    a path may be the address of another server to them.
    """
    path = asked.partition("?")[0]
    alone = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return asked if alone and asked.isprintable() else "/"


def _check_csrf(request: Request, form: dict[str, str]) -> None:
    """The gate's check for forms, which cannot send a header.

    Raises:
        ProblemError: it does not come from a page of ours.
    """
    kept = cookies_of(request.headers).get(CSRF, "")
    given = form.get("csrf") or request.headers.get(CSRF_HEADER, "")
    if not kept or not secrets.compare_digest(given.encode(), kept.encode()):
        raise ProblemError(403, "stale_page", "this page is out of date; load it again.")


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST:
            raise ProblemError(
                413, WORDS[413], "the form is too long: send a token and nothing else."
            )
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    return {name: values[0] for name, values in fields.items()}

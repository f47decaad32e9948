"""Logging in with a token, and out again, for people with a browser."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from oneclass.serve.records.tokens import SESSION_SECONDS
from oneclass.serve.web.dependencies import TheService
from oneclass.serve.web.gate import CSRF, CSRF_HEADER, SESSION, cookies_of
from oneclass.serve.web.problems import WORDS, ProblemError
from oneclass.serve.web.rendering import page

router = APIRouter(include_in_schema=False)
LONGEST = 10_000


@router.get("/login")
def login_page(request: Request) -> Response:
    """Where a token is entered."""
    return page(request, "login.html", wrong=False, next=request.query_params.get("next", "/"))


@router.post("/login")
async def login(request: Request, service: TheService) -> Response:
    """Exchange a token for a session."""
    form = await _form(request)
    _check_csrf(request, form)
    session = service.tokens.begin_session(form.get("token", "").strip())
    if session is None:
        refused = page(request, "login.html", wrong=True, next=form.get("next", "/"))
        refused.status_code = 401
        return refused
    settings = service.settings
    onwards = form.get("next", "/")
    if not onwards.startswith("/") or onwards.startswith(("//", "/\\")) or "://" in onwards:
        onwards = "/"
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

"""What is let in: by host, origin, token and size; and what browsers are to be careful about."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections import Counter
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oneclass.serve.records.tokens import THIS_MACHINE, Holder
from oneclass.serve.web.bodies import Body, Turn, check_length, has_body, too_many
from oneclass.serve.web.problems import WORDS, ProblemError, answer, answer_page, from_browser
from oneclass.serve.work.service import Service

SESSION, CSRF, CSRF_HEADER = "oneclass_session", "oneclass_csrf", "x-csrf-token"
OPEN_PATHS = ("/healthz", "/readyz", "/login", "/static/")
FORMS = ("/login", "/logout")
"""Sent by forms, which have their CSRF token within: `sessions` looks at it."""
SAFE = {"GET", "HEAD", "OPTIONS"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; media-src 'self' blob:; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
CAREFUL = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    # By no-referrer a browser would call the origin of a form that is sent, such as the one of
    # /login, null.
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=()",
    b"cache-control": b"no-store",
}


class Gate:
    """Stands before the app.

    Args:
        app: what is behind it.
        service: knows the tokens and the limits.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._names = app, service, service.settings.names
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        scope = self._placed(scope)
        headers = Headers(scope=scope)
        started: list[int] = []

        async def careful_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message["status"])
                self._dress(scope, message)
            await send(message)

        try:
            client = await self._let_in(scope, headers)
        except ProblemError as refused:
            await self._refuse(refused, scope, receive, careful_send)
            self._count(started)
            return
        turn = Turn(self._under_way, client, self._service.limits.requests)
        body = Body(receive, headers, self._service, turn)
        try:
            await self._app(scope, body.receive, careful_send)
        except ClientDisconnect:
            pass  # nobody is there to be told
        finally:
            turn.end()
            self._count(started)

    def _placed(self, scope: Scope) -> Scope:
        """With the proxy's prefix before the path, whether the proxy left it there or not."""
        prefix, path = self._service.settings.prefix, scope["path"]
        if not prefix:
            return scope
        if path != prefix and not path.startswith(prefix + "/"):
            path = prefix + path
        return {**scope, "path": path, "root_path": prefix}

    async def _let_in(self, scope: Scope, headers: Headers) -> str:
        """Who asks, for counting; the holder goes into the scope.

        Raises:
            ProblemError: the request is refused.
        """
        settings = self._service.settings
        host = check_host(headers.getlist("host"), self._names)
        path = scope["path"][len(settings.prefix) :]
        check_length(headers, self._service.limits.body_bytes)
        check_head(scope, self._service.limits.header_bytes)
        cookies = cookies_of(headers)
        holder = await self._holder(headers, cookies)
        if scope["method"] not in SAFE:
            check_origin(headers, host, settings.url)
            by_browser = holder is not None and (holder.by_cookie or holder is THIS_MACHINE)
            if by_browser and path not in FORMS and from_browser(headers):
                check_csrf(headers, cookies)
        if holder is None and not path.startswith(OPEN_PATHS):
            raise ProblemError(401, WORDS[401], _without(headers), {"WWW-Authenticate": "Bearer"})
        scope["state"] = {**scope.get("state", {}), "service": self._service, "holder": holder}
        new = CSRF not in cookies and scope["method"] in SAFE  # it may be for a page
        scope["state"]["csrf"] = secrets.token_urlsafe(24) if new else cookies.get(CSRF, "")
        scope["state"]["new_csrf"] = new
        peer = scope["client"][0] if scope.get("client") else "?"
        client = peer if holder in (None, THIS_MACHINE) else f"token {holder.name}"
        if not has_body(headers) and self._under_way[client] >= self._service.limits.requests:
            raise too_many(self._under_way[client])
        return client

    async def _holder(self, headers: Headers, cookies: dict[str, str]) -> Holder | None:
        tokens = self._service.tokens
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return await asyncio.to_thread(tokens.holder, token.strip())
        if SESSION in cookies:
            found = await asyncio.to_thread(tokens.of_session, cookies[SESSION])
            if found is not None:
                return found
        return THIS_MACHINE if self._service.settings.open else None

    async def _refuse(
        self, refused: ProblemError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        prefix = self._service.settings.prefix
        path = scope["path"][len(prefix) :]
        page = "text/html" in Headers(scope=scope).get("accept", "")
        if refused.status_code == 401 and page and not path.startswith("/api/"):
            query = scope["query_string"].decode("latin-1")
            asked = f"{quote(path)}?{query}" if query else quote(path)
            reply: Response = RedirectResponse(f"{prefix}/login?next={quote(asked)}", 303)
        else:
            close = {"Connection": "close"} if scope["method"] not in SAFE else {}
            headers = {**(refused.headers or {}), **close}
            told = refused.status_code, refused.error, refused.detail
            home = None if refused.status_code == 421 else f"{prefix}/"
            reply = answer_page(*told, home, headers) if page else answer(*told, headers)
        await reply(scope, receive, send)

    def _dress(self, scope: Scope, message: Message) -> None:
        given = dict(message["headers"])
        message["headers"] += [one for one in CAREFUL.items() if one[0] not in given]
        state = scope.get("state", {})
        page = given.get(b"content-type", b"").startswith(b"text/html")
        if state.get("new_csrf") and page and b"content-disposition" not in given:
            settings = self._service.settings
            secure = "; Secure" if settings.secure else ""
            path = settings.prefix or "/"
            MutableHeaders(scope=message).append(
                "Set-Cookie",
                f"{CSRF}={state['csrf']}; Path={path}; HttpOnly; SameSite=Strict{secure}",
            )

    def _count(self, started: list[int]) -> None:
        status = f"{started[0] // 100}xx" if started else "none"
        self._service.metrics.count("oneclass_requests_total", status=status)


def _without(headers: Headers) -> str:
    """Why nobody is known to ask, and what to do."""
    if headers.get("authorization"):
        why = "the token that was sent is none of this server's: mistyped, removed, or expired"
    elif from_browser(headers):
        return (
            "you are not logged in any more: you logged out, your time was over, or your token "
            "was removed. Load this page again, and enter a token."
        )
    else:
        why = "a token is needed"
    return (
        f"{why}: send one as 'Authorization: Bearer TOKEN', or enter it on the page /login. "
        "'oneclass serve token add NAME' makes one."
    )


def check_head(scope: Scope, most: int) -> None:
    """Refuse headers that came at once, so that the parser had no time to find them too long."""
    fields = sum(len(name) + len(value) for name, value in scope["headers"])
    if fields + len(scope.get("raw_path", b"")) + len(scope["query_string"]) > most:
        raise ProblemError(
            431,
            WORDS[431],
            f"the address and headers have more than {most} bytes.",
            {"Connection": "close"},
        )


def check_host(hosts: list[str], names: frozenset[str]) -> str:
    """The one host that a request is addressed to; a page elsewhere may call itself anything."""
    host = hosts[0].lower() if len(hosts) == 1 else ""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        good = name in names or _is_address(name)
    except ValueError:
        good = False
    if not good or "@" in host or "/" in host:
        raise ProblemError(
            421,
            WORDS[421],
            f"this server does not answer to {host[:100] or 'no name'}: open the address that it "
            "printed at its start. If this is one of its names, start it with --allow-host NAME.",
            {"Connection": "close"},
        )
    return host


def check_origin(headers: Headers, host: str, url: str | None) -> None:
    """Refuse what a page of another server sends."""
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    allowed = {f"http://{host}", f"https://{host}"}
    if url is not None:
        parts = urlsplit(url)
        allowed = {f"{parts.scheme}://{parts.netloc}".lower()}
    if site not in ("same-origin", "none") or (origin and origin.lower() not in allowed):
        raise ProblemError(
            403,
            WORDS[403],
            "a page of another server may not do this: use this server's own pages.",
        )


def check_csrf(headers: Headers, cookies: dict[str, str]) -> None:
    """Refuse what does not come from a page of ours."""
    given, kept = headers.get(CSRF_HEADER, ""), cookies.get(CSRF, "")
    if not kept or not secrets.compare_digest(given.encode(), kept.encode()):
        raise ProblemError(403, "stale_page", "this page is out of date; load it again.")


def cookies_of(headers: Headers) -> dict[str, str]:
    """The cookies of a request; none if they make no sense."""
    if "cookie" not in headers:
        return {}
    try:
        return {k: morsel.value for k, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def _is_address(name: str) -> bool:
    """Whether it is in digits: such a host can't be made to point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

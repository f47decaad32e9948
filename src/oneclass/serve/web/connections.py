"""Connections that do not cost more than they may: how many, how slow, and how much of them.

uvicorn waits for ever for a first request, and for headers that come a byte at a time; it takes
headers of any size, and any number of requests before it has answered the first; what stands
behind a body goes to the headers of its request; a connection that it may not serve gets no word
of when to come back; an answer's head and body each take a call of the system. This mends all.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from oneclass.serve.settings import Limits

HELD = 1 << 16
"""Bytes of answers that are held back at most."""
AHEAD = 8
"""Requests that may wait for the answer to an earlier one of the same connection."""


class Connection(HttpToolsProtocol):
    """One connection; `limits` is set by `limited`."""

    limits = Limits()
    _hurry: asyncio.TimerHandle | None = None
    _framing = 0
    """Bytes that came since the last piece of a body: headers, sizes of chunks, trailers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Together(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "Service Unavailable", "Retry-After: 2\r\n")
        else:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._received()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._framing += len(data)
        super().data_received(data)
        if self._answering:
            self._received()
        elif self._hurry is None:
            self._wait_for_headers()
        if self._framing > self.limits.header_bytes:
            self._refuse(431, "Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Another request.

        Raises:
            OverflowError: too many wait already.
        """
        if len(self.pipeline) >= AHEAD:
            raise OverflowError
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._framing = 0
        self.headers = []  # not the request's: here go trailers
        if self.parser.should_upgrade():  # what follows might be no HTTP
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """The size of a piece was read."""
        self._framing = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._framing = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._framing = 0

    def send_400_response(self, msg: str) -> None:
        """What makes no sense as HTTP."""
        self._refuse(400, "Bad Request")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body:  # the rest of a body that nobody wants
            self._wait_for_headers()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_headers(self) -> None:
        self._received()
        self._hurry = self.loop.call_later(self.limits.header_seconds, self._too_slow)

    def _received(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def _too_slow(self) -> None:
        self._hurry = None
        if not self._answering:
            self._refuse(408, "Request Timeout")

    def _refuse(self, status: int, phrase: str, more: str = "") -> None:
        if self.transport.is_closing():
            return
        body = f'{{"error":"{phrase.lower().replace(" ", "_")}","message":"{phrase}."}}'
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\n{more}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        if not (self._answering and self.cycle.response_started):  # else it would be part of it
            self.transport.write((head + body).encode())
        self.transport.close()


class Together:
    """A transport that sends in one piece what is written to it in one turn of the loop.

    Args:
        transport: that sends.
        loop: whose turns they are.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held = bytearray()

    def write(self, data: bytes) -> None:
        """Send it soon."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held += data
        if len(self._held) > HELD:
            self._send()

    def close(self) -> None:
        """Send the rest, and end."""
        self._send()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send(self) -> None:
        if self._held:
            self._transport.write(bytes(self._held))
            self._held.clear()


def limited(limits: Limits) -> type[Connection]:
    """The kind of connection that has these limits."""
    made: dict[str, Any] = {"limits": limits}
    return type("LimitedConnection", (Connection,), made)

"""Bodies of requests: neither too large nor too slow, and a turn for each that has arrived."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from oneclass.serve.settings import MEGABYTE
from oneclass.serve.web.problems import WORDS, ProblemError
from oneclass.serve.work.service import Service

NAME_HEADER = "x-file-name"
SMALL = 1 << 17
"""Bytes of a body that need no file while they wait for their turn."""
BINARY = {"schema": {"type": "string", "format": "binary"}}
RAW = {"requestBody": {"required": True, "content": {"application/octet-stream": BINARY}}}
"""Of an endpoint whose body is one file, for the OpenAPI document."""
NAMED = {
    "parameters": [
        {
            "name": "X-File-Name",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "default": "image"},
            "description": "What the image that is the body is called, URL-encoded: UTF-8, and in "
            "it %20 for a blank.",
        }
    ]
}
"""Of one whose body may be an image with a name."""


class Turn:
    """One request among those of a client that are being worked on.

    Args:
        under_way: of each client.
        client: whose it is.
        most: of them at a time.
    """

    def __init__(self, under_way: Counter[str], client: str, most: int) -> None:
        self._under_way, self._client, self._most = under_way, client, most
        self._taken = False

    def take(self) -> None:
        """Begin to be worked on.

        Raises:
            ProblemError: too many of the client's are.
        """
        if self._taken:
            return
        if self._under_way[self._client] >= self._most:
            raise too_many(self._under_way[self._client])
        self._under_way[self._client] += 1
        self._taken = True

    def end(self) -> None:
        """Make room for the next one."""
        if self._taken:
            self._under_way[self._client] -= 1
            if not self._under_way[self._client]:
                del self._under_way[self._client]


class Body:
    """The body of a request, as long as it is neither too large nor too slow.

    A request takes its turn when all of it is there: slow clients do not use up those of others.
    """

    def __init__(self, receive: Receive, headers: Headers, service: Service, turn: Turn) -> None:
        self._receive, self._limits, self._turn = receive, service.limits, turn
        self._bytes, self._ended = 0, False
        self._began = time.monotonic()
        if not has_body(headers):
            turn.take()

    async def receive(self) -> Message:
        """The next part.

        Raises:
            ProblemError: too much came, or too slowly.
        """
        if self._ended:  # the app listens whether the client is still there
            return await self._receive()
        limits = self._limits
        allowed = limits.body_seconds * (1 + self._bytes / MEGABYTE)
        left = self._began + allowed - time.monotonic()
        try:
            async with asyncio.timeout(max(left, 0.001)):
                message = await self._receive()
        except TimeoutError:
            raise ProblemError(
                408,
                WORDS[408],
                f"the body came too slowly: {self._bytes} bytes in {allowed:.0f} seconds.",
                {"Connection": "close"},
            ) from None
        self._bytes += len(message.get("body", b""))
        if self._bytes > limits.body_bytes:
            raise too_large(limits.body_bytes)
        self._ended = not message.get("more_body", False)
        if self._ended and message["type"] == "http.request":
            self._turn.take()
        return message


@asynccontextmanager
async def received(
    pieces: AsyncIterator[bytes], service: Service, most: int
) -> AsyncIterator[Path]:
    """A body as a file; gone afterwards unless it was moved.

    Raises:
        ProblemError: it has more than `most` bytes.
        StorageError: the disk is full.
    """
    with service.keeping.arriving() as file:
        left = most
        async for piece in pieces:
            left -= len(piece)
            if left < 0:
                raise too_large(most)
            file.write(piece)
        file.close()
        yield Path(str(file.name))


async def small(pieces: AsyncIterator[bytes], most: int) -> tuple[bytes, bool]:
    """The beginning of a body, or all of it where it is small; and whether that was all.

    Raises:
        ProblemError: it has more than `most` bytes.
    """
    found = b""
    async for piece in pieces:
        found += piece
        if len(found) > most:
            raise too_large(most)
        if len(found) > SMALL:
            return found, False
    return found, True


async def after(beginning: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A body whose beginning was read before."""
    yield beginning
    async for piece in pieces:
        yield piece


def name_of(headers: Headers) -> str:
    """What the client calls the image that is the body."""
    given = unquote_to_bytes(headers.get(NAME_HEADER, "image").encode("latin-1"))
    try:
        return given.decode("utf-8")[:500]
    except UnicodeDecodeError:  # as some programs send what is no ASCII
        return given.decode("latin-1")[:500]


def has_body(headers: Headers) -> bool:
    """Whether there is more to come than the headers."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def too_many(under_way: int) -> ProblemError:
    """A client asks for more at a time than it may."""
    return ProblemError(
        429,
        WORDS[429],
        f"{under_way} of your requests are under way; wait for some.",
        {"Retry-After": "1"},
    )


def too_large(most: int) -> ProblemError:
    """A body has more bytes than may be."""
    return ProblemError(
        413,
        WORDS[413],
        f"the body has more than {most / 1e6:g} MB; send less at a time.",
        {"Connection": "close"},
    )


def check_length(headers: Headers, most: int) -> None:
    """Refuse what says itself that it is too long."""
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:18]) > most:
        raise too_large(most)

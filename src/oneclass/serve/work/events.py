"""What happens, told to everybody who listens: threads tell, pages listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

WAITING = 200
"""Events that one slow listener may be behind; then it misses some, and asks for what it shows."""
SILENCE = 15.0


class Events:
    """The listeners of one server."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False

    def open(self) -> None:
        """Begin, in the event loop of the server."""
        self._loop = asyncio.get_running_loop()

    def tell(self, kind: str, **facts: Any) -> None:
        """Tell everybody; from any thread."""
        if self._loop is not None and self._listeners:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._tell, {"kind": kind, **facts})

    def end(self) -> None:
        """Let all listeners go; in the event loop's thread."""
        self._over = True
        for queue in self._listeners:
            with suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    async def listen(self) -> AsyncIterator[dict[str, Any] | None]:
        """Events as they come; None when there was none for a while."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(WAITING)
        self._listeners.add(queue)
        try:
            while not self._over:
                try:
                    event = await asyncio.wait_for(queue.get(), SILENCE)
                except TimeoutError:
                    yield None
                    continue
                if event is None:
                    return
                yield event
        finally:
            self._listeners.discard(queue)

    def _tell(self, event: dict[str, Any]) -> None:
        for queue in self._listeners:
            with suppress(asyncio.QueueFull):
                queue.put_nowait(event)

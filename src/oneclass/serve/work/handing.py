"""Answers on their way from the threads that make them to the event loop that waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class Handing:
    """Hands over several answers at a time: each call of the loop wakes it, which costs."""

    def __init__(self) -> None:
        self._ready: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Begin, in the event loop of the server."""
        self._loop = asyncio.get_running_loop()

    async def results(self, answers: Sequence[Future[T]]) -> list[T]:
        """Wait for all of them; in the event loop.

        Raises:
            BaseException: what the first that failed was given.
        """
        loop = asyncio.get_running_loop()
        waiting = [loop.create_future() for _ in answers]
        for answer, future in zip(answers, waiting, strict=True):
            answer.add_done_callback(partial(self._add, future))
        self._settle()  # those that were there already
        return [await future for future in waiting]

    def flush(self) -> None:
        """Hand over what is ready; whoever has given answers calls it, from any thread."""
        if self._ready and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._settle)

    def _add(self, waiting: asyncio.Future[Any], answer: Future[Any]) -> None:
        self._ready.append((waiting, answer))

    def _settle(self) -> None:
        while self._ready:
            waiting, answer = self._ready.popleft()
            if waiting.done():  # its client has gone
                continue
            error = answer.exception()
            if error is None:
                waiting.set_result(answer.result())
            else:
                waiting.set_exception(error)

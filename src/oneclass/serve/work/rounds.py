"""Work that is done again and again beside everything else."""

from __future__ import annotations

import sqlite3
import threading
import traceback
from collections.abc import Callable

from oneclass.errors import OneclassError


class Rounds:
    """A thread that does something, waits, and does it again, until it is told to stop.

    A round that fails, as where the disk is full, ends none of those after it.

    Args:
        name: of the thread.
        every: seconds between the end of a round and the next one.
        work: one round; it may ask `stopping` to end early.
        say: called with why a round failed; once, until one fails in another way or none does.
    """

    def __init__(
        self, name: str, every: float, work: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self._every, self._work, self._say = every, work, say
        self._name, self._said = name, ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether this round should be the last."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin, with a pause."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End after this round, if it ends in time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._work()
            except (OneclassError, OSError, sqlite3.Error) as error:
                self._failed(f"{self._name} waits: {error}")
            except Exception:
                self._failed(f"{self._name}: a bug of oneclass: {traceback.format_exc()}")
            else:
                self._said = ""

    def _failed(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._say(why)

"""Work that is done again and again beside everything else."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Rounds:
    """A thread that does something, waits, and does it again, until it is told to stop.

    Args:
        name: of the thread.
        every: seconds between the end of a round and the next one.
        work: one round; it may ask `stopping` to end early.
    """

    def __init__(self, name: str, every: float, work: Callable[[], None]) -> None:
        self._every, self._work = every, work
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
            self._work()

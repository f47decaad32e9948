"""Where the time goes: seconds by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Stages:
    """Seconds by stage, in the order in which the stages first ended; threads may share it.

    Attributes:
        seconds: for each stage; where several threads are in it, the sum of theirs.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = Lock()

    def __getstate__(self) -> dict[str, float]:
        return dict(self.seconds)

    def __setstate__(self, seconds: dict[str, float]) -> None:
        self.seconds, self._lock = seconds, Lock()

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Add a time that was measured elsewhere."""
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def silent(stage: str) -> None:
    """For those who do not want to hear what a fit is doing."""


def part_of(doing: str, number: int, parts: int) -> str:
    """`learning from patches, part 3 of 10`; where there is one part, what is done alone."""
    return f"{doing}, part {number} of {parts}" if parts > 1 else doing

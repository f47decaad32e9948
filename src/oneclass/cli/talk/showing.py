"""What a long command is doing right now: a bar in a terminal, elsewhere a line now and then."""

from __future__ import annotations

import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import Any

BEAT = 0.5
"""Seconds between two looks at the clock."""
FIRST_LINE, MOST_BETWEEN = 10.0, 60.0
"""Seconds; each silence is as long as all before it, at most `MOST_BETWEEN`."""
FINISHING = "finishing"
STEP = re.compile(r"(.+) (\d+) of (\d+)")
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class Shown(ABC):
    """How far a command is: so many of so many, or a stage that has no count; and for how long.

    Call it with (done, in all) and, if there is something to add, a note; `stage` names what is
    done without a count, or counted next. All of them done is not the end: what is left is shown
    as finishing.

    Args:
        what: is done.
        unit: of what is counted; bytes, the unit "B", are shown in thousands and millions.
    """

    def __init__(self, what: str, unit: str) -> None:
        self.what, self.unit = what, unit
        self.doing: str | None = "beginning"
        self.label = ""
        self.done, self.total, self.note = 0, 0, ""
        self.began = self.since = time.monotonic()
        self._steps = Steps()
        self.lock, self._over = Lock(), Event()
        self._thread = Thread(target=self._beat, name="progress", daemon=True)

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """So many are done of so many; of 0 where nobody knows."""
        with self.lock:
            if self.doing is not None:
                self.doing, self.since = None, time.monotonic()
            self.done, self.total, self.note = done, total, note
            if 0 < total <= done:
                self.doing, self.since = FINISHING, time.monotonic()
            self.moved()

    def stage(self, name: str) -> None:
        """What is done from now on cannot be counted."""
        with self.lock:
            self.doing, self.since = name, time.monotonic()
            self.label = f"{name}, "
            self._steps.begin(name, self.since)
            self.moved()

    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While somebody is asked something, show nothing, and let no time pass."""
        with self.lock:
            self.end()
            since = time.monotonic()
            try:
                yield
            finally:
                self.began += time.monotonic() - since

    def clear(self) -> None:
        """Make room for a line that is printed meanwhile."""
        with self.lock:
            self.end()

    def __enter__(self) -> Shown:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        with self.lock:
            self.end()

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with self.lock, suppress(OSError, ValueError):  # nobody reads it any more
                self.beat()

    @abstractmethod
    def moved(self) -> None:
        """There is something new to show; called often."""

    @abstractmethod
    def beat(self) -> None:
        """A moment has passed."""

    @abstractmethod
    def end(self) -> None:
        """Take away what is shown: something else comes now, or nothing more."""


class Steps:
    """From stages such as `learning, part 3 of 10`: how long those that are left will take."""

    def __init__(self) -> None:
        self._of, self._first, self._began = "", 0, 0.0
        self._end: float | None = None

    def begin(self, name: str, now: float) -> None:
        """A stage begins at a time; what has no number has no end."""
        self._end = None
        step = STEP.fullmatch(name)
        if step is None:
            self._of = ""
            return
        number, total = int(step[2]), int(step[3])
        if step[1] != self._of:
            self._of, self._first, self._began = step[1], number, now
        elif number > self._first:
            each = (now - self._began) / (number - self._first)
            self._end = now + each * (total - number + 1)

    def left(self) -> str:
        """`, about 12 s left`, or nothing where nobody knows yet."""
        if self._end is None or (seconds := self._end - time.monotonic()) < 1:
            return ""
        return f", about {duration(seconds)} left"


class Lines(Shown):
    """A line now and then, for pipes and logs: how far it is, and how long that has taken."""

    def __init__(self, what: str, unit: str) -> None:
        super().__init__(what, unit)
        self._due = FIRST_LINE

    def moved(self) -> None:
        return

    def beat(self) -> None:
        age = time.monotonic() - self.began
        if age < self._due:
            return
        self._due = age + min(age, MOST_BETWEEN)
        print(self.line(age), file=sys.stderr, flush=True)

    def line(self, age: float) -> str:
        """What would be printed after so many seconds."""
        if self.doing is not None:
            own = time.monotonic() - self.since
            since = f", {duration(own)}" if own >= 1 else ""
            left = self._steps.left()
            return f"{self.what}: {self.doing}{since}{left} ({duration(age)} in all)"
        counted = amount(self.done, self.unit)
        if self.total:
            counted += f" of {amount(self.total, self.unit)}"
        word = "" if self.unit == "B" else f" {self.unit}s"
        note = f", {self.note}" if self.note else ""
        return f"{self.what}: {self.label}{counted}{word}{note} ({duration(age)})"

    def end(self) -> None:
        return


class Bar(Shown):
    """A bar with rate and time left, and a line with a clock for what cannot be counted."""

    def __init__(self, what: str, unit: str) -> None:
        super().__init__(what, unit)
        self._bar: Any = None
        self._width = 0

    def moved(self) -> None:
        if self.doing is not None:
            self._close()
            self._write(self._text())
            return
        if self._bar is None:
            from tqdm import tqdm

            self._write("")
            self._bar = tqdm(
                desc=f"{self.what}: {self.label}".rstrip(", :"),
                total=self.total or None,
                unit=self.unit,
                unit_scale=self.unit == "B",
                file=sys.stderr,
                leave=False,
                dynamic_ncols=True,
            )
        self._bar.total = self.total or None
        self._bar.set_postfix_str(self.note, refresh=False)
        self._bar.update(self.done - self._bar.n)

    def beat(self) -> None:
        if self.doing is not None:
            self._write(self._text())

    def end(self) -> None:
        self._close()
        self._write("")

    def _text(self) -> str:
        age = duration(time.monotonic() - self.since)
        return f"{self.what}: {self.doing}, {age}{self._steps.left()}"

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _write(self, text: str) -> None:
        """Put a text in the place of the one before."""
        if text or self._width:
            with suppress(OSError, ValueError):
                sys.stderr.write("\r" + text.ljust(self._width) + ("" if text else "\r"))
                sys.stderr.flush()
        self._width = len(text)


class Nothing(Shown):
    """For those who want no progress."""

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def moved(self) -> None:
        return

    def beat(self) -> None:
        return

    def end(self) -> None:
        return


def duration(seconds: float) -> str:
    """`12 s`, `2 min 31 s`, `1 h 2 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def amount(n: int, unit: str) -> str:
    """`1,200`, or of bytes `1.2 kB`."""
    if unit == "B":
        for least, prefix in PREFIXES:
            if n >= least:
                return f"{n / least:.1f} {prefix}B"
        return f"{n} B"
    return f"{n:,}"

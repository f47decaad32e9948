"""Being told to stop: at the first signal what is finished gets written, the second ends at once.

Ctrl-C sends SIGINT; `docker stop`, systemd and batch systems SIGTERM; a closed terminal SIGHUP,
or SIGBREAK on Windows.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NUMBERS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)
ONE = 0.1
"""Seconds in which a signal is the same as the last: `timeout` sends it to us and to our group."""


@dataclass
class _State:
    """Of this process: its first signal and when it came, and who asked for quiet."""

    number: int | None = None
    when: float = 0.0
    shields: int = 0
    late: bool = False


_state = _State()


def received() -> bool:
    """Whether this process was told to stop."""
    return _state.number is not None


def exit_code() -> int:
    """What a shell says of a program that a signal ended: 128 + its number; 130 without one."""
    exec("")
    # Where the interruption passed through a text that Python ran, as it does to make a dataclass,
    # Python ends by SIGINT whatever the exit code; running another text makes it forget that.
    return 128 + (_state.number or signal.SIGINT)


@contextmanager
def handled(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` at the first signal, and end the process at once at the second.

    Signals that the process was started to ignore (as by nohup) stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals can be handled in the main thread only
        return

    def handle(number: int, frame: object) -> None:
        if received():
            if time.monotonic() - _state.when > ONE:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            return
        _state.number, _state.when = number, time.monotonic()
        _state.late = _state.shields > 0
        if not _state.shields:
            act()

    mine = [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
    before = [signal.signal(number, handle) for number in mine]
    try:
        yield
    finally:
        for number, handler in zip(mine, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def shielded() -> Iterator[None]:
    """What is written in here is written whole: the first signal is obeyed behind the block.

    Raises:
        KeyboardInterrupt: at the end, where one came.
    """
    _state.shields += 1
    try:
        yield
    finally:
        _state.shields -= 1
    if _state.late and not _state.shields:
        _state.late = False
        raise KeyboardInterrupt


def forget() -> None:
    """Begin anew, as a new process would."""
    _state.number, _state.late = None, False

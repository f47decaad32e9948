"""What a runtime raises, in our own errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from oneclass.errors import OneclassError

MOST_LINES, MOST_LETTERS = 4, 500
"""Of a runtime's message: the dimension that is wrong comes in its second line."""


@contextmanager
def refused_as(error_of: Callable[[str], OneclassError]) -> Iterator[None]:
    """Let our own errors pass, and make one of whatever else is raised inside.

    Args:
        error_of: what the runtime says, in one line, to the error.
    """
    try:
        yield
    except OneclassError:
        raise
    except Exception as error:  # a runtime's errors share no base class of their own
        raise error_of(first_line(error)) from error


def first_line(error: Exception) -> str:
    """What a runtime says, in one line and without the pages behind it."""
    lines = (line.strip() for line in str(error).strip().splitlines()[:MOST_LINES])
    return "; ".join(line for line in lines if line)[:MOST_LETTERS]

"""Settings, checked when they are given: a wrong one is refused before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from oneclass.errors import InputError

T = TypeVar("T")


def whole_number(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`, Python's or numpy's.

    Raises:
        InputError: it is none; the message names it.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise InputError(f"{name} is {value!r}: expected a whole number of at least {least}.")
    return int(value)


def share(name: str, value: Any, *, one_too: bool) -> float:
    """A number above 0 and below 1, or also 1 itself.

    Raises:
        InputError: it is none; the message names it.
    """
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 < value <= 1 or (value == 1 and not one_too):
        most = "at most 1" if one_too else "below 1"
        raise InputError(f"{name} is {value!r}: expected a number above 0 and {most}, such as 0.1.")
    return float(value)


def image_size(value: Any) -> tuple[int, int]:
    """(height, width), both at least 1 pixel.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise InputError(f"size is {value!r}: expected (height, width), such as (64, 64).")
    height, width = (whole_number("size", side, 1) for side in value)
    return height, width


def or_auto(value: Any, check: Callable[[Any], T]) -> T | str:
    """The value as `check` returns it, or "auto", which leaves the choice to the fit.

    Raises:
        InputError: what `check` refuses.
    """
    return value if isinstance(value, str) and value == "auto" else check(value)

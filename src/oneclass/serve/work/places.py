"""Files on the server that a client names: only within folders that were given at the start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from oneclass.errors import ImageError, InputError
from oneclass.system.host import portable


def folder_within(path: str, roots: tuple[Path, ...]) -> Path:
    """A folder that a client names, links resolved.

    Raises:
        InputError: it is no folder, or not within one of `roots`.
    """
    allowed = there = False
    try:
        place = Path(path).resolve()
        allowed, there = _within(place, roots), place.is_dir()
    except (OSError, ValueError):  # a zero byte, a name too long
        pass
    if allowed and not there:
        raise InputError(
            f"{path[:200]!r} is not there, or is no folder: check the spelling, or make it first."
        )
    if not allowed:
        known = ", ".join(map(str, roots)) or "none"
        raise InputError(
            f"{path[:200]!r} is no folder that this server may read (it may read: {known}). Start "
            "it with --folder for another one."
        )
    return place


@contextmanager
def open_within(path: Path, roots: tuple[Path, ...]) -> Iterator[BinaryIO]:
    """Open a regular file that lies within one of `roots`, wherever links may lead meanwhile.

    Raises:
        FileNotFoundError: it is not there.
        ImageError: it lies elsewhere, or is no regular file.
    """
    refused = ImageError(path, "missing", "there is no such file in the folders of this server")
    try:
        place = path.resolve()
        if not _within(place, roots):
            raise refused
        handle = portable.open_at_once(place)
    except ValueError:
        raise refused from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ImageError(path, "unreadable", f"it cannot be read ({error.strerror})") from None
    try:
        really = portable.place_of(handle, place)
        if not _within(really, roots) or not S_ISREG(os.fstat(handle).st_mode):
            raise refused
        with open(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def _within(place: Path, roots: tuple[Path, ...]) -> bool:
    return any(place.is_relative_to(root.resolve()) for root in roots)

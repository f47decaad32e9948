"""Files on the server that a client names: only within folders that were given at the start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from oneclass.errors import ImageError, InputError
from oneclass.system.host import portable
from oneclass.system.names import plural

NOWHERE = (OSError, ValueError, RuntimeError)
"""What a path may give that leads nowhere: a name too long, a zero byte, links that go round."""


def is_within(place: Path, roots: tuple[Path, ...]) -> bool:
    """Whether a place lies in one of the folders that may be read, or is one."""
    return any(place.is_relative_to(root.resolve()) for root in roots)


def folder_within(path: str, roots: tuple[Path, ...]) -> Path:
    """A folder that a client names, links resolved.

    Args:
        path: a whole one, one as seen from one of `roots`, or from where the server was started.
        roots: the folders that may be read.

    Raises:
        InputError: it is no folder, not within one of `roots`, or in more than one of them.
    """
    beneath: list[Path] = []
    allowed: list[Path] = []
    there: list[Path] = []
    with suppress(*NOWHERE):
        beneath = list(dict.fromkeys((root / path).resolve() for root in roots))
        allowed = [one for one in (*beneath, Path(path).resolve()) if is_within(one, roots)]
        there = [one for one in allowed if one.is_dir()]
    known = ", ".join(map(str, roots)) or "none"
    if len([one for one in beneath if one in there]) > 1:
        raise InputError(
            f"{path[:200]!r} is in more than one of the folders that this server may read "
            f"({known}). Give its whole path."
        )
    if there:
        return there[0]
    if allowed:
        raise InputError(
            f"{path[:200]!r} is not there, or is no folder: check the spelling, or make it first."
        )
    more = f", and what is in {plural(len(roots), 'it', 'them')}" if roots else ""
    raise InputError(
        f"{path[:200]!r} is no folder that this server may read (it may read: {known}{more}). "
        "Start it with --folder for another one."
    )


def file_within(path: str, roots: tuple[Path, ...]) -> Path:
    """Where a file lies that a client names, if it is there.

    Args:
        path: a whole one, one as seen from one of `roots`, or from where the server was started.
        roots: the folders that may be read.

    Raises:
        ImageError: it is in more than one of them.
    """
    there: list[Path] = []
    if not Path(path).is_absolute():
        with suppress(*NOWHERE):
            there = [root / path for root in roots if (root / path).is_file()]
    if len({place.resolve() for place in there}) > 1:
        detail = "it is in more than one of the folders of this server; give its whole path"
        raise ImageError(path, "missing", detail)
    return there[0] if there else Path(path)


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
        if not is_within(place, roots):
            raise refused
        handle = portable.open_at_once(place)
    except (ValueError, RuntimeError):
        raise refused from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ImageError(path, "unreadable", f"it cannot be read ({error.strerror})") from None
    try:
        really = portable.place_of(handle, place)
        if not is_within(really, roots) or not S_ISREG(os.fstat(handle).st_mode):
            raise refused
        with open(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)

"""Files on the server that a client names, and those below a folder: only within folders that were
given at the start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, NamedTuple

from oneclass.errors import ImageError, InputError
from oneclass.images import SUFFIXES
from oneclass.images.inside import hidden
from oneclass.system.host import portable
from oneclass.system.names import plural, spelt_out

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
        if spelt_out(str(there[0])) != str(there[0]):
            raise InputError(
                f"{there[0]} has a name of bytes that are no UTF-8. Give the folder around it, "
                "whose pictures are scored whatever they are called, or rename it."
            )
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


class State(NamedTuple):
    """A file as it was seen: size, and nanoseconds of its last change."""

    bytes: int
    changed: int


@dataclass(frozen=True)
class Found:
    """An image, or a link that leads out of the folders that may be read.

    Attributes:
        path: by which it is opened.
        state: of the image, or of that link itself.
        outside: whether it is such a link.
    """

    path: str
    state: State
    outside: bool = False

    @property
    def name(self) -> str:
        """The path as records, tables and pages have it, where names may be of any bytes."""
        return spelt_out(self.path)


class Walk:
    """One walk through a watched folder.

    Links are followed to what may be read and lies elsewhere: what lies in the watched folder is
    met under its own name. Each folder is entered once, so circles end.

    Args:
        folder: that is watched.
        roots: the folders that may be read.
        data: the folder of all that the server keeps; left out, or it would score its own copies.
    """

    def __init__(self, folder: Path, roots: tuple[Path, ...], data: Path) -> None:
        self._folder, self._roots, self._data = folder, roots, data
        self._real = folder.resolve()
        self._entered: set[str] = set()

    def images(self) -> Iterator[Found]:
        """The images; hidden ones, and what has no image's name, left out.

        Raises:
            OSError: a folder cannot be read.
        """
        waiting = [(str(self._folder), str(self._real))]
        while waiting:
            path, real = waiting.pop()
            if real in self._entered or real == str(self._data):
                continue
            self._entered.add(real)
            folders: list[tuple[str, str]] = []
            links: list[str] = []
            with os.scandir(path) as entries:
                for entry in entries:
                    if hidden(entry.name):
                        continue
                    if entry.is_symlink():
                        links.append(entry.path)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append((entry.path, str(Path(real, entry.name))))
                    elif _is_image(entry.name):
                        try:
                            facts = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        yield Found(entry.path, _state(facts))
            for link in links:
                try:
                    target, facts = Path(link).resolve(), Path(link).stat()
                except NOWHERE:
                    continue  # until there is something
                yield from self._led_to(link, target, facts, folders)
            # In an order, so that of two links to one folder the same is followed each time.
            waiting.extend(sorted(folders, reverse=True))

    def _led_to(
        self, link: str, target: Path, facts: os.stat_result, folders: list[tuple[str, str]]
    ) -> Iterator[Found]:
        """The image that a link leads to; a folder is added to those that are still to be seen."""
        is_folder = S_ISDIR(facts.st_mode)
        if target.is_relative_to(self._data) or not (is_folder or _is_image(link)):
            return
        if not is_within(target, self._roots):
            yield Found(link, _state(Path(link).lstat()), outside=True)
        elif self._meets(target, is_folder=is_folder):
            return
        elif is_folder:
            folders.append((link, str(target)))
        else:
            yield Found(link, _state(facts))

    def _meets(self, target: Path, *, is_folder: bool) -> bool:
        """Whether this walk comes to a place without a link."""
        if not target.is_relative_to(self._real):
            return False
        own = target.relative_to(self._real).parts
        return not any(map(hidden, own)) and (is_folder or _is_image(target.name))


def _is_image(path: str) -> bool:
    return Path(path).suffix.lower() in SUFFIXES


def _state(facts: os.stat_result) -> State:
    return State(facts.st_size, facts.st_mtime_ns)

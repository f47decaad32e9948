"""Sets of good images on their way to a model: a folder each."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from oneclass.errors import ImageError, InputError
from oneclass.serve.work.jobs import arrivals
from oneclass.serve.work.keeping import Keeping
from oneclass.system.files import translated_errors
from oneclass.system.names import count, told_apart

FORGOTTEN = 7 * 86_400.0
"""Seconds after which a set that nobody learnt from is removed."""
FIRST = 3
"""Images by which a set is known again."""
LEAST = 2
"""Images that can be learnt from."""
_ID = re.compile(r"[0-9a-f]{16}")


class NoSetError(InputError):
    """A set is not there, such as one that another window has removed."""


@dataclass(frozen=True)
class Waiting:
    """A set that can be learnt from.

    Attributes:
        id: of the set.
        images: that it holds.
        first: the names of the first files among them.
        at: when the last one came, in seconds since 1970.
        until: when it is removed, unless more come.
    """

    id: str
    images: int
    first: list[str]
    at: float
    until: float


class Sets:
    """Makes, fills and removes them.

    Args:
        folder: for the sets.
        keeping: says what is an image.
        most: images in one set.
    """

    def __init__(self, folder: Path, keeping: Keeping, most: int = 100_000) -> None:
        self._folder, self._keeping, self._most = folder, keeping, most
        with translated_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def make(self) -> str:
        """A new, empty set; its id."""
        number = secrets.token_hex(8)
        with translated_errors(self._folder):
            (self._folder / number).mkdir()
        return number

    def folder(self, number: str) -> Path:
        """Where a set lies.

        Raises:
            NoSetError: there is none of this id.
        """
        place = self._folder / number
        if not _ID.fullmatch(number) or not place.is_dir():
            raise NoSetError(
                f"there is no set {number[:40]!r}: it was removed, or learnt from, or there never "
                "was one. Choose its images again, or make another set first."
            )
        return place

    def add(self, number: str, name: str, file: Path) -> tuple[int, str]:
        """Move a file that has arrived into a set; how many the set then has, and its name there.

        Raises:
            ImageError: it is no image, or too large to be decoded here.
            NoSetError: no such set.
            InputError: it is full.
        """
        folder = self.folder(number)
        n = self.count(number)
        if n >= self._most:
            raise InputError(
                f"the set is full: it holds {count(n, 'image')}, and no set may hold more. Learn "
                "from these."
            )
        try:
            self._keeping.check_image(file, name)
        except ImageError:
            arrivals.arrived(
                _notes(folder), "", name
            )  # whoever sent it is told that it is left out
            raise
        stem = re.sub(r"[^\w.\-]", "_", PurePosixPath(name.replace("\\", "/")).name)[-80:]
        suffix = PurePosixPath(stem).suffix or ".png"
        stored = f"{n:06}-{secrets.token_hex(3)}-{PurePosixPath(stem).stem}{suffix}"
        with translated_errors(folder):
            sha256 = _sha256(file)
            self.folder(number)  # removed in another window meanwhile?
            file.replace(folder / stored)
        arrivals.arrived(_notes(folder), stored, name, sha256)
        return n + 1, stored

    def expect(self, number: str, names: list[str], *, ended: bool = False) -> None:
        """Note which images are sent from now on, by their names; none where all were sent.

        Args:
            number: the id of the set.
            names: of the images.
            ended: whether they were sent already, and there was no room for them.

        Raises:
            NoSetError: there is none of this id.
        """
        arrivals.expect(_notes(self.folder(number)), names, ended=ended)

    def known(self, number: str, files: list[tuple[str, int]]) -> list[int]:
        """Which of some files, (name, bytes), a set has already, by their places in the list.

        Raises:
            NoSetError: there is none of this id.
        """
        folder = self.folder(number)
        there = {file.name: file.stat().st_size for file in folder.iterdir()}
        sent = arrivals.names(_notes(folder)).items()
        has = {(name, there[stored]) for stored, name in sent if stored in there}
        return [i for i, one in enumerate(files) if one in has]

    def arrivals(self, number: str) -> arrivals.Arrivals:
        """What of a set did not arrive, and what has names that speak of defects.

        Raises:
            NoSetError: there is none of this id.
        """
        return arrived(self.folder(number))

    def same_as(self, number: str, others: Iterable[Waiting]) -> Waiting | None:
        """Which of other sets holds the very same pictures, whatever they are called there.

        Only one whose last image came earlier: of two that are sent at once the first one stays.

        Raises:
            NoSetError: there is none of this id.
        """
        folder = self.folder(number)
        n, at = self.count(number), folder.stat().st_mtime
        held: Counter[str] | None = None
        for other in others:
            if other.images != n or (other.at, other.id) >= (at, number):
                continue
            held = held or _pictures(folder)
            with suppress(FileNotFoundError, InputError):  # removed since a moment ago
                if _pictures(self.folder(other.id)) == held:
                    return other
        return None

    def take_out(self, number: str, name: str) -> int:
        """Remove one file of a set; how many it then has.

        Raises:
            InputError: no such set, or no such file in it.
        """
        file = self.file(number, name)
        with translated_errors(file.parent):
            file.unlink(missing_ok=True)
        return self.count(number)

    def file(self, number: str, name: str) -> Path:
        """Where an image of a set lies; only what the set's folder lists can be asked for.

        Raises:
            InputError: no such set, or no such file in it.
        """
        file = next((one for one in self.folder(number).iterdir() if one.name == name), None)
        if file is None:
            raise InputError(
                f"there is no image {name[:200]!r} in this set: the answer to a check names those "
                "that there are."
            )
        return file

    def count(self, number: str) -> int:
        """How many images a set has."""
        return sum(1 for _ in self.folder(number).iterdir())

    def check_some(self, number: str) -> None:
        """Raise InputError unless a set holds what can be learnt from."""
        if (n := self.count(number)) < LEAST:
            raise InputError(
                f"the set holds {count(n, 'image')}: at least {LEAST} good ones are needed, and "
                "100 or more are advisable. Add some."
            )

    def remove(self, number: str) -> None:
        """Remove a set and its images.

        Raises:
            NoSetError: there is none of this id.
        """
        remove(self.folder(number))

    def waiting(self, in_use: set[str]) -> list[Waiting]:
        """Sets with images that no job uses, the newest first."""
        found = []
        for place in self._folder.iterdir():
            with suppress(FileNotFoundError):  # removed since a moment ago
                if place.name in in_use or not place.is_dir():
                    continue
                names = sorted(file.name for file in place.iterdir())
                if not names:
                    continue
                at = place.stat().st_mtime
                found.append(Waiting(place.name, len(names), names[:FIRST], at, at + FORGOTTEN))
        return sorted(found, key=lambda one: -one.at)

    def tidy(self, in_use: set[str]) -> None:
        """Remove sets that nobody came back to."""
        for place in self._folder.iterdir():
            if not place.is_dir() or place.name in in_use:
                continue
            if time.time() - place.stat().st_mtime > FORGOTTEN:
                remove(place)


def arrived(folder: Path) -> arrivals.Arrivals:
    """What of a set did not arrive, and what of its files has names that speak of defects."""
    return arrivals.noted(_notes(folder), {file.name for file in folder.iterdir()})


def sent_as(folder: Path) -> dict[str, str]:
    """By what its files are called, the names that a set's images were sent under: each the last
    part of it, with folders where others have the same.
    """
    names = arrivals.names(_notes(folder))
    told = told_apart([name.replace("\\", "/") for name in names.values()])
    return dict(zip(names, told, strict=True))


def _pictures(folder: Path) -> Counter[str]:
    """How often a set holds which picture, by SHA-256; sets of before have none noted."""
    noted = arrivals.digests(_notes(folder))
    return Counter(noted.get(file.name) or _sha256(file) for file in folder.iterdir())


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def remove(folder: Path) -> None:
    """Remove the folder of a set, and what is noted of it."""
    with translated_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        _notes(folder).unlink(missing_ok=True)


def _notes(folder: Path) -> Path:
    return folder.with_name(folder.name + arrivals.SUFFIX)

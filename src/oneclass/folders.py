"""What the user names -> image files: folders, globs, lists and standard input.

Nothing is opened here but lists, and neither numpy nor Pillow is loaded.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

from oneclass.errors import ImageError

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".gif"}
    | {".pgm", ".ppm", ".pbm", ".pnm", ".apng"}
)
"""Suffixes (lower case) that a walk through a folder takes for images."""

_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_MAGIC = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Listing:
    """The files behind a list of inputs.

    Attributes:
        paths: each file once, in the order of the inputs; inside a folder in natural order.
        ignored: suffix -> number of files that folders and globs passed over (``""``: no suffix).
        errors: one per input that leads nowhere, with reason ``missing`` or ``unreadable``.
    """

    paths: tuple[Path, ...]
    ignored: Mapping[str, int]
    errors: tuple[ImageError, ...]


def expand(inputs: str | Path | Iterable[str | Path], *, stdin: IO[bytes] | None = None) -> Listing:
    """Turn files, folders, globs, lists (``.txt``) and ``-`` into a list of files.

    Args:
        inputs: one or several, in the order wanted. What exists is taken as it is before it is
            read as a pattern, so a file named ``a[1].png`` is that file.
        stdin: bytes to read for ``-``; the process's own standard input if None.

    Raises nothing: an input that leads nowhere is in ``Listing.errors``.
    """
    walk = _Walk()
    for given in [inputs] if isinstance(inputs, str | Path) else inputs:
        if given == "-":
            source = stdin or (None if sys.stdin is None else sys.stdin.buffer)
            if source is None:
                walk.refuse("-", "unreadable", "standard input is closed")
            else:
                walk.lines(source.read(), Path(), comments=False)
        else:
            walk.take(given)
    return Listing(tuple(walk.paths), MappingProxyType(dict(walk.ignored)), tuple(walk.errors))


def plain(text: str) -> str:
    """A name as a terminal may show it: line ends, escapes and stray bytes are spelt out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class _Walk:
    """The files found so far."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.ignored: Counter[str] = Counter()
        self.errors: list[ImageError] = []
        self._seen: set[str] = set()
        self._lists: set[str] = set()

    def take(self, given: str | Path) -> None:
        """One input: what exists as it stands, else a pattern."""
        path = Path(given)
        try:
            if path.is_dir():
                self._folder(path)
            elif path.suffix.lower() == ".txt" and path.is_file():
                self._list(path)
            elif os.path.lexists(path):
                self._add(path)
            elif _MAGIC.search(str(given)):
                self._glob(str(given))
            else:
                self.refuse(given, "missing", "there is no such file or folder; check the path")
        except (OSError, ValueError) as problem:
            self.refuse(given, "unreadable", f"it cannot be looked at ({problem})")

    def lines(self, data: bytes, base: Path, *, comments: bool) -> None:
        """Paths one a line, or separated by NUL; relative ones start at ``base``."""
        nul = b"\0" in data
        for line in data.split(b"\0" if nul else b"\n"):
            entry = line if nul else line.rstrip(b"\r")
            if entry.strip() and not (comments and entry.lstrip().startswith(b"#")):
                self.take(base / os.fsdecode(entry))

    def refuse(self, given: str | Path, reason: str, detail: str) -> None:
        self.errors.append(ImageError(given, reason, detail))

    def _add(self, path: Path) -> None:
        key = os.path.realpath(path)
        if key not in self._seen:
            self._seen.add(key)
            self.paths.append(path)

    def _list(self, path: Path) -> None:
        key = os.path.realpath(path)
        if key in self._lists:  # a list may name itself
            return
        self._lists.add(key)
        data = path.read_bytes()
        self.lines(data.removeprefix(b"\xef\xbb\xbf"), path.parent, comments=True)

    def _folder(self, folder: Path) -> None:
        for path in self._files(folder):
            self._add_known(path)

    def _add_known(self, path: Path) -> None:
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            self._add(path)
        else:
            self.ignored[suffix] += 1

    def _glob(self, pattern: str) -> None:
        start, stars, rest = pattern.partition("**")
        # The standard library follows links in circles under **, so that part is walked here.
        root = (start or ".") if stars else pattern
        hits = glob.glob(root, recursive=False)  # noqa: PTH207 -- patterns may be absolute
        count = 0
        for hit in sorted(map(Path, hits), key=natural_key):
            for path in self._files(hit) if hit.is_dir() else [hit]:
                inner = path.relative_to(hit).parts
                if not stars or _matches(inner, ("**", *Path(rest.lstrip("/")).parts)):
                    count += 1
                    self._add_known(path)
        if not count:
            self.refuse(pattern, "missing", "no file or folder matches this pattern")

    def _files(self, root: Path) -> Iterator[Path]:
        """Files of a folder in natural order, then those of its folders; each folder once."""
        seen: set[str] = set()
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            here = os.path.realpath(folder)
            if here in seen:  # links may run in circles
                continue
            seen.add(here)
            try:
                with os.scandir(folder) as entries:
                    found = [(_is_dir(e), e.name) for e in entries if not _hidden(e.name)]
            except OSError as problem:
                self.refuse(folder, "unreadable", f"the folder cannot be opened ({problem})")
                continue
            found.sort(key=lambda entry: natural_key(entry[1]))
            yield from (folder / name for is_dir, name in found if not is_dir)
            waiting.extend(folder / name for is_dir, name in reversed(found) if is_dir)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path, or a folder that it lies in, matches a pattern with ``**``."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return (
        bool(parts)
        and fnmatch.fnmatchcase(parts[0], pattern[0])
        and _matches(parts[1:], pattern[1:])
    )


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _JUNK


def natural_key(name: str | Path) -> tuple[tuple[str | int, ...], str]:
    """Sort key under which ``img2`` comes before ``img10``; ties by the exact name."""
    text = str(name)
    parts = _NUMBER.split(text.casefold())
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), text

"""What the user names -> image files: folders, globs, lists and standard input.

Nothing is opened here but lists and heatmaps of our own, and neither numpy nor Pillow is loaded.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import IO

from oneclass.errors import ImageError, InputError
from oneclass.images import lists
from oneclass.images.inside import (
    HEATMAPS,
    hidden,
    in_order,
    is_dir,
    is_ours,
    matches,
    not_drawn,
    remote_names,
)
from oneclass.system.names import as_spelt_here, natural_key, near_path, plain, spellings
from oneclass.system.paths import Paths
from oneclass.system.places import FILES_ALONE, Remote, is_address, place
from oneclass.system.texts import why

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".gif"}
    | {".pgm", ".ppm", ".pbm", ".pnm", ".apng", ".dcm", ".avif", ".heic", ".heif", ".jxl"}
)
"""Suffixes (lower case) that a walk through a folder takes for images."""

WORDS = 4
"""So many before a word, and behind it, may be parts of one name."""
_MAGIC = re.compile(r"[*?\[]")
ALLOWED = "check the path and its permissions"
SEPARATORS = os.sep + (os.altsep or "")


@dataclass(frozen=True, slots=True)
class Listing:
    """The files behind a list of inputs.

    Attributes:
        paths: each file once, in the order of the inputs; inside a folder in natural order.
        ignored: suffix -> number of files that folders and globs passed over (``""``: no suffix;
            `HEATMAPS`: pictures that ``score --heatmaps`` drew).
        errors: one per input that leads nowhere, with reason ``missing`` or ``unreadable``.
        absent: those of them that were given themselves, not by a list, and do not exist.
        repeated: files that were named one by one more than once: each time but the first.
        empty: folders and patterns that were given themselves, not by a list, and hold no image.
    """

    paths: Paths
    ignored: Mapping[str, int]
    errors: tuple[ImageError, ...]
    absent: tuple[ImageError, ...] = ()
    repeated: Sequence[Path] = ()
    empty: tuple[str, ...] = ()


def expand(inputs: str | Path | Iterable[str | Path], *, stdin: IO[bytes] | None = None) -> Listing:
    """Turn files, folders, globs, lists (``.txt``), addresses and ``-`` into a list of files.

    Args:
        inputs: one or several, in the order wanted. What exists is taken as it is before it is
            read as a pattern, so a file named ``a[1].png`` is that file.
        stdin: bytes to read for ``-``; the process's own standard input if None.

    Raises nothing: an input that leads nowhere is in ``Listing.errors``.
    """
    walk = _Walk([*inputs] if isinstance(inputs, (list, tuple)) else ())
    for given in [inputs] if isinstance(inputs, str | Path) else inputs:
        if given == "-":
            source = stdin or (None if sys.stdin is None else sys.stdin.buffer)
            if source is None:
                walk.refuse("-", "unreadable", "standard input is closed")
            else:
                walk.entries(source.read(), "-", Path())
        else:
            walk.given(given)
    paths, repeated = walk.once()
    ignored, errors, absent = dict(walk.ignored), tuple(walk.errors), tuple(walk.absent)
    return Listing(paths, ignored, errors, absent, repeated, tuple(walk.empty))


def first_picture(folder: Path) -> str | None:
    """The name of an image in a folder itself that is no heatmap of ours; None without one."""
    pictures = (name for name in not_drawn(folder) if Path(name).suffix.lower() in SUFFIXES)
    try:
        return min(pictures, key=natural_key, default=None)
    except OSError:  # not there, or none of our business
        return None


class _Walk:
    """The files found so far."""

    def __init__(self, words: Sequence[str | Path] = ()) -> None:
        """Begin.

        Args:
            words: of the command line, to see where a name with blanks came apart.
        """
        self._words = words
        self.ignored: Counter[str] = Counter()
        self.errors: list[ImageError] = []
        self.absent: list[ImageError] = []
        self.empty: list[str] = []
        self._paths = Paths()
        self._named = array("Q")  # which of them were named one by one, in ascending order
        self._n_taken = 0
        self._met_links = False
        self._lists: set[str] = set()

    def once(self) -> tuple[Paths, Paths]:
        """The files in the order in which they were met, each the first time; and `repeated`.

        Folders, globs and files may overlap, and mean each file once. Whoever names one file twice
        may count on two results, and has to be told.

        Links are followed, and files told apart by hashes: a set of all paths would take most of
        the memory. Only where hashes repeat are the paths themselves compared.
        """
        if self._n_taken <= 1 and not self._met_links:
            return self._paths, Paths()
        hashes = array("q", (hash(_real(path)) for path in self._paths))
        ascending = sorted(hashes)
        pairs = zip(ascending, islice(ascending, 1, None), strict=False)
        if not (repeated := {a for a, b in pairs if a == b}):
            return self._paths, Paths()
        seen: dict[str, bool] = {}
        kept, again, named = [], [], frozenset(self._named)
        for index, number in enumerate(hashes):
            if number in repeated:
                real = _real(self._paths[index])
                if real in seen:
                    if index in named and seen[real]:
                        again.append(index)
                    seen[real] |= index in named
                    continue
                seen[real] = index in named
            kept.append(index)
        return self._paths.kept(kept), self._paths.kept(again)

    def given(self, given: str | Path) -> None:
        """One input as it was given: none that a list names."""
        before, n_paths = len(self.errors), len(self._paths)
        self.take(given)
        nothing = len(self._paths) == n_paths and len(self.errors) == before
        if nothing and _real(place(given)) not in self._lists:
            self.empty.append(str(given))
        # A list that exists may name what does not: only an error about the input itself counts.
        new = [error for error in self.errors[before:] if error.reason == "missing"]
        self.absent += [e for e in new if e.name in (str(given), str(place(given)))]

    def take(
        self,
        given: str | Path,
        *,
        literal: bool = False,
        entry: str | None = None,
        source: str | Path = "",
    ) -> None:
        """One input: what exists as it stands, else a pattern unless it is `literal`.

        An `entry` of a list is what the list itself says, and `source` is that list.
        """
        self._n_taken += 1
        try:
            path = place(given)
            if isinstance(path, Remote):
                self._address(path, literal=literal)
                return
            path = as_spelt_here(path)
            if path.is_dir():
                if entry is not None and lists.is_root(path):
                    self.refuse(source, "not_a_file", _meant(entry))
                else:
                    self._folder(path)
            elif path.suffix.lower() == ".txt" and path.is_file():
                self._list(path)
            elif os.path.lexists(path):
                self._named.append(len(self._paths))
                self._paths.append(str(path.parent), path.name)
            elif _MAGIC.search(str(given)) and not literal:
                self._glob(str(given), entry)
            else:
                advice = lists.advice(str(given) if entry is None else entry)
                near = (self._apart(given) or near_path(path)) if entry is None else ""
                advice += f" (there is {near})" if near else ""
                listed = "standard input" if source == "-" else f"the list {source}"
                by = f" ({listed} names it)" if source else ""
                self.refuse(given, "missing", f"there is no such file or folder; {advice}{by}")
        except InputError as problem:  # a file:// address of another machine
            self.refuse(given, "unreadable", str(problem).rstrip("."))
        except (OSError, ValueError) as problem:
            self.refuse(given, "unreadable", f"it cannot be looked at ({why(problem)}); {ALLOWED}")

    def entries(
        self, data: bytes, source: str | Path, base: Path, *, comments: bool = False
    ) -> None:
        """The paths in a list; relative ones start at ``base``."""
        try:
            found, literal = lists.entries(data, base, comments=comments)
        except ValueError as problem:
            self.refuse(source, "unreadable", f"as a list of paths it cannot be read: {problem}")
            return
        for entry in found:
            if lists.is_everything(entry):
                self.refuse(source, "not_a_file", _meant(entry))
            else:
                given = entry if is_address(entry) else base / entry
                self.take(given, literal=literal, entry=entry, source=source)

    def _apart(self, given: str | Path) -> str:
        """A name with blanks of which this is a part, where it is there; else nothing."""
        if given not in self._words:
            return ""
        at = self._words.index(given)
        for start, end in combinations(range(max(0, at - WORDS), at + WORDS + 2), 2):
            words = self._words[start:end]
            name = " ".join(map(str, words))
            if start <= at < end and len(words) > 1 and os.path.lexists(name):
                return f"{plain(name)!r}: put it in quotes"
        return ""

    def refuse(self, given: str | Path, reason: str, detail: str) -> None:
        self.errors.append(ImageError(given, reason, detail))

    def _address(self, path: Remote, *, literal: bool) -> None:
        """One address. What ends like an image is taken for one: to ask for each takes too long."""
        suffix, folder = path.suffix.lower(), str(path).endswith("/")
        alone = path.scheme in FILES_ALONE
        if not alone and not literal and _MAGIC.search(str(path)) and not path.exists():
            self._pattern(path)
        elif (alone and suffix != ".txt") or (suffix in SUFFIXES and not folder):
            self._take(path)
        elif path.is_dir():
            self._folder(place(str(path).rstrip("/")))
        elif not path.exists():
            self.refuse(path, "missing", "there is no such file or folder; check the address")
        elif suffix == ".txt":
            self._list(path)
        else:
            self._take(path)

    def _take(self, path: Remote) -> None:
        folder, _, name = str(path).rpartition("/")
        self._named.append(len(self._paths))
        self._paths.append(folder, name)

    def _pattern(self, pattern: Remote) -> None:
        found = sorted((p for p in pattern.matches() if not hidden(p.name)), key=natural_key)
        for path in found:
            self._add_known(*str(path).rpartition("/")[::2])
        if not found:
            self.refuse(pattern, "missing", "no file matches this pattern; check it")

    def _list(self, path: Path) -> None:
        key = _real(path)
        if key in self._lists:  # a list may name itself
            return
        self._lists.add(key)
        self.entries(path.read_bytes(), path, path.parent, comments=True)

    def _folder(self, folder: Path) -> None:
        for inside, name in self._files(folder):
            self._add_known(inside, name)

    def _add_known(self, folder: str, name: str) -> None:
        suffix = Path(name).suffix.lower()
        if is_ours(folder, name):
            self.ignored[HEATMAPS] += 1
        elif suffix in SUFFIXES:
            self._paths.append(folder, name)
        else:
            self.ignored[suffix] += 1

    def _glob(self, pattern: str, entry: str | None) -> None:
        start, stars, rest = pattern.partition("**")
        # The standard library follows links in circles under **, so that part is walked here.
        root = (start or ".") if stars else pattern
        self._met_links = True  # one file may be matched in several ways
        ways = (glob.glob(one, recursive=False) for one in spellings(root))  # noqa: PTH207 -- patterns may be absolute
        hits = next(filter(None, ways), [])
        count = 0
        for hit in sorted(map(Path, hits), key=natural_key):
            files = self._files(hit) if hit.is_dir() else [(str(hit.parent), hit.name)]
            for folder, name in files:
                inner = Path(folder, name).relative_to(hit).parts
                if not stars or matches(inner, ("**", *Path(rest.lstrip(SEPARATORS)).parts)):
                    count += 1
                    self._add_known(folder, name)
        if not count:
            advice = lists.advice(entry or pattern, "check it")
            self.refuse(pattern, "missing", f"no file or folder matches this pattern; {advice}")

    def _files(self, root: Path) -> Iterator[tuple[str, str]]:
        """Folder and name of files in natural order, then those of its folders; each once."""
        seen: set[str] = set()
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            here = _real(folder)
            if here in seen:  # links may run in circles
                continue
            seen.add(here)
            folders: list[str] = []
            try:
                if isinstance(folder, Remote):
                    files = in_order(remote_names(folder, folders, self.ignored))
                else:
                    with os.scandir(folder) as entries:
                        files = in_order(self._names(entries, folders))
            except OSError as problem:
                told = f"the folder cannot be opened ({why(problem)}); {ALLOWED}"
                self.refuse(folder, "unreadable", told)
                continue
            yield from ((str(folder), name) for name in files)
            waiting.extend(folder / name for name in sorted(folders, key=natural_key, reverse=True))

    def _names(self, entries: Iterable[os.DirEntry[str]], folders: list[str]) -> Iterator[str]:
        """The names of files; those of folders are put aside."""
        for entry in entries:
            if hidden(entry.name):
                continue
            self._met_links |= entry.is_symlink()
            if is_dir(entry):
                folders.append(entry.name)
            else:
                yield entry.name


def _meant(entry: str) -> str:
    return (
        f"it is a list, and {entry!r} in it would mean all that there is; name a folder or a file, "
        "or give the folder itself as the input"
    )


def _real(path: Path) -> str:
    """What a path leads to; an address leads to itself."""
    return str(path) if isinstance(path, Remote) else os.path.realpath(path)

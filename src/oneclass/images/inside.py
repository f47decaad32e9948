"""Names in folders: their order, which are hidden, and which are heatmaps drawn here."""

from __future__ import annotations

import fnmatch
import heapq
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

from oneclass.system.names import natural_key
from oneclass.system.paths import Names
from oneclass.system.places import Remote, reading_as_needed

HEATMAP_MARK, HEATMAPS = "oneclass heatmap", "heatmaps of oneclass"
"""What a drawn heatmap says of itself, and what those left out are counted as."""
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_DRAWN = re.compile(r"\d{6,}_.*\.png$", re.DOTALL)
_RUN = 1024
_MARKED = 256
"""Bytes of a heatmap's beginning that hold its mark."""


def in_order(names: Iterator[str]) -> Iterator[str]:
    """Sort names in runs and merge these: keys take ten times as much memory as names."""
    found, ends = Names(), [0]
    while run := sorted(islice(names, _RUN), key=natural_key):
        for name in run:
            found.append(name)
        ends.append(len(found))
    runs = ((found[i] for i in range(*pair)) for pair in pairwise(ends))
    return heapq.merge(*runs, key=natural_key)


def remote_names(folder: Remote, folders: list[str], ignored: Counter[str]) -> Iterator[str]:
    """The names of files at an address; those of folders are put aside, heatmaps are counted.

    To look for a mark takes a request each, so that only names with their numbers beside them are
    looked at.
    """
    entries = [(name, is_folder) for name, is_folder in folder.entries() if not hidden(name)]
    names = {name for name, is_folder in entries if not is_folder}
    for name, is_folder in entries:
        if is_folder:
            folders.append(name)
        elif _DRAWN.match(name) and f"{name[:-4]}.npy" in names and _is_marked(folder, name):
            ignored[HEATMAPS] += 1
        else:
            yield name


def not_drawn(folder: Path) -> Iterator[str]:
    """The names of files in a folder itself that are neither hidden nor heatmaps drawn here.

    At an address what is named like a heatmap and has its numbers beside it is taken for one.

    Raises:
        OSError: the folder cannot be opened, or is not there.
    """
    if isinstance(folder, Remote):
        names = {name for name, is_folder in folder.entries() if not is_folder}
        pairs = {name for name in names if _DRAWN.match(name) and f"{name[:-4]}.npy" in names}
        yield from (name for name in names - pairs if not hidden(name))
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (hidden(entry.name) or is_dir(entry) or is_ours(str(folder), entry.name)):
                yield entry.name


def _is_marked(folder: Remote, name: str) -> bool:
    try:
        return HEATMAP_MARK.encode() in reading_as_needed(folder / name).read(_MARKED)
    except OSError:
        return False


def is_dir(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of a folder is a folder, or a link to one; False of a link to itself."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path, or a folder that it lies in, matches a pattern with ``**``."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return (
        bool(parts)
        and fnmatch.fnmatch(parts[0], pattern[0])  # Windows tells no capitals from small letters
        and matches(parts[1:], pattern[1:])
    )


def is_ours(folder: str, name: str) -> bool:
    """Whether this is a heatmap drawn here: by its name and its mark.

    The numbers beside it are larger and may have been removed.
    """
    if not _DRAWN.match(name):
        return False
    try:
        with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123
            return HEATMAP_MARK.encode() in file.read(_MARKED)
    except OSError:
        return False


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden, or left there by a system."""
    return name.startswith(".") or name.lower() in _JUNK

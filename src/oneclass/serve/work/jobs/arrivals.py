"""What was sent into a set, by the names that it was sent under, and what was still to come.

A file of lines beside the folder of the set, each one JSON: a person may leave the page, or the
browser may end, while images are sent, and another browser may go on.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from oneclass.images.sounding import BAD, files_sounding_bad
from oneclass.system.files import translated_errors
from oneclass.system.names import natural_key

SUFFIX = ".jsonl"
JUST_NOW = 10.0
"""Seconds since the last image within which the others may still be on their way."""


@dataclass(frozen=True)
class Arrivals:
    """What is known of a set.

    Attributes:
        missing: names of images that were to be sent and did not arrive, in their order.
        folders: by the names of folders that speak of defects, the files that came from them.
        files: those of other folders whose own names do, where at most half of a folder's are
            called so.
        arriving: whether some are missing and one came just now, while whoever sends them has not
            ended.
    """

    missing: list[str]
    folders: dict[str, list[str]]
    files: list[str]
    arriving: bool


def expect(file: Path, names: list[str], *, ended: bool = False) -> None:
    """Note what is sent from now on; nothing where all was.

    Args:
        file: of the notes.
        names: of the images.
        ended: whether they were sent already, and there was no room for them.

    Raises:
        StorageError: the disk is full.
    """
    _append(file, {"expected": names, "ended": ended})


def arrived(file: Path, stored: str, name: str, sha256: str = "") -> None:
    """Note that an image has arrived.

    Args:
        file: of the notes.
        stored: what its file is called here; empty where it was no image, and is not kept.
        name: that it was sent under, with its folders.
        sha256: of the file's bytes, in hex, where it is kept.

    Raises:
        StorageError: the disk is full.
    """
    _append(file, {"file": stored, "name": name, "sha256": sha256})


def names(file: Path) -> dict[str, str]:
    """By what their files are called here, the names that images were sent under."""
    return {line["file"]: line["name"] for line in _lines(file) if line.get("file")}


def digests(file: Path) -> dict[str, str]:
    """By what their files are called here, the SHA-256 of images; of those that it was noted of."""
    return {line["file"]: line["sha256"] for line in _lines(file) if line.get("sha256")}


def noted(file: Path, there: Container[str]) -> Arrivals:
    """What is known of a set; nothing of one that came before this was noted.

    Args:
        file: of the notes.
        there: what the files are called that the set still has.
    """
    expected, missing, ended = list[str](), Counter[str](), True
    folders: dict[str, list[str]] = {}
    others: dict[str, PurePosixPath] = {}
    for line in _lines(file):
        if "expected" in line:
            expected = line["expected"]
            missing, ended = Counter(expected), line.get("ended", False)
            continue
        missing[line["name"]] -= 1
        if line["file"] not in there:
            continue
        if folder := defect_folder_of(line["name"]):
            folders.setdefault(folder, []).append(line["file"])
        else:
            others[line["file"]] = PurePosixPath(line["name"].replace("\\", "/"))
    left = [name for name in expected if _taken(missing, name)]
    odd = set(files_sounding_bad(others.values()))
    by_name = sorted(others, key=lambda stored: natural_key(others[stored]))
    arriving = bool(left) and not ended and time.time() - file.stat().st_mtime < JUST_NOW
    return Arrivals(
        left, folders, [stored for stored in by_name if others[stored] in odd], arriving
    )


def defect_folder_of(name: str) -> str | None:
    """The folder of an image whose name speaks of defects, or None; learn.js asks by the same rule.

    The folder that was chosen tells nothing where there are others in it. Images arrive one at a
    time, so what all their folders share, as `folders_sounding_bad` leaves out, is not known yet.
    """
    folders = PurePosixPath(name.replace("\\", "/")).parts[:-1]
    told = folders[1:] if len(folders) > 1 else folders
    return next((folder for folder in told if BAD.search(folder)), None)


def _taken(missing: Counter[str], name: str) -> bool:
    missing[name] -= 1
    return missing[name] >= 0


def _append(file: Path, line: dict[str, Any]) -> None:
    with translated_errors(file), file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")  # one call, so that lines of two threads stay whole


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # cut off by a kill
            continue

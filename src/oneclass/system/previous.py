"""The last version of files that are written anew, kept beside them."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from oneclass.system.files import translated_errors


def previous(file: Path, ending: str = "") -> Path:
    """Where the last version of a file lies: `m.oneclass.previous`; its rows with their `ending`.

    Args:
        file: `m.oneclass`, or with the ending, `m.oneclass.rows`.
        ending: what stays at the end: `.rows`.
    """
    stem = file.name.removesuffix(ending)
    return file.with_name(f"{stem}.previous{ending}")


@contextmanager
def kept_previous(pairs: Sequence[tuple[Path, Path]]) -> Iterator[list[Path]]:
    """While files are written anew in here, keep what they were; where that fails, change nothing.

    Args:
        pairs: each file, and where its last version goes. If the first was not there, or is the
            same afterwards, nothing is kept; if only another was not there, its old one goes.

    Yields:
        A list that holds, afterwards, the places where a last version was kept.

    Raises:
        InputError, StorageError: there is no room, or the place cannot be written to.
    """
    first = pairs[0][0]
    kept: list[Path] = []
    if not first.is_file():
        yield kept
        return
    held: dict[Path, Path] = {}
    try:
        for file, place in pairs:
            if file.is_file():
                with translated_errors(place):
                    held[place] = _held(file)
        yield kept
        if not filecmp.cmp(held[pairs[0][1]], first, shallow=False):
            for _, place in pairs:
                place.unlink(missing_ok=True)
                if place in held:
                    held[place].replace(place)
                    kept.append(place)
    finally:
        for temporary in held.values():
            temporary.unlink(missing_ok=True)


def _held(file: Path) -> Path:
    """The content of a file under another name, without a copy where the system can do that."""
    real = file.resolve()
    temporary = real.with_name(f".oneclass-{uuid4().hex}.part")
    try:
        os.link(real, temporary)
    except OSError:
        shutil.copyfile(real, temporary)
    return temporary

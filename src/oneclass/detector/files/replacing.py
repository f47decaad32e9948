"""A model file is written over another one only where that is still the one that was meant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from oneclass.detector.files.modelfile import DIGEST_BYTES
from oneclass.errors import ModelFileError
from oneclass.system.host import portable
from oneclass.system.places import Remote


def is_one_file(file: Path, other: Path | None) -> bool:
    """Whether two paths, or addresses, lead to one place."""
    return other is not None and os.path.realpath(str(file)) == os.path.realpath(str(other))


def stamp(file: Path) -> str | None:
    """What tells a model file from another: the hex SHA-256 at its end, not checked.

    Returns:
        64 letters; fewer for a file that is too short to be a model; None where none is there, or
        where a store would have to be asked.
    """
    with suppress(OSError, ValueError):
        if not isinstance(file, Remote) and file.is_file():
            with file.open("rb") as opened:
                return _stamp(opened)
    return None


@contextmanager
def unchanged(file: Path, seen: str | None) -> Iterator[None]:
    """Write over a file in here, which no other process that does the same can do meanwhile.

    The lock is the system's, on the very file that is replaced: it ends with the process. Windows
    replaces no open file, so that there only the comparison remains.

    Args:
        file: to be written; a store's address is not looked at.
        seen: its `stamp` when the work began, or when it was read.

    Raises:
        ModelFileError: it is another file by now, or is being written. Nothing was done.
    """
    opened = None if isinstance(file, Remote) else _opened(file)
    if opened is None:  # there is nothing that could be lost
        yield
        return
    with opened:
        if not portable.lock(opened):
            raise changed(file, "is being written by another process")
        if not _is_still(opened, file) or _stamp(opened) != seen:
            raise changed(file)
        portable.release(opened)
        yield


def _opened(file: Path) -> IO[bytes] | None:
    with suppress(OSError, ValueError):  # what cannot be read says so when it is written
        if file.is_file():
            return file.open("rb")
    return None


def _is_still(opened: IO[bytes], file: Path) -> bool:
    """Whether the name still leads to the file that was opened before the lock was there."""
    try:
        return os.path.samestat(os.fstat(opened.fileno()), file.stat())
    except FileNotFoundError:
        return False


def _stamp(opened: IO[bytes]) -> str:
    size = opened.seek(0, os.SEEK_END)
    opened.seek(max(0, size - DIGEST_BYTES))
    return opened.read().hex()


def changed(
    file: Path, what: str = "was changed while this ran, or since it was read"
) -> ModelFileError:
    """The refusal to go on with what was read of a file."""
    return ModelFileError(
        f"model {file}: it {what}. Nothing was written, and what is there stays. Run the same "
        "command again: it begins with what is there then (in Python, load it again and do the "
        "same, or save under another name)."
    )

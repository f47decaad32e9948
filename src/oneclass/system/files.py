"""Files that appear whole or not at all, and the last version of those that are written anew."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from oneclass.errors import InputError, StorageError
from oneclass.system.host import portable
from oneclass.system.places import Remote, check_can_write

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class UnwritableError(InputError):
    """A place cannot be written to.

    Attributes:
        refused: the first sentence alone, for those who did not choose the place.
    """

    def __init__(self, message: str, refused: str = "") -> None:
        super().__init__(message)
        self.refused = refused or message


@contextmanager
def whole_file(path: Path, *, flush: bool = True) -> Iterator[BinaryIO]:
    """Write to a temporary file beside `path`; flush it to the disk; rename it into place.

    An error or a kill at any point leaves the old file, or none, under the name `path`. What goes
    to an address is written to a temporary file of this machine and sent when it is whole.

    Args:
        path: of the file.
        flush: False for one of many small files: waiting for the disk takes longer than writing.
            A power cut may leave such a file empty, until `flush_files` is called with all of them.

    Raises:
        InputError: the place cannot be written to.
        StorageError: the disk is full or failing.
    """
    if isinstance(path, Remote):
        with _sent_whole(path) as file:
            yield file
        return
    with translated_errors(path):
        path = _final_place(path)
        # Beside the target, since a rename is atomic only within one file system; and opened like
        # any new file: a process can't look at its umask without setting it for all its threads.
        temporary = path.with_name(f".oneclass-{uuid4().hex}.part")
        try:
            with temporary.open("xb") as file:
                yield file
                if flush:
                    file.flush()
                    os.fsync(file.fileno())
            with suppress(OSError):  # what is written over keeps its permissions
                shutil.copymode(path, temporary)
            portable.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if flush:
            portable.sync_folder(path.parent)


def write_together(writers: Mapping[Path, Callable[[BinaryIO], object]]) -> None:
    """Write files that belong together: none takes its place before all are whole on the disk.

    Args:
        writers: by the files' paths, what writes their content; the last takes its place last.

    Raises:
        InputError: one of the places cannot be written to.
        StorageError: the disk is full or failing.
    """
    with ExitStack() as stack:
        begun = {path: stack.enter_context(whole_file(path)) for path in reversed([*writers])}
        for path, write in writers.items():
            with translated_errors(path):
                write(begun[path])
                begun[path].flush()
                os.fsync(begun[path].fileno())


@contextmanager
def _sent_whole(path: Remote) -> Iterator[BinaryIO]:
    with translated_errors(path), tempfile.TemporaryDirectory(prefix="oneclass-") as folder:
        here = Path(folder, "content")
        with here.open("xb") as file:
            yield file
        try:
            path.take(str(here))
        except OSError as error:
            kept = _rescued(here, path.name)
            told = f"{error.strerror or error}; what was to be there is kept in {kept}"
            raise OSError(errno.ECONNABORTED, told) from error


def _rescued(file: Path, name: str) -> str:
    """Move a file out of a folder that is about to be removed, to a place of its own."""
    place = Path(tempfile.mkdtemp(prefix="oneclass-"), name)
    shutil.move(file, place)
    return str(place)


def flush_files(paths: Iterable[Path]) -> None:
    """Flush files to the disk that `whole_file` wrote without waiting; not those gone since.

    Raises:
        InputError: one of them cannot be opened any more.
        StorageError: the disk is full or failing.
    """
    for path in paths:
        if isinstance(path, Remote):
            continue
        with translated_errors(path), suppress(FileNotFoundError), path.open("rb+") as file:
            os.fsync(file.fileno())


def check_writable(path: Path, ending: str = "") -> None:
    """Find out before hours of work whether `path` can be written at their end.

    Args:
        path: to be written.
        ending: of such a file's name, for the advice where `path` is a folder.

    Raises:
        InputError: it cannot; the message says why.
    """
    with translated_errors(path, ending):
        if isinstance(path, Remote):
            check_can_write(path)
        else:
            tempfile.TemporaryFile(dir=_final_place(path).parent).close()


def make_folder(folder: Path) -> None:
    """Make a folder, and its parents, unless it is there.

    Raises:
        InputError: it cannot be made, or a file has its name.
        StorageError: the disk is full or failing.
    """
    with translated_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def check_replaces(
    path: Path,
    kind: str,
    *beginnings: bytes,
    holds: bytes = b"",
    instead: str = "Give another name",
) -> None:
    """Refuse to write over a file that holds something else, such as a photograph or a table.

    An empty file and a device hold nothing to lose; at addresses stores keep versions.

    Args:
        path: to be written.
        kind: what will be written there, such as "model".
        beginnings: how files of that kind begin; capital letters are the same as small ones.
        holds: what files of ours have somewhere, where others of that kind begin so, too.
        instead: what to do, for the advice.

    Raises:
        InputError: the file that is there begins otherwise, or does not hold that.
    """
    if isinstance(path, Remote) or not path.is_file():
        return
    with translated_errors(path), path.open("rb") as file:
        found = file.read(max([1, *map(len, beginnings)]))
        like = found.lower().startswith(tuple(beginning.lower() for beginning in beginnings))
        if found and not (like and holds in found + file.read()):
            raise would_be_lost(path, kind, instead)


def has_content(path: Path) -> bool:
    """Whether a file is there that holds something that could be lost."""
    return path.is_file() and path.stat().st_size > 0


def would_be_lost(path: Path, kind: str, instead: str = "Give another name") -> InputError:
    """The refusal to write over a file that holds something else; as for `check_replaces`."""
    return InputError(
        f"cannot write {path}: what is there already is no {kind}, and would be lost. "
        f"{instead}, or remove that file first."
    )


@contextmanager
def translated_errors(path: Path, ending: str = "") -> Iterator[None]:
    """Turn the system's refusals to write `path` into errors that say what to do.

    Args:
        path: to be written.
        ending: as for `check_writable`.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, (InputError, StorageError)):
            raise
        reason = error.strerror or str(error)
        if isinstance(path, Remote):
            raise InputError(
                f"cannot write {path}: {reason}. Check the address, the credentials and the "
                "connection."
            ) from error
        if error.errno in FULL:
            raise StorageError(
                f"cannot write {path}: {reason}. Nothing was left half-written: "
                "free some space, or write elsewhere, and do it again."
            ) from error
        if isinstance(error, FileExistsError) and path.is_file():
            reason = "a file has that name, and it is to be a folder"
        if isinstance(error, IsADirectoryError):
            raise InputError(
                f"cannot write {path}: {reason}, and a file is to be written. Give a file name, "
                f"too, such as {path / f'NAME{ending}'}."
            ) from error
        refused = f"cannot write {path}: {reason}."
        raise UnwritableError(
            f"{refused} Give a place that exists and may be written to.{portable.advice_on(path)}",
            refused,
        ) from error


def _final_place(path: Path) -> Path:
    """Where a link leads; a folder, a device or a pipe is no place for a file."""
    final = path.resolve()
    portable.check_name(final)
    if final.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if final.exists() and not final.is_file():
        raise OSError(errno.EEXIST, "a device has that name")
    return final


def kept_of(file: Path) -> Path | None:
    """The file of which this one is the last version, by its name; None of any other file."""
    stem = file.name.removesuffix(".previous")
    return file.with_name(stem) if stem not in ("", file.name) else None


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

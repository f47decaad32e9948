"""Places beyond this machine's disk: addresses such as s3://bucket/key, by fsspec.

A `Remote` is a path by its name and its folders, and is read and written over the network. What the
stores and the network refuse comes as the OSError that a disk would raise, so that callers need
not tell one from the other.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from oneclass.errors import InputError
from oneclass.system.stores import asked, scheme_of

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})
"""Stores in which an object appears when all of it has arrived: only these are written to."""
FILES_ALONE = frozenset({"http", "https"})
"""Where an address is one file; nothing lists what there is."""
TIMEOUT = 60
"""Seconds for one answer."""
PIECE = 8 << 20
PROBE = ".oneclass-probe"
BEGINNING = 1 << 18
"""Bytes that are fetched of an image whose header is wanted: mostly enough."""

_held = threading.local()

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())


def is_address(given: object) -> bool:
    """Whether a text or a path is an address: a scheme, and two slashes."""
    return _ADDRESS.match(str(given)) is not None


def place(given: str | Path) -> Path:
    """What a user gave as a path: a path of this machine, or a `Remote`; file:// is of the first.

    Raises:
        InputError: neither a text nor a path, or a file:// address of another machine.
    """
    if not isinstance(given, (str, os.PathLike)):
        raise InputError(
            f"{given!r} is no path: expected the path of a file, or an address, as a text or a "
            "pathlib.Path."
        )
    if isinstance(given, Remote) or not is_address(given):
        return given if isinstance(given, Path) else Path(given)
    text = str(given)
    if not text.lower().startswith("file://"):
        made = Remote(text)
        made.given = text
        return made
    return _of_this_machine(text)


def _of_this_machine(text: str) -> Path:
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise InputError(
            f"{text}: expected file:///folder/file, with three slashes, of this machine."
        )
    return Path(url2pathname(text.split("://", 1)[1].removeprefix(parts.netloc)))


class Remote(_Path):
    """An address as a path: `name`, `suffix`, `parent`, `/`, and the few questions below.

    Made by `place`. Nothing is asked of the network before one of the methods is called; these
    raise OSError as those of `Path` do, and MissingDependencyError.

    Attributes:
        given: the address to the letter, where a user gave it; empty for one that was derived.
    """

    given: str = ""

    def __str__(self) -> str:
        return self.given or super().__str__().replace(os.sep, "/").replace(":/", "://", 1)

    def __reduce__(self) -> tuple[Any, ...]:
        return place, (str(self),)

    @property
    def scheme(self) -> str:
        """What stands before ://, in small letters."""
        return scheme_of(str(self))

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Kind and size."""
        found = asked(str(self), lambda files, path: files.info(path))
        kind = stat.S_IFDIR if found["type"] == "directory" else stat.S_IFREG
        return os.stat_result((kind | 0o444, 0, 0, 1, 0, 0, int(found.get("size") or 0), 0, 0, 0))

    def _is(self, kind: Callable[[int], bool]) -> bool:
        with suppress(FileNotFoundError):
            return kind(self.stat().st_mode)
        return False

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(lambda _: True)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_ISREG)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_ISDIR)

    def resolve(self, strict: bool = False) -> Remote:
        return self

    def read_bytes(self) -> bytes:
        """All bytes, in memory; those that `held` keeps are not fetched again."""
        if (kept := getattr(_held, "of", {}).get(str(self))) is None:
            return _fetched(self)
        if isinstance(kept, OSError):
            raise kept
        return bytes(kept)

    def open(self, mode: str = "r", buffering: int = -1, *more: Any, **texts: Any) -> IO[Any]:  # type: ignore[override]
        """A copy of the content in a temporary file without a name, for reading."""
        if set(mode) & set("wax+"):
            raise OSError(errno.EROFS, "it can be written as a whole only")
        copy = tempfile.TemporaryFile()  # noqa: SIM115 -- the caller closes it
        try:
            asked(str(self), lambda files, path: _copied(files, path, copy))
        except BaseException:
            copy.close()
            raise
        return copy if "b" in mode else io.TextIOWrapper(copy, *more, **texts)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: these stores have no folders but by the names of what lies in them."""
        check_kind(self)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove it."""
        try:
            asked(str(self), lambda files, path: files.rm_file(path))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def entries(self) -> Iterator[tuple[str, bool]]:
        """Names of what lies in this folder, and whether each is a folder, too."""
        for found in asked(str(self), lambda files, path: files.ls(path, detail=True)):
            name = str(found["name"]).rstrip("/").rpartition("/")[2]
            folder = found["type"] == "directory"
            # Some programs mark a folder by an empty object with its name.
            if name and (folder or not str(found["name"]).endswith("/")):
                yield name, folder

    def matches(self) -> Iterator[Remote]:
        """The files that this address names with *, ? and [...]."""
        scheme = self.scheme
        for path in asked(str(self), lambda files, path: files.glob(path)):
            found = place(f"{scheme}://{str(path).removeprefix(f'{scheme}://').lstrip('/')}")
            assert isinstance(found, Remote)
            yield found

    def take(self, file: str) -> None:
        """Become what a file of this machine holds; until all has arrived, stay what it was."""
        check_kind(self)
        asked(str(self), lambda files, path: files.put_file(file, path))


def check_kind(remote: Remote) -> None:
    """Refuse to write where a file would not appear whole.

    Raises:
        InputError: it would not.
    """
    if remote.scheme not in WHOLE:
        raise InputError(
            f"{remote}: results and models are written to s3://, gs:// and az://, where a file "
            f"appears whole, and to folders; not to {remote.scheme}://. Write to a folder; it "
            "may be a network folder."
        )


def check_can_write(remote: Remote) -> None:
    """Write a small object beside `remote` and remove it.

    Raises:
        OSError: it is refused.
        InputError: files would not appear whole there.
    """
    check_kind(remote)
    probe = remote.parent / PROBE
    asked(str(probe), lambda files, path: files.pipe_file(path, b""))
    with suppress(OSError):
        probe.unlink(missing_ok=True)


@contextmanager
def held(item: object) -> Iterator[None]:
    """While in here, this thread fetches `item` once, if it is remote, however often it is read."""
    if not isinstance(item, Remote):
        yield
        return
    kept: bytes | OSError
    try:
        kept = _fetched(item)
    except OSError as error:
        kept = error
    _held.of = {str(item): kept}
    try:
        yield
    finally:
        _held.of = {}


def reading_as_needed(remote: Remote) -> BinaryIO:
    """An open file that fetches the beginning first, and all of it only where that is asked for."""
    if str(remote) in getattr(_held, "of", {}):
        return io.BytesIO(remote.read_bytes())
    try:
        start = asked(str(remote), lambda files, path: _cat(files, path, start=0, end=BEGINNING))
    except (FileNotFoundError, PermissionError):
        raise
    except OSError:  # of an empty file some stores give no part
        return io.BytesIO(remote.read_bytes())
    if len(start) != BEGINNING:
        return io.BytesIO(start)
    return io.BufferedReader(_AsNeeded(remote, start))


class _AsNeeded(io.RawIOBase):
    """Bytes of which only the beginning is here."""

    def __init__(self, remote: Remote, start: bytes) -> None:
        self._remote, self._content, self._whole, self._at = remote, start, False, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def _fetch(self) -> None:
        if not self._whole:
            self._content, self._whole = self._remote.read_bytes(), True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            self._fetch()
        base = (0, self._at, len(self._content))[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at + len(buffer) > len(self._content):
            self._fetch()
        piece = self._content[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _fetched(remote: Remote) -> bytes:
    return bytes(asked(str(remote), lambda files, path: _cat(files, path)))


def _cat(files: Any, path: str, **part: Any) -> bytes:
    limit = {"timeout": TIMEOUT} if files.async_impl else {}
    content: bytes = files.cat_file(path, **part, **limit)
    return content


def _copied(files: Any, path: str, copy: IO[bytes]) -> None:
    copy.seek(0)
    copy.truncate()
    with files.open(path, "rb") as content:
        shutil.copyfileobj(content, copy, PIECE)
    copy.seek(0)

"""What Linux, macOS and Windows do differently. No other module asks on which of them it runs.

Modules that only one system has are imported where they are used. Each function looks at
`sys.platform` when it is called, so that tests can go the other way.
"""

from __future__ import annotations

import errno
import mmap
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any

MOST_TYPED = 3
LOCKED_BYTE = 1 << 40
"""Windows locks ranges of bytes, also against reading: this one lies behind any file's end."""
TAKEN = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""What systems say of a lock that another process has."""
PATIENCE, PAUSE = 2.0, 0.02
"""Seconds in which scanners and indexers let go of a file on Windows, and between two tries."""
LONGEST = 259
"""Characters of a path that Windows takes unless long paths are switched on."""
RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"}
)
"""Names that mean devices in every folder of Windows, whatever suffix follows."""
FORBIDDEN = frozenset('<>:"|?*') | {chr(number) for number in range(32)}


def _on(system: str) -> bool:
    return sys.platform == system


def lock(file: IO[bytes]) -> bool:
    """Take an open file for this process alone until it is closed; False where another has it.

    On a file system without locks it is taken by everybody.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            place = file.tell()
            file.seek(LOCKED_BYTE)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            finally:
                file.seek(place)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in TAKEN
    return True


def release(file: IO[bytes]) -> None:
    """Close a file that is about to be renamed or removed, where that can't be done to open ones.

    Elsewhere it stays open, and locked until it has its new name.
    """
    if _on("win32"):
        file.close()


def replace(source: Path, target: Path) -> None:
    """Rename a closed file over another in one step.

    Windows refuses while anybody has the target open: a scanner lets go of it in a moment.

    Raises:
        OSError: it cannot be done.
    """
    deadline = time.monotonic() + (PATIENCE if _on("win32") else 0.0)
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable, where folders can be opened."""
    if not _on("win32"):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_at(file: IO[bytes], view: memoryview, at: int, position: Lock) -> int:
    """Read bytes from a place on, as many as come at once; several threads may do so.

    Args:
        file: open for reading.
        view: writable, to fill.
        at: which byte to begin with.
        position: held where the file's one position has to be moved.
    """
    read = None if _on("win32") else getattr(os, "preadv", None)  # macOS: from 11 on
    if read is not None:
        return int(read(file.fileno(), [view], at))
    with position:
        file.seek(at)
        count: int = file.readinto(view)  # type: ignore[attr-defined]
        return count


def kept_open(file: IO[bytes], start: int, length: int) -> tuple[IO[bytes], int]:
    """Some bytes of an open file for as long as somebody needs them, and where they start.

    The file may be closed, replaced or removed meanwhile. On Windows nobody could replace it, and
    two handles would share one position: there it is a copy in a temporary file.

    Raises:
        OSError: it cannot be read, or the disk is full.
    """
    if not _on("win32"):
        return os.fdopen(os.dup(file.fileno()), "rb"), start
    copy = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as it is needed
    file.seek(start)
    while length > 0 and (piece := file.read(min(length, 1 << 20))):
        copy.write(piece)
        length -= len(piece)
    copy.flush()
    return copy, 0


def open_at_once(path: Path) -> int:
    """Open a file to read its bytes, without waiting where a pipe has that name; its descriptor.

    Raises:
        OSError: it cannot be opened.
    """
    flags = ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
    return os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags))


def place_of(handle: int, path: Path) -> Path:
    """Where an open file really lies, whatever links led to it.

    Args:
        handle: its descriptor.
        path: by which it was opened; asked once more where the system does not tell.
    """
    link = Path(f"/proc/self/fd/{handle}")
    return link.readlink() if link.exists() else path.resolve()


def give_back(mapping: mmap.mmap, first: int, n_bytes: int) -> None:
    """Let the system take back pages of a memory map that were read; where it can't, nothing."""
    if sys.platform != "win32":
        page = first - first % mmap.PAGESIZE
        with suppress(AttributeError, OSError):  # a user may have locked the pages
            mapping.madvise(mmap.MADV_DONTNEED, page, first + n_bytes - page)


def plain_memory(n_bytes: int) -> mmap.mmap:
    """Memory of zeros, which the system gives page by page as it is written.

    For larger arrays numpy asks Linux for huge pages, and each time one is written first, Linux
    looks for 2 MiB that lie together, and moves what is in the way: that takes longer than to write
    a large array once, and to read it a few times, can win back.

    Args:
        n_bytes: more than none.

    Raises:
        MemoryError: there is none.
    """
    try:
        if sys.platform == "win32":
            memory = mmap.mmap(-1, n_bytes)
        else:
            memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no memory for {n_bytes} bytes: {error.strerror}") from error
    return memory


def address_limit() -> int | None:
    """Bytes of addresses that `ulimit -v` grants this process; None for no limit."""
    found: int | None = None
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        found = None if limit == resource.RLIM_INFINITY else limit
    return found


def user_caches() -> Path:
    """Where this user's programs keep what they can fetch again; XDG_CACHE_HOME names another."""
    if told := os.environ.get("XDG_CACHE_HOME"):
        return Path(told)
    if _on("win32"):
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if _on("darwin"):
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"


def cpu_name() -> str:
    """The processor's own name where the system tells it."""
    with suppress(OSError, subprocess.SubprocessError):
        if name := _told_name():
            return name
    return platform.processor() or platform.machine()


def _told_name() -> str:
    if _on("darwin"):
        ask = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        answer = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=5)
        return answer.stdout.strip()
    if _on("linux"):
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        named = (line for line in told.splitlines() if line.startswith("model name"))
        return next(named, "").partition(":")[2].strip()
    return ""


def process_age() -> float | None:
    """Seconds since this process began, to a hundredth; None where the system does not tell."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError, IndexError, AttributeError):
            fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
            started = int(fields.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
            return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    return None


def own_group() -> dict[str, Any]:
    """Arguments of `Popen` for a program that a terminal's Ctrl-C does not reach."""
    found: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        found = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return found


def as_typed(words: list[str]) -> str:
    """A command as a user of this system's shell would type it."""
    return subprocess.list2cmdline(words) if _on("win32") else shlex.join(words)


def few_typed(images: Sequence[str]) -> list[str]:
    """Inputs for a command that is shown: of more than a line can hold, the word IMAGES.

    A shell makes hundreds of paths of one pattern.
    """
    return list(images) if len(images) <= MOST_TYPED else ["IMAGES"]


def typed_again(images: Sequence[str]) -> list[str]:
    """As `few_typed`, for another command: what standard input named is gone by then."""
    return ["IMAGES"] if "-" in images else few_typed(images)


def is_broken_pipe(error: OSError) -> bool:
    """Whether nobody reads what was written any more; Windows calls that an invalid argument."""
    if _on("win32") and error.errno == errno.EINVAL:
        return True
    return isinstance(error, BrokenPipeError)


def use_unicode(stream: Any) -> None:
    """Let a text stream show any file name: what its encoding lacks is spelt out.

    Windows opens files and pipes in its old code pages; programs there read UTF-8 as elsewhere.
    """
    if _on("win32") and not stream.isatty():
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    else:
        stream.reconfigure(errors="backslashreplace")


def check_name(path: Path) -> None:
    """Refuse, on Windows, a file name that it would take for a device, change or not have.

    Raises:
        OSError: the message says what is wrong with the name.
    """
    if _on("win32") and (wrong := windows_fault(path.name)):
        raise OSError(errno.EINVAL, wrong)


def windows_fault(name: str) -> str:
    """What keeps a name from being a file's on Windows, or nothing."""
    if name.partition(".")[0].rstrip(" ").upper() in RESERVED:
        return f"{name!r} means a device on Windows"
    if strange := sorted(FORBIDDEN & set(name)):
        return f"Windows allows no {strange[0]!r} in names"
    if name.endswith((".", " ")):
        return f"Windows drops the last character of {name!r}"
    return ""


def advice_on(path: Path) -> str:
    """What else may be wrong with a path that this system refuses, as a sentence, or nothing."""
    if _on("win32") and len(os.path.abspath(path)) > LONGEST:  # noqa: PTH100
        return (
            f" The path is longer than {LONGEST} characters: switch on long paths in Windows, "
            "or use a shorter folder."
        )
    return ""

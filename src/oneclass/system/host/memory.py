"""How much memory there is for this process, and who may take a large piece of it when."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition
from typing import Self

from oneclass.system.host.groups import ROOT, groups
from oneclass.system.host.portable import address_limit

SMALL = 32 << 20
"""What takes no more is not waited for."""
SHARE = 0.8
"""Of what is available, as much may be taken by large pieces together."""


def available(root: Path = ROOT) -> int | None:
    """Bytes that this process may still take; None where nothing tells.

    The least of what the machine has free, what its control groups (version 1 and 2) and all above
    them leave, and what `ulimit -v` leaves.

    Args:
        root: of the file system with `proc` and `sys`.
    """
    found = [*_of_machine(root), *_of_groups(root), *_of_limits(root)]
    return max(0, min(found)) if found else None


def _of_machine(root: Path) -> Iterator[int]:
    with suppress(OSError, ValueError):
        text = (root / "proc/meminfo").read_text(encoding="ascii")
        if line := re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE):
            yield 1024 * int(line[1])


def _of_groups(root: Path) -> Iterator[int]:
    for version, mount, group in groups(root, "memory"):
        names = ("memory.max", "memory.current", "inactive_file") if version == 2 else (
            "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")  # fmt: skip
        for folder in (mount / group, *(mount / group).parents):
            if folder.is_relative_to(mount):
                with suppress(OSError, ValueError):  # "max" is no number: no limit
                    limit, used = (int((folder / n).read_text("ascii")) for n in names[:2])
                    yield limit - used + _reclaimable(folder, names[2])


def _reclaimable(folder: Path, name: str) -> int:
    """Bytes of files that the group keeps in memory only as long as nobody needs it."""
    with suppress(OSError):
        text = (folder / "memory.stat").read_text(encoding="ascii")
        if line := re.search(rf"^{name} (\d+)$", text, re.MULTILINE):
            return int(line[1])
    return 0


def _of_limits(root: Path) -> Iterator[int]:
    limit = address_limit()
    if limit is not None:
        with suppress(OSError, ValueError):
            pages = int((root / "proc/self/statm").read_text(encoding="ascii").split()[0])
            yield limit - pages * mmap.PAGESIZE


class Peak:
    """The most memory that this process holds inside of a `with`.

    Attributes:
        megabytes: resident, everything counted, from before too; None where the system does not
            tell. Linux alone does so for a span of time.
    """

    megabytes: float | None = None

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root / "proc/self"

    def __enter__(self) -> Self:
        self._begun = False
        with suppress(OSError):
            (self._root / "clear_refs").write_text("5", encoding="ascii")  # forget the last peak
            self._begun = True
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            text = (self._root / "status").read_text(encoding="utf-8", errors="replace")
            line = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
            self.megabytes = int(line[1]) * 1024 / 1e6 if line and self._begun else None


class Room:
    """Lets large pieces of work in one after the other where the memory does not hold them all.

    Args:
        free: tells how many bytes there are; None for no limit.
    """

    def __init__(self, free: Callable[[], int | None] = available) -> None:
        self._free, self._changed = free, Condition()
        self._held, self._limit = 0, 0.0

    @contextmanager
    def of(self, n_bytes: int) -> Iterator[None]:
        """Wait until there is room for so many bytes, or nobody else holds any."""
        if n_bytes <= SMALL:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: self._fits(n_bytes))
            self._held += n_bytes
        try:
            yield
        finally:
            with self._changed:
                self._held -= n_bytes
                self._changed.notify_all()

    def _fits(self, n_bytes: int) -> bool:
        if self._held:
            return self._held + n_bytes <= self._limit
        free = self._free()
        self._limit = float("inf") if free is None else SHARE * free
        return True


ROOM = Room()
"""Of this process."""

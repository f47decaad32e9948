"""Many paths in little memory: about as many bytes as the names have letters.

A `Path` takes half a kilobyte. For a hundred thousand images that would be more than all else that
scoring needs, so paths are made when they are asked for.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar, overload

from oneclass.system import places

T = TypeVar("T")
MOST_IN_32_BITS = 2**32 - 1


class Made(Sequence[T]):
    """A sequence whose items are made when they are asked for."""

    @abstractmethod
    def made(self, place: int) -> T:
        """The item at a place from 0 to the last."""

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        chosen = range(len(self))[index]
        return self.made(chosen) if isinstance(chosen, int) else [self.made(i) for i in chosen]


class Names(Made[str]):
    """Texts end to end in one buffer; any bytes that a file name may hold."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._bytes, self._ends = bytearray(), array("I", [0])
        for name in names:
            self.append(name)

    def append(self, name: str) -> None:
        self._bytes += os.fsencode(name)
        if len(self._bytes) > MOST_IN_32_BITS and self._ends.typecode == "I":
            self._ends = array("Q", self._ends)
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def made(self, place: int) -> str:
        return os.fsdecode(bytes(self._bytes[self._ends[place] : self._ends[place + 1]]))


class Paths(Made[Path]):
    """Paths as folders and names; a folder is kept once as long as its files come together."""

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._first: list[int] = []  # of each folder's files
        self._names = Names()

    def append(self, folder: str, name: str) -> None:
        """Add the path of a file in a folder."""
        if not self._folders or self._folders[-1] != folder:
            self._folders.append(folder)
            self._first.append(len(self._names))
        self._names.append(name)

    def kept(self, indices: Iterable[int]) -> Paths:
        """Some of them, in that order."""
        some = Paths()
        for index in indices:
            some.append(self._folder(index), self._names[index])
        return some

    def __len__(self) -> int:
        return len(self._names)

    def made(self, place: int) -> Path:
        folder, name = self._folder(place), self._names[place]
        if places.is_address(folder):
            return places.place(f"{folder}/{name}")
        return Path(folder, name)

    def _folder(self, index: int) -> str:
        return self._folders[bisect_right(self._first, index) - 1]


class From(Made[T]):
    """The items of a sequence from a number on, none of them copied."""

    def __init__(self, items: Sequence[T], start: int) -> None:
        self._items, self._start = items, start

    def __len__(self) -> int:
        return max(0, len(self._items) - self._start)

    def made(self, place: int) -> T:
        return self._items[self._start + place]


class Texts(Made[str]):
    """Paths as texts."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def made(self, place: int) -> str:
        return str(self._paths[place])

"""TIFF: directories of tags, and which of them is the picture.

The first directory need not be it: cameras put a thumbnail there and the picture into a directory
below, and microscopes write whole stacks behind one directory.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from oneclass.images.formats.source import damaged, exactly, jump, unsupported

SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, DESCRIPTION, SAMPLES, SUB_DIRECTORIES = (
    254, 255, 256, 257, 270, 277, 330)  # fmt: skip
DEPTH, TILE_DEPTH, STACK, NO_DATA = 32997, 32998, 33629, 42113
ABOUT_PAGES = {SUBFILE_TYPE, OLD_SUBFILE_TYPE, SUB_DIRECTORIES}
ABOUT_SLICES = {WIDTH, HEIGHT, SAMPLES, DESCRIPTION, DEPTH, TILE_DEPTH, STACK}
SOFT = {DESCRIPTION, STACK, NO_DATA}
"""Tags that nothing breaks without: one that makes no sense is passed over."""
TYPES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 7: "u1", 13: "u4", 16: "u8", 18: "u8"}
MAX_VALUES = 2**20
MAX_PAGES = 10_000
REDUCED_OR_MASK, OLD_REDUCED = 1 | 4, 2

Tags = dict[int, list[int]]


@dataclass(frozen=True, slots=True)
class Shape:
    """How this file spells numbers: byte order, and classic or big offsets."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry_bytes(self) -> int:
        return 20 if self.big else 12


def directory(file: BinaryIO, shape: Shape, at: int, wanted: Collection[int]) -> tuple[Tags, int]:
    """The wanted tags of one directory, and where the next one is (0: nowhere)."""
    jump(file, at, "list of tags")
    size = struct.calcsize(shape.count)
    count: int = struct.unpack(shape.count, exactly(file, size, "list of tags"))[0]
    if not 1 <= count <= 65535:
        raise damaged(f"a directory has {count} tags")
    table = exactly(file, count * shape.entry_bytes, "list of tags")
    after = file.read(struct.calcsize(shape.offset))
    tags: Tags = {}
    for i in range(0, len(table), shape.entry_bytes):
        tag = struct.unpack_from(shape.order + "H", table, i)[0]
        if tag in wanted and (values := _values(file, shape, table, i)):
            tags[tag] = values
    whole = len(after) == struct.calcsize(shape.offset)
    return tags, struct.unpack(shape.offset, after)[0] if whole else -1


def _values(file: BinaryIO, shape: Shape, table: bytes, i: int) -> list[int]:
    """Of the tag whose entry begins at byte i; of a stack's tag only how many there are."""
    tag, kind = struct.unpack_from(shape.order + "HH", table, i)
    length = struct.unpack_from(shape.offset, table, i + 4)[0]
    inline = 8 if shape.big else 4
    if tag == STACK:
        return [length]
    if kind not in TYPES or not 1 <= length <= MAX_VALUES:
        if tag in SOFT:
            return []
        raise damaged(f"its tag {tag} has type {kind} and {length} values")
    value = np.dtype(shape.order + TYPES[kind])
    data = table[i + 4 + inline : i + 4 + 2 * inline]
    if length * value.itemsize > inline:
        jump(file, struct.unpack(shape.offset, data)[0], f"tag {tag}")
        data = exactly(file, length * value.itemsize, f"tag {tag}")
    values: list[int] = np.frombuffer(data, value, length).tolist()
    return values


def find_picture(file: BinaryIO, shape: Shape, first: int) -> tuple[int, int]:
    """Where the directory of the picture is, and how many pictures there are.

    Smaller copies and masks of a picture are none; a lone directory is one, whatever it says.

    Raises:
        RefusedError: the directories run in a circle, or all of several say that they are copies.
    """
    found = list(_directories(file, shape, first))
    pictures = [at for at, is_copy in found if not is_copy]
    if not pictures and len(found) > 1:
        raise unsupported(f"TIFF of {len(found)} reduced copies without their picture")
    at = pictures[0] if pictures else first
    return at, max(1, len(pictures), _slices(file, shape, at))


def _directories(file: BinaryIO, shape: Shape, first: int) -> Iterator[tuple[int, bool]]:
    """Offset of each directory of the chain and below it, and whether it is a copy or a mask."""
    seen: set[int] = set()
    below: list[int] = []
    at = first
    while at and len(seen) < MAX_PAGES:
        if at in seen:
            raise damaged("its list of pages runs in a circle")
        seen.add(at)
        tags, after = directory(file, shape, at, ABOUT_PAGES)
        if after < 0:
            exactly(file, 1, "pages")
        yield at, _is_copy(tags)
        below += tags.get(SUB_DIRECTORIES, [])
        at = after
    while below and len(seen) < MAX_PAGES:
        at = below.pop(0)
        if at in seen:
            continue
        seen.add(at)
        tags, _ = directory(file, shape, at, ABOUT_PAGES)
        yield at, _is_copy(tags)
        below += tags.get(SUB_DIRECTORIES, [])


def _is_copy(tags: Tags) -> bool:
    kind, old = tags.get(SUBFILE_TYPE, [0])[0], tags.get(OLD_SUBFILE_TYPE, [0])[0]
    return bool(kind & REDUCED_OR_MASK) or (SUBFILE_TYPE not in tags and old == OLD_REDUCED)


def _slices(file: BinaryIO, shape: Shape, at: int) -> int:
    """How many slices lie behind one directory: in depth, or as the writer's own note says."""
    tags, _ = directory(file, shape, at, ABOUT_SLICES)
    note = bytes(value & 255 for value in tags.get(DESCRIPTION, [])).rstrip(b"\0 ")
    told = [tags.get(tag, [1])[0] for tag in (DEPTH, TILE_DEPTH, STACK)]
    if note.startswith(b"ImageJ=") and (images := re.search(rb"\nimages=(\d{1,9})\b", note)):
        told.append(int(images[1]))
    if note.startswith(b'{"shape": ['):
        one = [tags.get(tag, [1])[0] for tag in (WIDTH, HEIGHT, SAMPLES)]
        told.append(_shaped(note) // max(1, one[0] * one[1] * one[2]))
    return max(told)


def _shaped(note: bytes) -> int:
    """The number of values in an array whose shape the writer noted as JSON."""
    try:
        return int(np.prod([int(side) for side in json.loads(note)["shape"]], dtype=object))
    except (ValueError, TypeError, KeyError, RecursionError):
        return 1

"""Read MATLAB's MAT files, versions 5 to 7: the form in which MatConvNet's networks come.

A reader of our own, since a damaged file ends scipy's in a segmentation fault; here it is a
ValueError. Read are numbers, texts, cells and structs; objects, sparse matrices and function
handles become `Unread`, since nothing that is wanted here lies in them.

The format is that of MathWorks' "MAT-File Format" (R2019b), section 1, level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER, TAG = 128, 8
MATRIX, COMPRESSED = 14, 15
TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
CELL, STRUCT, CHAR = 1, 2, 4
CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
COMPLEX = 0x08
MOST_BYTES = 1 << 32
"""Of one variable, unpacked; the format itself has no larger ones."""
FREE_BYTES, PACKED = 1 << 28, 16
"""What is compressed further than that, but for so many bytes, is no network's weights."""
MOST_EMPTY = 1 << 10
DEEPEST = 32


@dataclass(frozen=True)
class Unread:
    """A value of a kind that is not read."""

    kind: int


def read_mat(file: Path) -> dict[str, Any]:
    """Every variable of a MAT file.

    Returns:
        By name: numbers as arrays of MATLAB's shape and class; texts as str (list of str where
        there are several lines); cells as nested-free lists in MATLAB's order; a struct as dict,
        and an array of structs as a list of dicts.

    Raises:
        ValueError: the file is no such file, or damaged.
        OSError: it cannot be read.
    """
    content = file.read_bytes()
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content[512:520] == b"\x89HDF\r\n\x1a\n":
        raise ValueError("it is of version 7.3, which is HDF5; save it again with -v7")
    mark = content[126:128]
    if len(content) < HEADER or mark not in (b"IM", b"MI"):
        raise ValueError("it is no MAT file of version 5 to 7")
    reader = _Reader("<" if mark == b"IM" else ">")
    found: dict[str, Any] = {}
    for kind, body in reader.elements(memoryview(content)[HEADER:]):
        if kind == COMPRESSED:
            inner = list(reader.elements(memoryview(_unpacked(body))))
            if len(inner) != 1:
                raise ValueError(f"a compressed element holds {len(inner)} others, expected one")
            ((kind, body),) = inner
        if kind == MATRIX:
            name, value = reader.matrix(body, 0)
            found[name] = value
    return found


def _unpacked(body: memoryview) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(body, min(MOST_BYTES, FREE_BYTES + PACKED * len(body)))
    except zlib.error as error:
        raise ValueError(f"a compressed element cannot be unpacked: {error}") from error
    if not unpacker.eof:
        raise ValueError("a compressed element is cut short, or larger than the format allows")
    return content


class _Reader:
    """Elements in one byte order."""

    def __init__(self, order: str) -> None:
        self.order = order

    def elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """(type, body) of one after the other."""
        at = 0
        while at < len(data):
            if len(data) - at < TAG:
                raise ValueError("an element is cut short")
            kind, size = struct.unpack_from(f"{self.order}II", data, at)
            if kind >> 16:  # small: the size shares a word with the type, the body is in the tag
                kind, size, start, stop = kind & 0xFFFF, kind >> 16, at + 4, at + TAG
                if size > 4:
                    raise ValueError(f"a small element says that it has {size} bytes")
            else:
                start = at + TAG
                # Elements begin at multiples of eight bytes, except behind compressed ones.
                stop = start + size + (0 if kind == COMPRESSED else -size % 8)
            if start + size > len(data):
                raise ValueError(
                    f"an element says that it has {size:,} bytes, and {len(data) - start:,} follow"
                )
            yield kind, data[start : start + size]
            at = stop

    def matrix(self, body: memoryview, depth: int) -> tuple[str, Any]:
        """Name and value of one array."""
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        if not body:
            return "", np.zeros((0, 0))
        parts = self.elements(body)
        flags = self._numbers(_next(parts))
        if flags.dtype.kind != "u" or len(flags) != 2:
            raise ValueError("the flags of an array are malformed")
        kind, bits = int(flags[0]) & 0xFF, int(flags[0]) >> 8 & 0xFF
        if kind not in (CELL, STRUCT, CHAR, *CLASSES):
            return "", Unread(kind)
        sides = self._numbers(_next(parts))
        shape = tuple(int(n) for n in sides) if sides.dtype.kind in "iu" else ()
        if len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"an array says that its shape is {shape}")
        name = bytes(_next(parts)[1]).decode("latin-1")
        if kind == CELL:
            cells = [self.matrix(self._array(_next(parts)), depth + 1)[1] for _ in _times(shape)]
            return name, cells
        if kind == STRUCT:
            return name, self._struct(parts, shape, depth)
        if kind == CHAR:
            return name, self._text(_next(parts), shape)
        return name, self._array_of_numbers(parts, shape, CLASSES[kind], bits)

    def _array(self, element: tuple[int, memoryview]) -> memoryview:
        kind, body = element
        if kind != MATRIX:
            raise ValueError(f"an element of type {kind} lies where an array was expected")
        return body

    def _numbers(self, element: tuple[int, memoryview]) -> NDArray[Any]:
        kind, body = element
        if kind not in NUMBERS:
            raise ValueError(f"an element of type {kind} lies where numbers were expected")
        dtype = np.dtype(self.order + NUMBERS[kind])
        if len(body) % dtype.itemsize:
            raise ValueError(f"{len(body)} bytes are no whole number of {dtype.name}")
        return np.frombuffer(body, dtype)

    def _array_of_numbers(
        self, parts: Iterator[tuple[int, memoryview]], shape: tuple[int, ...], of: str, bits: int
    ) -> NDArray[Any]:
        values = self._numbers(_next(parts))
        if len(values) != math.prod(shape):
            raise ValueError(f"an array of shape {shape} has {len(values)} values")
        if bits & COMPLEX:
            raise ValueError("it has complex numbers")
        return values.astype(of).reshape(shape, order="F")

    def _struct(
        self, parts: Iterator[tuple[int, memoryview]], shape: tuple[int, ...], depth: int
    ) -> dict[str, Any] | list[dict[str, Any]]:
        width = self._numbers(_next(parts))
        names = bytes(_next(parts)[1])
        if len(width) != 1 or width[0] < 1 or len(names) % int(width[0]):
            raise ValueError("the field names of a struct are malformed")
        if not names and math.prod(shape) > MOST_EMPTY:  # nothing in the file bounds these
            raise ValueError(f"an array of shape {shape} holds structs without fields")
        step = int(width[0])
        fields = [
            names[i : i + step].partition(b"\0")[0].decode("latin-1")
            for i in range(0, len(names), step)
        ]
        found = [
            {field: self.matrix(self._array(_next(parts)), depth + 1)[1] for field in fields}
            for _ in _times(shape)
        ]
        return found[0] if len(found) == 1 else found

    def _text(self, element: tuple[int, memoryview], shape: tuple[int, ...]) -> str | list[str]:
        kind, body = element
        if kind in TEXTS:
            order = "" if kind == 16 else "-le" if self.order == "<" else "-be"
            text = bytes(body).decode(TEXTS[kind] + order)
        else:
            text = "".join(chr(code) for code in self._numbers(element).astype(np.uint16))
        if shape[0] <= 1 or not text:
            return text
        if len(text) != math.prod(shape):
            raise ValueError(f"a text of shape {shape} has {len(text)} characters")
        return [text[line :: shape[0]].rstrip() for line in range(shape[0])]


def _next(parts: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    part = next(parts, None)
    if part is None:
        raise ValueError("an array is cut short")
    return part


def _times(shape: tuple[int, ...]) -> range:
    """As often as an array of that shape has cells; a damaged shape ends where the bytes do."""
    return range(math.prod(shape))

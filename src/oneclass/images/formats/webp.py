"""WebP: RIFF chunks read here, the picture decoded by Pillow's libwebp."""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL.WebPImagePlugin import WebPImageFile

from oneclass.images.formats import exif
from oneclass.images.formats.arithmetic import on_white
from oneclass.images.formats.pillow import decode
from oneclass.images.formats.source import (
    MAX_BLOCKS,
    Header,
    Pixels,
    Source,
    damaged,
    exactly,
    truncated,
)


def inspect(file: BinaryIO) -> Source:
    """Read the chunks of a WebP; raises ``RefusedError``."""
    file.seek(4)
    size = struct.unpack("<I", exactly(file, 4, "header"))[0]
    if file.seek(0, 2) < size + 8:
        raise truncated("picture data")
    canvas: tuple[int, int] | None = None
    frames, turned, position = 0, 1, 12
    for _ in range(MAX_BLOCKS):
        if position + 8 > size + 8:
            break
        file.seek(position)
        kind, length = struct.unpack("<4sI", exactly(file, 8, "list of chunks"))
        if kind in (b"VP8X", b"VP8 ", b"VP8L"):
            canvas = canvas or _canvas(kind, exactly(file, min(length, 10), "header"))
        elif kind == b"EXIF" and length <= exif.MAX_BYTES:
            turned = exif.orientation(file.read(length))
        frames += kind == b"ANMF"
        position += 8 + length + length % 2
    else:
        raise damaged(f"it is cut into more than {MAX_BLOCKS} chunks")
    if canvas is None:
        raise damaged("it holds no picture data")
    header = Header(*canvas, "uint8", 3, max(1, frames), "WebP")
    return Source(header, lambda: _decode(file, header), turned)


def _canvas(kind: bytes, head: bytes) -> tuple[int, int]:
    """Width and height out of the first bytes of a picture chunk."""
    head = head.ljust(10, b"\0")
    if kind == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8L":
        packed = int.from_bytes(head[1:5], "little")
        size = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        marked = head[0] == 0x2F
    else:
        size = tuple(v & 0x3FFF for v in struct.unpack("<HH", head[6:10]))
        marked = head[3:6] == b"\x9d\x01\x2a" and 0 not in size
    if not marked:
        raise damaged("its picture header makes no sense")
    return size


def _decode(file: BinaryIO, header: Header) -> Pixels:
    file.seek(0)
    pixels = decode(WebPImageFile, file.read(), (header.width, header.height))
    return on_white(pixels[..., :3], pixels[..., 3]) if pixels.shape[2] == 4 else pixels

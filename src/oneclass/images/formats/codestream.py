"""How large a picture a coded stream makes: asked before a decoder takes the memory for it.

Of JPEG 2000 (ISO/IEC 15444-1, A.5.1) and of the JPEG family (ISO/IEC 10918-1, B.2.2, and for
JPEG-LS ISO/IEC 14495-1, C.2.2).
"""

from __future__ import annotations

import struct

from oneclass.images.formats.jpeg import FRAMES

BEGIN, SIZ, SIZ_BYTES = b"\xff\xd8", b"\xff\x4f\xff\x51", 24
JPEG_LS = 0xF7


def coded_size(stream: bytes) -> tuple[int, int] | None:
    """(width, height) of the picture in a stream; None where none of these standards' marks is."""
    if stream.startswith(BEGIN):
        return _of_jpeg(stream)
    at = stream.find(SIZ)
    if at < 0 or at + SIZ_BYTES > len(stream):
        return None
    right, bottom, left, top = struct.unpack_from(">4I", stream, at + 8)
    return right - left, bottom - top


def _of_jpeg(stream: bytes) -> tuple[int, int] | None:
    """Of the first frame header, behind segments that say how long they are."""
    at = len(BEGIN)
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        kind = stream[at + 1]
        if kind == 0xFF:  # one of any number of fill bytes
            at += 1
            continue
        if kind == JPEG_LS or kind in FRAMES:
            height, width = struct.unpack_from(">HH", stream, at + 5)
            return width, height
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None

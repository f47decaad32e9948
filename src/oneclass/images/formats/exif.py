"""The one thing that EXIF is asked for: which way up the picture is."""

from __future__ import annotations

import struct

MAX_BYTES = 2**20
ORIENTATION = 0x0112


def orientation(block: bytes) -> int:
    """EXIF orientation 1..8 out of a TIFF-shaped block; 1 when it has none or makes no sense.

    Broken metadata does not make a picture unreadable, so nothing is raised here.
    """
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return 1
    start = struct.unpack_from(order + "I", block, 4)[0]
    if start + 2 > len(block):
        return 1
    count = struct.unpack_from(order + "H", block, start)[0]
    last = min(start + 2 + 12 * count, len(block) - 11)
    for at in range(start + 2, last, 12):
        tag, kind, length, value = struct.unpack_from(order + "HHIH", block, at)
        if tag == ORIENTATION:
            return value if (kind, length) == (3, 1) and 1 <= value <= 8 else 1
    return 1

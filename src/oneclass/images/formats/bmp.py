"""BMP: header and palette read here, rows by Pillow."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from oneclass.images.formats.arithmetic import is_grey, on_white
from oneclass.images.formats.pillow import decode
from oneclass.images.formats.source import (
    Header,
    Pixels,
    Source,
    damaged,
    exactly,
    truncated,
    unsupported,
)

RLE8, RLE4, BITFIELDS = 1, 2, 3
MAX_RLE_BYTES, MAX_RLE_PIXELS = 2**20, 2**23
"""Pillow undoes BMP's run-length code in Python, so only small files end in time.

A line of the code may leave out any number of pixels, which are filled up one by one.
"""


def inspect(file: BinaryIO) -> Source:
    """Read the header and palette of a BMP; raises ``RefusedError``."""
    file.seek(10)
    start, size = struct.unpack("<II", exactly(file, 8, "header"))
    if size == 12:
        width, height, _, bits = struct.unpack("<HHHH", exactly(file, 8, "header"))
        compression = used = 0
    elif 40 <= size <= 124:
        rest = exactly(file, size - 4, "header")
        width, height, _, bits, compression = struct.unpack("<iiHHI", rest[:16])
        used = struct.unpack("<I", rest[28:32])[0]
    else:
        raise damaged(f"its header has {size} bytes")
    if width <= 0 or height == 0:
        raise damaged(f"its header says {width} x {height} pixels")
    if bits not in (1, 4, 8, 16, 24, 32) or compression not in (0, RLE8, RLE4, BITFIELDS):
        raise unsupported(f"BMP with {bits} bits and compression {compression}")
    coded = compression in (RLE8, RLE4)
    if coded and (file.seek(0, 2) > MAX_RLE_BYTES or width * abs(height) > MAX_RLE_PIXELS):
        raise unsupported("run-length coded BMP above 1 MiB or 8 megapixels")
    end = 0 if coded else start + (width * bits + 31) // 32 * 4 * abs(height)
    grey = bits <= 8 and is_grey(_palette(file, size, used or 2**bits))
    header = Header(width, abs(height), "uint8", 1 if grey else 3, 1, "BMP")
    mode = "L" if grey else "RGB" if bits <= 8 else None
    return Source(header, lambda: _decode(file, header, end, mode))


def _palette(file: BinaryIO, header_bytes: int, used: int) -> Pixels:
    if used > 256:
        raise damaged(f"its palette has {used} colours")
    file.seek(14 + header_bytes)
    entry = 3 if header_bytes == 12 else 4
    data = exactly(file, entry * used, "palette")
    return np.frombuffer(data, np.uint8).reshape(-1, entry)[:, :3]


def _decode(file: BinaryIO, header: Header, end: int, mode: str | None) -> Pixels:
    file.seek(0)
    data = file.read()
    if len(data) < end:
        raise truncated("picture data")
    pixels = decode(BmpImageFile, data, (header.width, header.height), mode=mode)
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    # Many writers leave the fourth byte at zero: that means "no alpha", not "all transparent".
    colour, alpha = pixels[..., :3], pixels[..., 3]
    return on_white(colour, alpha) if alpha.any() else colour

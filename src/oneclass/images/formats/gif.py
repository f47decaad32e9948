"""GIF: blocks read here to count the frames, a single frame decoded by Pillow."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np
from PIL.GifImagePlugin import GifImageFile

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

IMAGE, EXTENSION, TRAILER = b",", b"!", b";"


def inspect(file: BinaryIO) -> Source:
    """Read the blocks of a GIF; raises ``RefusedError``."""
    file.seek(6)
    width, height, flags = struct.unpack("<HHB", exactly(file, 5, "header"))
    if not width or not height:
        raise damaged(f"its header says {width} x {height} pixels")
    file.seek(2 + _palette_bytes(flags), 1)
    frames = _count(file, width, height)
    if not frames:
        raise damaged("it holds no picture data")
    header = Header(width, height, "uint8", 3, frames, "GIF")
    return Source(header, lambda: _decode(file, (width, height)))


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _count(file: BinaryIO, width: int, height: int) -> int:
    """The number of frames, each of which must lie inside the screen."""
    frames = 0
    left = 2 * MAX_BLOCKS
    while (block := exactly(file, 1, "list of blocks")) != TRAILER:
        if block == IMAGE:
            x, y, w, h, flags = struct.unpack("<HHHHB", exactly(file, 9, "frame"))
            if x + w > width or y + h > height:
                raise damaged("a frame lies outside the picture")
            file.seek(_palette_bytes(flags), 1)
            frames += 1
        elif block != EXTENSION:
            raise damaged("its blocks make no sense")
        exactly(file, 1, "list of blocks")
        while (length := exactly(file, 1, "picture data")[0]) and left:
            if len(file.read(length)) < length:
                raise truncated("picture data")
            left -= 1
        if not left and frames > 1:
            return frames  # of a long animation; so many are enough to refuse it
        if not left:
            raise damaged(f"it is cut into more than {2 * MAX_BLOCKS} blocks")
    return frames


def _decode(file: BinaryIO, size: tuple[int, int]) -> Pixels:
    file.seek(0)
    pixels = decode(GifImageFile, file.read(), size, mode="RGBA")
    return on_white(np.ascontiguousarray(pixels[..., :3]), pixels[..., 3])

"""PBM, PGM and PPM, plain and binary: all in numpy, any maximum value."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np

from oneclass.images.formats.arithmetic import full_range
from oneclass.images.formats.source import (
    MAX_BLOCKS,
    Depth,
    Header,
    Pixels,
    RefusedError,
    Source,
    damaged,
    truncated,
)

SPACE = rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])"
HEAD = {
    False: re.compile(rb"P[2356]" + (SPACE + rb"+(\d{1,10})") * 3 + rb"[ \t\r\n\v\f]"),
    True: re.compile(rb"P[14]" + (SPACE + rb"+(\d{1,10})") * 2 + rb"[ \t\r\n\v\f]"),
}
HEAD_BYTES = 2**16
PLAIN_PIXELS, PLAIN_BYTES = 2**24, 2**27
"""Numbers written in letters take time to read; a picture of this size still ends in time."""


def inspect(file: BinaryIO) -> Source:
    """Read the header of a PNM; raises ``RefusedError``."""
    file.seek(0)
    start = file.read(HEAD_BYTES)
    kind = int(start[1:2])
    found = HEAD[kind in (1, 4)].match(start)
    if found is None:
        raise (truncated("header") if len(start) < 12 else damaged("its header makes no sense"))
    width, height, *rest = map(int, found.groups())
    maximum = rest[0] if rest else 1
    if not width or not height or not 1 <= maximum <= 65535:
        raise damaged(f"its header says {width} x {height} pixels with maximum {maximum}")
    depth: Depth = "uint8" if maximum <= 255 else "uint16"
    channels = 3 if kind in (3, 6) else 1
    frames = 1
    if kind >= 4:  # a binary file may hold several, one behind the other
        row = (width + 7) // 8 if kind == 4 else width * channels * (1 if maximum <= 255 else 2)
        file.seek(found.end() + row * height)
        frames += bool(re.match(rb"\s?P[456]\s", file.read(4)))
    header = Header(width, height, depth, channels, frames, "PNM")
    return Source(header, lambda: _decode(file, found.end(), kind, header, maximum))


def _decode(file: BinaryIO, at: int, kind: int, header: Header, maximum: int) -> Pixels:
    file.seek(at)
    data = file.read()
    shape = (header.height, header.width, 3)[: 3 if kind in (3, 6) else 2]
    count = int(np.prod(shape))
    if kind == 4:
        return _bitmap(data, header)
    if kind in (5, 6):
        wire = np.dtype("u1" if maximum <= 255 else ">u2")
        if len(data) < count * wire.itemsize:
            raise truncated("picture data")
        samples = np.frombuffer(data, wire, count)
    else:
        samples = _plain(data, count, kind)
    if samples.max() > maximum:
        raise damaged(f"a pixel is {samples.max()}, above the maximum of {maximum}")
    pixels = full_range(samples.astype(samples.dtype.newbyteorder("=")), maximum)
    # In a bitmap 1 is ink.
    return (np.uint8(255) - pixels if kind == 1 else pixels).reshape(shape)


def _bitmap(data: bytes, header: Header) -> Pixels:
    row = (header.width + 7) // 8
    if len(data) < row * header.height:
        raise truncated("picture data")
    packed = np.frombuffer(data, np.uint8, row * header.height).reshape(header.height, row)
    ink = np.unpackbits(packed, axis=1, count=header.width)
    return np.where(ink, np.uint8(0), np.uint8(255))


def _plain(data: bytes, count: int, kind: int) -> Pixels:
    if count > PLAIN_PIXELS or len(data) > PLAIN_BYTES:
        raise RefusedError(
            "too_large",
            f"it spells out {count} numbers in {len(data)} letters; save it as a binary PGM or PPM",
        )
    if data.count(b"#") > MAX_BLOCKS:
        raise damaged(f"it has more than {MAX_BLOCKS} comments")
    data = re.sub(rb"#[^\r\n]*", b"", data)
    if re.search(rb"[^0-9\s]", data):
        raise damaged("it has something else than numbers among its pixels")
    if kind == 1:
        digits = np.frombuffer(data.translate(None, b" \t\r\n\v\f"), np.uint8)[:count] - np.uint8(
            ord("0")
        )
        samples: Pixels = digits
    else:
        samples = np.fromstring(data.decode("ascii"), dtype=np.int64, sep=" ", count=-1)[:count]
    if len(samples) < count:
        raise truncated("picture data")
    return samples

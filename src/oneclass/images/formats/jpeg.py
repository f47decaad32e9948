"""JPEG: segments read here, the picture decoded by Pillow's libjpeg-turbo."""

from __future__ import annotations

import re
import struct
from functools import partial
from typing import BinaryIO

from PIL.JpegImagePlugin import JpegImageFile

from oneclass.images.formats import exif
from oneclass.images.formats.arithmetic import cmyk_to_rgb
from oneclass.images.formats.pillow import decode
from oneclass.images.formats.source import (
    MAX_BLOCKS,
    Header,
    Pixels,
    RefusedError,
    Source,
    damaged,
    exactly,
    truncated,
    unsupported,
)

MAGIC = b"\xff\xd8\xff"
SOI, EOI, SOS, DHT, JPG, DAC = 0xD8, 0xD9, 0xDA, 0xC4, 0xC8, 0xCC
APP0, APP1, APP14, APP15, COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
FRAMES = set(range(0xC0, 0xD0)) - {DHT, JPG, DAC}
DECODABLE = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # baseline, extended, progressive; the last two coded
BARE = {0x01, *range(0xD0, 0xD8)}  # markers that carry no length
# One literal first byte, so that the search for it is memchr's; of several, the last one counts.
MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")

MAX_HEAD_BYTES = 2**26
MAX_SCANNED = 2**31
"""Pixels times scans: a progressive file of a few kilobytes may ask for thousands of passes."""


def inspect(file: BinaryIO) -> Source:
    """Read a JPEG's segments up to its first scan; raises ``RefusedError``."""
    kept = [b"\xff\xd8"]
    frame, turned = b"", 1
    for marker, body in _segments(file):
        if marker in FRAMES:
            frame = frame or bytes([marker]) + body
        if marker == APP1 and body.startswith(b"Exif\0\0"):
            turned = exif.orientation(body)
        # Pillow needs JFIF and Adobe's segment to know the colours; the others only cause warnings.
        if marker in (APP0, APP14) or not (APP0 <= marker <= APP15 or marker == COMMENT):
            kept.append(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)
    header = _header(frame)
    at = file.tell()
    decode = partial(_decode, file, b"".join(kept), at, header)
    return Source(header, partial(decode, 1), turned, decode)


def _segments(file: BinaryIO) -> list[tuple[int, bytes]]:
    """Every segment before the first scan; leaves the file at the scan's marker."""
    file.seek(2)
    found: list[tuple[int, bytes]] = []
    for _ in range(MAX_BLOCKS):
        if exactly(file, 1, "header") != b"\xff":
            raise damaged("its header is no list of JPEG segments")
        marker = exactly(file, 1, "header")[0]
        if marker == 0xFF:  # one of any number of fill bytes
            file.seek(-1, 1)
            continue
        if marker == SOS:
            file.seek(-2, 1)
            return found
        if marker in (EOI, SOI):
            raise damaged("it holds no picture data")
        if marker in BARE:
            continue
        length = struct.unpack(">H", exactly(file, 2, "header"))[0]
        found.append((marker, exactly(file, max(0, length - 2), "header")))
        if file.tell() > MAX_HEAD_BYTES:
            raise damaged(f"its header is longer than {MAX_HEAD_BYTES} bytes")
    raise damaged(f"it is cut into more than {MAX_BLOCKS} segments")


def _header(frame: bytes) -> Header:
    if len(frame) < 7:
        raise damaged("it has no frame header")
    kind, bits, height, width, components = struct.unpack(">BBHHB", frame[:7])
    if kind not in DECODABLE:
        raise unsupported("lossless and hierarchical JPEG")
    if bits != 8:
        raise unsupported(f"JPEG with {bits} bits a sample", "export it as 16-bit PNG or TIFF")
    if not width or not height:
        raise damaged(f"its header says {width} x {height} pixels")
    if components not in (1, 3, 4):
        raise unsupported(f"JPEG with {components} colour components")
    return Header(width, height, "uint8", 1 if components == 1 else 3, 1, "JPEG")


def _decode(file: BinaryIO, head: bytes, at: int, header: Header, divisor: int) -> Pixels:
    file.seek(at)
    data = file.read()
    end, scans = _end(data)
    if scans * header.pixels > MAX_SCANNED:
        raise RefusedError(
            "too_large", f"it codes {header.width} x {header.height} pixels in {scans} scans; "
            "save it as a baseline JPEG"
        )  # fmt: skip
    pixels = decode(
        JpegImageFile, head + data[:end], (header.width, header.height), divisor=divisor
    )
    if pixels.shape[:2] != (-(-header.height // divisor), -(-header.width // divisor)):
        raise damaged("its headers disagree about its size")
    return cmyk_to_rgb(pixels) if pixels.ndim == 3 and pixels.shape[2] == 4 else pixels


def _end(data: bytes) -> tuple[int, int]:
    """Where the picture ends and how many scans it has.

    libjpeg makes up for a missing end with grey pixels, so the end marker must be seen here. What
    follows it (a camera's preview, a motion photo, garbage) is not part of the picture.
    """
    position = scans = 0
    for _ in range(MAX_BLOCKS):
        found = MARKER.search(data, position)
        if found is None:
            raise truncated("picture data")
        marker, position = found.group(1)[0], found.end()
        if marker == EOI:
            return position, scans
        scans += marker == SOS
        if marker >= 0xC0:
            position += int.from_bytes(data[position : position + 2], "big")
    raise damaged(f"it is cut into more than {MAX_BLOCKS} segments")

"""PNG: chunks read here, rows inflated and unfiltered by Pillow, 16 bits kept."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from oneclass.images.formats import exif
from oneclass.images.formats.arithmetic import (
    composited,
    is_grey,
    notice_transparent,
    on_white,
    through_palette,
)
from oneclass.images.formats.pillow import decode
from oneclass.images.formats.source import (
    MAX_BLOCKS,
    Depth,
    Header,
    Pixels,
    Source,
    damaged,
    exactly,
    truncated,
)

MAGIC = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip
"""Interlacing: first column, first row and steps of each pass."""


@dataclass(slots=True)
class _Chunks:
    """The chunks that decide how the picture looks; all others (text, profiles) are passed over."""

    ihdr: bytes = b""
    plte: bytes = b""
    trns: bytes = b""
    exif: bytes = b""
    frames: int = 1
    idat: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        width, height = struct.unpack(">II", self.ihdr[:8])
        return width, height

    @property
    def bits(self) -> int:
        return self.ihdr[8]

    @property
    def colour(self) -> int:
        return self.ihdr[9]


def inspect(file: BinaryIO) -> Source:
    """Read the chunks of a PNG; raises ``RefusedError``."""
    chunks = _walk(file)
    width, height = chunks.size
    colour = chunks.colour
    if not width or not height or max(width, height) >= 2**31:
        raise damaged(f"its header says {width} x {height} pixels")
    if chunks.ihdr[10:12] != b"\0\0" or chunks.ihdr[12] > 1:
        raise damaged("its header names an unknown compression, filter or interlacing")
    if chunks.bits not in DEPTHS.get(colour, ()):
        raise damaged(f"its header says {chunks.bits} bits with colour type {colour}")
    grey = colour in (GREY, GREY_ALPHA) or (colour == PALETTE and is_grey(_palette(chunks)))
    depth: Depth = "uint16" if chunks.bits == 16 else "uint8"
    header = Header(width, height, depth, 1 if grey else 3, chunks.frames, "PNG")
    orientation = exif.orientation(chunks.exif)
    return Source(header, lambda: _decode(file, chunks), orientation)


def _walk(file: BinaryIO) -> _Chunks:
    end = file.seek(0, 2)
    position = len(MAGIC)
    chunks = _Chunks()
    for _ in range(MAX_BLOCKS):
        file.seek(position)
        length, kind = struct.unpack(">I4s", exactly(file, 8, "list of chunks"))
        if position == len(MAGIC) and (kind, length) != (b"IHDR", 13):
            raise damaged("its first chunk is no header")
        if position + 12 + length > end:
            raise truncated(f"{kind.decode('latin-1')!r} chunk")
        if kind == b"IEND":
            if not chunks.idat:
                raise damaged("it holds no picture data (no IDAT chunk)")
            return chunks
        _take(file, chunks, kind, length)
        position += 12 + length
    raise damaged(f"it is cut into more than {MAX_BLOCKS} chunks")


def _take(file: BinaryIO, chunks: _Chunks, kind: bytes, length: int) -> None:
    if kind == b"IDAT":
        chunks.idat.append((file.tell(), length))
    elif kind == b"IHDR":
        chunks.ihdr = chunks.ihdr or _body(file, kind, length)
    elif kind == b"PLTE" and length <= 768:
        chunks.plte = _body(file, kind, length)
    elif kind == b"tRNS" and length <= 256:
        chunks.trns = _body(file, kind, length)
    elif kind == b"acTL" and length == 8:
        chunks.frames = max(1, struct.unpack(">I", _body(file, kind, length)[:4])[0])
    elif kind == b"eXIf" and length <= exif.MAX_BYTES:
        chunks.exif = file.read(length)


def _body(file: BinaryIO, kind: bytes, length: int) -> bytes:
    """A chunk's bytes, once its checksum is right."""
    body = file.read(length)
    stored = exactly(file, 4, "chunks")
    if zlib.crc32(kind + body) != int.from_bytes(stored, "big"):
        raise damaged(f"the checksum of its {kind.decode()} chunk is wrong")
    return body


def _palette(chunks: _Chunks) -> Pixels:
    """The palette (N, 3), uint8, its transparent colours composited on white."""
    if not chunks.plte or len(chunks.plte) % 3:
        raise damaged("its palette is missing or cut")
    palette = np.frombuffer(chunks.plte, np.uint8).reshape(-1, 3)
    return composited(palette, _opacity(chunks, len(palette)))


def _opacity(chunks: _Chunks, n: int) -> Pixels:
    """Of the n colours of a palette: (n,), uint8."""
    alpha = np.full(n, 255, np.uint8)
    known = np.frombuffer(chunks.trns, np.uint8)[:n]
    alpha[: len(known)] = known
    return alpha


def _decode(file: BinaryIO, chunks: _Chunks) -> Pixels:
    body = _idat(file, chunks)
    stream, size = _bare(chunks, body), chunks.size
    pixels = (
        _decode_16(stream, chunks.colour, size)
        if chunks.bits == 16
        else decode(PngImageFile, stream, size)
    )
    _check_whole(pixels, chunks, body)
    if chunks.colour == PALETTE:
        palette = _palette(chunks)
        if pixels.max() >= len(palette):
            raise damaged(f"a pixel has colour {pixels.max()} of a palette of {len(palette)}")
        if chunks.trns and (_opacity(chunks, len(palette))[pixels] < 255).any():
            notice_transparent()
        return through_palette(pixels, palette)
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    if chunks.colour == GREY_ALPHA:
        return on_white(pixels[..., :1], pixels[..., 1])[..., 0]
    if chunks.colour == RGB_ALPHA:
        return on_white(pixels[..., :3], pixels[..., 3])
    return _key_to_white(pixels, chunks)


def _decode_16(stream: bytes, colour: int, size: tuple[int, int]) -> Pixels:
    """16-bit rows of any colour type.

    Pillow has no 16-bit colour and keeps the high byte of each sample. Its unpackers can as well
    be told to keep the low byte, so two passes give both; grey with alpha is four bytes a pixel
    and comes out raw in one pass.
    """
    if colour == GREY:
        return decode(PngImageFile, stream, size)
    if colour == GREY_ALPHA:
        raw = np.ascontiguousarray(decode(PngImageFile, stream, size, raw_mode="RGBA"))
        return raw.view(">u2").astype(np.uint16)
    name = "RGB" if colour == RGB else "RGBA"
    pixels = decode(PngImageFile, stream, size, raw_mode=f"{name};16B").astype(np.uint16)
    pixels <<= 8
    pixels |= decode(PngImageFile, stream, size, raw_mode=f"{name};16L")
    return pixels


def _key_to_white(pixels: Pixels, chunks: _Chunks) -> Pixels:
    """A grey or RGB picture may name one colour as transparent; it becomes white."""
    count = 1 if pixels.ndim == 2 else 3
    if len(chunks.trns) != 2 * count:
        return pixels
    key = np.array(struct.unpack(f">{count}H", chunks.trns))
    if chunks.bits < 8:
        key = key * 255 // (2**chunks.bits - 1)
    hit = pixels == key[0] if count == 1 else (pixels == key).all(axis=-1)
    if hit.any():
        notice_transparent()
    pixels = pixels.copy()
    pixels[hit] = np.iinfo(pixels.dtype).max
    return pixels


def _bare(chunks: _Chunks, body: bytes) -> bytes:
    """The same picture as a PNG of four chunks."""
    palette = _chunk(b"PLTE", chunks.plte) if chunks.colour == PALETTE else b""
    parts = (_chunk(b"IHDR", chunks.ihdr), palette, _chunk(b"IDAT", body), _chunk(b"IEND", b""))
    return MAGIC + b"".join(parts)


def _idat(file: BinaryIO, chunks: _Chunks) -> bytes:
    """The compressed rows, their checksums verified."""
    parts = []
    for offset, length in chunks.idat:
        file.seek(offset)
        parts.append(_body(file, b"IDAT", length))
    return b"".join(parts)


def _check_whole(rows: Pixels, chunks: _Chunks, body: bytes) -> None:
    """Refuse a stream that holds fewer rows than the header says.

    Pillow takes one that ends after any full row for a whole picture and leaves the rest zero. So
    a last row that is not all zero has been decoded; otherwise the stream is inflated and counted.
    """
    if rows[-1].any() and not chunks.ihdr[12]:
        return
    inflater = zlib.decompressobj()
    got, need = 0, _inflated_bytes(chunks)
    for i in range(0, len(body), 2**16):
        if got >= need or inflater.eof:
            break
        got += len(inflater.decompress(body[i : i + 2**16]))
    if got < need:
        raise damaged(f"its picture data is {got} bytes once inflated, not {need}")


def _inflated_bytes(chunks: _Chunks) -> int:
    """Bytes of all rows with their filter bytes, over one pass or Adam7's seven."""
    width, height = chunks.size
    bits = chunks.bits * {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}[chunks.colour]
    passes = ADAM7 if chunks.ihdr[12] else ((0, 0, 1, 1),)
    total = 0
    for x, y, right, down in passes:
        across, rows = -(-(width - x) // right), -(-(height - y) // down)
        if across > 0 and rows > 0:
            total += rows * (1 + (across * bits + 7) // 8)
    return total


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

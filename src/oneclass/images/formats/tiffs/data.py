"""TIFF pixels: libtiff or zlib unpacks the bytes, numpy says what they mean.

Pillow reduces 16-bit colour to 8 bits, and knows no planar 16-bit, 12-bit or double files. So each
compressed file is shown to libtiff as what it always is, rows of bytes: an 8-bit grey picture as
wide as a row is long. The predictor, the byte order and the colours are undone here, in numpy.
Only codes that work on pixels instead of bytes (fax, JPEG) are left to Pillow as a whole.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from oneclass.images.formats.arithmetic import (
    cmyk_to_rgb,
    full_range,
    on_white,
    premultiplied_on_white,
    through_palette,
)
from oneclass.images.formats.pillow import decode as decode_with_pillow
from oneclass.images.formats.source import (
    MAX_BYTES,
    Pixels,
    RefusedError,
    damaged,
    too_large,
    truncated,
    unsupported,
)
from oneclass.images.formats.tiffs.layout import (
    CMYK,
    DEFLATE,
    FAX,
    FLOAT,
    JPEG,
    NONE,
    PALETTE,
    RGB,
    SIGNED,
    UNASSOCIATED,
    YCBCR,
    Layout,
)

REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
EXACT = 2**24  # float32 holds every integer up to here


def decode(file: BinaryIO, layout: Layout) -> Pixels:
    """(H, W) or (H, W, 3) of the header's depth; raises ``RefusedError``."""
    if layout.planes * layout.rows * layout.row_bytes > 2 * MAX_BYTES:
        raise RefusedError(
            "too_large",
            "its strips or tiles unpack to far more than its picture; export it anew as PNG or "
            "plain TIFF",
        )
    if layout.compression in FAX or layout.compression == JPEG:
        return _colours(_whole(file, layout), layout)
    planes = [_plane(file, layout, plane) for plane in range(layout.planes)]
    samples = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
    _check_no_data(samples, layout)
    return _colours(samples, layout)


def _check_no_data(samples: Pixels, layout: Layout) -> None:
    """Refuse pixels marked as holding no data, like NaN; zero in plain integers is only dark."""
    value = layout.no_data
    if value is None or samples.dtype == np.uint8 or (samples.dtype.kind == "u" and value == 0):
        return
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            value = float(
                samples.dtype.type(value)
            )  # the text may have more digits than the pixels
    marked = int(np.count_nonzero((samples == value).all(axis=2)))
    if marked:
        raise RefusedError(
            "not_finite", f"{marked} of {samples[..., 0].size} pixels are {value:g}, which its "
            "GDAL tag calls no data; cut the picture to what is valid, or replace them by a number "
            "that means what you want and remove the tag"
        )  # fmt: skip


def palette(layout: Layout) -> Pixels:
    """The colour map as (N, 3): uint8 where 8 bits hold it exactly, else uint16."""
    table = np.array(layout.palette, np.uint16).reshape(3, -1).T
    for step in (257, 256):
        if not np.any(table % step):
            return (table // step).astype(np.uint8)
    return table


def _plane(file: BinaryIO, layout: Layout, plane: int) -> Pixels:
    """One plane (H, W, samples) of raw samples in this machine's byte order."""
    first = plane * layout.blocks_per_plane
    pieces = _pieces(file, layout, slice(first, first + layout.blocks_per_plane))
    rows = _unpack(pieces, layout)
    across = 1 if layout.planar else layout.samples
    samples = _samples(rows, layout, across)
    if layout.tiled:
        (down, over), (width, height) = layout.grid, layout.block
        samples = samples.reshape(down, over, height, width, across).swapaxes(1, 2)
        samples = samples.reshape(down * height, over * width, across)
    return samples[: layout.height, : layout.width]


def _pieces(file: BinaryIO, layout: Layout, which: slice) -> list[bytes]:
    pieces = []
    for offset, count in zip(layout.offsets[which], layout.counts[which], strict=True):
        file.seek(offset)
        piece = file.read(count)
        if len(piece) < count:
            raise truncated("picture data")
        pieces.append(piece.translate(REVERSED) if layout.reversed_bits else piece)
    return pieces


def _unpack(pieces: list[bytes], layout: Layout) -> Pixels:
    """Undo the compression: (rows, bytes of a row), uint8."""
    height, width = layout.rows, layout.row_bytes
    per_block = layout.block[1]
    if layout.compression not in (NONE, *DEFLATE):
        entries = {256: [width], 257: [height], 258: [8], 259: [layout.compression], 262: [1],
                   277: [1], 278: [per_block]}  # fmt: skip
        return decode_with_pillow(TiffImageFile, _container(entries, pieces), (width, height))
    for i, piece in enumerate(pieces):
        need = min(per_block, height - i * per_block) * width
        # zlib's own binding: it says what is wrong here, where libtiff would print it.
        pieces[i] = _inflated(piece, need) if layout.compression != NONE else piece[:need]
        if len(pieces[i]) < need:
            raise truncated("picture data")
    return np.frombuffer(b"".join(pieces), np.uint8).reshape(height, width)


def _inflated(piece: bytes, need: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(piece, need)
    except zlib.error as problem:
        raise damaged(f"its picture data cannot be inflated ({problem})") from None


def _whole(file: BinaryIO, layout: Layout) -> Pixels:
    """A fax or JPEG picture (H, W, samples) through Pillow, RGB for YCbCr."""
    entries = {256: [layout.width], 257: [layout.height], 258: [layout.bits] * layout.samples,
               259: [layout.compression], 277: [layout.samples], **layout.carried,
               262: [max(1, layout.photometric)]}  # fmt: skip
    if layout.tiled:
        entries |= {322: [layout.block[0]], 323: [layout.block[1]]}
    else:
        entries |= {278: [layout.block[1]]}
    pieces = _pieces(file, layout, slice(None))
    if layout.compression == JPEG and not all(b"\xff\xd9" in piece for piece in pieces):
        raise truncated("picture data")  # libjpeg would fill up with grey
    pixels = decode_with_pillow(
        TiffImageFile, _container(entries, pieces), (layout.width, layout.height)
    )
    pixels = pixels.astype(np.uint8, copy=False).reshape(*pixels.shape[:2], -1)
    if pixels.shape != (layout.height, layout.width, layout.samples):
        raise damaged("its tags disagree about its size")
    return pixels


def _container(entries: dict[int, list[int]], pieces: list[bytes]) -> bytes:
    """A little-endian TIFF of one directory, these tags and these blocks, and nothing else."""
    tiled = 322 in entries
    lengths = [len(piece) for piece in pieces]
    entries = {**entries, 324 if tiled else 273: [0] * len(pieces), 325 if tiled else 279: lengths}
    body_at = 8 + 2 + 12 * len(entries) + 4
    data_at = body_at + sum(4 * len(v) for v in entries.values() if len(v) > 1)
    starts = np.concatenate(([0], np.cumsum(lengths[:-1], dtype=np.int64))) + data_at
    if data_at + sum(lengths) >= 2**32:
        raise too_large("its compressed data is above 4 GiB")
    entries[324 if tiled else 273] = starts.tolist()
    table, body = b"", b""
    for tag, values in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        kind = 4
        if tag == 347:  # JPEG tables are bytes
            packed, kind = bytes(values).ljust(4 * len(values), b"\0"), 7
        inline = packed if len(values) == 1 else struct.pack("<I", body_at + len(body))
        table += struct.pack("<HHI", tag, kind, len(values)) + inline
        body += b"" if len(values) == 1 else packed
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + b"\0" * 4
    return b"".join([head, body, *pieces])


def _samples(rows: Pixels, layout: Layout, across: int) -> Pixels:
    """Bytes of rows -> (rows, block width, samples), predictor undone, native byte order."""
    count = layout.block[0] * across
    if layout.bits < 8:
        table = _bit_table(layout.bits)
        samples = table[rows].reshape(len(rows), -1)[:, :count]
    elif layout.bits == 12:
        samples = _twelve(rows)[:, :count]
    elif layout.predictor == 3:
        samples = _float_predictor(rows, layout, across)
    else:
        # A copy in native order, needed by the sums below and harmless otherwise.
        wire = np.dtype(f"{layout.order}u{layout.bits // 8}")
        samples = np.ascontiguousarray(rows).view(wire).astype(wire.newbyteorder("="))
    samples = samples.reshape(len(rows), layout.block[0], across)
    if layout.predictor == 2:
        np.cumsum(samples, axis=1, dtype=samples.dtype, out=samples)
    if layout.kind == FLOAT:
        return samples.view(f"f{layout.bits // 8}")
    return samples.view(f"i{layout.bits // 8}") if layout.kind == SIGNED else samples


def _bit_table(bits: int) -> Pixels:
    """(256, 8 // bits): the samples packed in each possible byte."""
    shifts = np.arange(8 - bits, -1, -bits)
    table: Pixels = (np.arange(256)[:, None] >> shifts & (2**bits - 1)).astype(np.uint8)
    return table


def _twelve(rows: Pixels) -> Pixels:
    """Two 12-bit samples in each three bytes, high bits first."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 3))).reshape(len(rows), -1, 3)
    a, b, c = (padded[..., i].astype(np.uint16) for i in range(3))
    return np.stack([a << 4 | b >> 4, (b & 15) << 8 | c], axis=-1).reshape(len(rows), -1)


def _float_predictor(rows: Pixels, layout: Layout, across: int) -> Pixels:
    """Undo predictor 3: bytes differ from their neighbour's and are sorted by significance."""
    size = layout.bits // 8
    summed = np.cumsum(rows.reshape(len(rows), -1, across), axis=1, dtype=np.uint8)
    planes = summed.reshape(len(rows), size, -1).swapaxes(1, 2)
    wire = np.dtype(f">u{size}")
    return np.ascontiguousarray(planes).view(wire)[..., 0].astype(wire.newbyteorder("="))


def _colours(samples: Pixels, layout: Layout) -> Pixels:
    """Raw samples (H, W, S) -> grey (H, W) or RGB (H, W, 3) of the depth that is promised."""
    if layout.photometric == PALETTE:
        return through_palette(samples[..., 0], palette(layout))
    if layout.depth == "float32":
        samples = _as_float(samples)
    else:
        samples = full_range(samples, 2**layout.bits - 1)
    colours = {RGB: 3, CMYK: 4, YCBCR: 3}.get(layout.photometric, 1)
    colour = samples[..., :colours]
    if layout.photometric == 0:
        colour = np.iinfo(colour.dtype).max - colour
    elif layout.photometric == CMYK:
        colour = cmyk_to_rgb(colour)
    if layout.alpha:
        blend = on_white if layout.extra[0] == UNASSOCIATED else premultiplied_on_white
        colour = blend(colour, samples[..., colours])
    return colour[..., 0] if colour.shape[2] == 1 else colour


def _as_float(samples: Pixels) -> Pixels:
    """Floats and integers -> float32; an integer that float32 would round is refused."""
    if samples.dtype.kind in "iu" and samples.itemsize > 2:
        low, high = int(samples.min()), int(samples.max())
        if max(-low, high) > EXACT:
            raise unsupported(
                f"32-bit integers from {low} to {high} (float32 is exact up to {EXACT})",
                "scale them to 16 bits or save floats",
            )
    with np.errstate(over="ignore"):  # a double above 3.4e38 becomes infinite and is refused later
        return samples.astype(np.float32, copy=False)

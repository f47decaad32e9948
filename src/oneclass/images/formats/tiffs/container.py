"""TIFF: the directory of tags, read defensively into one plain record."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

from oneclass.images.formats.arithmetic import is_grey
from oneclass.images.formats.source import (
    Depth,
    Header,
    Source,
    damaged,
    exactly,
    truncated,
    unsupported,
)
from oneclass.images.formats.tiffs import data as tiff_data
from oneclass.images.formats.tiffs.layout import (
    CMYK,
    FLOAT,
    PALETTE,
    RGB,
    SIGNED,
    YCBCR,
    Layout,
    check_compression,
)
from oneclass.images.formats.tiffs.pages import NO_DATA, Shape, Tags, directory, find_picture

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 273, 274, 277, 278, 279
PLANAR, T4_OPTIONS, T6_OPTIONS, PREDICTOR, COLOUR_MAP = 284, 292, 293, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, SUBSAMPLING = 338, 339, 347, 530
WANTED = {
    WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES,
    ROWS_PER_STRIP, STRIP_COUNTS, PLANAR, T4_OPTIONS, T6_OPTIONS, PREDICTOR, COLOUR_MAP, TILE_WIDTH,
    TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, SUBSAMPLING,
    NO_DATA,
}  # fmt: skip

INTEGER = 1
GREYS = (0, 1)
CAMERA_RAW = (32803, 34892)


def inspect(file: BinaryIO) -> Source:
    """Find the picture's directory, count the pages, read its tags; raises ``RefusedError``."""
    file.seek(0)
    start = exactly(file, 8, "header")
    shape = Shape("<" if start[:2] == b"II" else ">", 43 in (start[2], start[3]))
    if shape.big:
        start = exactly(file, 8, "header")
    first = struct.unpack(shape.offset, start[0 if shape.big else 4 :])[0]
    at, frames = find_picture(file, shape, first)
    tags, _ = directory(file, shape, at, WANTED)
    layout = _layout(file, tags, shape.order)
    turned = tags.get(ORIENTATION, [1])[0]
    return Source(_header(layout, frames), lambda: tiff_data.decode(file, layout), turned)


def _layout(file: BinaryIO, tags: Tags, order: str) -> Layout:
    """Check the tags against each other."""

    def one(tag: int, default: int) -> int:
        return tags.get(tag, [default])[0]

    width, height, samples = one(WIDTH, 0), one(HEIGHT, 0), one(SAMPLES, 1)
    bits, kinds = tags.get(BITS, [1]), tags.get(SAMPLE_FORMAT, [INTEGER])
    if not width or not height or PHOTOMETRIC not in tags:
        raise damaged(f"its tags say {width} x {height} pixels of no known kind")
    if len(set(bits)) > 1 or len(set(kinds)) > 1:
        raise unsupported("TIFF whose samples differ in depth or format")
    tiled = TILE_OFFSETS in tags
    block = (one(TILE_WIDTH, 0), one(TILE_HEIGHT, 0)) if tiled else (
        width, min(one(ROWS_PER_STRIP, height), height))  # fmt: skip
    if not 0 < block[0] <= 2**24 or not 0 < block[1] <= 2**24:
        raise damaged(f"its blocks have {block[0]} x {block[1]} pixels")
    layout = Layout(
        order=order,
        width=width,
        height=height,
        samples=samples,
        bits=bits[0],
        kind=kinds[0] if kinds[0] != 4 else INTEGER,
        photometric=one(PHOTOMETRIC, 1),
        compression=one(COMPRESSION, 1),
        planar=one(PLANAR, 1) == 2 and samples > 1,
        predictor=one(PREDICTOR, 1),
        reversed_bits=one(FILL_ORDER, 1) == 2,
        extra=tuple(tags.get(EXTRA_SAMPLES, ())),
        tiled=tiled,
        block=block,
        offsets=tags.get(TILE_OFFSETS if tiled else STRIP_OFFSETS, []),
        counts=tags.get(TILE_COUNTS if tiled else STRIP_COUNTS, []),
        palette=tags.get(COLOUR_MAP, []),
        carried={t: tags[t] for t in (T4_OPTIONS, T6_OPTIONS, JPEG_TABLES, SUBSAMPLING)
                 if t in tags},
        no_data=_no_data(tags),
    )  # fmt: skip
    _check_readable(layout)
    _check_blocks(file, layout)
    return layout


def _no_data(tags: Tags) -> float | None:
    """The value that stands for no data, where the file names one."""
    try:
        return float(bytes(v & 255 for v in tags.get(NO_DATA, [])).split(b"\0")[0])
    except ValueError:
        return None


def _check_readable(layout: Layout) -> None:
    """Refuse what neither numpy nor libtiff can be asked for."""
    colours = {0: 1, 1: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}.get(layout.photometric)
    if colours is None:
        if layout.photometric in CAMERA_RAW:
            raise unsupported("raw data of a camera", "develop it into a plain TIFF or PNG")
        raise unsupported(f"TIFF with photometric interpretation {layout.photometric}")
    if layout.samples - colours not in (0, 1):
        raise unsupported(f"TIFF with {layout.samples} samples a pixel", "export three bands of it")
    known = {INTEGER: (1, 2, 4, 8, 12, 16, 32), SIGNED: (8, 16, 32), FLOAT: (16, 32, 64)}
    if layout.bits not in known.get(layout.kind, ()):
        raise unsupported(f"TIFF with {layout.bits} bits of sample format {layout.kind}")
    wide = layout.depth == "float32"
    if wide and (layout.alpha or layout.photometric not in (1, RGB)):
        raise unsupported(
            "TIFF of floats or wide integers with alpha, palette, CMYK or white as zero"
        )
    if layout.photometric == PALETTE and (
        layout.bits not in (1, 2, 4, 8, 16) or len(layout.palette) != 3 * 2**layout.bits
    ):
        raise damaged("its palette is missing or has the wrong length")
    check_compression(layout)


def _check_blocks(file: BinaryIO, layout: Layout) -> None:
    """The strips or tiles must be as many as needed and lie inside the file."""
    if layout.planes * layout.blocks_per_plane != len(layout.offsets):
        raise damaged(f"it lists {len(layout.offsets)} blocks of pixels, not "
                      f"{layout.planes * layout.blocks_per_plane}")  # fmt: skip
    if not layout.counts and layout.compression == 1 and len(layout.offsets) == 1:
        layout.counts.append(layout.row_bytes * layout.height)
    if len(layout.counts) != len(layout.offsets):
        raise damaged("its lists of offsets and lengths differ in length")
    end = file.seek(0, 2)
    if any(o + c > end for o, c in zip(layout.offsets, layout.counts, strict=True)):
        raise truncated("picture data")
    if sum(layout.counts) > end:
        raise damaged("its blocks of pixels overlap")


def _header(layout: Layout, frames: int) -> Header:
    depth: Depth = layout.depth
    channels = 1 if layout.photometric in GREYS else 3
    if layout.photometric == PALETTE:
        palette = tiff_data.palette(layout)
        depth = "uint8" if palette.dtype == np.uint8 else "uint16"
        channels = 1 if is_grey(palette) else 3
    return Header(layout.width, layout.height, depth, channels, frames, "TIFF")

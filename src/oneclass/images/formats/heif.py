"""AVIF by Pillow and HEIC by pillow-heif, where they are there; 8 bits, as neither keeps more."""

from __future__ import annotations

import io
from importlib import import_module
from typing import Any, BinaryIO

from oneclass.images.formats.arithmetic import on_white
from oneclass.images.formats.pillow import decode
from oneclass.images.formats.source import (
    MAX_BYTES,
    Header,
    Pixels,
    Source,
    damaged,
    no_memory,
    too_large,
    unsupported,
)
from oneclass.system.host.machine import pip_install

AVIF = {b"avif", b"avis"}
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
NEWER_PILLOW = "pip install -U pillow"
DEPTHS = b"pixi"
"""The box that says how many bits each channel has."""
ORIENTATION = 0x112
BOXES = 1 << 16
"""Bytes from the start of a file in which that box stands."""


def begins(start: bytes) -> bool:
    """Whether a file's first 16 bytes name one of these kinds."""
    return start[4:8] == b"ftyp" and start[8:12] in AVIF | HEIC


def kind_of(start: bytes) -> str | None:
    """ "AVIF" or "HEIC", by a file's first 64 bytes or more; None for what is neither."""
    if not begins(start):
        return None
    brands = start[8 : min(64, int.from_bytes(start[:4], "big"))]
    return "AVIF" if any(brands[i : i + 4] in AVIF for i in range(0, len(brands), 4)) else "HEIC"


def inspect(file: BinaryIO) -> Source:
    """Read size, bits and frames of an AVIF or HEIC file; raises ``RefusedError``."""
    if file.seek(0, 2) > MAX_BYTES:
        raise too_large(f"the file has more than {MAX_BYTES} bytes")
    file.seek(0)
    content = file.read()
    name, opener = ("AVIF", _avif()) if kind_of(content) == "AVIF" else ("HEIC", _heic())
    bits = _bits(content[:BOXES])
    if bits > 8:
        raise unsupported(f"{name} of {bits} bits", "export it as PNG or TIFF of 16 bits")
    try:
        with opener(io.BytesIO(content)) as image:
            size, frames = image.size, int(getattr(image, "n_frames", 1))
            orientation = int(image.getexif().get(ORIENTATION, 1))  # HEIC's comes turned already
    except MemoryError:
        raise no_memory("open") from None
    except Exception as problem:  # hostile bytes make plugins raise almost anything
        raise damaged(f"its boxes make no sense ({problem})") from None
    header = Header(size[0], size[1], "uint8", 3, frames, name)
    return Source(header, lambda: _decode(opener, content, header), orientation)


def _avif() -> Any:
    from PIL import features

    if not features.check("avif"):
        raise unsupported("AVIF by this Pillow", f"install one that has it: {NEWER_PILLOW}")
    return import_module("PIL.AvifImagePlugin").AvifImageFile


def _heic() -> Any:
    try:
        return import_module("pillow_heif").HeifImageFile
    except ImportError:
        remedy = f"install what reads it: {pip_install('heif')}"
        raise unsupported("HEIC", remedy) from None


def _bits(start: bytes) -> int:
    """The most bits that a channel of any picture in the file has; 8 where none says."""
    most, at = 8, start.find(DEPTHS)
    while at >= 0:
        count = min(4, start[at + 8]) if at + 8 < len(start) else 0
        most = max([most, *start[at + 9 : at + 9 + count]])
        at = start.find(DEPTHS, at + 4)
    return most


def _decode(opener: Any, content: bytes, header: Header) -> Pixels:
    pixels = decode(opener, content, (header.width, header.height))
    if pixels.ndim == 2:
        pixels = pixels[..., None].repeat(3, axis=2)
    if pixels.shape[:2] != (header.height, header.width) or pixels.dtype != "uint8":
        raise damaged("its boxes disagree about its size")
    return on_white(pixels[..., :3], pixels[..., 3]) if pixels.shape[2] == 4 else pixels

"""The formats whose reading hangs on a package: which, how many there are, what stops them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.util import find_spec

from oneclass.errors import ImageError
from oneclass.images import foreign
from oneclass.images.formats import dicom, heif
from oneclass.system.host.machine import pip_install
from oneclass.system.names import count

JPEG_XL = "JPEG XL"
OPENED = frozenset({"unsupported", "truncated", "damaged", "multi_frame", "too_large"})
"""Reasons for which a file was opened: it is no pipe, and can be opened again."""


def readable() -> list[str]:
    """The formats that can be read here, by name."""
    special = [name for name, (_, lack) in READERS.items() if not lack()]
    return ["PNG", "JPEG", "TIFF", "BMP", "WebP", "GIF", *special, "PBM", "PGM", "PPM"]


def lines(read: Mapping[str, int], refused: Iterable[ImageError]) -> tuple[str, ...]:
    """A line for each of these formats that is there.

    Args:
        read: format -> number of files that were read.
        refused: the files that were not; the first bytes of each are looked at again.
    """
    lost = Counter(kind for error in refused if (kind := _kind(error)))
    return tuple(
        _line(kind, read.get(kind, 0), lost[kind], reader, missing)
        for kind, (reader, missing) in READERS.items()
        if read.get(kind, 0) + lost[kind]
    )


def _line(kind: str, n_read: int, n_lost: int, reader: str, missing: Callable[[], str]) -> str:
    start = f"{kind}: {count(n_read + n_lost, 'file')}, "
    if stops := missing():
        return f"{start}none can be read: {stops}"
    lost = f"; {n_lost} cannot be read, for the reason told with each" if n_lost else ""
    return f"{start}{n_read} read by {reader}{lost}"


def _kind(error: ImageError) -> str | None:
    if error.reason in OPENED:
        with suppress(OSError), error.path.open("rb") as file:
            start = file.read(foreign.HEAD_BYTES)
            if dicom.begins(file):
                return "DICOM"
            known = foreign.recognise(start)
            return JPEG_XL if known and known.name == JPEG_XL else heif.kind_of(start)
    return None


def _without(package: str, extra: str) -> str:
    there = find_spec(package) is not None
    return "" if there else f"install what reads it: {pip_install(extra)}"


def _without_avif() -> str:
    from PIL import features

    return "" if features.check("avif") else f"this Pillow has no AVIF: {heif.NEWER_PILLOW}"


READERS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "DICOM": ("the extra dicom", lambda: _without("pydicom", "dicom")),
    "AVIF": ("Pillow", _without_avif),
    "HEIC": ("the extra heif", lambda: _without("pillow_heif", "heif")),
    JPEG_XL: ("nothing", lambda: "no extra reads it; convert it to PNG (djxl of libjxl)"),
}
"""Format -> what reads it, and what stops that: nothing where it is there."""

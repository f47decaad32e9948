"""Image files: one file -> one array, its bit depth kept, or one typed reason why not.

``read`` never guesses, clips, saturates or reduces. Everything that hostile bytes can do ends in an
``ImageError`` whose ``reason`` is one of ``REASONS``. Both functions touch nothing global and may
be called from many threads. ``docs/images.md`` tells the rules.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from oneclass.errors import ImageError
from oneclass.images import foreign, special
from oneclass.images.formats import arithmetic, bmp, dicom, gif, heif, jpeg, png, pnm, webp
from oneclass.images.formats.source import (
    MAX_BYTES,
    Header,
    Pixels,
    RefusedError,
    Source,
)
from oneclass.images.formats.tiffs import container as tiff
from oneclass.system.places import FILES_ALONE, Remote, place, reading_as_needed

DEFAULT_MAX_PIXELS = 10**8
"""100 megapixels: few cameras have more, and one such picture needs up to 1.5 GB to decode."""

REDUCTIONS = (8, 4, 2)
"""By what a JPEG's sides can be divided in decoding it, cheaply."""

REASONS = (
    "missing",
    "not_a_file",
    "unreadable",
    "empty",
    "not_an_image",
    "unsupported",
    "truncated",
    "damaged",
    "not_finite",
    "multi_frame",
    "too_large",
)
"""The closed set of ``ImageError.reason``."""

A_LIST = "; if it is a list of images, let its name end in .txt"
"""Advice on a file of text, at the end of what is said of it: a command takes lists."""
NO_LISTING = (
    "over http no folder can be listed: give the addresses of the images, or a list of them in a "
    ".txt file"
)
"""Advice on a web page that was fetched as an image: mostly a folder's, or of an error."""
TEXT = bytes({9, 10, 12, 13, *range(32, 127), *range(128, 256)})
"""Bytes of texts in any encoding that lists have."""
CANON_RAW = b"CR"
_MAGICS: tuple[tuple[bytes, Callable[[BinaryIO], Source]], ...] = (
    (png.MAGIC, png.inspect),
    (jpeg.MAGIC, jpeg.inspect),
    (b"II*\0", tiff.inspect),
    (b"MM\0*", tiff.inspect),
    (b"II+\0", tiff.inspect),
    (b"MM\0+", tiff.inspect),
    (b"GIF87a", gif.inspect),
    (b"GIF89a", gif.inspect),
    (b"BM", bmp.inspect),
    *((b"P%d" % kind, pnm.inspect) for kind in range(1, 7)),
)


def probe(
    path: str | Path, content: bytes | None = None, *, max_pixels: int | None = None
) -> Header:
    """Read what a file says about its picture, without decoding a pixel.

    Args:
        path: of the file.
        content: all of its bytes, where they are at hand; then no file is opened.
        max_pixels: refuse what `read` refuses by the header alone: a larger picture, or several;
            None refuses neither.

    Raises:
        ImageError: the file is missing, no image, cut off before its header ends, ...
    """
    with _opened(path, content, whole=False) as file:
        source = _inspect(file)
        if max_pixels is not None:
            # To know how large a file of a store is, all of it would have to come.
            _check_size(source.header, 0, max_pixels)
        return _turned(source)


def read(
    path: str | Path,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    at_least: tuple[int, int] | None = None,
    content: bytes | None = None,
) -> Pixels:
    """Decode one image file at the depth that the file has.

    Args:
        path: any file, or an address such as s3://bucket/a.png; its content decides the format,
            not its suffix.
        max_pixels: refuse a larger picture from its header, before anything is decoded.
        at_least: (height, width) that suffice: a JPEG is decoded at 1/8, 1/4 or 1/2 of its size
            where that leaves so much of both, which is several times as fast. None for all of it.
        content: all of the file's bytes, where they are at hand; then no file is opened.

    Returns:
        An array of shape (H, W) for grey or (H, W, 3) for RGB, C-contiguous and writable, dtype
        uint8 (0..255), uint16 (0..65535) or float32 (finite, the file's own range).

    Raises:
        ImageError: with one of ``REASONS``; ``detail`` says what was wrong and what to do.
    """
    with _opened(path, content) as file:
        source = _inspect(file)
        _check_size(source.header, _n_bytes(file), max_pixels)
        decoded = _decoded(source, at_least)
        pixels = arithmetic.turn(decoded, source.orientation)
        _check_finite(pixels)
        return np.require(pixels, requirements=["C", "W"])


@contextmanager
def _opened(
    path: str | Path, content: bytes | None = None, *, whole: bool = True
) -> Iterator[BinaryIO]:
    """Open a regular file, and turn every refusal inside the block into an ``ImageError``.

    Of an address all is fetched before it is read, unless less than the `whole` may do.
    """
    try:
        if content is not None:
            yield BytesIO(content)
            return
        with _open(place(path), whole=whole) as file:
            yield file
    except FileNotFoundError:
        raise ImageError(path, "missing", "there is no such file; check the path") from None
    except OSError as problem:
        why = problem.strerror or problem
        detail = f"the system does not let it be read ({why}); check its permissions and the disk"
        if isinstance(place(path), Remote):
            detail = f"it cannot be fetched ({why}); check the credentials and the connection"
        raise ImageError(path, "unreadable", detail) from None
    except RefusedError as refused:
        detail, at = refused.detail, place(path)
        if isinstance(at, Remote) and at.scheme in FILES_ALONE:
            detail = detail.replace(foreign.PAGE.advice, NO_LISTING)
        raise ImageError(path, refused.reason, detail) from None


def _open(path: Path, *, whole: bool) -> BinaryIO:
    if isinstance(path, Remote):
        return BytesIO(path.read_bytes()) if whole else reading_as_needed(path)
    _check_regular(path)
    return path.open("rb")


def _n_bytes(file: BinaryIO) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def _check_regular(path: Path) -> None:
    """Asked before opening: to open a pipe would wait for ever."""
    try:
        mode = path.stat().st_mode
    except ValueError:  # a zero byte in the name
        raise FileNotFoundError from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise RefusedError("not_a_file", f"this is {kind}; give the path of one image file")


def _inspect(file: BinaryIO) -> Source:
    """Tell the format by the first bytes and read the header."""
    start = file.read(foreign.HEAD_BYTES)
    if not start:
        raise RefusedError(
            "empty", "the file has no bytes: it was never written whole; fetch or export it again"
        )
    known = next((inspect for magic, inspect in _MAGICS if start.startswith(magic)), None)
    if dicom.begins(file):  # whatever stands before its mark: it may be a TIFF's beginning
        known = dicom.inspect
    if heif.begins(start):
        known = heif.inspect
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        known = webp.inspect
    if known is not None and start[8:10] != CANON_RAW:
        return known(file)
    if kind := foreign.recognise(start):
        if kind.is_image:
            raise RefusedError(
                "unsupported", f"this is {kind.name}, which cannot be read; {kind.advice}"
            )
        raise RefusedError("not_an_image", f"this is {kind.name} and no image; {kind.advice}")
    a_list = A_LIST if _is_text(start) else ""
    *names, last = special.readable()
    raise RefusedError(
        "not_an_image",
        f"its content is no image of a known kind (it begins with {start[:8]!r}); "
        f"{', '.join(names)} and {last} can be read: convert it to one of these, or leave it out"
        f"{a_list}",
    )


def _is_text(start: bytes) -> bool:
    return not start.translate(None, TEXT)


def _turned(source: Source) -> Header:
    h = source.header
    if source.orientation not in (5, 6, 7, 8):
        return h
    return Header(h.height, h.width, h.depth, h.channels, h.frames, h.format)


def _decoded(source: Source, at_least: tuple[int, int] | None) -> Pixels:
    """The picture, at a part of its size where the format can and that is enough."""
    if at_least is None or source.reduced is None:
        return source.decode()
    header = _turned(source)
    times = min(header.height // at_least[0], header.width // at_least[1])
    divisor = next((d for d in REDUCTIONS if d <= times), 1)
    return source.reduced(divisor)


def _check_size(header: Header, file_bytes: int, max_pixels: int) -> None:
    if header.frames > 1:
        raise RefusedError(
            "multi_frame", f"it holds {header.frames} frames or pages and only one can be scored; "
            "split it into single images"
        )  # fmt: skip
    if header.pixels > max_pixels:
        raise RefusedError(
            "too_large", f"it has {header.width} x {header.height} pixels, more than the limit of "
            f"{max_pixels}; scale it down or cut it up"
        )  # fmt: skip
    if max(header.nbytes, file_bytes) > MAX_BYTES:
        raise RefusedError(
            "too_large", f"the file has {file_bytes} bytes and decodes to {header.nbytes}, more "
            f"than the limit of {MAX_BYTES}; scale it down or cut it up"
        )  # fmt: skip


def _check_finite(pixels: Pixels) -> None:
    if pixels.dtype != np.float32:
        return
    bad = pixels.size - int(np.count_nonzero(np.isfinite(pixels)))
    if bad:
        raise RefusedError(
            "not_finite", f"{bad} of {pixels.size} values are NaN or infinite; "
            "replace them by a number that means what you want"
        )  # fmt: skip

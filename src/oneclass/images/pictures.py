"""A picture of PIL's as its file would be read: the same rules, whatever Pillow did with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneclass.errors import ImageError
from oneclass.images import reading
from oneclass.images.formats import exif
from oneclass.images.formats.arithmetic import cmyk_to_rgb, is_grey, on_white, turn
from oneclass.images.formats.source import Pixels, RefusedError, damaged, no_memory, truncated

READ_HERE = frozenset(
    {"PNG", "JPEG", "MPO", "TIFF", "GIF", "BMP", "WEBP", "PPM", "AVIF", "HEIF"}
)  # fmt: skip
"""Formats of Pillow's that `images.read` knows: of others Pillow's own pixels are taken."""
GREY = frozenset({"1", "L", "LA", "La"})
EXACT = 2**24
"""float32 has every integer up to here."""


@dataclass(frozen=True)
class Content:
    """An image file's bytes, not yet decoded."""

    of: bytes


def is_picture(item: Any) -> bool:
    """Whether it is a picture of PIL's, which need not be imported to see that."""
    return hasattr(item, "getbands") and hasattr(item, "convert")


def taken(picture: Any, name: str) -> Content | Pixels:
    """What there is to see in a picture of PIL's, before whoever holds it closes or changes it.

    Args:
        picture: of one that was opened and not looked at since, the file's bytes are taken; of any
            other one the pixels: turned as its EXIF orientation says, its transparency composited
            on white.
        name: what to call it in messages.

    Returns:
        The bytes; or an array (H, W) or (H, W, 3), uint8, uint16 or float32 (int32 where the
        values are beyond what float32 has exactly).

    Raises:
        ImageError: it is cut off, damaged, closed, or has several frames.
    """
    content = _untouched(picture)
    if content is not None:
        return content
    try:
        return _pixels(picture)
    except RefusedError as refused:
        raise ImageError(name, refused.reason, refused.detail) from None


def _untouched(picture: Any) -> Content | None:
    """The bytes of a file that was opened, and of which nothing was decoded or chosen since."""
    file = getattr(picture, "fp", None)
    # `tile` says nothing of WebP, and `draft` asks for a part of the size.
    lazy = "_im" in vars(picture) and vars(picture)["_im"] is None
    if file is None or not lazy or picture.decoderconfig or picture.format not in READ_HERE:
        return None
    content = None
    with suppress(OSError, ValueError, AttributeError):  # closed, or no file that can be read anew
        position = file.tell()
        try:
            file.seek(0)
            content = file.read()
        finally:
            file.seek(position)
    if not isinstance(content, bytes):
        return None
    try:
        reading.probe("picture", content)
    except ImageError as error:
        return None if error.reason == "not_an_image" else Content(content)
    return Content(content)


def _pixels(picture: Any) -> Pixels:
    try:
        frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
        if frames > 1:
            raise RefusedError(
                "multi_frame", f"it holds {frames} frames or pages and only one can be scored; "
                "give a copy of one, image.copy()"
            )  # fmt: skip
        picture.load()
        said = picture.info.get("exif", b"")
        orientation = exif.orientation(said) if isinstance(said, bytes) else 1
        return turn(_upright(picture), orientation)
    except MemoryError:
        raise no_memory("decode") from None
    except RefusedError:
        raise
    except Exception as problem:  # as in `formats.pillow`: plugins raise almost anything
        raise _refused(picture, problem) from None


def _refused(picture: Any, problem: Exception) -> RefusedError:
    if "truncated" in str(problem).lower():
        return truncated("picture data")
    file = getattr(picture, "fp", None)
    if "closed" in str(problem) or file is None or getattr(file, "closed", False):
        return RefusedError(
            "unreadable", "the picture was closed before it was read; give the path of its file, "
            "or keep it open until it is scored"
        )  # fmt: skip
    return damaged(f"its picture data cannot be decoded ({problem})")


def _upright(picture: Any) -> Pixels:
    """The pixels as Pillow holds them, in the forms that files are read in."""
    mode = picture.mode
    if mode == "I":
        values = np.asarray(picture)
        return values.astype(np.float32) if (abs(values) <= EXACT).all() else values
    if mode == "F" or mode.startswith("I;16"):
        return np.asarray(picture)
    if mode == "CMYK":
        return cmyk_to_rgb(np.asarray(picture))
    grey = mode in GREY and picture.format != "GIF"
    if picture.has_transparency_data:
        both = np.asarray(picture.convert("LA" if grey else "RGBA"))
        pixels = on_white(np.ascontiguousarray(both[..., :-1]), both[..., -1])
        pixels = pixels[..., 0] if grey else pixels
    else:
        pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    if mode in ("P", "PA") and picture.format != "GIF":
        palette = np.array(picture.getpalette(), np.uint8).reshape(-1, 3)
        return pixels[..., 0] if is_grey(palette) else pixels
    return pixels

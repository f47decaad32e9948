"""Arithmetic on decoded pixels: exact in integers, one rule for every depth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from oneclass.images.formats.source import Pixels


class Noticed:
    """What was noticed of the pixels decoded inside `noticing`.

    Attributes:
        transparent: whether one of them was not opaque, and so was composited.
    """

    def __init__(self) -> None:
        self.transparent = False


_NOTICED: ContextVar[Noticed | None] = ContextVar("noticed", default=None)


@contextmanager
def noticing() -> Iterator[Noticed]:
    """Notice what is decoded in here, in this thread: the pixels themselves do not show it."""
    noticed = Noticed()
    token = _NOTICED.set(noticed)
    try:
        yield noticed
    finally:
        _NOTICED.reset(token)


def notice_transparent() -> None:
    """Say that a pixel was not opaque, to whoever wants to know."""
    if noticed := _NOTICED.get():
        noticed.transparent = True


def full_range(samples: Pixels, maximum: int) -> Pixels:
    """Integers 0..maximum -> uint8 0..255 (maximum <= 255) or uint16 0..65535, rounded."""
    narrow = np.uint8 if maximum <= 255 else np.uint16
    top = int(np.iinfo(narrow).max)
    if maximum == top:
        return samples.astype(narrow, copy=False)
    # A table of every possible value is exact and needs no wide copy of the picture.
    values = np.arange(maximum + 1, dtype=np.uint64)
    table = ((2 * values * np.uint64(top) + np.uint64(maximum)) // np.uint64(2 * maximum)).astype(
        narrow
    )
    return table[samples]


def on_white(colour: Pixels, alpha: Pixels) -> Pixels:
    """Composite on white: ``colour`` (..., C), straight ``alpha`` (...), both of one depth."""
    if (alpha == np.iinfo(colour.dtype).max).all():
        return colour
    notice_transparent()
    return composited(colour, alpha)


def composited(colour: Pixels, alpha: Pixels) -> Pixels:
    """The same for colours of which nobody knows yet whether a pixel has them."""
    top = np.uint32(np.iinfo(colour.dtype).max)
    out = np.empty_like(colour)
    for rows in _bands(colour):
        a = alpha[rows].astype(np.uint32)[..., None]
        mixed = colour[rows] * a + top * (top - a)  # at most 65535 ** 2, so 32 bits hold it
        out[rows] = (mixed + top // 2) // top
    return out


def premultiplied_on_white(colour: Pixels, alpha: Pixels) -> Pixels:
    """The same where the colour already carries its alpha (TIFF's associated alpha)."""
    top = int(np.iinfo(colour.dtype).max)
    if (alpha < top).any():
        notice_transparent()
    # A colour above its own alpha breaks the promise of the format; it can be no more than white.
    out: Pixels = np.minimum(colour, alpha[..., None])
    out += (colour.dtype.type(top) - alpha)[..., None]
    return out


def cmyk_to_rgb(ink: Pixels) -> Pixels:
    """(H, W, 4) ink, 0 = none -> (H, W, 3): (1 - C)(1 - K), the rule without a colour profile."""
    top = np.uint32(np.iinfo(ink.dtype).max)
    out = np.empty((*ink.shape[:2], 3), dtype=ink.dtype)
    for rows in _bands(ink):
        light = top - ink[rows].astype(np.uint32)
        mixed = light[..., :3] * light[..., 3:]
        out[rows] = (mixed + top // 2) // top
    return out


def is_grey(palette: Pixels) -> bool:
    """Whether a palette (N, 3) holds greys only."""
    return bool(np.all(palette == palette[:, :1]))


def through_palette(index: Pixels, palette: Pixels) -> Pixels:
    """(H, W) indices through a palette (N, 3): (H, W) if it holds greys only, else (H, W, 3)."""
    return palette[index, 0] if is_grey(palette) else palette[index]


def turn(pixels: Pixels, orientation: int) -> Pixels:
    """Obey an EXIF orientation (1..8); other values mean 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _bands(pixels: Pixels) -> list[slice]:
    """Slices of rows small enough that four bytes a sample cost little memory."""
    step = max(1, 2**20 // max(1, pixels[0].size))
    return [slice(i, i + step) for i in range(0, len(pixels), step)]

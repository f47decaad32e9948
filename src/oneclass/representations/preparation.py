"""One image as a network wants it: resized, as intensities, its mean and spread taken out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oneclass.backbones.spec import Preprocessing
from oneclass.images.scale import PixelScale

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
EVERY, BRIGHTEST = 4, 10
"""An exposure is looked for in one pixel of so many a side; one in so many of these is brighter."""
BRIGHT, DARK = 0.75, 1 / 32
"""An image of this exposure stays as it is; one below the latter is taken to have the latter."""


def prepare(
    pixels: NDArray[Any],
    scale: PixelScale,
    preprocessing: Preprocessing,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """One image as a network wants it.

    8-bit images are resized as 8-bit (Pillow's fast path), others as float32.

    Args:
        pixels: (H, W) grey or (H, W, 3) RGB, of the scale's depth.
        scale: the rule for intensities.
        preprocessing: the network's record.
        out: (channels, height, width) to write to; None for a new array.

    Returns:
        (channels, height, width) float32, channels being 3, or 1 where the network's input is
        grey; a grey image is repeated, a coloured one becomes its luminance.
    """
    planes, low, span = _resize(pixels, scale, preprocessing)
    gain = exposure_gain(planes, low, span) if preprocessing.evened else 1.0
    channels = len(preprocessing.mean)
    if channels == 1 and len(planes) == 3:
        planes = luminance(planes)[None]
    # One multiplication and one addition a value: gain (value - low) / span, then (- mean) / std.
    prepared = np.empty(preprocessing.shape, np.float32) if out is None else out
    first: dict[tuple[int, float, float], int] = {}  # a grey image is often three times the same
    for channel, (mean, std) in enumerate(zip(preprocessing.mean, preprocessing.std, strict=True)):
        same = first.setdefault((channel % len(planes), mean, std), channel)
        if same < channel:
            prepared[channel] = prepared[same]
            continue
        plane = np.ascontiguousarray(planes[channel % len(planes)])
        np.multiply(plane, np.float32(gain / (span * std)), out=prepared[channel])
        prepared[channel] -= np.float32((gain * low / span + mean) / std)
    return prepared


def exposure_gain(planes: NDArray[Any], low: float, span: float) -> float:
    """By what to multiply an image's intensities, to take half of its own exposure off.

    The same part under other light is another picture to a network. Not all of the exposure goes:
    what is darker than all others may be a defect. It is what a tenth of the pixels lie above, for
    a mean says how much of a picture is dark, too. docs/smalldefects.md has the table.

    Args:
        planes: (1 or 3, height, width) values.
        low: the value that is intensity 0.
        span: from there to intensity 1.
    """
    some = planes[:, ::EVERY, ::EVERY].mean(axis=0, dtype=np.float64).reshape(-1)
    place = len(some) - exposure_rank(*planes.shape[1:])
    exposure = (float(np.partition(some, place)[place]) - low) / span
    return math.sqrt(BRIGHT / max(exposure, DARK))


def exposure_rank(height: int, width: int) -> int:
    """The how manieth largest is the exposure, of the pixels that are looked at for it."""
    return max(1, -(-height // EVERY) * -(-width // EVERY) // BRIGHTEST)


def luminance(planes: NDArray[Any]) -> NDArray[np.float32]:
    """(3, H, W) RGB to (H, W) grey by ITU-R BT.601 weights, as Pillow's convert("L") does."""
    grey: NDArray[np.float32] = np.tensordot(LUMINANCE, planes.astype(np.float32), axes=1)
    return grey


def _resize(
    pixels: NDArray[Any], scale: PixelScale, preprocessing: Preprocessing
) -> tuple[NDArray[Any], float, float]:
    """(1 or 3, height, width) values, with the low and the span that make intensities of them."""
    height, width = preprocessing.size
    method = Image.Resampling[preprocessing.interpolation.upper()]
    if pixels.dtype == np.uint8:
        resized = pixels
        if pixels.shape[:2] != (height, width):  # else Pillow would copy it twice
            resized = np.asarray(Image.fromarray(pixels).resize((width, height), method))
        planes = resized[None] if resized.ndim == 2 else resized.transpose(2, 0, 1)
    else:  # the scale is linear, so the pixels are resized as they are, one channel at a time
        channels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        pictures = (Image.fromarray(channel.astype(np.float32)) for channel in channels)
        planes = np.stack([np.asarray(p.resize((width, height), method)) for p in pictures])
    return planes, scale.low, scale.high - scale.low

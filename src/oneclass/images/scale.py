"""How pixel values of any bit depth become intensities: one linear rule, fixed when fitting.

The rule is stored in the model and enforced when scoring. It never clips: a pixel brighter than
anything seen in fitting becomes an intensity above 1, which is what an anomaly may look like.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oneclass.backbones.spec import Preprocessing
from oneclass.errors import InputError
from oneclass.images.formats.source import Depth

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
DEPTHS: tuple[Depth, ...] = ("uint8", "uint16", "float32")


@dataclass(frozen=True, slots=True)
class PixelScale:
    """intensity = (pixel - low) / (high - low).

    Attributes:
        depth: "uint8", "uint16" or "float32": the only pixel type that the rule is for.
        low: the pixel value that becomes 0.
        high: the pixel value that becomes 1.
    """

    depth: str
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def intensities(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Apply the rule, in float64, to an array of any shape; float32 out."""
        unit = (pixels.astype(np.float64) - self.low) / (self.high - self.low)
        return unit.astype(np.float32)


def choose_scale(depth: str, lowest: float, highest: float) -> PixelScale:
    """The rule for a set of normal images.

    8-bit: 0 to 255. 16-bit: 0 to 2^b - 1, with b the fewest bits (8 to 16) that hold the brightest
    pixel, so that 12-bit data in a 16-bit file keeps its contrast. Float: 0 to 1 where all pixels
    lie there, else from the lowest to the highest pixel.

    Args:
        depth: one of `DEPTHS`.
        lowest: the lowest pixel value of all normal images.
        highest: the highest.

    Raises:
        InputError: an unknown depth, or float images that are all of one value.
    """
    if depth == "uint8":
        return PixelScale(depth, 0.0, 255.0)
    if depth == "uint16":
        bits = max(8, int(highest).bit_length())
        return PixelScale(depth, 0.0, float(2**bits - 1))
    if depth != "float32":
        raise InputError(f"bit depth {depth!r}: expected one of {', '.join(DEPTHS)}.")
    if lowest >= 0 and highest <= 1:
        return PixelScale(depth, 0.0, 1.0)
    if lowest == highest:
        raise InputError(
            f"every pixel of every normal image is {lowest:g}: nothing can be learnt from that. "
            "Give images that differ."
        )
    return PixelScale(depth, float(lowest), float(highest))


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
    channels = len(preprocessing.mean)
    if channels == 1 and len(planes) == 3:
        planes = luminance(planes)[None]
    # One multiplication and one addition a value: (value - low) / span, then (- mean) / std.
    prepared = np.empty(preprocessing.shape, np.float32) if out is None else out
    for channel, (mean, std) in enumerate(zip(preprocessing.mean, preprocessing.std, strict=True)):
        plane = planes[channel % len(planes)]
        np.multiply(plane, np.float32(1 / (span * std)), out=prepared[channel])
        prepared[channel] -= np.float32((low / span + mean) / std)
    return prepared


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
        resized = np.asarray(Image.fromarray(pixels).resize((width, height), method))
        planes = resized[None] if resized.ndim == 2 else resized.transpose(2, 0, 1)
    else:  # the scale is linear, so the pixels are resized as they are, one channel at a time
        channels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        pictures = (Image.fromarray(channel.astype(np.float32)) for channel in channels)
        planes = np.stack([np.asarray(p.resize((width, height), method)) for p in pictures])
    return planes, scale.low, scale.high - scale.low

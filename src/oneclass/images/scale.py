"""How pixel values of any bit depth become intensities: one linear rule, fixed when fitting.

The rule is stored in the model and enforced when scoring. It never clips: a pixel brighter than
anything seen in fitting becomes an intensity above 1, which is what an anomaly may look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.images.formats.source import Depth

DEPTHS: tuple[Depth, ...] = ("uint8", "uint16", "float32")
HANDFUL, MOST_HANDFUL = 4, 1e-4
"""This many pixels, or this share of them, set no scale: dead ones, or single bright dust."""
FEW_IMAGES, ALONE = 5, 0.05
"""From so many images on, one, or this share of them, sets no scale alone."""
FAR = 4.0
"""What exceeds the range of the others so many times is far."""
MARK = 8.0
"""A value that many pixels of an image have is a mark where it leaves less than one part in so many
of the range for all others: of an object before white, more would be left."""
FAINT = 16.0
"""An image that spans less than one part in so many of the scale shows next to nothing on it."""


BAND = 64
"""Lines of an image that are compared at a time."""
Colour = tuple[float, float, float]
"""Red, green and blue; alike where an image is grey."""


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


def one_colour(pixels: NDArray[Any]) -> Colour | None:
    """The colour that all pixels of (h, w) or (h, w, 3) have; None where they differ."""
    # A line mostly tells, or a few; a part at a time takes little memory.
    parts = (pixels[start : start + BAND] for start in range(0, len(pixels), BAND))
    if not all((part == pixels[0, 0]).all() for part in chain((pixels[:1], pixels[::BAND]), parts)):
        return None
    red, green, blue = np.broadcast_to(pixels[0, 0], 3).astype(float).tolist()
    return red, green, blue


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


@dataclass(frozen=True, slots=True)
class PixelRange:
    """Of one image: the extremes of all its pixels, and of all but a handful at either end.

    A lone value far from all others, such as stands for no data, is left out of the latter, too,
    however many pixels have it.
    """

    lowest: float
    low: float
    high: float
    highest: float

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> PixelRange:
        """The range of an array of any shape and at least one pixel."""
        flat = pixels.reshape(-1)
        few = min(max(HANDFUL, int(MOST_HANDFUL * flat.size)), flat.size // 64)
        places = sorted({0, few, flat.size - 1 - few, flat.size - 1})
        ordered = np.partition(flat, places)
        ends = (ordered[i] for i in (0, few, flat.size - 1 - few, flat.size - 1))
        return _without_marks(flat, *map(float, ends))


def _without_marks(
    flat: NDArray[Any], lowest: float, low: float, high: float, highest: float
) -> PixelRange:
    """The range without values at its ends that many pixels have and that stand alone."""
    whole = PixelRange(lowest, low, high, highest)
    if low > lowest and high < highest:
        return whole
    inside = flat[(flat > lowest) & (flat < highest)]
    if inside.size <= flat.size // 64:
        return whole
    few = min(HANDFUL, (inside.size - 1) // 2)
    ordered = np.partition(inside, sorted({few, inside.size - 1 - few}))
    bottom, top = float(ordered[few]), float(ordered[inside.size - 1 - few])
    gap = (MARK - 1) * (top - bottom)

    def many(value: float) -> bool:
        return int(np.count_nonzero(flat == value)) > HANDFUL

    return PixelRange(
        lowest,
        bottom if bottom - lowest > gap and many(lowest) else low,
        top if highest - top > gap and many(highest) else high,
        highest,
    )


def choose_common_scale(
    depth: str, ranges: Sequence[PixelRange]
) -> tuple[PixelScale, tuple[int, ...]]:
    """The rule for a set of normal images of which a few may hold values like "no data".

    The range is that of all pixels, as for `choose_scale`, unless few of them lie far from the
    others: a value that only a handful of pixels or one image in twenty has, and that is more than
    `FAR` times the others' range away from them. Such values count no more; they are not clipped.

    Returns:
        The rule, and the positions of the images that hold such values.

    Raises:
        InputError: as for `choose_scale`.
    """
    n = len(ranges)
    alone = max(1, int(ALONE * n)) if n >= FEW_IMAGES else 0
    bottom = 0.0 if depth == "uint16" else sorted(r.low for r in ranges)[alone]
    top = sorted(r.high for r in ranges)[n - 1 - alone]
    reach = (FAR - 1) * (top - bottom) if top > bottom else float("inf")
    floor, ceiling = bottom - reach, top + reach
    lowest = min(next((v for v in (r.lowest, r.low) if v >= floor), bottom) for r in ranges)
    highest = max(next((v for v in (r.highest, r.high) if v <= ceiling), top) for r in ranges)
    far = tuple(i for i, r in enumerate(ranges) if r.lowest < floor or r.highest > ceiling)
    return choose_scale(depth, lowest, highest), far


def faint(scale: PixelScale, ranges: Sequence[PixelRange]) -> tuple[int, ...]:
    """The positions of images that span next to nothing of the scale, though more than one value.

    Such are images of 8 bits kept in 16 among others that use all 16.
    """
    least = (scale.high - scale.low) / FAINT
    return tuple(i for i, r in enumerate(ranges) if r.lowest < r.highest and r.high - r.low < least)

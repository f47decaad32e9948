"""How pixel values of any bit depth become intensities: one linear rule, fixed when fitting.

The rule is stored in the model and enforced when scoring. It never clips: a pixel brighter than
anything seen in fitting becomes an intensity above 1, which is what an anomaly may look like.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.images.formats.source import Depth

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

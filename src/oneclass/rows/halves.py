"""float16 to float32 by its bits: numpy converts one value at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOVED, ALL_BUT_SPREAD = 13, np.int32(-0x70000001)
UP = np.float32(2.0**112)


def widened(halves: NDArray[Any], out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Finite float16 as float32: the bits that `astype` gives. Of other dtypes a plain copy.

    A float16 has 5 bits of exponent and 10 of fraction, a float32 8 and 23: moved up by 13 places
    the bits say the number times 2^-112, also where it is subnormal.

    Args:
        halves: of any shape, C-contiguous; few enough for a core's cache, since they are passed
            over four times.
        out: of the same shape, C-contiguous, to write to.
    """
    if halves.dtype != np.float16:
        out[...] = halves
        return out
    bits = out.view(np.int32)
    bits[...] = halves.view(np.int16)
    bits <<= MOVED
    bits &= ALL_BUT_SPREAD  # the sign has spread over the three bits below it
    out *= UP
    return out

"""What arrays hold, by one name each in every room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""Scores, weights, sums: what is computed with all the bits that there are."""
Rows = NDArray[np.floating[Any]]
"""Feature rows, in the precision that they are kept in."""
Planes = NDArray[np.float32]
"""Images prepared for a network, and the maps that it makes of them."""
Pixels = NDArray[Any]
"""(H, W) or (H, W, 3), of any of the depths that images have."""
Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

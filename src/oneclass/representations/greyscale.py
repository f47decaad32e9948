"""Grey intensities as rows: the paper's baseline."""

from __future__ import annotations

from typing import Any

import numpy as np

from oneclass.backbones import Preprocessing
from oneclass.representations.base import JPEG_MARGIN, ROW_DTYPES, Batch, Representation
from oneclass.system.arrays import Rows

GREYSCALE = "greyscale"


class Greyscale(Representation):
    """Raw grey intensities, resized to one size and flattened.

    Not rescaled to unit length: the paper's grey-scale figures are those of raw intensities.
    """

    kind = GREYSCALE
    unit_length = False

    def __init__(
        self,
        size: tuple[int, int],
        *,
        jpeg_margin: int | None = JPEG_MARGIN,
        row_dtype: str = ROW_DTYPES[0],
    ) -> None:
        """`size`: (height, width) in pixels of the compared images; `row_dtype`: of the rows."""
        self.row_dtype = row_dtype
        self.preprocessing = Preprocessing(size, "bilinear", (0.0,), (1.0,), jpeg_margin)
        self.n_columns = self.values_per_image = size[0] * size[1]
        self.map_shapes = ((1, *size),)

    def rows_of(self, computed: Batch) -> Rows:
        """n prepared images to (n, height * width) rows."""
        return np.array(computed, self.row_dtype).reshape(len(computed), -1)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "preprocessing": self.preprocessing.to_json(),
            "row_dtype": self.row_dtype,
        }

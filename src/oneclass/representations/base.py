"""From images to rows: what every representation has.

A representation works in two steps, so that the first can run in many threads ahead of the second:
`prepare` one image's pixels, then `rows` of a batch of prepared images.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from oneclass.backbones import Backbone, Preprocessing, Runtime
from oneclass.images.scale import PixelScale
from oneclass.representations.preparation import prepare
from oneclass.rows.samples import Layout
from oneclass.system.arrays import Pixels, Planes, Rows

ROW_DTYPES = ("float32", "float16")
JPEG_MARGIN = 2
"""benchmarks/bench_decoding.py has the table."""
Batch = Planes | Sequence[Planes]
MapShape = tuple[int, int, int]
"""(channels, height, width)."""


class Representation(ABC):
    """What makes rows of images. It can be copied and pickled.

    Attributes:
        kind: its name in records.
        unit_length: whether rows have unit length; one that is zero then has no direction.
        preprocessing: from pixels to what `rows` takes.
        n_columns: of a row.
        values_per_image: of all its rows.
        map_shapes: for each layer, the shape of its map in the row, or None where it has none.
        n_worst: 0 where an image is one row; else an image is as odd as this number of its worst
            rows on average.
        row_dtype: of the rows, one of `ROW_DTYPES`.
        backbone: the frozen network; None where there is none.
        runtime: what computes the network; None where there is none.
        together: how many images `rows` should get at best, where other threads call it, too.
        version: of what computes; the last bits of rows may depend on it.
    """

    kind: ClassVar[str]
    unit_length: ClassVar[bool]
    preprocessing: Preprocessing
    n_columns: int
    values_per_image: int
    map_shapes: tuple[MapShape | None, ...]
    n_worst: int = 0
    row_dtype: str
    backbone: Backbone | None = None
    runtime: Runtime | None = None
    together: int = 1
    version: str = "numpy"

    @property
    def prepared_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one prepared image."""
        return self.preprocessing.shape

    @property
    def layout(self) -> Layout | None:
        """Where patches lie in an image's row; None where there are none."""
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of one image, prepared and as rows."""
        return 4 * (math.prod(self.prepared_shape) + self.values_per_image)

    def require_maps(self) -> tuple[MapShape, ...]:
        """The shape of every layer's map.

        Raises:
            InputError: a layer has none; the message names layers that have one.
        """
        return tuple(shape for shape in self.map_shapes if shape is not None)

    def prepare(self, pixels: Pixels, scale: PixelScale, out: Planes | None = None) -> Planes:
        """(H, W) or (H, W, 3) pixels to one prepared image, (channels, height, width) float32."""
        return prepare(pixels, scale, self.preprocessing, out)

    def rows(self, batch: Batch) -> Rows:
        """n prepared images to (n, d) rows, or to (n, p, d), the p rows of each image."""
        return self.rows_of(self.compute(batch))

    def compute(self, batch: Batch) -> Any:
        """What the network says of n prepared images; where `rows_of` does all, the images."""
        return batch

    @abstractmethod
    def rows_of(self, computed: Any) -> Rows:
        """What `compute` returned of n prepared images to what `rows` returns."""

    def parts(self, rows: Rows) -> list[Rows]:
        """(n, d) rows as those of each representation that they hold: here themselves."""
        return [rows]

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The record that model files and caches keep; `from_record` reads it."""

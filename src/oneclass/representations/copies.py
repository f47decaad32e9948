"""Self-made anomalies: altered copies of images, as rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from oneclass.images.scale import PixelScale
from oneclass.images.sources import content_digest
from oneclass.representations.base import Batch, Representation
from oneclass.system.arrays import Pixels, Planes, Rows

TILES = 4
ALTERATIONS = ("rotated", "pasted", "shuffled")


class AlteredCopies(Representation):
    """Of each image three altered copies, as another representation sees them.

    The copies are made of the prepared image; the seed and the image's content decide how.

    Attributes:
        of: what makes their rows.
        seed: of the alterations.
    """

    kind = "altered_copies"
    unit_length = False

    def __init__(self, of: Representation, seed: int) -> None:
        self.of, self.seed = of, seed
        self.preprocessing, self.row_dtype = of.preprocessing, of.row_dtype
        self.backbone, self.runtime = of.backbone, of.runtime
        self.together, self.version = of.together, of.version
        self.n_columns, self.map_shapes = of.n_columns, of.map_shapes
        self.values_per_image = len(ALTERATIONS) * of.values_per_image

    @property
    def prepared_shape(self) -> tuple[int, int, int]:
        """The copies' channels one behind the other."""
        channels, height, width = self.of.prepared_shape
        return len(ALTERATIONS) * channels, height, width

    def prepare(self, pixels: Pixels, scale: PixelScale, out: Planes | None = None) -> Planes:
        planes = self.of.prepare(pixels, scale)
        random = np.random.default_rng([self.seed, *content_digest(pixels)])
        copies = altered(planes, random)
        return np.concatenate([copies[kind] for kind in ALTERATIONS], out=out)

    def rows(self, batch: Batch) -> Rows:
        """n prepared images to (n, 3, d) rows, in the order of `ALTERATIONS`."""
        planes = np.asarray(batch).reshape(-1, *self.of.prepared_shape)
        step = self.together
        rows = [self.of.rows(planes[i : i + step]) for i in range(0, len(planes), step)]
        return np.concatenate(rows).reshape(len(batch), len(ALTERATIONS), -1)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "seed": self.seed, "of": self.of.to_json()}


def altered(planes: Planes, random: np.random.Generator) -> dict[str, Planes]:
    """Three self-made anomalies of a prepared image.

    Args:
        planes: (channels, height, width) float32.
        random: decides where; the same state gives the same copies.

    Returns:
        "rotated": by a multiple of 90 degrees (by 180 if it is not square). "pasted": a rectangle
        of 2 to 15 % of the area copied to another place. "shuffled": the tiles of a 4 x 4 grid in
        another order. Shapes and type as given.
    """
    return {
        "rotated": _rotated(planes, random),
        "pasted": _pasted(planes, random),
        "shuffled": _shuffled(planes, random),
    }


def _rotated(planes: Planes, random: np.random.Generator) -> Planes:
    quarters = int(random.integers(1, 4)) if planes.shape[1] == planes.shape[2] else 2
    return np.ascontiguousarray(np.rot90(planes, quarters, axes=(1, 2)))


def _pasted(planes: Planes, random: np.random.Generator) -> Planes:
    height, width = planes.shape[1:]
    area, aspect = random.uniform(0.02, 0.15), math.exp(random.uniform(-1, 1))
    h = int(np.clip(height * math.sqrt(area * aspect), 1, height))
    w = int(np.clip(width * math.sqrt(area / aspect), 1, width))
    (top, down), (left, right) = (
        random.integers(0, side - part + 1, 2) for side, part in ((height, h), (width, w))
    )
    copy = planes.copy()
    copy[:, down : down + h, right : right + w] = planes[:, top : top + h, left : left + w]
    return copy


def _shuffled(planes: Planes, random: np.random.Generator) -> Planes:
    height, width = (side // TILES for side in planes.shape[1:])
    copy = planes.copy()
    for to, place in enumerate(random.permutation(TILES * TILES)):
        (down, right), (top, left) = divmod(to, TILES), divmod(int(place), TILES)
        copy[:, down * height : (down + 1) * height, right * width : (right + 1) * width] = planes[
            :, top * height : (top + 1) * height, left * width : (left + 1) * width
        ]
    return copy

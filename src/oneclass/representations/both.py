"""Whole images and patches together: what is odd as a whole, and what is odd in one place."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from oneclass.images.scale import PixelScale
from oneclass.representations.base import Batch, MapShape, Representation
from oneclass.representations.layers import PretrainedLayers
from oneclass.representations.patches import PatchLayers
from oneclass.representations.tiled import TiledPatches
from oneclass.rows.samples import Layout
from oneclass.system.arrays import Pixels, Planes, Rows

BOTH = "whole_and_patches"


class WholeAndPatches(Representation):
    """One flat row an image: that of the whole image, and behind it those of its positions.

    Where both are of one session, and see the image at one size, one pass of the network does for
    the two; else each prepares the image for itself. Maps, and `n_worst`, are those of the patches.

    Args:
        whole: makes the row of the whole image.
        patches: of the same network.
    """

    kind = BOTH
    unit_length = True

    def __init__(self, whole: PretrainedLayers, patches: PatchLayers | TiledPatches) -> None:
        self.whole, self.patches = whole, patches
        self.backbone, self.runtime = patches.backbone, patches.runtime
        self.preprocessing, self.row_dtype = patches.preprocessing, patches.row_dtype
        self.together = min(whole.together, patches.together)
        self.version = patches.version
        self.map_shapes, self.n_worst = patches.map_shapes, patches.n_worst
        self.n_columns = self.values_per_image = whole.n_columns + patches.values_per_image

    @property
    def one_pass(self) -> bool:
        """Whether one pass of the network does for both."""
        return isinstance(self.patches, PatchLayers) and self.whole.session is self.patches.session

    @property
    def prepared_shape(self) -> tuple[int, int, int]:
        if self.one_pass:
            return self.patches.prepared_shape
        return 1, 1, math.prod(self.whole.prepared_shape) + math.prod(self.patches.prepared_shape)

    @property
    def layout(self) -> Layout:
        return replace(self.patches.layout, before=self.whole.n_columns)

    def require_maps(self) -> tuple[MapShape, ...]:
        return self.patches.require_maps()

    def prepare(self, pixels: Pixels, scale: PixelScale, out: Planes | None = None) -> Planes:
        """Both preparations, one behind the other, as (1, 1, n) float32; one in one pass."""
        if self.one_pass:
            return self.patches.prepare(pixels, scale, out)
        both = np.empty(self.prepared_shape, np.float32) if out is None else out
        for one, planes in zip(self._two, self._prepared(both[None]), strict=True):
            one.prepare(pixels, scale, planes[0])
        return both

    def compute(self, batch: Batch) -> tuple[Any, Any]:
        """What the network says to each of the two; in one pass the same."""
        if self.one_pass:
            computed = self.patches.compute(batch)
            return computed, computed
        whole, patches = self._prepared(np.asarray(batch))
        return self.whole.compute(whole), self.patches.compute(patches)

    def rows_of(self, computed: tuple[Any, Any]) -> Rows:
        """What `compute` returned of n prepared images to their (n, d) rows."""
        made = [one.rows_of(said) for one, said in zip(self._two, computed, strict=True)]
        return np.concatenate([rows.reshape(len(rows), -1) for rows in made], axis=1)

    def to_json(self) -> dict[str, Any]:
        return {**self.patches.to_json(), "kind": BOTH, "whole": self.whole.to_json()}

    @property
    def _two(self) -> tuple[PretrainedLayers, PatchLayers | TiledPatches]:
        return self.whole, self.patches

    def _prepared(self, batch: Planes) -> tuple[Planes, Planes]:
        """(n, 1, 1, m) as the (n, channels, height, width) of both, without a copy."""
        flat = batch.reshape(len(batch), -1)
        cut = math.prod(self.whole.prepared_shape)
        return (
            flat[:, :cut].reshape(len(batch), *self.whole.prepared_shape),
            flat[:, cut:].reshape(len(batch), *self.patches.prepared_shape),
        )

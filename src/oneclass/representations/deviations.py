"""Whole images as rows that say how layers vary over an image, and a little of what is where."""

from __future__ import annotations

import numpy as np

from oneclass.errors import InputError
from oneclass.representations.base import Batch
from oneclass.representations.layers import PretrainedLayers
from oneclass.rows.layers import unit
from oneclass.system.arrays import Planes, Rows

OF_MEANS = 0.04
"""The share of a row's squared length that the means have; benchmarks/whole_images.py has the
table."""


class MeansAndDeviations(PretrainedLayers):
    """The layers' means as `PretrainedLayers` has them, and their standard deviations.

    In means over cells of a grid a small defect is one thing among many, and what they say most of
    is where things are. The standard deviation of each channel, over all positions of a layer's
    map, says how the picture varies, wherever that is, and is nearly the same for all normal
    images. It has most of the row: so means, which vary about ten times as much from one normal
    image to the next, count for about as much as it does.
    """

    kind = "means_and_deviations"
    near = 0.0125

    def rows(self, batch: Batch) -> Rows:
        """n prepared images to (n, d) rows of unit length.

        Shorter where a layer's means are all zero, or where it is alike all over the image.
        """
        maps, n = self._session(np.asarray(batch)), len(self.layers)
        means = [unit(one.reshape(len(one), -1), n, OF_MEANS) for one in self._pooled(maps)]
        varied = [unit(deviations(one), n, 1 - OF_MEANS) for one in maps]
        return np.concatenate([*means, *varied], axis=1).astype(self.row_dtype, copy=False)

    def _lay_out(self) -> None:
        if not all(len(shape) == 3 for shape in self.shapes):
            raise InputError(f"{self.layers} cannot vary over an image: layers with a map can.")
        self.n_columns = self.values_per_image = sum(self.widths) + sum(s[0] for s in self.shapes)
        self.map_shapes = (None,) * len(self.layers)


def deviations(maps: Planes) -> Planes:
    """(n, c) float32: the standard deviation of (n, c, h, w) maps over their positions.

    Normal images differ by little of it, so it is computed in float64: in whatever order it is
    added up, here or in an exported graph, the same float32 comes of it.
    """
    wide = maps.reshape(*maps.shape[:2], -1).astype(np.float64)
    wide -= wide.mean(axis=2, keepdims=True)
    squares = np.einsum("ncp,ncp->nc", wide, wide) / wide.shape[2]
    return np.asarray(np.sqrt(squares), np.float32)

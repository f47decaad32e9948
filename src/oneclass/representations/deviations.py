"""Whole images as rows that say how layers vary over an image, and a little of what is where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from oneclass.backbones import Backbone
from oneclass.errors import InputError
from oneclass.representations.layers import PretrainedLayers
from oneclass.representations.maps import pool
from oneclass.rows.layers import unit
from oneclass.system.arrays import Planes, Rows

OF_MEANS = 0.04
"""The share of a row's squared length that the means have; benchmarks/whole_images.py has the
table."""
NEAR = {1: 0.0125, 3: 0.02}
"""`PretrainedLayers.near` for so many cells on a side of the grid of deviations."""


class MeansAndDeviations(PretrainedLayers):
    """The layers' means as `PretrainedLayers` has them, and their standard deviations.

    In means over cells of a grid a small defect is one thing among many, and what they say most of
    is where things are. The standard deviation of each channel, over all positions of a layer's
    map, says how the picture varies, wherever that is, and is nearly the same for all normal
    images. It has most of the row: so means, which vary about ten times as much from one normal
    image to the next, count for about as much as it does.

    Args:
        cells: deviations are taken in each cell of a grid with so many on a side; a key of `NEAR`.
    """

    kind = "means_and_deviations"

    def __init__(
        self,
        backbone: Backbone,
        layers: Iterable[tuple[str, int | None]],
        *,
        cells: int = 1,
        **given: Any,
    ) -> None:
        self.cells, self.near = cells, NEAR[cells]
        super().__init__(backbone, layers, **given)

    def __reduce__(self) -> tuple[Any, ...]:
        anew, given = super().__reduce__()
        return partial(anew, cells=self.cells), given

    def to_json(self) -> dict[str, Any]:
        cells = {"cells": self.cells} if self.cells > 1 else {}
        return {**super().to_json(), **cells}

    def _rows(self, maps: Sequence[Planes]) -> Rows:
        """n images to (n, d) rows of unit length.

        Shorter where a layer's means are all zero, or where it is alike all over the image.
        """
        n = len(self.layers)
        means = [unit(one.reshape(len(one), -1), n, OF_MEANS) for one in self._pooled(maps)]
        varied = [unit(deviations(one, self.cells), n, 1 - OF_MEANS) for one in maps]
        return np.concatenate([*means, *varied], axis=1).astype(self.row_dtype, copy=False)

    def _lay_out(self) -> None:
        if not all(len(shape) == 3 for shape in self.shapes):
            raise InputError(f"{self.layers} cannot vary over an image: layers with a map can.")
        deviations = self.cells**2 * sum(shape[0] for shape in self.shapes)
        self.n_columns = self.values_per_image = sum(self.widths) + deviations
        self.map_shapes = (None,) * len(self.layers)


def deviations(maps: Planes, cells: int) -> Planes:
    """The standard deviation of each channel of maps over the positions in a cell of a grid.

    Normal images differ by little of it, so it is computed in float64: in whatever order it is
    added up, here or in an exported graph, the same float32 comes of it.

    Args:
        maps: (n, c, h, w).
        cells: of the grid's side; they are those of `pool`.

    Returns:
        (n, c cells cells) float32.
    """
    wide = maps.reshape(*maps.shape[:2], -1).astype(np.float64)
    wide -= wide.mean(axis=2, keepdims=True)
    if cells == 1:
        squares = np.einsum("ncp,ncp->nc", wide, wide) / wide.shape[2]
        return np.asarray(np.sqrt(squares), np.float32)
    apart = wide.reshape(maps.shape)
    means = pool(apart, cells)
    squares = pool(np.multiply(apart, apart, out=apart), cells) - means * means
    return np.asarray(np.sqrt(squares.clip(0)).reshape(len(maps), -1), np.float32)

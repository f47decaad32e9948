"""Positions of joined map layers as rows: for defects that are small beside the image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from oneclass.backbones import Backbone
from oneclass.errors import InputError
from oneclass.representations.base import MapShape
from oneclass.representations.layers import NetworkLayers
from oneclass.representations.positions import positions
from oneclass.rows.samples import Layout
from oneclass.system.arrays import Planes, Rows

PATCHES = "patches"
WORST_SHARE = 0.01
"""Of an image's positions; benchmarks/bench_patches.py has the table."""
EDGE, FEWEST_WITHIN = 1, 14
"""How many positions wide a picture's edge is, and how many must be left within a side, or there is
none; benchmarks/patch_rows.py has the table."""


class PatchLayers(NetworkLayers):
    """Each position of the layers' maps as a row.

    As in PatchCore (Roth et al. 2022, section 3.1) each position is averaged with its neighbours,
    3 x 3, and coarser layers are interpolated to the finest one's grid. Each layer's part of a row
    has unit length before they are joined, and the whole has unit length again.

    A network sees zeros beyond a picture, and what it says of the edge varies with how they meet
    the picture. So the position next to it within stands for each position at the edge.

    Args:
        edge: how many positions wide the edge is; 0 in models of before.

    Attributes:
        grid: (height, width) of the positions.
    """

    kind = PATCHES
    unit_length = True

    def __init__(
        self,
        backbone: Backbone,
        layers: Iterable[tuple[str, int | None]],
        *,
        edge: int = EDGE,
        **given: Any,
    ) -> None:
        self.edge = edge
        super().__init__(backbone, layers, **given)

    def __reduce__(self) -> tuple[Any, ...]:
        anew, given = super().__reduce__()
        return partial(anew, edge=self.edge), given

    def _rows(self, maps: Sequence[Planes]) -> Rows:
        """n images to (n, height * width, d) rows of unit length, or zero."""
        made = np.empty((len(maps[0]), *self.grid, self.n_columns), self.row_dtype)
        length, start = len(self.layers) ** -0.5, 0
        for values in self._pooled(maps):
            stop = start + values.shape[1]
            made[..., start:stop] = positions(values, self.grid, length, self.row_dtype)
            start = stop
        if self.edge:
            self._cover_edge(made)
        return made.reshape(len(made), -1, self.n_columns)

    def _cover_edge(self, made: Rows) -> None:
        """Put the nearest position within in the place of each at the edge of (n, h, w, d)."""
        for turned in (made, made.swapaxes(1, 2)):
            turned[:, : self.edge] = turned[:, self.edge, None]
            turned[:, -self.edge :] = turned[:, -self.edge - 1, None]

    @property
    def layout(self) -> Layout:
        return Layout(0, math.prod(self.grid), self.n_columns)

    def require_maps(self) -> tuple[MapShape, ...]:
        return ((1, *self.grid),)

    def to_json(self) -> dict[str, Any]:
        edge = {"edge": self.edge} if self.edge else {}
        return {**super().to_json(), "n_worst": self.n_worst, **edge}

    def _lay_out(self) -> None:
        for layer, shape in zip(self.layers, self.shapes, strict=True):
            if len(shape) != 3:
                hint = f" If these are tokens, name {layer.name}:map." if len(shape) == 2 else ""
                raise InputError(
                    f"layer {layer.name!r} has no map, and patches are positions of one.{hint} "
                    f"Its backbone's layers with a map: {self._mapped()}."
                )
        self.n_columns = sum(shape[0] for shape in self.shapes)
        self.grid = (max(shape[1] for shape in self.shapes), max(shape[2] for shape in self.shapes))
        self.values_per_image = self.n_columns * math.prod(self.grid)
        self.map_shapes = ((1, *self.grid),)
        if min(self.grid) < FEWEST_WITHIN + 2 * self.edge:
            self.edge = 0
        self.n_worst = max(1, round(WORST_SHARE * self.grid[0] * self.grid[1]))

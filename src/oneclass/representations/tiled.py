"""Patches of pictures that are too large to pass the network whole: tile by tile, one map.

Tiles overlap and begin at multiples of `STEP` pixels, so the positions of all of them lie on one
lattice. Each position of the picture is taken from the tile in which it lies furthest inside: near
its edge a tile sees the zeros around it in the place of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.representations.base import Batch, MapShape, Representation
from oneclass.representations.patches import PATCHES, PatchLayers
from oneclass.rows.samples import Layout
from oneclass.system.arrays import Planes, Rows

STEP = 32
"""Pixels; of tiles and pictures, so that the positions of a network's maps fall together."""
OVERLAP = 192
"""Pixels, at most half a tile. A position then lies 96 pixels inside its tile, where it is within
.02 of what it is in the picture seen whole; benchmarks/bench_tiles.py has the table."""
TOGETHER = 8
"""Tiles that the network gets at a time."""


class TiledPatches(Representation):
    """Each position of a picture as a row, from the tile that shows it best.

    An image is as odd as its worst positions are on average, as many as are worst in one tile: a
    defect does not count less in a larger picture.

    Args:
        tile: makes the rows of one tile; its size is the tiles'.
        size: (height, width) of the pictures, multiples of `STEP` and no smaller than a tile.

    Raises:
        InputError: a size that is none, or a network whose maps do not divide a tile evenly.
    """

    kind = PATCHES
    unit_length = True

    def __init__(self, tile: PatchLayers, size: tuple[int, int]) -> None:
        sides = tile.preprocessing.size
        if any(side % STEP for side in size):
            height, width = (max(STEP, round(side / STEP) * STEP) for side in size)
            raise InputError(
                f"size {size[0]}x{size[1]}: with tiles, height and width are multiples of {STEP}. "
                f"Give {height}x{width} (--size {height}x{width}, in Python "
                f"size=({height}, {width})), or leave it out for the pictures' own."
            )
        if any(np.less(size, sides)):
            raise InputError(
                f"size {size[0]}x{size[1]}: smaller than its tiles of {sides[0]}x{sides[1]}. "
                "Expected height and width no smaller than those of a tile."
            )
        if any(side % n or STEP % (side // n) for side, n in zip(sides, tile.grid, strict=True)):
            raise InputError(
                f"tiles: the maps of {tile.layers} have {tile.grid} positions on a tile of "
                f"{sides} pixels. Expected one for each 2, 4, 8, 16 or 32 pixels: choose other "
                "layers, or leave the tiles out."
            )
        self.tile = tile
        self.backbone, self.runtime, self.row_dtype = tile.backbone, tile.runtime, tile.row_dtype
        self.preprocessing = replace(tile.preprocessing, size=size)
        self.version, self.n_worst, self.n_columns = tile.version, tile.n_worst, tile.n_columns
        strides = [side // n for side, n in zip(sides, tile.grid, strict=True)]
        self.grid = (size[0] // strides[0], size[1] // strides[1])
        self._down, self._across = (spans(*one) for one in zip(size, sides, strides, strict=True))
        self.values_per_image = self.n_columns * self.grid[0] * self.grid[1]
        self.map_shapes = ((1, *self.grid),)

    @property
    def layout(self) -> Layout:
        return Layout(0, self.grid[0] * self.grid[1], self.n_columns)

    @property
    def n_tiles(self) -> int:
        """Of a picture."""
        return len(self._down) * len(self._across)

    def require_maps(self) -> tuple[MapShape, ...]:
        return ((1, *self.grid),)

    def rows_of(self, computed: Batch) -> Rows:
        """n prepared images to (n, height * width, d) rows of unit length, or zero.

        The network is passed here, a few tiles at a time.
        """
        made = np.empty((len(computed), *self.grid, self.n_columns), self.row_dtype)
        for planes, picture in zip(computed, made, strict=True):
            for tiles, places in self._tiles(planes):
                for rows, (down, across) in zip(self.tile.rows(tiles), places, strict=True):
                    own = rows.reshape(*self.tile.grid, self.n_columns)
                    picture[down.target, across.target] = own[down.source, across.source]
        return made.reshape(len(made), -1, self.n_columns)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.tile.to_json(),
            "preprocessing": self.preprocessing.to_json(),
            "tiles": list(self.tile.preprocessing.size),
        }

    def _tiles(self, planes: Planes) -> Iterator[tuple[Planes, list[tuple[Span, Span]]]]:
        """A few tiles of a picture at a time, and where they lie."""
        height, width = self.tile.preprocessing.size
        places = [(down, across) for down in self._down for across in self._across]
        for start in range(0, len(places), TOGETHER):
            some = places[start : start + TOGETHER]
            yield (
                np.stack(
                    [
                        planes[:, d.start : d.start + height, a.start : a.start + width]
                        for d, a in some
                    ]
                ),
                some,
            )


class Span:
    """One tile along one side of a picture.

    Args:
        start: its first pixel.
        first, last: the positions of the picture that are taken from it, the last one not counted.
        stride: pixels of a position.
    """

    def __init__(self, start: int, first: int, last: int, stride: int) -> None:
        self.start, before = start, start // stride
        self.target, self.source = slice(first, last), slice(first - before, last - before)


def spans(length: int, tile: int, stride: int) -> list[Span]:
    """Tiles along a side, as even as can be, `OVERLAP` pixels or more under its neighbour.

    Args:
        length: of the side, in pixels; a multiple of `STEP`, as `tile` is.
        tile: pixels.
        stride: pixels of a position, a divisor of `STEP`.
    """
    overlap = min(OVERLAP, tile // (2 * STEP) * STEP)
    n = 1 if length == tile else -(-(length - overlap) // (tile - overlap))
    even: NDArray[np.float64] = np.linspace(0, length - tile, n)
    starts = [round(start / STEP) * STEP for start in even.tolist()]
    middles = [(a + tile + b) // (2 * stride) for a, b in pairwise(starts)]
    borders = [0, *middles, length // stride]
    return [
        Span(start, *taken, stride) for start, taken in zip(starts, pairwise(borders), strict=True)
    ]

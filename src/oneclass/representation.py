"""From images to rows: grey-scale intensities, or layers of a frozen network.

A representation works in two steps, so that the first can run in many threads ahead of the second:
`prepare` one image's pixels, then `rows` of a batch of prepared images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import Backbone, Preprocessing, first_line
from oneclass.errors import InputError, StorageError
from oneclass.pixels import PixelScale, prepare

GREYSCALE = "greyscale"
Layer = tuple[str, int | None]
MapShape = tuple[int, int, int]
"""(channels, height, width)."""


class Greyscale:
    """Raw grey intensities, resized to one size and flattened: the paper's baseline.

    Not rescaled to unit length: the paper's grey-scale figures are those of raw intensities.

    Attributes:
        n_columns: of a row.
        map_shapes: for each layer, the shape of its map in the row, or None where it has none.
    """

    unit_length = False

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: (height, width) in pixels of the compared images."""
        self.preprocessing = Preprocessing(size, "bilinear", (0.0,), (1.0,))
        self.n_columns = size[0] * size[1]
        self.map_shapes: tuple[MapShape | None, ...] = ((1, *size),)

    def prepare(self, pixels: NDArray[Any], scale: PixelScale) -> NDArray[np.float32]:
        """(H, W) or (H, W, 3) pixels to (1, height, width) float32 intensities."""
        return prepare(pixels, scale, self.preprocessing)

    def rows(self, batch: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """n prepared images to (n, height * width) float32 rows."""
        return np.stack(batch).reshape(len(batch), -1)

    def to_json(self) -> dict[str, Any]:
        return {"kind": GREYSCALE, "preprocessing": self.preprocessing.to_json()}


class PretrainedLayers:
    """Layers of a frozen network: each pooled to its grid if asked, flattened, of unit length.

    One layer is the paper's first framework (section 4.1). Several are joined end to end, each
    weighing the same, and the whole has unit length again.

    Attributes:
        n_columns: of a row.
        map_shapes: for each layer, the shape of its map in the row, or None where it has none.
    """

    unit_length = True

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[Layer],
        *,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
    ) -> None:
        """Make a session that ends at the layers.

        Args:
            backbone: the network.
            layers: (name, grid) pairs, each name once: grid x grid positions are left of a map
                layer; None keeps the map whole. `parse_layers` makes them of a text.
            size: (height, width) in pixels of the network's input; None for its own.
            threads: of the network's arithmetic; None for all cores.

        Raises:
            InputError: an unknown layer, a grid on a layer that has no map or a smaller one, a
                size that the network cannot take.
        """
        self.backbone, self.layers = backbone, tuple(layers)
        own = backbone.spec.preprocessing
        self.preprocessing = Preprocessing(size or own.size, own.interpolation, own.mean, own.std)
        self._session = backbone.session([name for name, _ in self.layers], threads=threads)
        blank = np.zeros((1, len(own.mean), *self.preprocessing.size), np.float32)
        try:
            maps = self._session(blank)
        except StorageError:
            raise
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise InputError(
                f"size {self.preprocessing.size}: backbone {backbone.spec.name} cannot run on it "
                f"({first_line(error)}). Its own size is {own.size}."
            ) from error
        for (name, cells), values in zip(self.layers, maps, strict=True):
            _check_grid(name, cells, values.shape[1:])
        shapes: list[tuple[int, ...]] = [
            values.shape[1:] if cells is None else (values.shape[1], cells, cells)
            for (_, cells), values in zip(self.layers, maps, strict=True)
        ]
        self.n_columns = sum(math.prod(shape) for shape in shapes)
        self.map_shapes: tuple[MapShape | None, ...] = tuple(
            (shape[0], shape[1], shape[2]) if len(shape) == 3 else None for shape in shapes
        )

    def prepare(self, pixels: NDArray[Any], scale: PixelScale) -> NDArray[np.float32]:
        """(H, W) or (H, W, 3) pixels to (channels, height, width) float32, the network's input."""
        return prepare(pixels, scale, self.preprocessing)

    def rows(self, batch: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """n prepared images to (n, d) float32 rows of unit length; zero where a layer is all zero.

        Such a row has no direction, and a part of it would not be comparable with whole ones.
        """
        units = []
        for (_, cells), values in zip(self.layers, self._session(np.stack(batch)), strict=True):
            flat = (values if cells is None else pool(values, cells)).reshape(len(batch), -1)
            norms = np.sqrt(np.einsum("ij,ij->i", flat, flat, dtype=np.float64))
            weights = np.zeros_like(norms)
            np.divide(1, norms * math.sqrt(len(self.layers)), out=weights, where=norms > 0)
            units.append(flat * weights.astype(np.float32)[:, None])
        rows = np.concatenate(units, axis=1)
        rows[~np.all([unit.any(axis=1) for unit in units], axis=0)] = 0
        return rows

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "pretrained_layers",
            "backbone": self.backbone.spec.to_json(),
            "layers": [{"name": name, "grid": grid} for name, grid in self.layers],
            "preprocessing": self.preprocessing.to_json(),
        }


Representation = Greyscale | PretrainedLayers


def parse_layers(backbone: Backbone, layer: str, grid: int | None = None) -> list[Layer]:
    """The layers and grids that a text such as "block_2@7+block_14@2" asks for.

    Args:
        backbone: whose layers they are; a layer whose own name looks like this is taken as it is.
        layer: what a user wrote.
        grid: for layers without a grid of their own.

    Raises:
        InputError: a grid that is no number, the same layer twice, or a grid that no layer takes.
    """
    layers: list[Layer] = []
    grid_used = grid is None
    for text in [layer] if backbone.has_layer(layer) else layer.split("+"):
        name, at, cells = text.rpartition("@")
        if (text and not at) or backbone.has_layer(text):
            layers.append((text, grid))
            grid_used = True
        elif name and cells.isdecimal():
            layers.append((name, int(cells)))
        else:
            raise InputError(f"layer {text!r}: expected NAME or NAME@GRID, such as block_2@7.")
    if len({name for name, _ in layers}) < len(layers):
        raise InputError(f"layer {layer!r} names one layer twice. Name each once.")
    if not grid_used:
        raise InputError(
            f"grid {grid}: every layer of {layer!r} names a grid of its own. Leave the grid out, "
            "or name the layer without @."
        )
    return layers


def _check_grid(name: str, grid: int | None, shape: tuple[int, ...]) -> None:
    if grid is not None and (len(shape) != 3 or not 1 <= grid <= min(shape[1:])):
        raise InputError(
            f"grid {grid}: layer {name!r} has shape {' x '.join(map(str, shape))}. A grid needs a "
            "layer with a map (channels x height x width) and a side from 1 to the map's own: "
            "choose another grid or layer, or a larger image size."
        )


def restore(
    record: dict[str, Any], backbone: Backbone | None, *, threads: int | None = None
) -> Representation:
    """The representation that a `to_json` record describes.

    Args:
        record: from a model file.
        backbone: the record's own, None where it needs none.
        threads: of the network's arithmetic; None for all cores.

    Raises:
        ValueError, KeyError, TypeError: the record makes no sense.
    """
    preprocessing = Preprocessing.from_json(record["preprocessing"])
    if backbone is None:
        return Greyscale(preprocessing.size)
    layers = [(layer["name"], layer["grid"]) for layer in record["layers"]]
    return PretrainedLayers(backbone, layers, size=preprocessing.size, threads=threads)


def pool(maps: NDArray[np.float32], grid: int) -> NDArray[np.float32]:
    """Average maps over a grid of cells as even as they can be.

    Cell i of a side of n positions spans floor(i n / grid) to ceil((i + 1) n / grid), as in
    adaptive average pooling: neighbouring cells share a position where n is no multiple of grid.

    Args:
        maps: (n, channels, h, w).
        grid: cells per side, from 1 to min(h, w).

    Returns:
        (n, channels, grid, grid) float32.
    """
    down, across = (_averages(side, grid) for side in maps.shape[2:])
    pooled: NDArray[np.float32] = np.matmul(np.matmul(down, maps), across.T)
    return pooled


def _averages(side: int, grid: int) -> NDArray[np.float32]:
    weights = np.zeros((grid, side), np.float32)
    for cell in range(grid):
        start, stop = cell * side // grid, -(-(cell + 1) * side // grid)
        weights[cell, start:stop] = 1 / (stop - start)
    return weights

"""From images to rows: grey-scale intensities, or layers of a frozen network.

A representation works in two steps, so that the first can run in many threads ahead of the second:
`prepare` one image's pixels, then `rows` of a batch of prepared images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import (
    DEFAULT_RUNTIME,
    Backbone,
    LayerSession,
    Preprocessing,
    Runtime,
    first_line,
)
from oneclass.errors import InputError, StorageError
from oneclass.images.scale import PixelScale
from oneclass.representations.maps import interpolation, neighbourhoods, pool
from oneclass.representations.preparation import prepare

GREYSCALE, PATCHES = "greyscale", "patches"
WORST_SHARE = 0.01
"""Of an image's positions; benchmarks/bench_patches.py has the table."""
ROW_DTYPES = ("float32", "float16")
JPEG_MARGIN = 2
"""benchmarks/bench_decoding.py has the table."""
Layer = tuple[str, int | None]
Batch = NDArray[np.float32] | Sequence[NDArray[np.float32]]
Rows = NDArray[np.floating[Any]]
MapShape = tuple[int, int, int]
"""(channels, height, width)."""


class Greyscale:
    """Raw grey intensities, resized to one size and flattened: the paper's baseline.

    Not rescaled to unit length: the paper's grey-scale figures are those of raw intensities.

    Attributes:
        n_columns: of a row.
        values_per_image: of all its rows.
        map_shapes: for each layer, the shape of its map in the row, or None where it has none.
        n_worst: 0, since an image is one row; see `PatchLayers`.
        row_dtype, together, version: as for `PretrainedLayers`.
    """

    unit_length = False
    n_worst = 0
    together, version = 1, "numpy"

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
        self.n_columns = size[0] * size[1]
        self.values_per_image = self.n_columns
        self.map_shapes: tuple[MapShape | None, ...] = ((1, *size),)

    def prepare(
        self, pixels: NDArray[Any], scale: PixelScale, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """(H, W) or (H, W, 3) pixels to (1, height, width) float32 intensities."""
        return prepare(pixels, scale, self.preprocessing, out)

    def rows(self, batch: Batch) -> Rows:
        """n prepared images to (n, height * width) rows."""
        return np.array(batch, self.row_dtype).reshape(len(batch), -1)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": GREYSCALE,
            "preprocessing": self.preprocessing.to_json(),
            "row_dtype": self.row_dtype,
        }


class PretrainedLayers:
    """Layers of a frozen network: each pooled to its grid if asked, flattened, of unit length.

    One layer is the paper's first framework (section 4.1). Several are joined end to end, each
    weighing the same, and the whole has unit length again.

    Attributes:
        n_columns: of a row.
        values_per_image: of all its rows.
        shapes: for each layer, the shape of its values behind the grid.
        map_shapes: for each layer, the shape of its map in the row, or None where it has none.
        n_worst: 0, since an image is one row; see `PatchLayers`.
        runtime: what computes the network.
        row_dtype: of the rows, one of `ROW_DTYPES`.
        together: how many images `rows` should get at best, where other threads call it, too.
        version: of what computes; the last bits of rows may depend on it.
    """

    unit_length = True
    n_worst = 0

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[Layer],
        *,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
        runtime: Runtime = DEFAULT_RUNTIME,
        row_dtype: str = ROW_DTYPES[0],
        jpeg_margin: int | None = JPEG_MARGIN,
    ) -> None:
        """Make a session that ends at the layers.

        Args:
            backbone: the network.
            layers: (name, grid) pairs, each name once: grid x grid positions are left of a map
                layer; None keeps the map whole. `parse_layers` makes them of a text.
            size: (height, width) in pixels of the network's input; None for its own.
            threads: images computed side by side; None for one on each core.
            runtime: what computes the network.
            jpeg_margin: as in `Preprocessing`.

        Raises:
            InputError: an unknown layer, a grid on a layer that has no map or a smaller one, a
                size that the network cannot take.
        """
        self.backbone, self.layers = backbone, tuple(layers)
        self.runtime, self.row_dtype = runtime, row_dtype
        self.preprocessing, self._session, shapes = _cut(
            backbone, self.layers, size, threads, runtime, jpeg_margin
        )
        self.together, self.version = self._session.together, self._session.version
        self.shapes = shapes
        self.n_columns = self.values_per_image = sum(math.prod(shape) for shape in shapes)
        self.map_shapes: tuple[MapShape | None, ...] = tuple(
            (shape[0], shape[1], shape[2]) if len(shape) == 3 else None for shape in shapes
        )

    def prepare(
        self, pixels: NDArray[Any], scale: PixelScale, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """(H, W) or (H, W, 3) pixels to (channels, height, width) float32, the network's input."""
        return prepare(pixels, scale, self.preprocessing, out)

    def rows(self, batch: Batch) -> Rows:
        """n prepared images to (n, d) rows of unit length; zero where a layer is all zero.

        Such a row has no direction, and a part of it would not be comparable with whole ones.
        """
        units = []
        for (_, cells), values in zip(self.layers, self._session(np.asarray(batch)), strict=True):
            flat = (values if cells is None else pool(values, cells)).reshape(len(batch), -1)
            norms = np.sqrt(np.einsum("ij,ij->i", flat, flat, dtype=np.float64))
            weights = np.zeros_like(norms)
            np.divide(1, norms * math.sqrt(len(self.layers)), out=weights, where=norms > 0)
            units.append(flat * weights.astype(np.float32)[:, None])
        rows = np.concatenate(units, axis=1)
        rows[~np.all([unit.any(axis=1) for unit in units], axis=0)] = 0
        return rows.astype(self.row_dtype, copy=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "pretrained_layers",
            "backbone": self.backbone.spec.to_json(),
            "layers": [{"name": name, "grid": grid} for name, grid in self.layers],
            "preprocessing": self.preprocessing.to_json(),
            "runtime": self.runtime.to_json(),
            "row_dtype": self.row_dtype,
        }


class PatchLayers:
    """Positions of joined map layers as rows: for defects that are small beside the image.

    As in PatchCore (Roth et al. 2022, section 3.1) each position is averaged with its neighbours,
    3 x 3, and coarser layers are interpolated to the finest one's grid. Each layer's part of a row
    has unit length before they are joined, and the whole has unit length again.

    Attributes:
        n_columns: of a row.
        values_per_image: of all its rows.
        grid: (height, width) of the positions.
        n_worst: an image is as odd as this number of its worst positions on average.
        runtime, row_dtype, together, version: as for `PretrainedLayers`.
    """

    unit_length = True

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[Layer],
        *,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
        runtime: Runtime = DEFAULT_RUNTIME,
        row_dtype: str = ROW_DTYPES[0],
        jpeg_margin: int | None = JPEG_MARGIN,
    ) -> None:
        """Make a session that ends at the layers; arguments and errors as for `PretrainedLayers`.

        Raises:
            InputError: also for a layer that has no map.
        """
        self.backbone, self.layers = backbone, tuple(layers)
        self.runtime, self.row_dtype = runtime, row_dtype
        self.preprocessing, self._session, shapes = _cut(
            backbone, self.layers, size, threads, runtime, jpeg_margin
        )
        self.together, self.version = self._session.together, self._session.version
        for (name, _), shape in zip(self.layers, shapes, strict=True):
            if len(shape) != 3:
                raise InputError(
                    f"layer {name!r} has no map, and patches are positions of one. Its backbone's "
                    f"layers with a map: {', '.join(_mapped(backbone))}."
                )
        self.n_columns = sum(shape[0] for shape in shapes)
        self.grid = (max(shape[1] for shape in shapes), max(shape[2] for shape in shapes))
        self.values_per_image = self.n_columns * math.prod(self.grid)
        self.map_shapes: tuple[MapShape | None, ...] = ((1, *self.grid),)
        self.n_worst = max(1, round(WORST_SHARE * self.grid[0] * self.grid[1]))

    def prepare(
        self, pixels: NDArray[Any], scale: PixelScale, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """(H, W) or (H, W, 3) pixels to (channels, height, width) float32, the network's input."""
        return prepare(pixels, scale, self.preprocessing, out)

    def rows(self, batch: Batch) -> Rows:
        """n prepared images to (n, height * width, d) rows of unit length, or zero."""
        parts = []
        for (_, cells), values in zip(self.layers, self._session(np.asarray(batch)), strict=True):
            maps = neighbourhoods(values if cells is None else pool(values, cells))
            up = [interpolation(n, to) for n, to in zip(maps.shape[2:], self.grid, strict=True)]
            fine = np.matmul(np.matmul(up[0], maps), up[1].T)
            flat = fine.reshape(len(batch), maps.shape[1], -1).transpose(0, 2, 1)
            norms = np.sqrt(np.einsum("npd,npd->np", flat, flat, dtype=np.float64))
            weights = np.zeros_like(norms)
            np.divide(1, norms * math.sqrt(len(self.layers)), out=weights, where=norms > 0)
            parts.append(flat * weights.astype(np.float32)[:, :, None])
        return np.concatenate(parts, axis=2).astype(self.row_dtype, copy=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": PATCHES,
            "backbone": self.backbone.spec.to_json(),
            "layers": [{"name": name, "grid": grid} for name, grid in self.layers],
            "preprocessing": self.preprocessing.to_json(),
            "runtime": self.runtime.to_json(),
            "row_dtype": self.row_dtype,
            "n_worst": self.n_worst,
        }


Representation = Greyscale | PretrainedLayers | PatchLayers


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
    record: dict[str, Any],
    backbone: Backbone | None,
    *,
    threads: int | None = None,
    runtime: Runtime = DEFAULT_RUNTIME,
) -> Representation:
    """The representation that a `to_json` record describes.

    Args:
        record: from a model file.
        backbone: the record's own, None where it needs none.
        threads: images computed side by side; None for one on each core.
        runtime: what computes the network.

    Raises:
        ValueError, KeyError, TypeError: the record makes no sense.
    """
    preprocessing = Preprocessing.from_json(record["preprocessing"])
    margin, row_dtype = preprocessing.jpeg_margin, record.get("row_dtype", ROW_DTYPES[0])
    if row_dtype not in ROW_DTYPES:
        raise ValueError(f"row_dtype {row_dtype!r}")
    if backbone is None:
        return Greyscale(preprocessing.size, jpeg_margin=margin, row_dtype=row_dtype)
    layers = [(layer["name"], layer["grid"]) for layer in record["layers"]]
    kind = PatchLayers if record["kind"] == PATCHES else PretrainedLayers
    restored = kind(
        backbone,
        layers,
        size=preprocessing.size,
        threads=threads,
        runtime=runtime,
        row_dtype=row_dtype,
        jpeg_margin=margin,
    )
    if isinstance(restored, PatchLayers) and restored.n_worst != record["n_worst"]:
        raise ValueError(f"n_worst {record['n_worst']} for {restored.grid} positions")
    return restored


def _cut(
    backbone: Backbone,
    layers: Sequence[Layer],
    size: tuple[int, int] | None,
    threads: int | None,
    runtime: Runtime,
    jpeg_margin: int | None,
) -> tuple[Preprocessing, LayerSession, list[tuple[int, ...]]]:
    """The preprocessing, a session that ends at the layers, and their shapes behind the grids."""
    own = backbone.spec.preprocessing
    preprocessing = replace(own, size=size or own.size, jpeg_margin=jpeg_margin)
    session = backbone.session([name for name, _ in layers], threads=threads, runtime=runtime)
    blank = np.zeros((1, *preprocessing.shape), np.float32)
    try:
        maps = session(blank)
    except StorageError:
        raise
    except Exception as error:  # a runtime's errors share no base class of their own
        raise InputError(
            f"size {preprocessing.size}: backbone {backbone.spec.name} cannot run on it "
            f"({first_line(error)}). Its own size is {own.size}."
        ) from error
    shapes: list[tuple[int, ...]] = []
    for (name, cells), values in zip(layers, maps, strict=True):
        shape = values.shape[1:]
        _check_grid(name, cells, shape)
        shapes.append(shape if cells is None else (shape[0], cells, cells))
    return preprocessing, session, shapes


def _mapped(backbone: Backbone) -> list[str]:
    return [name for name, shape in backbone.shapes().items() if len(shape) == 3]

"""From images to rows: grey-scale intensities, or one layer of a frozen network.

A representation works in two steps, so that the first can run in many threads ahead of the second:
`prepare` one image's pixels, then `rows` of a batch of prepared images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import Backbone, Preprocessing
from oneclass.errors import InputError
from oneclass.pixels import PixelScale, prepare

GREYSCALE = "greyscale"


class Greyscale:
    """Raw grey intensities, resized to one size and flattened: the paper's baseline.

    Not rescaled to unit length: the paper's grey-scale figures are those of raw intensities.
    """

    unit_length = False

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: (height, width) in pixels of the compared images."""
        self.preprocessing = Preprocessing(size, "bilinear", (0.0,), (1.0,))

    def prepare(self, pixels: NDArray[Any], scale: PixelScale) -> NDArray[np.float32]:
        """(H, W) or (H, W, 3) pixels to (1, height, width) float32 intensities."""
        return prepare(pixels, scale, self.preprocessing)

    def rows(self, batch: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """n prepared images to (n, height * width) float32 rows."""
        return np.stack(batch).reshape(len(batch), -1)

    def to_json(self) -> dict[str, Any]:
        return {"kind": GREYSCALE, "preprocessing": self.preprocessing.to_json()}


class PretrainedLayer:
    """A layer of a frozen network: pooled to a grid if asked, flattened, rescaled to unit length.

    The paper's first framework (section 4.1). A row is zero where every unit of the layer is.
    """

    unit_length = True

    def __init__(
        self,
        backbone: Backbone,
        layer: str,
        *,
        grid: int | None = None,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
    ) -> None:
        """Make a session that ends at `layer`.

        Args:
            backbone: the network.
            layer: the name of one of its layers.
            grid: average a map layer to grid x grid positions; None keeps the map whole.
            size: (height, width) in pixels of the network's input; None for its own.
            threads: of the network's arithmetic; None for all cores.

        Raises:
            InputError: an unknown layer, a grid on a layer that has no map or a smaller one, a
                size that the network cannot take.
        """
        self.backbone, self.layer, self.grid = backbone, layer, grid
        own = backbone.spec.preprocessing
        self.preprocessing = Preprocessing(size or own.size, own.interpolation, own.mean, own.std)
        self._session = backbone.session(layer, threads=threads)
        blank = np.zeros((1, len(own.mean), *self.preprocessing.size), np.float32)
        try:
            self.shape = self._session(blank).shape[1:]
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise InputError(
                f"size {self.preprocessing.size}: backbone {backbone.spec.name} cannot run on it "
                f"({str(error).strip().splitlines()[0][:200]}). Its own size is {own.size}."
            ) from error
        if grid is not None and (len(self.shape) != 3 or not 1 <= grid <= min(self.shape[1:])):
            shape = " x ".join(map(str, self.shape))
            raise InputError(
                f"grid {grid}: layer {layer!r} has shape {shape}. A grid needs a layer with a map "
                "(channels x height x width) and a side from 1 to the map's own."
            )

    def prepare(self, pixels: NDArray[Any], scale: PixelScale) -> NDArray[np.float32]:
        """(H, W) or (H, W, 3) pixels to (channels, height, width) float32, the network's input."""
        return prepare(pixels, scale, self.preprocessing)

    def rows(self, batch: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """n prepared images to (n, d) float32 rows of unit length, or zero rows."""
        layer = self._session(np.stack(batch))
        if self.grid is not None:
            layer = pool(layer, self.grid)
        flat = layer.reshape(len(layer), -1)
        norms = np.sqrt(np.einsum("ij,ij->i", flat, flat, dtype=np.float64))
        return flat / np.where(norms > 0, norms, 1).astype(np.float32)[:, None]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "pretrained_layer",
            "backbone": self.backbone.spec.to_json(),
            "layer": self.layer,
            "grid": self.grid,
            "preprocessing": self.preprocessing.to_json(),
        }


Representation = Greyscale | PretrainedLayer


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
    return PretrainedLayer(
        backbone,
        record["layer"],
        grid=record["grid"],
        size=preprocessing.size,
        threads=threads,
    )


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

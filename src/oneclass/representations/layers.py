"""Layers of a frozen network as rows: one row an image."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from oneclass.backbones import DEFAULT_RUNTIME, Backbone, LayerSession, Runtime, refused_as
from oneclass.errors import InputError
from oneclass.representations.base import JPEG_MARGIN, ROW_DTYPES, Batch, MapShape, Representation
from oneclass.representations.maps import pool
from oneclass.rows.layers import Layers, SideBySide, join
from oneclass.system.arrays import Planes, Rows


class NetworkLayers(Representation):
    """A network that ends at some layers, each pooled to its grid if asked.

    Attributes:
        layers: in the order in which they are joined.
        shapes: for each layer, the shape of its values behind the grid.
        session: what computes them.
    """

    backbone: Backbone
    runtime: Runtime

    def __init__(
        self,
        backbone: Backbone,
        layers: Iterable[tuple[str, int | None]],
        *,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
        runtime: Runtime = DEFAULT_RUNTIME,
        row_dtype: str = ROW_DTYPES[0],
        jpeg_margin: int | None = JPEG_MARGIN,
        evened: bool = False,
        session: LayerSession | None = None,
    ) -> None:
        """Make a session that ends at the layers.

        Args:
            backbone: the network.
            layers: (name, grid) pairs, each name once: grid x grid positions are left of a map
                layer; None keeps the map whole. `Layers.parse` makes them of a text.
            size: (height, width) in pixels of the network's input; None for its own.
            threads: images computed side by side; None for one on each core.
            runtime: what computes the network.
            row_dtype: of the rows.
            jpeg_margin, evened: as in `Preprocessing`.
            session: one that computes these layers, others besides; None for one of its own.

        Raises:
            InputError: an unknown layer, a grid on a layer that has no map or a smaller one, a
                size that the network cannot take.
        """
        self.backbone, self.layers = backbone, Layers(layers)
        self.runtime, self.row_dtype = runtime, row_dtype
        own = backbone.spec.preprocessing
        self.preprocessing = replace(
            own, size=size or own.size, jpeg_margin=jpeg_margin, evened=evened
        )
        self.session = session or backbone.session(
            self.layers.names, threads=threads, runtime=runtime
        )
        self.together, self.version = self.session.together, self.session.version
        self.shapes = self._shapes_behind_grids()
        self._lay_out()

    def require_maps(self) -> tuple[MapShape, ...]:
        pairs = zip(self.layers, self.map_shapes, strict=True)
        if without := [layer.name for layer, shape in pairs if shape is None]:
            raise InputError(
                f"a heatmap needs layers with a map; {' and '.join(without)} of this model has "
                "none and can say what is odd, but not where. Fit a model with layers that have "
                f"one: {self._mapped()}."
            )
        return super().require_maps()

    @property
    def widths(self) -> tuple[int, ...]:
        """How many values each layer has."""
        return tuple(math.prod(shape) for shape in self.shapes)

    def __reduce__(self) -> tuple[Any, ...]:
        anew = partial(
            type(self),
            size=self.preprocessing.size,
            runtime=self.runtime,
            row_dtype=self.row_dtype,
            jpeg_margin=self.preprocessing.jpeg_margin,
            evened=self.preprocessing.evened,
            session=self.session,
        )
        return anew, (self.backbone, self.layers)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "backbone": self.backbone.spec.to_json(),
            "layers": self.layers.to_json(),
            "preprocessing": self.preprocessing.to_json(),
            "runtime": self.runtime.to_json(),
            "row_dtype": self.row_dtype,
        }

    def _lay_out(self) -> None:
        """What the rows look like; the layers' shapes are known."""
        self.n_columns = self.values_per_image = sum(self.widths)
        self.map_shapes = tuple(
            (shape[0], shape[1], shape[2]) if len(shape) == 3 else None for shape in self.shapes
        )

    def compute(self, batch: Batch) -> list[Planes]:
        """What `session` says of n prepared images."""
        return self.session(np.asarray(batch))

    def rows_of(self, computed: Sequence[Planes]) -> Rows:
        """What `session` said of n prepared images to their (n, d) rows, or (n, p, d)."""
        places = map(self.session.layers.index, self.layers.names)
        return self._rows([computed[place] for place in places])

    @abstractmethod
    def _rows(self, maps: Sequence[Planes]) -> Rows:
        """The values of each layer, as the network gives them, of n images to their rows."""

    def _pooled(self, maps: Sequence[Planes]) -> list[Planes]:
        """Each layer's values as the network gave them to those behind its grid."""
        return [
            values if cells is None else pool(values, cells)
            for (_, cells), values in zip(self.layers, maps, strict=True)
        ]

    def _shapes_behind_grids(self) -> list[tuple[int, ...]]:
        own, size = self.backbone.spec, self.preprocessing.size
        with refused_as(
            lambda said: InputError(
                f"size {size}: backbone {own.name} cannot run on it ({said}). Leave the size out, "
                f"or give its own, {own.preprocessing.size}."
            )
        ):
            known = self.session.shapes(self.preprocessing.shape)
        shapes = [known[name] for name in self.layers.names]
        for (name, grid), shape in zip(self.layers, shapes, strict=True):
            if grid is not None and (len(shape) != 3 or not 1 <= grid <= min(shape[1:])):
                raise self._no_such_grid(name, grid, shape)
        return [
            shape if grid is None else (shape[0], grid, grid)
            for (_, grid), shape in zip(self.layers, shapes, strict=True)
        ]

    def _no_such_grid(self, name: str, grid: int, shape: tuple[int, ...]) -> InputError:
        """A layer of that shape has no such grid."""
        (height, width), own = self.preprocessing.size, self.backbone.spec.preprocessing.size
        if len(shape) == 3 and grid > min(shape[1:]) and (height, width) != own:
            return InputError(
                f"size {height}x{width}: layer {name!r} makes a map of {shape[1]} x {shape[2]} "
                f"positions of such images, too small for a grid of {grid} x {grid}. Give a larger "
                f"size (the network's own is {own[0]}x{own[1]}), or a coarser grid, here "
                f"{name}@{min(shape[1:])} at most."
            )
        return InputError(
            f"grid {grid}: layer {name!r} has shape {' x '.join(map(str, shape))}. A grid "
            "needs a layer with a map (channels x height x width) and a side from 1 to the "
            "map's own: choose another grid or layer, or a larger image size."
        )

    def _mapped(self) -> str:
        """The backbone's layers with a map, for messages."""
        found = [name for name, s in self.backbone.shapes().items() if len(s) == 3]
        return ", ".join(found) or "none is named; name an inner tensor, or learn from whole images"


class PretrainedLayers(NetworkLayers):
    """Layers of a network, flattened and joined, of unit length.

    One layer is the paper's first framework (section 4.1). Several are joined end to end, each
    weighing the same, and the whole has unit length again.

    Attributes:
        near: beside patches, normal images that are further than this from one another as wholes,
            by 1 - cosine, count less (`weight_of_whole`); benchmarks/choose_patches.py has the
            table.
    """

    kind = "pretrained_layers"
    unit_length = True
    near = 0.07

    def _rows(self, maps: Sequence[Planes]) -> Rows:
        """n images to (n, d) rows of unit length; zero where a layer is all zero."""
        flat = [values.reshape(len(values), -1) for values in self._pooled(maps)]
        return join(flat).astype(self.row_dtype, copy=False)


class SeparateLayers(NetworkLayers):
    """Layers of a network side by side, their values as they are: one pass for many choices.

    Attributes:
        columns: where each layer lies; `take` makes the rows of some of them.
    """

    kind = "separate_layers"
    unit_length = False

    @property
    def columns(self) -> SideBySide:
        return SideBySide(self.layers, self.widths)

    def _rows(self, maps: Sequence[Planes]) -> Planes:
        """n images to (n, d) values."""
        return np.concatenate(
            [values.reshape(len(values), -1) for values in self._pooled(maps)], axis=1
        )

    def parts(self, rows: Rows) -> list[Rows]:
        """(n, d) values as rows of each layer alone."""
        return [self.columns.take(rows, [layer]) for layer in self.layers]

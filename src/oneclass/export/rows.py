"""From a layer's values to rows, as a graph: what `representations.layers` does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from oneclass.export.graph import Graph
from oneclass.representations import MeansAndDeviations, PatchLayers, Representation
from oneclass.representations.deviations import OF_MEANS
from oneclass.representations.layers import NetworkLayers
from oneclass.representations.maps import averages, interpolation

TINY = 1e-30


def pool(
    g: Graph,
    maps: str,
    shape: tuple[int, int],
    cells: int,
    dtype: type[np.floating] = np.float32,
) -> str:
    """Average maps of one shape (height, width) and type over a grid: (n, c, cells, cells)."""
    down, across = (averages(side, cells).astype(dtype) for side in shape)
    return g.op("MatMul", g.op("MatMul", down, maps), across.T)


def neighbourhoods(g: Graph, maps: str) -> str:
    """Each position averaged with its eight neighbours; the edge is repeated beyond itself."""
    padded = g.op("Pad", maps, np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="edge")
    return g.op("AveragePool", padded, kernel_shape=[3, 3])


def refine(g: Graph, maps: str, shape: tuple[int, int], grid: tuple[int, int]) -> str:
    """Interpolate maps of one shape (height, width) to a finer grid."""
    if shape == grid:
        return maps
    down, across = (interpolation(n, to) for n, to in zip(shape, grid, strict=True))
    return g.op("MatMul", g.op("MatMul", down, maps), across.T)


def cover_edge(g: Graph, maps: str, edge: int) -> str:
    """Put the nearest position within in the place of each at the edge, so many positions wide."""
    if not edge:
        return maps
    sides = np.array([2, 3])
    within = g.op("Slice", maps, np.full(2, edge), np.full(2, -edge), sides)
    return g.op("Pad", within, np.array([0, 0, edge, edge] * 2), mode="edge")


def flatten(g: Graph, maps: str) -> str:
    """(n, ...) to (n, d)."""
    return g.reshape(maps, 0, -1)


def positions(g: Graph, maps: str) -> str:
    """(n, c, h, w) to (n, h w, c)."""
    return g.op("Transpose", g.reshape(maps, 0, 0, -1), perm=[0, 2, 1])


def units(g: Graph, parts: Sequence[str], *, zero_stays: bool, share: float = 1.0) -> str:
    """Rows of unit length to which all parts contribute alike.

    Args:
        g: the graph to write to.
        parts: (..., d_i) float32 each.
        zero_stays: whether a part that is all zero stays so; else it becomes NaN.
        share: their squared length, where that is not one.

    Returns:
        (..., sum of d_i) float32.
    """
    scaled = []
    for part in parts:
        wide = g.cast(part, np.float64)
        norm = g.op("Sqrt", g.sum(g.op("Mul", wide, wide), -1, keep=True))
        if zero_stays:
            norm = g.op("Max", norm, np.array(TINY))
        weight = g.op("Reciprocal", g.op("Mul", norm, np.array(math.sqrt(len(parts) / share))))
        scaled.append(g.op("Mul", part, g.cast(weight, np.float32)))
    return g.op("Concat", *scaled, axis=-1) if len(scaled) > 1 else scaled[0]


def deviations(g: Graph, maps: str, shape: tuple[int, int], cells: int) -> str:
    """Each channel's standard deviation in each cell of maps of one shape (height, width).

    (n, c, h, w) to (n, c cells cells) float32.
    """
    wide, share = g.cast(g.reshape(maps, 0, 0, -1), np.float64), np.array(1 / math.prod(shape))
    apart = g.op("Sub", wide, g.op("Mul", g.sum(wide, -1, keep=True), share))
    if cells == 1:
        variance = g.op("Mul", g.sum(g.op("Mul", apart, apart), -1), share)
    else:
        apart = g.reshape(apart, 0, 0, *shape)
        means = pool(g, apart, shape, cells, np.float64)
        squares = pool(g, g.op("Mul", apart, apart), shape, cells, np.float64)
        within = g.op("Sub", squares, g.op("Mul", means, means))
        variance = flatten(g, g.op("Max", within, np.array(0.0)))
    return g.cast(g.op("Sqrt", variance), np.float32)


def write_rows(g: Graph, representation: Representation, entries: Sequence[str]) -> str:
    """The rows of a representation.

    Args:
        g: the graph to write to.
        representation: what the model's rows are.
        entries: for each layer, what the network makes; or the intensities, where there is none.

    Returns:
        (n, d) or, of patches, (n, p, d) float32.
    """
    if not isinstance(representation, NetworkLayers):
        made = flatten(g, entries[0])
    else:
        made = _joined(g, representation, entries)
    if representation.row_dtype == "float16":
        made = g.cast(g.cast(made, np.float16), np.float32)
    return made


def _joined(g: Graph, representation: NetworkLayers, entries: Sequence[str]) -> str:
    """The layers behind their grids, flat or position by position, of unit length."""
    patches = isinstance(representation, PatchLayers)
    parts, varied = [], []
    for maps, shape, layer in zip(
        entries, _shapes(representation), representation.layers, strict=True
    ):
        sides = shape[1:]
        if isinstance(representation, MeansAndDeviations):
            varied.append(deviations(g, maps, (sides[0], sides[1]), representation.cells))
        if layer.grid is not None:
            maps = pool(g, maps, (sides[0], sides[1]), layer.grid)
            sides = (layer.grid, layer.grid)
        if isinstance(representation, PatchLayers):
            near = neighbourhoods(g, maps)
            maps = refine(g, near, (sides[0], sides[1]), representation.grid)
            maps = cover_edge(g, maps, representation.edge)
        parts.append(positions(g, maps) if patches else flatten(g, maps))
    if not varied:
        return units(g, parts, zero_stays=patches)
    means = units(g, parts, zero_stays=True, share=OF_MEANS)
    return g.op("Concat", means, units(g, varied, zero_stays=True, share=1 - OF_MEANS), axis=-1)


def _shapes(representation: NetworkLayers) -> list[tuple[int, ...]]:
    """What the network's layers are like at the model's size, before any grid."""
    shapes = representation.session.shapes(representation.preprocessing.shape)
    return [shapes[name] for name in representation.layers.names]

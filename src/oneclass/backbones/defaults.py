"""Which layers to take of a network that nobody has chosen layers for.

The embedded network's were chosen by tables: for patches the last layers with a position for each 8
and 16 pixels, for whole images the last with one for each 4, and a deep one. Other networks made
for photographs have the same stages, and the same places of theirs are taken. Of a transformer,
whose maps all have one size: layers in the middle and at three quarters of its depth for patches,
and the last class token for whole images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from oneclass.backbones.anatomy import Node, read_graph
from oneclass.backbones.session import Backbone
from oneclass.backbones.tokens import CLASS, MAP, token_grid

SHALLOW, PATCHES, DEEP = 4, (8, 16), 32
"""Pixels of a position."""
SHALLOW_GRID, DEEP_GRID, ONLY_GRID = 7, 2, 4
DEPTHS = (0.25, 0.5, 0.75, 1.0)
"""Of a transformer, where layers are named that are not named yet."""
ENDS = ("Add", "Clip", "Concat", "HardSwish", "LeakyRelu", "Mul", "PRelu", "Relu")
"""What blocks of a network end with."""
AT_A_TIME = 64


@dataclass(frozen=True)
class DefaultLayers:
    """What --layer stands for where it is not given.

    Attributes:
        whole: of whole images.
        patches: empty where no layer has a map.
    """

    whole: str
    patches: str


def default_layers(backbone: Backbone) -> DefaultLayers:
    """The layers to take, among those that the network names.

    Raises:
        ModelFileError: the network does not run.
    """
    shapes, size = backbone.shapes(), backbone.spec.preprocessing.size
    tokens = [n for n, s in shapes.items() if len(s) == 2 and token_grid(s[0], size)]
    maps = {n: (s[1], s[2]) for n, s in shapes.items() if len(s) == 3 and min(s[1:]) > 1}
    if len(tokens) > len(maps):
        return _of_tokens(tokens, shapes[tokens[-1]][0], size)
    if not maps:
        return DefaultLayers([n for n, s in shapes.items() if len(s) == 1][-1:][0], "")
    shallow, deep = (nearest(maps, size, pixels) for pixels in (SHALLOW, DEEP))
    whole = [f"{name}@{min(grid, *maps[name])}" for name, grid in _grids(shallow, deep)]
    patches = dict.fromkeys(nearest(maps, size, pixels) for pixels in PATCHES)
    return DefaultLayers("+".join(whole), "+".join(patches))


def nearest(maps: dict[str, tuple[int, int]], size: tuple[int, int], pixels: int) -> str:
    """The last of the layers whose positions are nearest to so many pixels, as a ratio.

    Args:
        maps: (height, width) of each layer's map.
        size: (height, width) of the image.
        pixels: of a position.
    """
    far = {name: abs(math.log(size[0] / sides[0] / pixels)) for name, sides in maps.items()}
    least = min(far.values())
    return [name for name, one in far.items() if one <= least + 1e-9][-1]


def _grids(shallow: str, deep: str) -> list[tuple[str, int]]:
    if shallow == deep:
        return [(deep, ONLY_GRID)]
    return [(shallow, SHALLOW_GRID), (deep, DEEP_GRID)]


def _of_tokens(tokens: Sequence[str], n_tokens: int, size: tuple[int, int]) -> DefaultLayers:
    grid = token_grid(n_tokens, size)
    assert grid is not None, "these are tokens"
    has_class = n_tokens > grid[0] * grid[1]
    whole = tokens[-1] + (CLASS if has_class else f"{MAP}@{DEEP_GRID}")
    middle = dict.fromkeys(tokens[math.ceil(len(tokens) * d) - 1] for d in (0.5, 0.75))
    return DefaultLayers(whole, "+".join(name + MAP for name in middle))


def stage_ends(backbone: Backbone) -> tuple[str, ...]:
    """Tensors to name as layers, of a network that names none with a map: where its stages end.

    Of a convolutional network the last tensor of each size of map; of a transformer what its
    blocks give, at `DEPTHS`. Its own outputs come last.

    Raises:
        ModelFileError: the network does not run.
    """
    nodes, constants = read_graph(backbone.model)
    fixed = constants.keys() | {n for node in nodes if node.op == "Constant" for n in node.outputs}
    found = [n for n in nodes if n.op in ENDS and backbone.has_layer(n.outputs[0])]
    shapes: dict[str, tuple[int, ...]] = {}
    for start in range(0, len(found), AT_A_TIME):
        shapes |= backbone.shapes([n.outputs[0] for n in found[start : start + AT_A_TIME]])
    ends = _blocks(found, set(fixed), shapes, backbone.spec.preprocessing.size)
    if not ends:
        last = {s[1:]: n for n, s in shapes.items() if len(s) == 3 and min(s[1:]) > 1}
        ends = [name for name in shapes if name in last.values()]
    return (*ends, *(name for name in backbone.layers if name not in ends))


def _blocks(
    nodes: Sequence[Node],
    fixed: set[str],
    shapes: dict[str, tuple[int, ...]],
    size: tuple[int, int],
) -> list[str]:
    """Of a transformer, the sums of what came in and what was made of it, at `DEPTHS`."""
    sums = [
        node.outputs[0]
        for node in nodes
        if node.op == "Add" and not fixed.intersection(node.inputs)
    ]
    tokens = [n for n in sums if len(shapes[n]) == 2 and token_grid(shapes[n][0], size)]
    if len(tokens) < len(DEPTHS):
        return []
    return [tokens[math.ceil(len(tokens) * depth) - 1] for depth in DEPTHS]

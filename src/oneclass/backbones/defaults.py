"""Which layers to take of a network that nobody has chosen layers for.

The embedded network's were chosen by tables: for patches the last layers with a position for each 8
and 16 pixels, for whole images the last with one for each 4, and a deep one; where whole images are
seen in the pass of patches, the deepest of theirs. Other networks made for photographs have the
same stages, and the same places of theirs are taken; so have transformers that merge tokens, such
as Swin. Of a transformer whose maps all have one size: layers in the middle and at three quarters
of its depth for patches, and the last class token for whole images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oneclass.backbones.anatomy import Node, read_graph
from oneclass.backbones.session import Backbone
from oneclass.backbones.tokens import CLASS, MAP, channels_last, token_grid

SHALLOW, PATCHES, DEEP = 4, (8, 16), 32
"""Pixels of a position."""
SHALLOW_GRID, DEEP_GRID, ONLY_GRID = 7, 2, 4
DEPTHS = (0.25, 0.5, 0.75, 1.0)
"""Of a transformer, where layers are named that are not named yet."""
ENDS = ("Add", "Clip", "Concat", "HardSwish", "LeakyRelu", "Mul", "PRelu", "Relu")
"""What blocks of a network end with."""
AT_A_TIME = 64
Shapes = Mapping[str, tuple[int, ...]]
"""Of each layer, for one image."""
Sides = dict[str, tuple[int, int]]
"""(height, width) of each layer's map, by the name that gives the map."""


@dataclass(frozen=True)
class DefaultLayers:
    """What --layer stands for where it is not given.

    Attributes:
        whole: of whole images.
        patches: empty where no layer has a map.
        beside_patches: of whole images seen in the pass of patches; None where they cannot be.
    """

    whole: str
    patches: str
    beside_patches: str | None = None


def default_layers(backbone: Backbone) -> DefaultLayers:
    """The layers to take, among those that the network names.

    Raises:
        ModelFileError: the network does not run.
    """
    shapes, size = backbone.shapes(), backbone.spec.preprocessing.size
    tokens, maps = token_maps(shapes, size), plain_maps(shapes, size)
    if len(tokens) > len(maps):
        if len(set(tokens.values())) == 1:
            names = [name.removesuffix(MAP) for name in tokens]
            return _of_tokens(names, shapes[names[-1]][0], size)
        maps = tokens
    if not maps:
        return DefaultLayers([n for n, s in shapes.items() if len(s) == 1][-1:][0], "")
    shallow, deep = (nearest(maps, size, pixels) for pixels in (SHALLOW, DEEP))
    patches = list(dict.fromkeys(nearest(maps, size, pixels) for pixels in PATCHES))
    whole, beside = (_on_grids(maps, shallow, last) for last in (deep, patches[-1]))
    return DefaultLayers(whole, "+".join(patches), beside)


def token_maps(shapes: Shapes, size: tuple[int, int]) -> Sides:
    """Layers of tokens, as maps."""
    grids = {n: token_grid(s[0], size) for n, s in shapes.items() if len(s) == 2}
    return {n + MAP: grid for n, grid in grids.items() if grid is not None}


def plain_maps(shapes: Shapes, size: tuple[int, int]) -> Sides:
    """Layers that are maps; where some have their channels last, these alone."""
    last = {n + MAP: (s[0], s[1]) for n, s in shapes.items() if channels_last(s, size)}
    first = {n: (s[1], s[2]) for n, s in shapes.items() if len(s) == 3 and min(s[1:]) > 1}
    return last or first


def nearest(maps: Sides, size: tuple[int, int], pixels: int) -> str:
    """The last of the layers whose positions are nearest to so many pixels, as a ratio.

    Args:
        maps: (height, width) of each layer's map.
        size: (height, width) of the image.
        pixels: of a position.
    """
    far = {name: abs(math.log(size[0] / sides[0] / pixels)) for name, sides in maps.items()}
    least = min(far.values())
    return [name for name, one in far.items() if one <= least + 1e-9][-1]


def _on_grids(maps: Sides, shallow: str, deep: str) -> str:
    grids = [(shallow, SHALLOW_GRID), (deep, DEEP_GRID)]
    if shallow == deep:
        grids = [(deep, ONLY_GRID)]
    return "+".join(f"{name}@{min(grid, *maps[name])}" for name, grid in grids)


def _of_tokens(tokens: Sequence[str], n_tokens: int, size: tuple[int, int]) -> DefaultLayers:
    grid = token_grid(n_tokens, size)
    assert grid is not None, "these are tokens"
    has_class = n_tokens > grid[0] * grid[1]
    whole = tokens[-1] + (CLASS if has_class else f"{MAP}@{DEEP_GRID}")
    middle = dict.fromkeys(tokens[math.ceil(len(tokens) * d) - 1] for d in (0.5, 0.75))
    return DefaultLayers(whole, "+".join(name + MAP for name in middle))


def stage_ends(backbone: Backbone) -> tuple[str, ...]:
    """Tensors to name as layers, of a network that names none with a map: where its stages end.

    Of a convolutional network, and of one that merges tokens, the last tensor of each size of map;
    of another transformer what its blocks give, at `DEPTHS`. Its own outputs come last.

    Raises:
        ModelFileError: the network does not run.
    """
    nodes, constants = read_graph(backbone.model)
    fixed = constants.keys() | {n for node in nodes if node.op == "Constant" for n in node.outputs}
    found = [n for n in nodes if n.op in ENDS and backbone.has_layer(n.outputs[0])]
    shapes: dict[str, tuple[int, ...]] = {}
    for start in range(0, len(found), AT_A_TIME):
        shapes |= backbone.shapes([n.outputs[0] for n in found[start : start + AT_A_TIME]])
    size = backbone.spec.preprocessing.size
    ends = _blocks(found, set(fixed), shapes, size) or _last_of_each(plain_maps(shapes, size))
    return (*ends, *(name for name in backbone.layers if name not in ends))


def _blocks(
    nodes: Sequence[Node], fixed: set[str], shapes: Shapes, size: tuple[int, int]
) -> list[str]:
    """Of a transformer, the sums of what came in and what was made of it, at `DEPTHS`."""
    sums = [
        node.outputs[0]
        for node in nodes
        if node.op == "Add" and not fixed.intersection(node.inputs)
    ]
    tokens = token_maps({name: shapes[name] for name in sums}, size)
    if len(tokens) < len(DEPTHS):
        return []
    if len(set(tokens.values())) > 1:
        return _last_of_each(tokens)
    names = [name.removesuffix(MAP) for name in tokens]
    return [names[math.ceil(len(names) * depth) - 1] for depth in DEPTHS]


def _last_of_each(maps: Sides) -> list[str]:
    """The tensors of the last layer of each size of map, in their order."""
    last = {sides: name for name, sides in maps.items()}
    return [name.removesuffix(MAP) for name in maps if name in last.values()]

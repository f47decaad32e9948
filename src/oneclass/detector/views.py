"""What a fit looks at: whole images or patches, which layers, what size, how many half-spaces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from oneclass.backbones import DEFAULT, Backbone, Runtime, choose_runtime
from oneclass.backbones.defaults import DefaultLayers, default_layers
from oneclass.backbones.tokens import channels_last
from oneclass.detector.settings import BOTH, IMAGE, LEAST_TILE, PATCHES, Settings
from oneclass.errors import InputError
from oneclass.images import Header
from oneclass.representations import (
    GREYSCALE,
    ROW_DTYPES,
    Greyscale,
    MeansAndDeviations,
    PatchLayers,
    PretrainedLayers,
    Representation,
    TiledPatches,
    WholeAndPatches,
    from_record,
)
from oneclass.rows.layers import Layers
from oneclass.system.names import plural, some_names, some_of

Kind = TypeVar("Kind", PretrainedLayers, MeansAndDeviations, PatchLayers)
DEFAULT_LAYER = "block_2@7+block_14@2"
DEFAULT_PATCHES, PATCH_HALFSPACES = "block_4+block_10", 510
BESIDE_PATCHES, CELLS = "block_2@7+block_10@2", 3
"""What is seen of whole images in the pass of patches; benchmarks/whole_images.py has the table."""
MOST_HALFSPACES, PER_HALFSPACE = 150, 3
MOST_PATCH_HALFSPACES = 10_000
"""With 80 images these take 1.3 GB, 20,000 take 4.2 GB and five times as long; of more a process
may be ended before it can say anything. On tiles and boards 5,000 find no more than the default."""
FEWEST_FOR_PATCHES, LEAST_SIDE, MOST_SIDE, STEP = 256, 224, 640, 32
"""Pixels; benchmarks/choose_patches.py has the tables."""
SQUEEZED = 1.5
"""Times as long beside their width: pictures of 4 x 3 that were turned are 1.8 times."""
ENLARGED = 4
"""Times; the networks' own sizes enlarge small pictures by about as much, and nobody asks."""
SHRUNK = 1.5
"""Times `MOST_SIDE` on the shorter side: of a defect's pixels less than half are left there."""
TILES_SEE = 2
"""Times the picture's pixels, since tiles of `MOST_SIDE` overlap; docs/smalldefects.md."""


def choose_view(headers: list[Header]) -> str:
    """Whole images, or both they and their patches, by the size that most images have.

    Patches of small pictures are enlarged pixels, and hurt; benchmarks/choose_patches.py has the
    table.
    """
    return BOTH if _shorter_side(headers) >= FEWEST_FOR_PATCHES else IMAGE


def why(headers: list[Header], asked: Settings, representation: Representation) -> str | None:
    """Sentences on what decided between whole images and patches, and the number it went by.

    Args:
        headers: of the images to learn from.
        asked: the settings.
        representation: that `choose_representation` made of both.

    Returns:
        A line each; None where the settings name what is looked at, unless tiles do nothing to such
        pictures or would show far more of them, the size enlarges them by far, or some have quite
        another shape than most.
    """
    told = (_squeezed(headers), _enlarged(headers, asked), _decided(headers, asked, representation))
    return "\n".join(filter(None, told)) or None


def enlarged(headers: list[Header], asked: Settings) -> int | None:
    """How many times as high and wide a size that was asked for makes most images.

    Returns:
        None below `ENLARGED`, and where no size was asked for.
    """
    if asked.size is None:
        return None
    middle = float(np.median([header.height * header.width for header in headers]))
    times = math.sqrt(math.prod(asked.size) / middle)
    return round(times) if times >= ENLARGED else None


def _squeezed(headers: list[Header]) -> str | None:
    """Where some pictures, but not most, have quite another shape than the median one."""
    shapes = np.log([header.height / header.width for header in headers])
    n = int(np.count_nonzero(np.abs(shapes - np.median(shapes)) > math.log(SQUEEZED)))
    if not 0 < n <= len(headers) / 2:
        return None
    return (
        f"note: {some_of(n, len(headers), 'picture')} {plural(n, 'has', 'have')} quite another "
        f"shape than most, and {plural(n, 'is', 'are')} squeezed into theirs: "
        f"{plural(n, 'such a one looks', 'such look')} odd where few were learnt. Turn or crop "
        "pictures alike ('oneclass check' shows their sizes)."
    )


def _enlarged(headers: list[Header], asked: Settings) -> str | None:
    if asked.size is None or (times := enlarged(headers, asked)) is None:
        return None
    height, width = asked.size
    return (
        f"note: --size {height}x{width} enlarges most of these pictures about {times}-fold: that "
        "shows nothing that they do not have, and each pixel costs time. Without --size the "
        "pictures decide."
    )


def _decided(headers: list[Header], asked: Settings, representation: Representation) -> str | None:
    tiled = getattr(representation, "patches", representation)
    if isinstance(tiled, TiledPatches) and tiled.n_tiles == 1:
        height, width = tiled.preprocessing.size
        plain = asked.size or patch_size(headers)
        same = tuple(plain) == (height, width)
        without = (
            ", as without --tiles."
            if same
            else f". Without --tiles it is looked at as {plain[1]} x {plain[0]}."
        )
        by_size = asked.size and asked.tiles and max(picture_size(headers)) > asked.tiles
        use = (
            "are of use with a larger --size, or without it"
            if by_size
            else "are for larger pictures"
        )
        return (
            f"note: a tile of {asked.tiles} pixels holds a whole picture, looked at as {width} x "
            f"{height}, so there is one tile{without} Tiles {use}; --rows says whether patches are "
            "looked at."
        )
    if asked.tiles is not None or asked.backbone == GREYSCALE or asked.rows == IMAGE:
        return None
    if asked.rows is None and (given := _for_whole_images(asked)):
        return (
            f"Why: with {given} and no --rows, whole images alone are looked at. With --rows both "
            "patches are, too, and what you gave is for them."
        )
    sides = [min(header.height, header.width) for header in headers]
    middle = f"{int(np.median(sides))} pixels on their shorter side"
    have = f"the images have {middle}"
    if min(sides) != max(sides):
        have = f"half of the images have at least {middle} ({min(sides)} to {max(sides)})"
    if asked.rows is not None:
        shrunk = asked.size is None and _shrunk(headers)
        return f"note: {have}, and patches see up to {MOST_SIDE}{shrunk}." if shrunk else None
    if representation.n_worst:
        rule = (
            f"from {FEWEST_FOR_PATCHES} on, patches are looked at, too, in the images at about "
            f"that size (a multiple of {STEP}), up to {MOST_SIDE}{_shrunk(headers)}"
        )
    elif choose_view(headers) == IMAGE:
        rule = f"below {FEWEST_FOR_PATCHES}, patches would be enlarged pixels"
    else:
        rule = "but the backbone names no layers for patches"
    return f"Why: {have}; {rule}."


def _shrunk(headers: list[Header]) -> str:
    """What pictures larger than that lose, and what keeps it."""
    if (times := tiles_cost(headers)) is None:
        return ""
    return (
        f", so these are shrunk; for defects that are lost by that, --tiles {MOST_SIDE} looks at "
        f"all their pixels and takes about {times} times as long"
    )


def tiles_cost(headers: list[Header]) -> int | None:
    """How many times as long tiles of `MOST_SIDE` take as pictures that are shrunk to it.

    Returns:
        None where they are shrunk by a third or less.
    """
    if not headers or _shorter_side(headers) < SHRUNK * MOST_SIDE:
        return None
    seen, whole = math.prod(patch_size(headers)), math.prod(picture_size(headers))
    return round(TILES_SEE * whole / seen)


def _for_whole_images(asked: Settings) -> str:
    """The options, of those that by themselves leave patches out, that were given: '--size'."""
    given = {"--layer": asked.layer, "--grid": asked.grid, "--size": asked.size}
    return " and ".join(flag for flag, value in given.items() if value is not None)


def patch_size(headers: list[Header]) -> tuple[int, int]:
    """(height, width) at which patches see images: their own shape, and no more than their pixels.

    Whole multiples of `STEP`, with `LEAST_SIDE` to `MOST_SIDE` on the shorter side and at most
    twice as much on the longer one.
    """
    shorter = min(max(_shorter_side(headers), LEAST_SIDE), MOST_SIDE)
    aspect = float(np.median([header.height / header.width for header in headers]))
    longer = min(round(shorter * max(aspect, 1 / aspect) / STEP) * STEP, 2 * shorter)
    return (longer, shorter) if aspect > 1 else (shorter, longer)


def picture_size(headers: list[Header]) -> tuple[int, int]:
    """(height, width) at which tiles are cut: what most images have, in multiples of `STEP`."""
    sides = (np.median([h.height for h in headers]), np.median([h.width for h in headers]))
    return (max(1, round(sides[0] / STEP)) * STEP, max(1, round(sides[1] / STEP)) * STEP)


def _shorter_side(headers: list[Header]) -> int:
    """The median of the images, rounded down to a multiple of `STEP`."""
    return int(np.median([min(h.height, h.width) for h in headers])) // STEP * STEP


def choose_representation(headers: list[Header], asked: Settings) -> Representation:
    """Make the representation that the settings of a `Detector` ask for.

    Args:
        headers: of the images to learn from.
        asked: the settings.

    Raises:
        InputError: an unknown backbone or layer; settings that do not go together.
    """
    layer, dtype = asked.layer, asked.row_dtype
    if asked.backbone == GREYSCALE:
        size = asked.size or _common_size(headers)
        return Greyscale(size, row_dtype=dtype or ROW_DTYPES[0])
    network = Backbone.open(asked.backbone)
    default = _default_layers(network)
    view = _view(headers, asked, default)
    if layer is not None and network.spec.name != DEFAULT:
        _refuse_channels_last(network, Layers.parse(layer, network.has_layer, asked.grid))
    runtime = choose_runtime(asked.runtime, asked.precision)
    made_by = _Network(network, asked.threads, runtime, asked.grid)
    if view == IMAGE:
        if layer is None and asked.grid is not None:
            _refuse_grids(Layers.parse(default.whole, network.has_layer), asked.grid)
        choose_n_halfspaces(asked.n_halfspaces, len(headers))  # refuses before a picture is read
        return made_by.whole(layer or default.whole, asked.size, dtype or ROW_DTYPES[0])
    _refuse_halfspaces(asked.n_halfspaces)
    dtype = dtype or ROW_DTYPES[1]
    patches = _patches(made_by, layer or default.patches, headers, asked, dtype)
    if view == PATCHES:
        return patches
    both = WholeAndPatches(replace(made_by, grid=None).beside(patches, default), patches)
    # as a model that is loaded has them: of one session where one pass does for both
    return from_record(both.to_json(), network, threads=asked.threads, runtime=runtime)


def _default_layers(network: Backbone) -> DefaultLayers:
    if network.spec.name == DEFAULT:
        return DefaultLayers(DEFAULT_LAYER, DEFAULT_PATCHES, BESIDE_PATCHES)
    return default_layers(network)


def _refuse_channels_last(network: Backbone, layers: Layers) -> None:
    """Refuse to take the height of a map for its channels.

    Raises:
        InputError: a layer gives height x width x channels, as it is named.
    """
    for name, shape in network.shapes(layers.names).items():
        if channels_last(shape, network.spec.preprocessing.size):
            raise InputError(
                f"layer {name!r} gives {' x '.join(map(str, shape))}: its channels come last. "
                f"Name it {name}:map, which puts them first."
            )


def _refuse_grids(default: Layers, grid: int) -> None:
    """Refuse a grid beside default layers that take none: nobody typed their names.

    Raises:
        InputError: each of them has a grid of its own.
    """
    if all(one.grid is not None for one in default):
        name = default[0].name
        raise InputError(
            f"grid {grid}: the default layers, {default}, have grids of their own (behind the @). "
            f"Leave the grid out, or name a layer without one: --layer {name} --grid {grid} (in "
            f"Python layer={name!r}, grid={grid})."
        )


def _refuse_halfspaces(asked: int | None) -> None:
    """Refuse more half-spaces of patches than memory may hold, before a picture is read.

    Raises:
        InputError: more than `MOST_PATCH_HALFSPACES`.
    """
    if asked is not None and asked > MOST_PATCH_HALFSPACES:
        raise InputError(
            f"{asked:,} half-spaces are asked for: of patches there are {PATCH_HALFSPACES} unless "
            f"asked, and at most {MOST_PATCH_HALFSPACES:,}, which take more than a gigabyte of "
            "memory already. Ask for fewer (--halfspaces, in Python n_halfspaces)."
        )


def _view(headers: list[Header], asked: Settings, default: DefaultLayers) -> str:
    """Whole images, patches or both.

    Raises:
        InputError: patches are asked for, or tiles, of a network that names no layer for them.
    """
    has_patches = bool(default.patches or asked.layer)
    if asked.rows is None and asked.tiles is None:
        whole = _for_whole_images(asked) or not has_patches
        return IMAGE if whole else choose_view(headers)
    if not has_patches and asked.rows != IMAGE:
        raise InputError(
            f"backbone {asked.backbone} names no layer with a map, and patches are positions of "
            "one. Give the name of an inner tensor as layer, or use rows 'image' without tiles."
        )
    return asked.rows or BOTH


def _patches(
    made_by: _Network, layer: str, headers: list[Header], asked: Settings, dtype: str
) -> PatchLayers | TiledPatches:
    """Patches at the size that was asked for; else at the pictures', if the network takes it."""
    size = asked.size
    if size is None:
        size = patch_size(headers) if asked.tiles is None else picture_size(headers)
    if asked.tiles is not None and max(size) < LEAST_TILE:
        raise InputError(
            f"tiles are for large pictures: a tile has {LEAST_TILE} pixels or more on a side, and "
            f"these are looked at as {size[1]} x {size[0]} pixels (width x height). Leave tiles "
            "out" + (" or give a larger size." if asked.size else ".")
        )
    try:
        return made_by.patches(layer, size, asked.tiles, dtype)
    except InputError:
        own = made_by.backbone.spec.preprocessing.size
        if asked.size is not None or asked.tiles is not None or size == own:
            raise
        return made_by.patches(layer, own, None, dtype)


@dataclass(frozen=True)
class _Network:
    """A network, and how it is run."""

    backbone: Backbone
    threads: int | None
    runtime: Runtime
    grid: int | None

    def whole(self, layer: str, size: tuple[int, int] | None, dtype: str) -> PretrainedLayers:
        return self._cut(PretrainedLayers, layer, size, dtype, evened=False)

    def beside(
        self, patches: PatchLayers | TiledPatches, default: DefaultLayers
    ) -> PretrainedLayers:
        """Whole images, with how they vary where all layers have a map, as a grid says.

        They are seen as patches see them, but beside tiles, and where that is so small a picture
        that no grid fits.
        """
        size, dtype = patches.preprocessing.size, patches.row_dtype
        small = min(size) < LEAST_SIDE or isinstance(patches, TiledPatches)
        if default.beside_patches and not small:
            varied = partial(MeansAndDeviations, cells=CELLS)
            return self._cut(varied, default.beside_patches, size, dtype, evened=True)
        layers = Layers.parse(default.whole, self.backbone.has_layer)
        mapped = all(one.grid is not None for one in layers)
        kind = MeansAndDeviations if mapped else PretrainedLayers
        return self._cut(kind, default.whole, None, dtype, evened=True)

    def patches(
        self, layer: str, size: tuple[int, int], tiles: int | None, dtype: str
    ) -> PatchLayers | TiledPatches:
        seen = size if tiles is None else (min(tiles, size[0]), min(tiles, size[1]))
        patches = self._cut(PatchLayers, layer, seen, dtype, evened=True)
        return patches if tiles is None else TiledPatches(patches, size)

    def _cut(
        self,
        kind: Callable[..., Kind],
        layer: str,
        size: tuple[int, int] | None,
        dtype: str,
        evened: bool,
    ) -> Kind:
        return kind(
            self.backbone,
            Layers.parse(layer, self.backbone.has_layer, self.grid),
            size=size,
            threads=self.threads,
            runtime=self.runtime,
            row_dtype=dtype,
            evened=evened,
        )


def choose_n_halfspaces(asked: int | None, n: int, patches: int | None = None) -> int:
    """One half-space per `PER_HALFSPACE` rows, at most `MOST_HALFSPACES`, unless asked.

    Args:
        asked: by the user.
        n: the number of images.
        patches: of each image, where these are the rows; then `PATCH_HALFSPACES`, unless asked.

    Raises:
        InputError: more half-spaces than rows were asked for.
    """
    n *= patches or 1
    if asked is None:
        return min(PATCH_HALFSPACES, n) if patches else min(MOST_HALFSPACES, -(-n // PER_HALFSPACE))
    if asked > n:
        raise InputError(
            f"{asked} half-spaces are asked for, but there are only {n} normal images to fit them "
            f"to: expected at most {n} (--halfspaces, in Python n_halfspaces)."
        )
    return asked


def _common_size(headers: list[Header]) -> tuple[int, int]:
    """(height, width), where all readable images share one."""
    sizes = {(header.height, header.width) for header in headers}
    if len(sizes) != 1:
        some = some_names([f"{h}x{w}" for h, w in sorted(sizes)])
        raise InputError(
            f"the images have {len(sizes)} different sizes (height x width: {some}), and "
            "greyscale compares pixel by pixel. Give the size to use, such as --size 64x64 (in "
            "Python, size=(64, 64))."
        )
    return sizes.pop()

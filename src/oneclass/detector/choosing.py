"""What "auto" does in a fit: no row is made twice, whether for choosing or for learning.

Where the layer is named, its rows are those that the fit learns from. Where it is to be chosen, one
pass of the network gives the values of all candidates, and the fit goes on with those of the chosen
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from oneclass.backbones import DEFAULT, Backbone, choose_runtime
from oneclass.detector.collecting import DEFAULT_LAYER, Collected
from oneclass.detector.criteria import (
    MOST,
    Choice,
    SplitRows,
    choose_from_rows,
    split_of,
)
from oneclass.detector.settings import AUTO, BY_NAME, GREYSCALE, PATCHES, Settings
from oneclass.errors import ImageError, InputError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Progress, Sources, check_depth, content_digest
from oneclass.representations import PretrainedLayers, Representation, SeparateLayers
from oneclass.representations.copies import ALTERATIONS, AlteredCopies
from oneclass.representations.extraction import Extracted, extract, open_store
from oneclass.rows.layers import Layer, Layers
from oneclass.system.arrays import Rows
from oneclass.system.workers import ordered_map

LAYERS = (
    DEFAULT_LAYER,
    "block_2@7",
    "block_5@7",
    "block_8@4",
    "block_14@2",
    "block_15@2",
    "pool",
    "block_2@7+pool",
    "block_5@7+block_14@2",
)
OTHERS, OTHER_GRID = 6, 4


@dataclass(frozen=True)
class ChosenLayer:
    """Where a fit goes on once it has chosen a layer.

    Attributes:
        choice: of the layer, and of what else was "auto".
        representation: the chosen layer's.
        made: rows of it that there are already, by the index of their image.
    """

    choice: Choice
    representation: Representation
    made: Mapping[int, Extracted]


def check_choosable(asked: Settings) -> None:
    """Raise InputError where a setting is "auto" and there is nothing to choose from."""
    if AUTO not in (asked.layer, asked.nu, asked.n_halfspaces):
        return
    if asked.rows == PATCHES:
        raise InputError(
            "rows is 'patches' and a setting is 'auto': choosing is for rows of whole images. "
            "Name the setting, or use rows 'image'."
        )
    if asked.layer != AUTO:
        return
    if asked.grid is not None:
        raise InputError(
            f"grid {asked.grid}: layer 'auto' brings grids of its own. Leave the grid out."
        )
    if asked.backbone == GREYSCALE:
        raise InputError(
            "layer is 'auto', and greyscale has no layers to choose from. Leave the layer out, or "
            "choose a network."
        )


def layer_candidates(backbone: Backbone, size: tuple[int, int] | None = None) -> list[Layers]:
    """The layers to choose from, the default first: a fixed list, or six of another network's.

    Args:
        backbone: the network.
        size: of its input; where a map is smaller than its candidate's grid, the grid is the
            largest that fits.

    Raises:
        InputError: a size that the network cannot take.
    """
    if backbone.spec.name == DEFAULT:
        wanted = [Layers.parse(text, backbone.has_layer) for text in LAYERS]
    else:
        names = backbone.layers
        some = np.linspace(0, len(names) - 1, min(OTHERS, len(names))).round().astype(int)
        wanted = [Layers([(names[i], OTHER_GRID)]) for i in some[::-1]]
    used = Layers.once((name, None) for layers in wanted for name in layers.names)
    shapes = dict(zip(used.names, SeparateLayers(backbone, used, size=size).shapes, strict=True))

    def fitting(layer: Layer) -> Layer:
        sides = shapes[layer.name][1:]
        return Layer(layer.name, min(layer.grid, *sides) if layer.grid and sides else None)

    return list(dict.fromkeys(Layers(map(fitting, layers)) for layers in wanted))


def choose_layer(
    asked: Settings, sources: Sources, scale: PixelScale, progress: Progress | None
) -> ChosenLayer:
    """Choose the layer, and after it what else is "auto".

    Args:
        asked: the settings; layer is "auto".
        sources: the normal images; up to `MOST` different ones are looked at, picked by content.
        scale: the rule for intensities.
        progress: called with (images done, images in all).

    Raises:
        InputError: fewer than ten different images.
    """
    backbone = Backbone.open(asked.backbone)
    candidates = layer_candidates(backbone, asked.size)
    runtime = choose_runtime(asked.runtime, asked.precision)
    make: dict[str, Any] = {"size": asked.size, "threads": asked.threads, "runtime": runtime}
    union = Layers.once(layer for layers in candidates for layer in layers)
    every = SeparateLayers(backbone, union, **make)
    found: list[Extracted] = []
    indices = _picked(asked, sources, every, scale)
    for done, result in enumerate(_extracted(asked, sources, every, scale, indices), 1):
        if isinstance(result, Extracted):
            found.append(result)
        if progress:
            progress(done, len(indices))
    alive = [e for e in found if every.columns.take(e.row[None], union).any()]
    distinct = {e.digest: e for e in reversed(alive)}
    ordered = [distinct[digest] for digest in sorted(distinct)][:MOST]
    first, second, held = split_of(len(ordered))
    table = np.stack([e.row for e in ordered])
    copies = _copies(asked, sources, every, scale, [ordered[i].index for i in held])
    choice = choose_from_rows(
        SplitRows(table[first], table[second], table[held], copies),
        {str(layers): partial(every.columns.take, layers=layers) for layers in candidates},
        asked.n_halfspaces,
        asked.nu,
        default_nu=BY_NAME["nu"].default,
        seed=asked.seed,
    )
    layers = next(layers for layers in candidates if str(layers) == choice.layer)
    chosen = PretrainedLayers(backbone, layers, row_dtype=asked.row_dtype, **make)
    return ChosenLayer(choice, chosen, _made(every, chosen, found))


def choose_numbers(
    asked: Settings,
    sources: Sources,
    collected: Collected,
    representation: Representation,
    scale: PixelScale,
) -> Choice:
    """Choose the number of half-spaces, nu, or both, where the layer was named.

    Args:
        asked: the settings.
        sources: the normal images.
        collected: their rows; up to `MOST` different ones are looked at, picked by content.
        representation: that made the rows.
        scale: the rule for intensities.

    Raises:
        InputError: fewer than ten different images.
    """
    digests = collected.digests
    places = [i for i, d in enumerate(digests) if not i or d != digests[i - 1]][:MOST]
    table = np.asarray(collected.rows.take(places), np.float32)
    used = np.flatnonzero(table.any(axis=1))
    first, second, held = (used[part] for part in split_of(len(used)))
    indices = [collected.indices[places[i]] for i in held]
    copies = _copies(asked, sources, representation, scale, indices)
    return choose_from_rows(
        SplitRows(table[first], table[second], table[held], copies),
        {},
        asked.n_halfspaces,
        asked.nu,
        default_nu=BY_NAME["nu"].default,
        seed=asked.seed,
    )


def _extracted(
    asked: Settings,
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    indices: Sequence[int],
) -> Iterator[Extracted | ImageError]:
    """Rows of some of the images, from the cache where it has them."""
    store = None if asked.cache is None else open_store(asked.cache, representation, scale)
    return extract(
        sources, representation, scale, workers=asked.workers, store=store, indices=indices
    )


def _copies(
    asked: Settings,
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    indices: Sequence[int],
) -> dict[str, Rows]:
    """For each alteration, rows of the altered copies of some images."""
    maker = AlteredCopies(representation, asked.seed)
    results = _extracted(asked, sources, maker, scale, indices)
    rows = np.stack([r.row for r in results if isinstance(r, Extracted)]).astype(np.float32)
    return {kind: rows[:, i] for i, kind in enumerate(ALTERATIONS)}


def _made(
    every: SeparateLayers, chosen: PretrainedLayers, found: Sequence[Extracted]
) -> dict[int, Extracted]:
    """The chosen layers' rows out of everyone's; none where their own session gives other bits.

    A runtime may fuse what stands between two layers where nobody asks for the first one.
    """

    def taken(values: Rows) -> Rows:
        rows = every.columns.take(values, chosen.layers)
        return rows.astype(chosen.row_dtype, copy=False)

    noise = np.random.default_rng(0).normal(size=(1, *every.prepared_shape)).astype(np.float32)
    if not np.array_equal(taken(every.rows(noise)), chosen.rows(noise)):
        return {}
    made = (Extracted(e.index, taken(e.row[None])[0], e.digest, e.key) for e in found)
    return {e.index: e for e in made if e.row.any()}


def _picked(
    asked: Settings, sources: Sources, representation: Representation, scale: PixelScale
) -> Sequence[int]:
    """The images to look at: all, or of very many `MOST` different ones, by digest."""
    if len(sources) <= MOST:
        return range(len(sources))

    def digest_of(index: int) -> bytes | None:
        try:
            pixels = sources.pixels(index, representation.preprocessing.at_least)
            check_depth(pixels, scale.depth, sources.names[index])
        except ImageError:
            return None  # `fit` reports it when it comes to learning
        return content_digest(pixels)

    first: dict[bytes, int] = {}
    for index, digest in enumerate(ordered_map(digest_of, range(len(sources)), asked.workers)):
        if digest is not None:
            first.setdefault(digest, index)
    return [index for _, index in islice(sorted(first.items()), MOST)]

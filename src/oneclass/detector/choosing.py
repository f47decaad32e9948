"""What `auto` does in a fit: one pass of the network for all candidate layers, then a choice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import DEFAULT, Backbone
from oneclass.detector.collecting import DEFAULT_LAYER
from oneclass.detector.criteria import (
    MOST,
    NUS,
    RULES,
    Criteria,
    Parts,
    Rows,
    altered,
    halfspace_candidates,
    judge,
    preferred,
    split_of,
)
from oneclass.errors import ImageError, InputError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Progress, Sources, check_depth, content_digest
from oneclass.representations import GREYSCALE, PretrainedLayers, Representation
from oneclass.representations.extraction import BATCH
from oneclass.rows.layers import Layer, Layers
from oneclass.system.workers import ordered_map

AUTO = "auto"
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
Spans = dict[str, list[slice]]
T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what it was chosen from.

    Attributes:
        layer: None where it was not to be chosen.
        n_halfspaces: None for one per 12 images.
        nu: in (0, 1].
        record: the candidates with their criteria, as JSON.
    """

    layer: str | None
    n_halfspaces: int | None
    nu: float
    record: dict[str, Any]


def layer_candidates(backbone: Backbone) -> list[str]:
    """The layers to choose from, the default first: a fixed list, or six of another network's."""
    if backbone.spec.name == DEFAULT:
        return list(LAYERS)
    shapes = backbone.shapes()
    some = np.linspace(0, len(shapes) - 1, min(OTHERS, len(shapes))).round().astype(int)
    names = [list(shapes)[i] for i in some[::-1]]
    return [
        f"{name}@{min(OTHER_GRID, *shapes[name][1:])}" if len(shapes[name]) == 3 else name
        for name in names
    ]


def spans_of(
    backbone: Backbone, candidates: Sequence[str]
) -> tuple[list[Layer], Callable[[PretrainedLayers], Spans]]:
    """Every layer that a candidate needs, once, and where each candidate lies in their row."""
    parsed = {text: Layers.parse(text, backbone.has_layer) for text in candidates}
    union = list(dict.fromkeys(layer for layers in parsed.values() for layer in layers))

    def spans(representation: PretrainedLayers) -> Spans:
        sizes = [math.prod(shape) for shape in representation.shapes]
        ends = np.cumsum(sizes)
        place = {
            layer: slice(int(end) - size, int(end))
            for layer, size, end in zip(union, sizes, ends, strict=True)
        }
        return {text: [place[layer] for layer in layers] for text, layers in parsed.items()}

    return union, spans


def choose(
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    *,
    layers: Sequence[str],
    n_halfspaces: int | str | None,
    nu: float | str,
    default_nu: float,
    seed: int,
    workers: int,
    progress: Progress | None,
) -> Choice:
    """Choose what is "auto", in the order layer, number of half-spaces, nu.

    Args:
        sources: the normal images; up to `MOST` different ones are looked at, picked by content.
        representation: with all that the candidates need, or the one that was named.
        scale: the rule for intensities.
        layers: the candidates, the default first; none where the layer was named.
        n_halfspaces: a number, None for one per 12 images, or "auto".
        nu: a number, or "auto".
        default_nu: where nu is "auto".
        seed: of the alterations and the clustering.
        workers: threads that read.
        progress: called with (images done, images in all).

    Raises:
        InputError: fewer than ten different images.
    """
    parts = _parts(sources, representation, scale, seed, workers, progress)
    spans: Spans = {}
    if layers:
        assert isinstance(representation, PretrainedLayers)
        spans = spans_of(representation.backbone, layers)[1](representation)
    return settle(parts, spans, n_halfspaces, nu, default_nu=default_nu, seed=seed)


def settle(
    parts: Parts,
    spans: Spans,
    n_halfspaces: int | str | None,
    nu: float | str,
    *,
    default_nu: float,
    seed: int,
) -> Choice:
    """Choose from rows: the layer, then the number of half-spaces, then nu.

    Args:
        parts: rows of all candidate layers, or of the layer that was named.
        spans: each candidate layer's columns, the default first; none where it was named.
        n_halfspaces, nu, default_nu, seed: as for `choose`.
    """
    n = len(parts.first) + len(parts.second) + len(parts.held_out)
    record: dict[str, Any] = {"n_images": n}
    k = None if isinstance(n_halfspaces, str) else n_halfspaces
    value = default_nu if isinstance(nu, str) else nu
    layer = None
    if spans:
        found = {
            name: judge(parts.columns(columns), _at_most(k, n), value, seed=seed)
            for name, columns in spans.items()
        }
        layer = _pick("layer", found, next(iter(spans)), record)
        parts = parts.columns(spans[layer])
    if n_halfspaces == AUTO:
        numbers = {k: judge(parts, k, value, seed=seed) for k in halfspace_candidates(n)}
        k = _pick("n_halfspaces", numbers, None, record)
    if nu == AUTO:
        values = {v: judge(parts, _at_most(k, n), v, seed=seed) for v in NUS}
        value = _pick("nu", values, default_nu, record)
    return Choice(layer, k, value, record)


def needed(
    backbone: str | Path | Backbone, grid: int | None, *, patches: bool, layer: str | None
) -> list[str]:
    """The candidates for the layer; none where the layer was named.

    Raises:
        InputError: patches, a grid, or greyscale: there is nothing to choose from.
    """
    if patches:
        raise InputError(
            "rows is 'patches' and a setting is 'auto': choosing is for rows of whole images. "
            "Name the setting, or use rows 'image'."
        )
    if layer != AUTO:
        return []
    if grid is not None:
        raise InputError(f"grid {grid}: layer 'auto' brings grids of its own. Leave the grid out.")
    if backbone == GREYSCALE:
        raise InputError(
            "layer is 'auto', and greyscale has no layers to choose from. Leave the layer out, or "
            "choose a network."
        )
    return layer_candidates(Backbone.open(backbone))


def joined(backbone: str | Path | Backbone, candidates: Sequence[str]) -> str:
    """One text for all the layers that the candidates need, each once."""
    union, _ = spans_of(Backbone.open(backbone), candidates)
    return str(Layers(union))


def _at_most(k: int | None, n: int) -> int | None:
    return None if k is None else min(k, n)


def _pick(setting: str, found: dict[T, Criteria], default: T, record: dict[str, Any]) -> T:
    chosen = preferred(found, default, RULES[setting])
    record[setting] = {
        **asdict(RULES[setting]),
        "chosen": chosen,
        "candidates": [{"value": v, **criteria.to_json()} for v, criteria in found.items()],
    }
    return chosen


def _parts(
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    seed: int,
    workers: int,
    progress: Progress | None,
) -> Parts:
    """Rows of up to `MOST` images, in the order of their content, and of altered copies."""
    at_least = representation.preprocessing.at_least
    picked = _picked(sources, at_least, scale, workers)
    split_of(len(picked))  # refuses too few before the network runs
    table = np.empty((len(picked), representation.n_columns), np.float32)
    copies: dict[str, list[Rows]] = {}

    def prepared(some: Sequence[tuple[bytes, int]]) -> list[NDArray[np.float32]]:
        images = ordered_map(lambda item: sources.pixels(item[1], at_least), some, workers)
        return [representation.prepare(pixels, scale) for pixels in images]

    for start in range(0, len(picked), BATCH):
        some = picked[start : start + BATCH]
        table[start : start + BATCH] = representation.rows(prepared(some))
        if progress:
            progress(start + len(some), len(picked))
    used = np.flatnonzero(np.isfinite(table).all(axis=1) & table.any(axis=1))
    table, picked = table[used], [picked[i] for i in used]
    first, second, held = split_of(len(picked))
    for start in range(0, len(held), BATCH):
        some = picked[start : min(start + BATCH, len(held))]
        changed = [
            altered(planes, np.random.default_rng([seed, *digest]))
            for planes, (digest, _) in zip(prepared(some), some, strict=True)
        ]
        for kind in changed[0]:
            copies.setdefault(kind, []).append(representation.rows([c[kind] for c in changed]))
    kinds = {kind: np.concatenate(parts) for kind, parts in copies.items()}
    return Parts(table[first], table[second], table[held], kinds)


def _picked(
    sources: Sources, at_least: tuple[int, int] | None, scale: PixelScale, workers: int
) -> list[tuple[bytes, int]]:
    """(digest, index) of up to `MOST` different readable images, by digest."""

    def digest_of(index: int) -> bytes | None:
        try:
            pixels = sources.pixels(index, at_least)
            check_depth(pixels, scale.depth, sources.names[index])
        except ImageError:
            return None  # `fit` reports it when it comes to learning
        return content_digest(pixels)

    found = list(ordered_map(digest_of, range(len(sources)), workers))
    first = {digest: i for i, digest in reversed(list(enumerate(found))) if digest is not None}
    return sorted(first.items())[:MOST]

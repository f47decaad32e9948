"""The sizes of the pictures that a model learnt from, and pictures that are far from all of them.

Pictures are brought to one size, and tiles to one scale: those of another shape arrive squeezed,
and on tiles those of another size show all of it smaller or larger. That alone may make them odd.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from oneclass.errors import ImageError
from oneclass.images.formats.source import Header
from oneclass.images.sources import Sources
from oneclass.system.names import plural

Sizes = Counter[tuple[int, int]]
"""How many pictures have which (width, height), in pixels, to two figures."""

FIGURES = 2
SHAPE = 1.25
"""Times as long beside its width: from a square to 4 x 3 it is more."""
SIDE, SIDE_ON_TILES = 2.0, 1.5
"""Times as large: what is brought to one size loses detail first; tiles show it as it is."""
FEW = 0.02
"""So small a share of what was learnt is no sample of its kind."""
ASKED = 1000
"""Images, spread over a batch: to look at a million would take half a minute."""


def tally(headers: Iterable[Header]) -> Sizes:
    """The sizes of pictures."""
    return Counter((_about(header.width), _about(header.height)) for header in headers)


def to_json(sizes: Sizes) -> list[list[int]]:
    """[width, height, pictures], ascending; those that are none are left out."""
    return sorted([*size, n] for size, n in sizes.items() if n > 0)


def from_json(card: Mapping[str, Any]) -> Sizes | None:
    """The sizes that a model's card tells; None of a card from before they were kept."""
    kept = card["fit"].get("sizes")
    return None if kept is None else Counter({(w, h): n for w, h, n in kept})


def ends(sizes: Sizes) -> str:
    """`about 640 x 640`, or `from 110 x 130 to 390 x 270`: the smallest and the largest."""
    by_area = sorted(sizes, key=lambda size: (math.prod(size), size))
    least, most = (f"{w} x {h}" for w, h in (by_area[0], by_area[-1]))
    return f"about {least}" if least == most else f"from {least} to {most}"


def is_unlike(header: Header, learnt: Sizes, *, tiles: bool) -> bool:
    """Whether hardly any picture that was learnt has about the shape and the size of another.

    Args:
        header: of the other picture.
        learnt: of at least one picture.
        tiles: whether pictures are looked at by tiles, at one scale.
    """
    shape, side = math.log(header.height / header.width), math.log(header.height * header.width) / 2
    far, large = math.log(SHAPE), math.log(SIDE_ON_TILES if tiles else SIDE)
    near = sum(
        n
        for (w, h), n in learnt.items()
        if abs(math.log(h / w) - shape) <= far and abs(math.log(h * w) / 2 - side) <= large
    )
    return near < FEW * learnt.total()


def told_unlike(sources: Sources, card: Mapping[str, Any]) -> str | None:
    """A sentence where images have quite another shape or size than what was learnt.

    Args:
        sources: the images; of files that have to be fetched nothing is asked.
        card: of the model.

    Returns:
        None where there is nothing to say, or a card of before does not tell.
    """
    learnt, tiles = from_json(card), bool(card["representation"].get("tiles"))
    if not learnt:
        return None
    step = max(1, math.ceil(len(sources) / ASKED))
    asked = range(0, len(sources), step)
    unlike = [
        (index, header)
        for index in asked
        if (header := _header(sources, index)) and is_unlike(header, learnt, tiles=tiles)
    ]
    if not unlike:
        return None
    index, header = unlike[0]
    n, name = len(unlike), Path(sources.names[index]).name
    return (
        f"{_which(n, asked, len(sources))} quite another shape or size than nearly all pictures "
        f"that the model learnt from ({'' if len(asked) == 1 else f'such as {name}: '}"
        f"{header.width} x {header.height} pixels; those have {ends(learnt)}). That alone may make "
        f"{plural(n, 'it', 'them')} odd: score pictures that were taken and cut as those were, or "
        "learn from such ones, too."
    )


def _which(n: int, asked: Sequence[int], n_images: int) -> str:
    if n_images == 1:
        return "this image has"
    if n == len(asked) == n_images:
        return f"all {n} images have"
    have = plural(n, "has", "have")
    if len(asked) == n_images:
        return f"{n} of {n_images:,} images {have}"
    return f"{n} of the {len(asked):,} images whose sizes were looked at, of {n_images:,}, {have}"


def _header(sources: Sources, index: int) -> Header | None:
    if sources.is_remote(index):
        return None
    with suppress(ImageError):
        return sources.header(index)
    return None


def _about(pixels: int) -> int:
    """To two figures, so that a card stays small where no picture has another's size."""
    return round(pixels, FIGURES - len(str(pixels)))

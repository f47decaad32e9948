"""Of what size and format images are that a model learnt from, and how another one differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from oneclass.errors import ImageError
from oneclass.images.formats.source import Header
from oneclass.images.reading import probe

QUITE = 1.1
"""Times, by which a picture is larger or smaller than all others before it is said to differ."""


def measured(files: Iterable[Path]) -> dict[str, Any]:
    """The least and the most pixels of width and of height, and the formats; by headers alone.

    Args:
        files: those that are no images are passed over.

    Returns:
        `width` and `height`, each [least, most], and `formats`; nothing where there is no image.
    """
    widths, heights, formats = set[int](), set[int](), set[str]()
    for file in files:
        with suppress(ImageError):
            header = probe(file)
            widths.add(header.width)
            heights.add(header.height)
            formats.add(header.format)
    if not formats:
        return {}
    spans = {"width": [min(widths), max(widths)], "height": [min(heights), max(heights)]}
    return {**spans, "formats": sorted(formats)}


def unlike(learnt: Mapping[str, Any], file: Path) -> str:
    """How an image differs in size or format from those that a model learnt from.

    Args:
        learnt: of `measured`; nothing where it is not known.
        file: the image; it does not change.

    Returns:
        Such as "196 x 246 pixels instead of 300 x 300, JPEG instead of PNG"; empty where it does
        not differ, or cannot be read.
    """
    if not learnt:
        return ""
    try:
        header = _header(file)
    except ImageError:
        return ""
    found = []
    pixels = {"width": header.width, "height": header.height}
    spans = {side: learnt[side] for side in pixels}
    if any(not span[0] / QUITE <= pixels[side] <= span[1] * QUITE for side, span in spans.items()):
        usual = " x ".join(_span(*span) for span in spans.values())
        found.append(f"{header.width} x {header.height} pixels instead of {usual}")
    if header.format not in learnt["formats"]:
        found.append(f"{header.format} instead of {' or '.join(learnt['formats'])}")
    return ", ".join(found)


@lru_cache(4096)
def _header(file: Path) -> Header:
    return probe(file)


def _span(least: int, most: int) -> str:
    return f"{least}" if least == most else f"({least} to {most})"

"""A contact sheet: images of a run from the least odd to the oddest, with their verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from oneclass import images
from oneclass.files import whole_file
from oneclass.pixels import choose_scale
from oneclass.prediction import Prediction

COLUMNS, ROWS = 12, 5
TILE, FRAME, GAP, CAPTION, MARGIN = 72, 4, 10, 18, 24
PAPER, INK, CALM, ALARM = "#fafaf7", "#22262b", "#2a9d8f", "#e76f51"


def draw_sheet(predictions: Sequence[Prediction], file: Path, *, title: str) -> None:
    """Write a PNG with up to 60 images, evenly spread over the order of their scores.

    Args:
        predictions: of files that can still be read.
        file: the PNG to write.
        title: a line above the images.

    Raises:
        ImageError: a file cannot be read any more.
        InputError: `file` cannot be written.
    """
    ranked = sorted(predictions, key=lambda p: p.score)
    ranks = np.linspace(0, len(ranked) - 1, min(len(ranked), COLUMNS * ROWS)).astype(int)
    lines = -(-len(ranks) // COLUMNS)
    step, height = TILE + GAP, TILE + CAPTION + GAP
    top = MARGIN + 58
    width = 2 * MARGIN + COLUMNS * step - GAP
    canvas = Image.new("RGB", (width, top + lines * height + MARGIN - GAP), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN - 4), title, INK, ImageFont.load_default(20))
    legend = "from the least odd to the oddest; under each image its p-value; framed: "
    small = ImageFont.load_default(13)
    draw.text((MARGIN, MARGIN + 25), legend, INK, small)
    at = MARGIN + draw.textlength(legend, small)
    draw.text((at, MARGIN + 25), "called normal", CALM, small)
    at += draw.textlength("called normal, ", small)
    draw.text((at, MARGIN + 25), "called an anomaly", ALARM, small)
    for place, rank in enumerate(ranks):
        row, column = divmod(place, COLUMNS)
        corner = (MARGIN + column * step, top + row * height)
        _draw_tile(canvas, draw, ranked[rank], corner, small)
    with whole_file(file) as out:
        canvas.save(out, "PNG", optimize=True)


def _draw_tile(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    prediction: Prediction,
    corner: tuple[int, int],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    x, y = corner
    colour = ALARM if prediction.is_anomaly else CALM
    draw.rectangle((x, y, x + TILE - 1, y + TILE - 1), fill=colour)
    canvas.paste(_thumbnail(Path(prediction.path), TILE - 2 * FRAME), (x + FRAME, y + FRAME))
    text = f"{prediction.p_value:.3f}"
    left = x + (TILE - draw.textlength(text, font)) / 2
    draw.text((left, y + TILE + 1), text, INK, font)


def _thumbnail(path: Path, side: int) -> Image.Image:
    pixels = images.read(path)
    scale = choose_scale(str(pixels.dtype), float(pixels.min()), float(pixels.max()))
    shown = (scale.intensities(pixels).clip(0, 1) * 255).astype(np.uint8)
    whole = ImageOps.contain(Image.fromarray(shown).convert("RGB"), (side, side))
    tile = Image.new("RGB", (side, side), PAPER)
    tile.paste(whole, ((side - whole.width) // 2, (side - whole.height) // 2))
    return tile

"""A heatmap drawn over its image. The only place where a map is smoothed: its numbers never are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from oneclass.detector.regions import Region
from oneclass.images.scale import PixelScale

LONGEST, SHORTEST = 512, 256
GAP = 3.0
"""Pictures so many times larger are halved first; what is seen stays the same to the eye."""
CALM, HOT = 0.5, 2.0
"""In units of the model's heat scale: no colour below the one, full colour from the other on."""
LINES = (((0, 0, 0), 3), ((255, 255, 255), 1))
"""Colour and width of an outline, one over the other: seen on bright and on dark ground."""
RAMP = (  # position, red, green, blue, opacity; distinct for colour-blind people
    (0.00, 255, 176, 0, 0.0),
    (0.20, 255, 176, 0, 0.35),
    (0.55, 254, 97, 0, 0.60),
    (1.00, 220, 38, 127, 0.80),
)


def visible(pixels: NDArray[Any], scale: PixelScale) -> Image.Image:
    """An image as people look at it: 8 bits a channel, of the same size.

    Args:
        pixels: (H, W) or (H, W, 3), of the scale's depth.
        scale: the rule for intensities; what lies outside of [0, 1] is clipped for the eye.
    """
    if pixels.dtype == np.uint8 and (scale.low, scale.high) == (0, 255):
        return Image.fromarray(pixels)
    unit = scale.intensities(pixels).clip(0, 1)
    return Image.fromarray(np.rint(unit * 255).astype(np.uint8))


def picture(pixels: NDArray[Any], scale: PixelScale) -> Image.Image:
    """The `visible` image in RGB, with its longest side between 256 and 512 pixels."""
    image = visible(pixels, scale)
    longest = max(image.size)
    factor = min(1.0, LONGEST / longest) if longest >= SHORTEST else SHORTEST / longest
    width, height = (max(1, round(side * factor)) for side in image.size)
    method = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.HAMMING
    return image.resize((width, height), method, reducing_gap=GAP).convert("RGB")


def heat_layer(
    anomaly_map: NDArray[np.float64], heat_scale: float, size: tuple[int, int]
) -> Image.Image:
    """Colour where a map is odder than normal images usually are, nothing elsewhere.

    Args:
        anomaly_map: (h, w) float64.
        heat_scale: of the model, above 0: the same for all images.
        size: (width, height) of the drawing.

    Returns:
        RGBA.
    """
    steps = _steps(anomaly_map, heat_scale, size)
    steps.putpalette(_colours().tobytes(), "RGBA")
    return steps.convert("RGBA")


def _steps(
    anomaly_map: NDArray[np.float64], heat_scale: float, size: tuple[int, int]
) -> Image.Image:
    """Of the size, mode L: 0 for no colour, 255 for full colour."""
    values = (anomaly_map / heat_scale).clip(-2 * HOT, 2 * HOT)
    values = (values - CALM) * (255 / (HOT - CALM)) + 0.5  # since L drops what follows the point
    smooth = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return smooth.convert("L")


@cache
def _colours() -> NDArray[np.uint8]:
    """(256, 4) RGBA, for each step of heat."""
    places, *channels, opacity = np.array(RAMP).T
    heat = np.linspace(0, 1, 256)
    layers = [np.interp(heat, places, channel) for channel in (*channels, 255 * opacity)]
    colours: NDArray[np.uint8] = np.rint(np.stack(layers, axis=1)).astype(np.uint8)
    return colours


def overlay(image: Image.Image, anomaly_map: NDArray[np.float64], heat_scale: float) -> Image.Image:
    """The heat drawn over an image from `picture`: RGB, of the image's size."""
    steps = _steps(anomaly_map, heat_scale, image.size)
    box = steps.getbbox()
    if box is None:
        return image
    heat = steps.crop(box)
    opacity = heat.point(_colours()[:, 3].tolist())
    heat.putpalette(_colours()[:, :3].tobytes())
    drawn = image.copy()
    drawn.paste(heat.convert("RGB"), box, opacity)
    return drawn


def outline(image: Image.Image, regions: Sequence[Region], size: tuple[int, int]) -> Image.Image:
    """The image with a thin line around each region.

    Args:
        image: RGB.
        regions: in pixels of the picture that it shows.
        size: (height, width) of that picture.
    """
    if not regions:
        return image
    drawn = image.copy()
    draw = ImageDraw.Draw(drawn)
    across, down = image.width / size[1], image.height / size[0]
    for ring in (ring for region in regions for ring in (region.contour, *region.holes)):
        corners = [
            (min(x * across, image.width - 1), min(y * down, image.height - 1)) for x, y in ring
        ]
        for colour, width in LINES:
            draw.line([*corners, corners[0]], colour, width)
    return drawn

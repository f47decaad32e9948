"""From pixels to a network's input, as a graph: what `representations.preparation` does."""

from __future__ import annotations

import numpy as np

from oneclass.backbones.spec import Preprocessing
from oneclass.export.graph import Graph
from oneclass.export.resizing import resize
from oneclass.images.scale import PixelScale
from oneclass.representations.preparation import BRIGHT, DARK, EVERY, LUMINANCE, exposure_rank

LAYOUTS = ("NHWC", "NCHW")


def prepare(
    g: Graph,
    images: str,
    scale: PixelScale,
    preprocessing: Preprocessing,
    *,
    layout: str,
    resized: bool,
    name: str | None = None,
) -> str:
    """Images as the network wants them.

    Args:
        g: the graph to write to.
        images: of the scale's depth, in the layout, grey (1 channel) or RGB (3).
        scale: the rule for intensities.
        preprocessing: the network's record.
        layout: one of `LAYOUTS`.
        resized: whether the images have the network's size already.
        name: of the result.

    Returns:
        (n, channels, height, width) float32.
    """
    planes = g.op("Transpose", images, perm=[0, 3, 1, 2]) if layout == "NHWC" else images
    if resized:
        values = g.cast(planes, np.float32)
    else:
        method = preprocessing.interpolation
        values = resize(g, planes, preprocessing.size, method, scale.depth)
    coloured = g.op("Expand", values, np.array([1, 3, 1, 1]))
    if len(preprocessing.mean) == 1:
        coloured = _luminance(g, coloured)
    mean, std = (np.array(v).reshape(-1, 1, 1) for v in (preprocessing.mean, preprocessing.std))
    span = scale.high - scale.low
    if preprocessing.evened:
        gain = _exposure_gain(g, values, scale, preprocessing.size)
        own = g.cast(g.op("Div", gain, span * std), np.float32)
        low = g.op("Div", g.op("Mul", gain, np.float64(scale.low)), np.float64(span))
        moved = g.cast(g.op("Div", g.op("Add", low, mean), std), np.float32)
        return g.op("Sub", g.op("Mul", coloured, own), moved, name=name)
    factor, shift = 1 / (span * std), (scale.low / span + mean) / std
    scaled = g.op("Mul", coloured, factor.astype(np.float32))
    return g.op("Sub", scaled, shift.astype(np.float32), name=name)


def _exposure_gain(g: Graph, values: str, scale: PixelScale, size: tuple[int, int]) -> str:
    """(n, 1, 1, 1) float64 of (n, 1 or 3, height, width) float32, as `exposure_gain`."""
    ends, axes, steps = np.array([2**31 - 1] * 2), np.array([2, 3]), np.array([EVERY] * 2)
    some = g.cast(g.op("Slice", values, np.zeros(2, np.int64), ends, axes, steps), np.float64)
    grey = g.op("Div", g.sum(some, 1), g.cast(g.side(values, 1), np.float64))
    rank = exposure_rank(*size)
    largest = g.ops("TopK", g.op("Flatten", grey, axis=1), np.array([rank]), outputs=2, axis=1)[0]
    least = g.op("Gather", largest, np.array([rank - 1]), axis=1)
    above = g.op("Sub", least, np.float64(scale.low))
    exposure = g.op("Div", above, np.float64(scale.high - scale.low))
    gain = g.op("Sqrt", g.op("Div", np.float64(BRIGHT), g.op("Max", exposure, np.float64(DARK))))
    return g.reshape(gain, -1, 1, 1, 1)


def _luminance(g: Graph, coloured: str) -> str:
    """Red, and what green and blue are more than it: exact where all three are the same."""
    red, green, blue = g.ops("Split", coloured, np.array([1, 1, 1]), outputs=3, axis=1)
    more_green = g.op("Mul", g.op("Sub", green, red), LUMINANCE[1])
    more_blue = g.op("Mul", g.op("Sub", blue, red), LUMINANCE[2])
    return g.op("Add", g.op("Add", red, more_green), more_blue)

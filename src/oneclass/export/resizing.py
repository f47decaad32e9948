"""Pillow's resizing, written as a graph: one product of matrices for each axis.

Pillow weighs the pixels under a filter that is widened by the reduction. It does so along one axis
after the other, with a rounding to whole numbers after each where the image has 8 bits: there its
weights are whole multiples of 2^-22. A product of such numbers does not fit into the 24 bits of a
float32, so each weight is parted into a high and a low half, and every sum is exact in any order,
on any processor: the same bits as Pillow's (its file `Resample.c` is the source of the rules).

Most of such a matrix is zero. So outputs are taken in groups, and each group is a small matrix
times the pixels that it needs. All of it is computed from the shape of the image, in the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from oneclass.export.graph import Graph

WEIGHT_BITS, LOW_BITS = 22, 11
OUTPUTS_A_GROUP = 16
VERTICAL_FIRST = 2
"""Pillow may begin with the vertical axis where that loses over twice as many pixels' length."""

Place = Callable[[Graph, str], str]


class Filter(NamedTuple):
    """A resampling filter.

    Attributes:
        support: beyond it the filter is 0, at a reduction of 1.
        weigh: writes the filter's values at the absolute distances in a tensor of float64.
        negative: whether it has values below 0, so that a sum may leave the range.
    """

    support: float
    weigh: Place
    negative: bool


def resize(g: Graph, images: str, size: tuple[int, int], interpolation: str, depth: str) -> str:
    """Resize images as Pillow does.

    Args:
        g: the graph to write to.
        images: (n, channels, height, width) of the depth's type.
        size: (height, width) to resize to.
        interpolation: one of `FILTERS`, or "nearest".
        depth: "uint8", "uint16" or "float32".

    Returns:
        (n, channels, height, width) float32; whole numbers from 0 to 255 where the depth is uint8.
    """

    def along(x: str, axis: int) -> str:
        if interpolation == "nearest":
            return g.op("Gather", x, _nearest(g, g.side(x, axis), size[axis - 2]), axis=axis)
        return _along(g, x, axis, size[axis - 2], FILTERS[interpolation], depth == "uint8")

    def order(first: int, second: int) -> str:
        return g.cast(along(along(images, first), second), np.float32)

    if not may_begin_vertically():
        return order(3, 2)
    lost_down, lost_across = (
        g.op("Sub", g.side(images, axis), np.array([size[axis - 2]])) for axis in (2, 3)
    )
    limit = g.op("Max", g.op("Mul", lost_across, np.array([VERTICAL_FIRST])), np.array([0]))
    down_first = g.op("Greater", lost_down, limit)
    return g.choose(down_first, lambda: order(2, 3), lambda: order(3, 2))


def may_begin_vertically() -> bool:
    """Whether the Pillow that is installed does so where it pays; 13.0 does, 12.0 does not.

    On a picture for which the order of the two roundings decides over one grey level.
    """
    picture = np.array([[128, 155], [248, 186], [161, 139]], np.uint8)
    made = Image.fromarray(picture).resize((3, 1), Image.Resampling.BILINEAR)
    return bool(np.asarray(made)[0, 1] == 177)


def _nearest(g: Graph, side: str, to: int) -> str:
    """(to,) int64: the pixel under the middle of each new one, by adding steps, as Pillow does."""
    step = g.op("Div", g.cast(side, np.float64), np.array([float(to)]))
    steps = g.op("Mul", step, np.array([0.5] + [1.0] * (to - 1)))
    return g.cast(g.op("Floor", g.op("CumSum", steps, np.array(0))), np.int64)


def _along(g: Graph, x: str, axis: int, to: int, kind: Filter, whole: bool) -> str:
    """Resize along axis 2 or 3 to `to` pixels."""
    first, last, weights = _windows(g, g.side(x, axis), to, kind)
    parts = _halves(g, weights) if whole else [weights]
    groups = [_group(g, part, to, transposed=axis == 3) for part in parts]
    sums: list[list[str]] = [[] for _ in parts]
    for i in range(-(-to // OUTPUTS_A_GROUP)):
        ends = (g.op("Gather", place, np.array([i]), axis=0) for place in (first, last))
        pixels = g.cast(g.op("Slice", x, *ends, np.array([axis])), np.float32)
        for products, made in zip(groups, sums, strict=True):
            factors = (pixels, products[i]) if axis == 3 else (products[i], pixels)
            made.append(g.op("MatMul", *factors))
    joined = [g.op("Concat", *made, axis=axis) for made in sums]
    if not whole:
        return joined[0]
    rounded = _carried(g, *joined)
    return g.op("Clip", rounded, np.float32(0), np.float32(255)) if kind.negative else rounded


def _windows(g: Graph, side: str, to: int, kind: Filter) -> tuple[str, str, str]:
    """Which pixels each group of outputs needs, and how each output weighs them.

    Returns:
        (groups,) int64 the first pixel and the one behind the last; and (groups, outputs, pixels)
        float64 weights with sums of 1. The last group may have more outputs than there are.
    """
    per = OUTPUTS_A_GROUP
    middles = (np.arange(-(-to // per) * per) + 0.5).reshape(-1, per, 1) / to
    length = g.cast(side, np.float64)
    reduction = g.op("Max", g.op("Div", length, np.array([float(to)])), np.array([1.0]))
    support = g.op("Mul", reduction, np.array([kind.support]))
    spread = g.op(
        "Add", g.op("Mul", length, np.array([(per - 1) / to])), g.op("Add", support, support)
    )
    needed = g.op("Add", g.cast(g.op("Floor", spread), np.int64), np.array([2]))
    pixels = g.op("Min", needed, side)
    begin = g.op("Sub", g.op("Mul", middles[:, 0, 0], length), support)
    first = g.op("Max", g.cast(g.op("Floor", begin), np.int64), np.array([0]))
    first = g.op("Min", first, g.op("Sub", side, pixels))
    steps = g.op("Range", np.int64(0), g.op("Squeeze", pixels), np.int64(1))
    places = g.op("Add", g.op("Unsqueeze", first, np.array([1, 2])), steps)
    centres = g.op("Sub", g.op("Mul", middles, length), np.array(0.5))
    far = g.op("Abs", g.op("Sub", g.cast(places, np.float64), centres))
    weights = kind.weigh(g, g.op("Div", far, reduction))
    total = g.sum(weights, 2, keep=True)
    return first, g.op("Add", first, pixels), g.op("Div", weights, total)


def _group(g: Graph, weights: str, to: int, *, transposed: bool) -> list[str]:
    """Each group's matrix in float32, without the outputs that there are not."""
    turned = g.op("Transpose", weights, perm=[0, 2, 1]) if transposed else weights
    narrow = g.cast(turned, np.float32)
    n_groups = -(-to // OUTPUTS_A_GROUP)
    matrices = [g.op("Gather", narrow, np.array(i), axis=0) for i in range(n_groups)]
    axis, left = int(transposed), to - (n_groups - 1) * OUTPUTS_A_GROUP
    matrices[-1] = g.op("Slice", matrices[-1], *(np.array([n]) for n in (0, left, axis)))
    return matrices


def _halves(g: Graph, weights: str) -> list[str]:
    """The weights in multiples of 2^-22, as whole multiples of 2^-11 and what is left of each."""
    scaled = g.op("Mul", weights, np.array(2.0**WEIGHT_BITS))
    whole = g.op("Floor", g.op("Add", scaled, np.array(0.5)))
    high = g.op("Floor", g.op("Add", g.op("Mul", whole, np.array(2.0**-LOW_BITS)), np.array(0.5)))
    return [high, g.op("Sub", whole, g.op("Mul", high, np.array(2.0**LOW_BITS)))]


def _carried(g: Graph, high: str, low: str) -> str:
    """The sums of both halves as one whole number, rounded half up."""
    half = np.float32(2 ** (WEIGHT_BITS - 1))
    carry = g.op("Floor", g.op("Mul", g.op("Add", low, half), np.float32(2.0**-LOW_BITS)))
    total = g.op("Add", high, carry)
    return g.op("Floor", g.op("Mul", total, np.float32(2.0 ** (LOW_BITS - WEIGHT_BITS))))


def _triangle(g: Graph, far: str) -> str:
    return g.op("Max", g.op("Sub", np.array(1.0), far), np.array(0.0))


def _cubic(g: Graph, far: str) -> str:
    """Keys' cubic with a = -1/2."""
    a = -0.5
    near = _polynomial(g, far, (a + 2, -(a + 3), 0.0, 1.0))
    away = _polynomial(g, far, (a, -5 * a, 8 * a, -4 * a))
    outer = g.op("Where", g.op("Less", far, np.array(2.0)), away, np.array(0.0))
    return g.op("Where", g.op("Less", far, np.array(1.0)), near, outer)


def _lanczos(g: Graph, far: str) -> str:
    """sinc(x) sinc(x / 3), out to 3."""
    angle = g.op("Mul", g.op("Max", far, np.array(1e-9)), np.array(np.pi))
    third = g.op("Div", angle, np.array(3.0))
    over = g.op("Mul", g.op("Sin", angle), g.op("Sin", third))
    value = g.op("Div", over, g.op("Mul", angle, third))
    return g.op("Where", g.op("Less", far, np.array(3.0)), value, np.array(0.0))


def _polynomial(g: Graph, x: str, coefficients: tuple[float, ...]) -> str:
    """By Horner's rule, the highest power first."""
    total = g.op("Mul", x, np.array(coefficients[0]))
    for value in coefficients[1:-1]:
        total = g.op("Mul", g.op("Add", total, np.array(value)), x)
    return g.op("Add", total, np.array(coefficients[-1]))


FILTERS = {
    "bilinear": Filter(1.0, _triangle, False),
    "bicubic": Filter(2.0, _cubic, True),
    "lanczos": Filter(3.0, _lanczos, True),
}

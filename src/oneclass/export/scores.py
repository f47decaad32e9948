"""From rows to score, p-value, verdict and map, as a graph.

`conformal` and `detector.heat` are the model of it. Products of rows with half-spaces are summed in
float64, or in float32, as there; normal images are counted in whole numbers, so that no verdict
hangs on a last digit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.products import level_rank
from oneclass.conformal.union import Union
from oneclass.conformal.whitening import HALF
from oneclass.detector.heat import spread
from oneclass.export.graph import Graph, Value
from oneclass.export.rows import TINY
from oneclass.representations import MapShape

Floats = NDArray[np.float64]


def outside(g: Graph, rows: str, union: Union) -> tuple[str, str, str]:
    """How far rows lie outside a union of half-spaces, which are kept as they are.

    Args:
        g: the graph to write to.
        rows: (..., d) float32.
        union: of half-spaces.

    Returns:
        (...) float64, (...) int64, the half-space that is nearest, and (..., c) float32, the rows
        as half-spaces see them.
    """
    rows = seen(g, rows, union)
    kind = np.float32 if union.narrow else np.float64
    coef = np.ascontiguousarray(union.coef.T)
    columns = coef if coef.dtype == kind else g.cast(coef, kind)
    product = g.op("MatMul", rows if union.narrow else g.cast(rows, kind), columns)
    margins = g.op("Sub", product, union.offset.astype(kind))
    best, winner = g.ops("TopK", margins, np.array([1]), outputs=2, axis=-1)
    far = g.op("Neg", g.op("Squeeze", best, LAST))
    return g.cast(far, np.float64), g.op("Squeeze", winner, LAST), rows


def less_level(g: Graph, distances: str, rows: str, union: Union, positions: int) -> str:
    """The (n, p) distances of images' positions, less each image's own level.

    Args:
        g: the graph to write to.
        distances: from `outside`.
        rows: (n, p, c) float32, as half-spaces see them.
        union: with a level.
        positions: p.
    """
    assert union.level is not None, "the caller says so"
    away = g.op("Neg", g.op("MatMul", rows, union.level[:, None]))
    highest = g.ops("TopK", away, np.array([level_rank(positions)]), outputs=2, axis=1)[0]
    level = g.op("Squeeze", g.op("Gather", highest, LAST, axis=1), LAST)
    return g.op("Sub", distances, g.cast(level, np.float64))


def seen(g: Graph, rows: str, union: Union) -> str:
    """(..., d) float32 rows as half-spaces see them, (..., c), as `Union.seen`."""
    whitening = union.whitening
    if whitening is None:
        return rows
    before = union.coef.shape[1] != whitening.shape[1]
    white = g.op("MatMul", rows, whitening if before else np.ascontiguousarray(whitening.T))
    squares = _squares(g, white)
    if before:
        again = _of_length(g, white, HALF, squares)
        return g.op("Concat", g.op("Mul", rows, HALF), again, axis=-1)
    return _of_length(g, rows, np.float32(1), g.op("Sub", _squares(g, rows), squares))


def _squares(g: Graph, rows: str) -> str:
    """(..., d) float32 to (..., 1) float64, the squares of their lengths."""
    wide = g.cast(rows, np.float64)
    return g.sum(g.op("Mul", wide, wide), -1, keep=True)


def _of_length(g: Graph, rows: str, length: np.float32, squares: str) -> str:
    """(..., d) rows given a length, with the (..., 1) squares of what is to have it."""
    lengths = g.op("Sqrt", g.op("Max", squares, np.array(TINY**2)))
    scales = g.op("Div", np.float64(length), lengths)
    return g.op("Mul", rows, g.cast(scales, np.float32))


def worst_mean(g: Graph, scores: str, n_worst: int) -> str:
    """(n, p) to (n,): the mean of the largest."""
    worst = g.ops("TopK", scores, np.array([n_worst]), outputs=2, axis=-1)[0]
    return g.op("Div", g.sum(worst, -1), np.array(float(n_worst)))


def at_least_as_odd(g: Graph, scores: Sequence[str], normal: Sequence[Floats], slack: float) -> str:
    """How many normal images are at least as odd as a new one, but for rounding.

    Args:
        g: the graph to write to.
        scores: for each fold, (n,) float64 scores of new images.
        normal: for each fold, scores of its normal images.
        slack: what counts as rounding.

    Returns:
        (n,) int64.
    """
    counts = []
    for own, others in zip(scores, normal, strict=True):
        limit = g.op("Unsqueeze", g.op("Sub", own, np.array(slack)), LAST)
        found = g.cast(g.op("GreaterOrEqual", others[None], limit), np.int64)
        counts.append(g.sum(found, 1))
    total = counts[0]
    for more in counts[1:]:
        total = g.op("Add", total, more)
    return total


def p_value(g: Graph, count: str, n_normal: int) -> str:
    """(n,) float32: the share of normal images as odd, the new one counted among them."""
    share = g.op("Div", g.cast(count, np.float64), np.array(n_normal + 1.0))
    return g.op("Add", share, np.array(1 / (n_normal + 1)))


def verdict(g: Graph, count: str, n_normal: int, rate: float, name: str) -> str:
    """(n,) bool: whether the p-value is at most the rate."""
    p_values = (np.arange(n_normal + 1) + 1) / (n_normal + 1)
    most = int(np.count_nonzero(p_values <= rate)) - 1
    return g.op("LessOrEqual", count, np.array(most), name=name)


def terms_map(
    g: Graph,
    row: str,
    winner: str,
    coef: Value,
    calm: NDArray[np.float32],
    maps: Sequence[MapShape],
) -> str:
    """Where a whole image's score comes from: (n, h, w) float64.

    Args:
        g: the graph to write to.
        row: (n, d) float32.
        winner: (n,) int64, each image's half-space.
        coef: (k, d).
        calm: (k, h, w) of the model's `Heat`.
        maps: the shape of each layer's map in the row.
    """
    own = g.cast(g.op("Gather", coef, winner, axis=0), np.float64)
    products = g.op("Mul", g.cast(row, np.float64), own)
    sizes = np.array([c * h * w for c, h, w in maps])
    parts = (
        g.ops("Split", products, sizes, outputs=len(maps), axis=1) if len(maps) > 1 else [products]
    )
    height, width = calm.shape[1:]
    total = g.cast(g.op("Gather", calm, winner, axis=0), np.float64)
    for part, (channels, h, w) in zip(parts, maps, strict=True):
        there = g.sum(g.reshape(part, 0, channels, h, w), 1)
        if (h, w) != (height, width):
            down, across = _shares(h, height), _shares(w, width)
            there = g.op("MatMul", g.op("MatMul", down, there), across.T)
        total = g.op("Sub", total, there)
    return total


def _shares(n: int, finer: int) -> Floats:
    """(finer, n): the matrix by which `spread` refines one side of a map."""
    return spread(np.eye(n)[:, :, None], finer, 1)[:, :, 0].T


LAST = np.array([-1])

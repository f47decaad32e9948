"""Groups of rows that stand for near-copies: one picture compressed, brightened, shifted anew.

Near and far are measured by the rows themselves. Joining the rows by their nearest distances, in a
tree, shows how far apart different pictures lie: that is its long branches. A branch far below
them joins copies. Where such branches are many, the pictures were multiplied on purpose, and then
what is only nearer than most counts as a copy, too: held-out images that have a copy in the fit
look more normal than new ones do, and a promise must not rest on them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows.blocks import RowSource
from oneclass.rows.halves import widened

LONG = 0.9
"""The share of the tree's branches below what counts as the distance of different pictures."""
FAR_BELOW, BELOW = 0.4, 0.9
"""Of that distance; benchmarks/near_copies.py measures what comes of them."""
MANY = 0.16
"""A share of images with a copy from which pictures were multiplied on purpose."""
FEWEST = 20
"""With fewer images there is nothing to tell near from far by."""
LEAP, NEARLY = 1.3, 0.7
"""How much longer than the branch before it one is that begins another kind, and how long it is."""
WIDTH, SLICE = 512, 2048
STRETCH = 1 << 21
"""Signs that are drawn at a time. A picture of 20 megapixels in tiles has 47 million columns."""
IN_CACHE = 1 << 16
"""Numbers that are folded at a time."""

Floats = NDArray[np.float32]


def near_copies(rows: RowSource, copies: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each picture: near-copies and copies of one picture share it.

    Args:
        rows: (n, d), or (n, p, d), the p positions of each image.
        copies: (n,) images of the same content share a number, 0, 1, ... in the order of the
            images.

    Returns:
        (n,) numbers 0, 1, ... in the order of the images; at least two if `copies` has two.
    """
    first = np.unique(copies, return_index=True)[1]
    if len(first) < FEWEST:
        return copies
    groups = group(folded(rows, first))
    return copies if groups.max() == 0 else groups[copies]


def folded(rows: RowSource, chosen: NDArray[np.int64]) -> Floats:
    """Some rows at unit length, folded into `WIDTH` columns at most: distances stay, to 6 %.

    Args:
        rows: (n, d) or (n, p, d).
        chosen: (m,) which of them, ascending.

    Returns:
        (m, `WIDTH`) sums of columns with signs at random, but always the same ones
        (Charikar, Chen and Farach-Colton, "Finding frequent items in data streams", 2002).
    """
    size = rows.n_columns
    found = np.zeros((len(chosen), min(size, WIDTH)), np.float32)
    step = max(1, IN_CACHE // size)
    for start in range(0, len(chosen), step):
        block = rows.take(chosen[start : start + step]).reshape(-1, size)
        found[start : start + step] = _folded(block)
    return found


def _folded(block: NDArray[np.floating[Any]]) -> Floats:
    """(b, d) rows at unit length to (b, `WIDTH`), or (b, d) where they are no wider.

    A few columns at a time, as many as stay in a core's cache.
    """
    n, size = block.shape
    width = min(size, WIDTH)
    squares, sums = np.zeros(n), np.zeros((n, width), np.float32)
    step = max(IN_CACHE // (n * width), 1) * width
    room = np.empty(n * min(step, size), np.float32)
    for start in range(0, size, step):
        some = np.ascontiguousarray(block[:, start : start + step])
        wide = widened(some, room[: some.size].reshape(some.shape))
        squares += np.einsum("ij,ij->i", wide, wide)
        if size > WIDTH:
            wide *= _signs(size)[start : start + step].astype(np.float32)
        whole = wide.shape[1] // width * width
        sums += wide[:, :whole].reshape(n, -1, width).sum(axis=1)
        sums[:, : wide.shape[1] - whole] += wide[:, whole:]
    lengths = np.maximum(np.sqrt(squares), np.finfo(np.float32).tiny)
    sums /= lengths.astype(np.float32)[:, None]
    return sums


@lru_cache(maxsize=1)
def _signs(n: int) -> NDArray[np.int8]:
    random, signs = np.random.default_rng(0), np.empty(n, np.int8)
    for at in range(0, n, STRETCH):  # whole numbers are drawn in 8 bytes each
        signs[at : at + STRETCH] = random.choice(np.array([-1, 1], np.int8), min(STRETCH, n - at))
    return signs


def group(
    rows: NDArray[np.floating[Any]], *, far_below: float = FAR_BELOW, many: float = MANY
) -> NDArray[np.int64]:
    """The groups of near-copies among rows of different content.

    Of many rows those are compared that lie in the same slice of `SLICE`, along the direction in
    which the rows differ most.

    Args:
        rows: (n, d) of about unit length.
        far_below: the share of the distance of different pictures up to which rows are copies.
        many: the share of copies from which `BELOW` counts in its stead; above 1 for never.

    Returns:
        (n,) a number for each group, 0, 1, ... in the order of the rows.
    """
    order = np.arange(len(rows))
    if len(rows) > SLICE:
        order = np.argsort(rows @ _widest(rows), kind="stable")
    label = np.arange(len(rows))
    for some in np.array_split(order, -(-len(rows) // SLICE)):
        a, b, length = tree(rows[some])
        for i, j in zip(*_joined(a, b, length, far_below, many), strict=True):
            label[label == label[some[j]]] = label[some[i]]
    _, place, number = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(place))[number].astype(np.int64)


def tree(
    rows: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The shortest tree that joins all rows (Prim, 1957).

    Args:
        rows: (n, d).

    Returns:
        (n - 1,) each: the two ends of every branch, and its length.
    """
    square = np.einsum("ij,ij->i", rows, rows)
    far = square[:, None] + square[None] - 2 * (rows @ rows.T)
    near, end = far[0].copy(), np.zeros(len(rows), np.int64)
    outside = np.ones(len(rows), bool)
    outside[0] = False
    a, b, length = [], [], []
    for _ in range(len(rows) - 1):
        new = int(np.argmin(np.where(outside, near, np.inf)))
        a.append(end[new])
        b.append(new)
        length.append(near[new])
        outside[new] = False
        nearer = far[new] < near
        near[nearer], end[nearer] = far[new][nearer], new
    lengths = np.sqrt(np.maximum(np.array(length, np.float32), 0))
    return np.array(a, np.int64), np.array(b, np.int64), lengths


def _joined(
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    length: NDArray[np.float32],
    far_below: float,
    many: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The branches of a tree that join near-copies."""
    if len(length) < FEWEST - 1:
        return a[:0], b[:0]
    different = np.quantile(length, LONG)
    short = length < far_below * different
    n_copied = len(np.unique(np.concatenate([a[short], b[short]])))
    if n_copied >= many * (len(length) + 1):
        short = length < _border(np.sort(length), float(different))
    return a[short], b[short]


def _border(ascending: NDArray[np.float32], different: float) -> float:
    """The length that parts copies from pictures where there are many of both: the last leap."""
    low, high = ascending[:-1], ascending[1:]
    leaps = high[(high >= NEARLY * different) & (high <= different) & (high >= LEAP * low)]
    return float(leaps[-1]) if len(leaps) else BELOW * different


def _widest(rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """(d,) the direction in which rows differ most."""
    centred = rows - rows.mean(axis=0)
    return np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, -1])

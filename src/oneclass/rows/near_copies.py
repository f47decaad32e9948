"""Groups of rows that stand for near-copies: one picture compressed, brightened, shifted anew.

Pictures of one part that was photographed several times alike count as such, too.

Near and far are measured by the rows themselves. Joining the rows by their nearest distances, in a
tree, shows how far apart pictures lie: each branch beside the distance at which its two pictures
have a tenth of all others around them, for a smooth kind of picture lies closer than a rough one.
Branches that join copies are shorter than those that join pictures, and where there are both, few
branches are in between: there is a valley between two hills, and the border runs through it.

What all pictures share, such as how the light falls, moves exposures of one part as far apart as
parts are. So where hardly any copies are found, there is a second look, without the directions in
which rows vary most: different pictures are about equally far from one another then, and copies
stand out.
Held-out images that have a copy in the fit look more normal than new ones do, and a promise must
not rest on them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows.blocks import RowSource
from oneclass.rows.halves import widened

AROUND, FEWEST_AROUND = 0.1, 10
"""The share of the others that lie around a picture, as far as its own distance to others goes."""
BLUR = 0.04
"""Of the logarithm of a branch's length, where the branches are counted."""
DEEP, SURELY = 0.4, 2.0
"""A valley has so many branches at most, beside the lower of the hills on both of its sides, and
differs from it by so many times what counts differ by chance. That is asked at many places, so a
few folders have such a valley by chance: what is shown to people needs more (`images.alike`)."""
LOWEST, HIGHEST = 0.1, 0.95
"""Between these lengths a valley parts copies from pictures; shorter branches join copies."""
GAP = 2.0
"""Where there is no valley, since so few are no hill: so many times as long is the shortest branch
that joins pictures as the longest that joins copies. And so many times as long as those of a few
copies is the middle one of all branches, without regard to what is around."""
ALTERED, MANY, BELOW = 0.45, 0.25, 0.75
"""Where so many images have copies, but the border is so low that these are hardly altered, the
others have copies as well, and no valley says which: then what is below this counts as a copy.
benchmarks/near_copies.py measures what comes of all these."""
SHARED, HARDLY = 10, 0.05
"""Directions of most variance that the second look leaves out, and up to which share of copies in
the first look there is one. Copies of a few pictures lie in few directions themselves."""
MOST = 0.2
"""The share of the images that may be copies of one picture; more are a kind of pictures."""
FEWEST = 20
"""With fewer images there is nothing to tell near from far by."""
FEW = 20
"""Fewer branches than these may be a few pictures of another kind, or chance, and be no hill of
copies: then they must be short as they are, too, not only beside what is around.
benchmarks/near_copies_none.py measures what comes of it."""
WHOLE = 0.6
"""How much of the squared distances are those of whole images, where patches are beside them, whose
positions a shift moves more; benchmarks/near_copies_pairs.py --whole has the table."""
WIDTH, SLICE = 512, 2048
STRETCH = 1 << 21
"""Signs that are drawn at a time. A picture of 20 megapixels in tiles has 47 million columns."""
IN_CACHE = 1 << 16
"""Numbers that are folded at a time."""

Floats = NDArray[np.float32]


def near_copies(
    rows: RowSource, copies: NDArray[np.int64], whole: RowSource | None = None
) -> NDArray[np.int64]:
    """One number for each picture: near-copies and copies of one picture share it.

    Args:
        rows: (n, d), or (n, p, d), the p positions of each image.
        copies: (n,) images of the same content share a number, 0, 1, ... in the order of the
            images.
        whole: (n, w) rows of whole images, which move less where a picture is shifted.

    Returns:
        (n,) numbers 0, 1, ... in the order of the images; at least two if `copies` has two.
    """
    first = np.unique(copies, return_index=True)[1]
    if len(first) < FEWEST:
        return copies
    outlines = folded(rows, first)
    if whole is not None:
        outlines = _side_by_side(outlines, folded(whole, first))
    groups = group(outlines)
    return copies if groups.max() == 0 else groups[copies]


def _side_by_side(outlines: Floats, whole: Floats) -> Floats:
    """Both on one scale, of which `WHOLE` of the squared distances are those of whole images."""
    both = np.empty((len(outlines), outlines.shape[1] + whole.shape[1]), np.float32)
    for part, given, share in (
        (both[:, : outlines.shape[1]], outlines, 1 - WHOLE),
        (both[:, outlines.shape[1] :], whole, WHOLE),
    ):
        mean = given.mean(axis=0, dtype=np.float64)
        squares = np.einsum("ij,ij->i", given, given, dtype=np.float64, casting="same_kind")
        spread = float(squares.mean() - mean @ mean)
        np.multiply(given, (share / spread) ** 0.5 if spread > 0 else 0.0, out=part)
    return both


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
        squares += np.vecdot(wide, wide)
        signs = _signs(size)[start : start + step].astype(np.float32, copy=False)
        whole = wide.shape[1] // width * width
        turned = signs[:whole].reshape(-1, width)
        sums += np.einsum("nkw,kw->nw", wide[:, :whole].reshape(n, -1, width), turned)
        sums[:, : wide.shape[1] - whole] += wide[:, whole:] * signs[whole:]
    lengths = np.maximum(np.sqrt(squares), np.finfo(np.float32).tiny)
    sums /= lengths.astype(np.float32)[:, None]
    return sums


@lru_cache(maxsize=1)
def _signs(n: int) -> NDArray[np.int8] | Floats:
    """(n,) -1 and 1 by which columns are folded; many of them in a byte each."""
    if n <= WIDTH:
        return np.ones(n, np.float32)
    random, signs = np.random.default_rng(0), np.empty(n, np.int8)
    for at in range(0, n, STRETCH):  # whole numbers are drawn in 8 bytes each
        signs[at : at + STRETCH] = random.choice(np.array([-1, 1], np.int8), min(STRETCH, n - at))
    return signs.astype(np.float32) if n <= STRETCH else signs


def group(
    rows: NDArray[np.floating[Any]],
    *,
    lowest: float = LOWEST,
    many: float = MANY,
    surely: float = SURELY,
) -> NDArray[np.int64]:
    """The groups of near-copies among rows of different content.

    Of many rows those are compared that lie in the same slice of `SLICE`, along the direction in
    which the rows differ most.

    Args:
        rows: (n, d).
        lowest: the length below which a branch joins copies where there is no valley.
        many: the share of hardly altered copies from which `BELOW` counts; above 1 for never.
        surely: so many times what counts differ by chance a valley differs from its hills.

    Returns:
        (n,) a number for each group, 0, 1, ... in the order of the rows.
    """
    order = np.arange(len(rows))
    if len(rows) > SLICE:
        order = np.argsort(rows @ _widest(rows), kind="stable")
    label = np.arange(len(rows))
    for some in np.array_split(order, -(-len(rows) // SLICE)):
        found = _pictures(rows[some], lowest, many, surely)
        if len(np.unique(found)) > (1 - HARDLY) * len(some):
            again = _pictures(_without_shared(rows[some]), lowest, many, surely)
            found = min(found, again, key=lambda one: len(np.unique(one)))
        label[some] = some[found]
    _, place, number = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(place))[number].astype(np.int64)


def _pictures(
    rows: NDArray[np.floating[Any]], lowest: float, many: float, surely: float
) -> NDArray[np.int64]:
    """(n,) one row of each picture."""
    alone = np.arange(len(rows))
    within = alone.copy()
    for i, j in zip(*_joined(rows, lowest, many, surely), strict=True):
        within[within == within[j]] = within[i]
    size = np.bincount(within, minlength=len(rows))[within]
    return np.where(size <= max(MOST * len(rows), FEWEST // 2), within, alone)


def _without_shared(rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """(n, d) less mean and the directions in which they vary most, at unit length, or zero."""
    centred = rows - rows.mean(axis=0)
    shared = np.linalg.eigh(centred.T @ centred)[1][:, -SHARED:]
    left = centred - (centred @ shared) @ shared.T
    lengths = np.linalg.norm(left, axis=1, keepdims=True)
    return np.asarray(np.divide(left, lengths, out=left, where=lengths > 0))


def distances(rows: NDArray[np.floating[Any]]) -> Floats:
    """(n, n) distances of (n, d) rows."""
    square = np.einsum("ij,ij->i", rows, rows)
    found = np.sqrt(np.maximum(square[:, None] + square[None] - 2 * (rows @ rows.T), 0))
    return np.asarray(found, np.float32)


def tree(far: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The shortest tree that joins all rows (Prim, 1957).

    Args:
        far: (n, n) distances.

    Returns:
        (n - 1,) each: the two ends of every branch, and its length.
    """
    near, end = far[0].copy(), np.zeros(len(far), np.int64)
    outside = np.ones(len(far), bool)
    outside[0] = False
    a, b, length = [], [], []
    for _ in range(len(far) - 1):
        new = int(np.argmin(np.where(outside, near, np.inf)))
        a.append(end[new])
        b.append(new)
        length.append(near[new])
        outside[new] = False
        nearer = far[new] < near
        near[nearer], end[nearer] = far[new][nearer], new
    return np.array(a, np.int64), np.array(b, np.int64), np.array(length, np.float32)


def _joined(
    rows: NDArray[np.floating[Any]], lowest: float, many: float, surely: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The branches of a tree that join near-copies."""
    if len(rows) < FEWEST:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    far = distances(rows)
    a, b, length = tree(far)
    n_around = min(max(int(AROUND * len(rows)), FEWEST_AROUND), len(rows) - 1)
    around = np.partition(far, n_around, axis=1)[:, n_around]
    beside = length / np.maximum(np.sqrt(around[a] * around[b]), np.finfo(np.float32).tiny)
    # Ten of a few reach further than a tenth.
    lowest *= min(1.0, AROUND * len(rows) / FEWEST_AROUND)
    border = _border(beside, lowest, surely)
    valley = border > lowest
    short = beside < (border if valley else max(lowest, _last_gap(beside)))
    if not valley or np.count_nonzero(short) < FEW:
        # Some of another kind, far from all others, are not near each other on their own scale.
        short &= (beside < lowest) | (GAP * length <= np.median(length))
    n_copied = len(np.unique(np.concatenate([a[short], b[short]])))
    if border < ALTERED and n_copied >= many * len(rows):
        short = beside < BELOW
    return a[short], b[short]


def _border(length: Floats, lowest: float, surely: float) -> float:
    """The length that parts copies from pictures: the middle of the last valley between hills."""
    at = np.linspace(np.log(0.1), np.log(1.6), 280)
    steps = (at[:, None] - np.log(np.maximum(length, 1e-3))) / BLUR
    crowd = np.exp(-0.5 * steps * steps).sum(axis=1)
    before = np.maximum.accumulate(crowd)
    behind = np.maximum.accumulate(crowd[::-1])[::-1]
    hill = np.minimum(before, behind)
    deep = (crowd <= DEEP * hill) & (hill - crowd >= surely * np.sqrt(hill + crowd))
    valley = deep & (at >= np.log(lowest)) & (at <= np.log(HIGHEST))
    if not valley.any():
        return lowest
    last = int(np.flatnonzero(valley)[-1])
    behind_others = np.flatnonzero(~valley[:last])
    first = int(behind_others[-1]) + 1 if len(behind_others) else 0
    return float(np.exp((at[first] + at[last]) / 2))


def _last_gap(length: Floats) -> float:
    """The middle of the last gap between branches that may part copies; 0 where there is none."""
    ascending = np.sort(np.maximum(length, 1e-3)).astype(np.float64)
    short, long = ascending[:-1], ascending[1:]
    gaps = np.flatnonzero((long >= GAP * short) & (long <= HIGHEST))
    return float(np.sqrt(short[gaps[-1]] * long[gaps[-1]])) if len(gaps) else 0.0


def _widest(rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """(d,) the direction in which rows differ most."""
    mean = rows.mean(axis=0)
    return np.asarray(np.linalg.eigh(rows.T @ rows - len(rows) * np.outer(mean, mean))[1][:, -1])

"""Groups of rows that point the same way: spherical k-means, seeded like k-means++, in two passes.

The centres are found on a random sample that fits a fixed budget; one more pass gives every row the
centre with the largest cosine. Where all rows fit, they have it already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.rows import RowBlocks, map_blocks

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.intp]

_SAMPLE_BYTES = 256 << 20
_PRODUCT_BYTES = 4 << 20
_SUMMED_BYTES, _FEWEST_SUMMED = 256 << 10, 16  # of rows at a time: they stay in a core's cache
_MOST_DRAWN = 256  # centres at a time
_ROUNDS = 50
_ENOUGH = 1e-3  # of the rows' summed distance to their centres: a round that gains less is the last


def cluster_rows(rows: RowBlocks, n_clusters: int, seed: int) -> tuple[Labels, int]:
    """Give every row one of at most ``n_clusters`` labels.

    Args:
        rows: (n, d).
        n_clusters: 1 to n. With n, every row is its own cluster.
        seed: of the sample and the first centres; the same seed gives the same labels.

    Returns:
        (n,) labels 0 to k-1, each with one row at least (k is smaller than asked for where rows
        repeat), and the number of passes.

    Raises:
        InputError: a row is not finite, or more clusters are asked for than the sample
            has rows.
    """
    if n_clusters == 1:
        return np.zeros(rows.n_rows, np.intp), 0
    if n_clusters == rows.n_rows:
        return np.arange(rows.n_rows), 0
    rng = np.random.default_rng(seed)
    sample = _sample(rows, n_clusters, rng)
    centres, labels = _refine(sample, _first_centres(sample, n_clusters, rng))
    n_passes = 1
    if len(sample) < rows.n_rows:
        # A row's own length does not change which cosine is largest.
        found = map_blocks(lambda _, block: _nearest(block, centres)[0], rows)
        labels, n_passes = np.concatenate(list(found)), 2
    return np.unique(labels, return_inverse=True)[1], n_passes


def _sample(rows: RowBlocks, n_clusters: int, rng: np.random.Generator) -> Floats:
    limit = max(_SAMPLE_BYTES // (rows.n_columns * rows.dtype.itemsize), 1)
    size = min(rows.n_rows, limit)
    if n_clusters > size:
        raise InputError(
            f"n_halfspaces: {n_clusters}; expected at most {size}, the rows of this width that "
            f"clustering holds in memory, or {rows.n_rows}, one per row: ask for fewer, or give "
            "labels"
        )
    chosen = np.sort(rng.choice(rows.n_rows, size, replace=False))
    sample = np.empty((size, rows.n_columns), rows.dtype)

    def take(start: int, block: Floats) -> None:
        first, last = np.searchsorted(chosen, (start, start + len(block)))
        sample[first:last] = block[chosen[first:last] - start]

    for _ in map_blocks(take, rows):
        pass
    lengths = np.sqrt(np.einsum("ij,ij->i", sample, sample))
    if not np.isfinite(lengths).all():
        row = chosen[np.flatnonzero(~np.isfinite(lengths))[0]]
        raise InputError(
            f"X: row {row} holds NaN, infinity or numbers too large to square in {rows.dtype}; "
            "expected finite numbers: drop the row, or repair and rescale it"
        )
    lengths[lengths == 0] = 1.0  # a row of zeros has no direction; any cluster may have it
    sample /= lengths[:, None]
    return sample


def _first_centres(sample: Floats, n_clusters: int, rng: np.random.Generator) -> Floats:
    """k-means++: the next centre is a row drawn by its distance (1 - cosine) to the centres.

    Several rows are drawn at a time by the distances before them. Each is then kept with the share
    of its distance that those kept before it have left, which makes it a draw by the distance of
    its turn. So the large product serves many draws.
    """
    alike = 8 * float(np.finfo(sample.dtype).eps)
    picked = [int(rng.integers(len(sample)))]
    distance = _distances(sample, sample[picked], alike)
    while len(picked) < n_clusters and distance.any():
        n_drawn = min(max(len(picked) // 2, 1), n_clusters - len(picked), _MOST_DRAWN)
        sums = np.cumsum(distance)
        drawn = np.searchsorted(sums, rng.random(n_drawn) * sums[-1], side="right")
        drawn = np.minimum(drawn, len(sample) - 1)
        keep, left = rng.random(n_drawn), distance[drawn]
        before, kept = left.copy(), []
        among = _apart(sample[drawn] @ sample[drawn].T, alike)
        for i, row in enumerate(drawn):
            if keep[i] * before[i] < left[i]:
                kept.append(int(row))
                np.minimum(left, among[i], out=left)
        distance = np.minimum(distance, _distances(sample, sample[kept], alike))
        distance[kept] = 0.0
        picked += kept
    return sample[picked]


def _distances(rows: Floats, centres: Floats, alike: float) -> Array:
    """(n,) float64: 1 - cosine to the nearest centre, 0 for what is alike but for rounding."""
    return _apart(_nearest(rows, centres)[1], alike)


def _apart(cosines: Floats, alike: float) -> Array:
    distance = 1.0 - cosines.astype(np.float64)
    distance[distance <= alike] = 0.0
    return distance


def _nearest(rows: Floats, centres: Floats) -> tuple[Labels, Array]:
    """The centre with the largest product with each row, and that product, as float64."""
    labels, products = np.empty(len(rows), np.intp), np.empty(len(rows))
    step = max(_PRODUCT_BYTES // (len(centres) * rows.itemsize), 1)
    for start in range(0, len(rows), step):
        found = rows[start : start + step] @ centres.T
        best = np.argmax(found, axis=1)
        labels[start : start + step] = best
        products[start : start + step] = found[np.arange(len(best)), best]
    return labels, products


def _refine(sample: Floats, centres: Floats) -> tuple[Floats, Labels]:
    """Lloyd's rounds on unit rows; a centre that loses all its rows stays where it is.

    Returns:
        The centres, and (n,) the nearest of each row.
    """
    labels: Labels | None = None
    sums = np.zeros(centres.shape)
    spread = np.inf
    for _ in range(_ROUNDS):
        nearest, products = _nearest(sample, centres)
        last, spread = spread, float(np.sum(1.0 - products))
        moved = np.arange(len(sample)) if labels is None else np.flatnonzero(nearest != labels)
        if not len(moved) or last - spread <= _ENOUGH * spread:
            return centres, nearest
        if labels is not None:
            _add(sums, sample, moved, labels[moved], -1.0)
        _add(sums, sample, moved, nearest[moved], 1.0)
        labels = nearest
        present = np.bincount(labels, minlength=len(centres)) > 0
        lengths = np.linalg.norm(sums, axis=1)
        present &= lengths > 0
        centres = centres.copy()
        centres[present] = sums[present] / lengths[present, None]
    return centres, _nearest(sample, centres)[0]


def _add(sums: Array, sample: Floats, moved: Labels, labels: Labels, sign: float) -> None:
    """Add rows to, or take them from, the sums of the clusters that their labels name."""
    order = np.argsort(labels, kind="stable")
    step = max(_SUMMED_BYTES // (8 * sample.shape[1]), _FEWEST_SUMMED)
    for start in range(0, len(order), step):
        some = order[start : start + step]
        present, starts = np.unique(labels[some], return_index=True)
        rows = sample[moved[some]].astype(np.float64)
        sums[present] += sign * np.add.reduceat(rows, starts, axis=0)

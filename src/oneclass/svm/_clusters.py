"""Groups of rows that point the same way: spherical k-means, seeded like k-means++, in two passes.

The centres are found on a random sample that fits a fixed budget (for fewer rows: on all of them);
one more pass gives every row the centre with the largest cosine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError
from oneclass.rows import RowBlocks

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.intp]

_SAMPLE_BYTES = 256 << 20
_ROUNDS = 50


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
    centres = _refine(sample, _first_centres(sample, n_clusters, rng))
    labels = np.empty(rows.n_rows, np.intp)
    start = 0
    for block in rows.blocks():
        # A row's own length does not change which cosine is largest.
        labels[start : start + len(block)] = np.argmax(block @ centres.T, axis=1)
        start += len(block)
    return np.unique(labels, return_inverse=True)[1], 2


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
    start = 0
    for block in rows.blocks():
        first, last = np.searchsorted(chosen, (start, start + len(block)))
        sample[first:last] = block[chosen[first:last] - start]
        start += len(block)
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
    """k-means++: the next centre is a row drawn by its distance (1 - cosine) to the centres."""
    picked = [int(rng.integers(len(sample)))]
    distance = np.full(len(sample), np.inf)
    for _ in range(n_clusters - 1):
        to_last = np.maximum(1.0 - (sample @ sample[picked[-1]]).astype(np.float64), 0.0)
        distance = np.minimum(distance, to_last)
        distance[picked[-1]] = 0.0
        total = distance.sum()
        if total <= 0:
            break  # fewer different rows than clusters
        picked.append(int(np.searchsorted(np.cumsum(distance), rng.random() * total)))
    return sample[picked]


def _refine(sample: Floats, centres: Floats) -> Floats:
    """Lloyd's rounds on unit rows; a centre that loses all its rows stays where it is."""
    labels = np.full(len(sample), -1)
    for _ in range(_ROUNDS):
        nearest = np.argmax(sample @ centres.T, axis=1)
        if np.array_equal(nearest, labels):
            break
        labels = nearest
        order = np.argsort(labels, kind="stable")
        present, starts = np.unique(labels[order], return_index=True)
        sums = np.add.reduceat(sample[order], starts, axis=0, dtype=np.float64)
        lengths = np.linalg.norm(sums, axis=1)
        moved = present[lengths > 0]
        centres = centres.copy()
        centres[moved] = sums[lengths > 0] / lengths[lengths > 0, None]
    return centres

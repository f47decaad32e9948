"""Rows of patches from maps, and heads that score them: half-spaces, centres, a memory bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oneclass.representations.maps import pool
from oneclass.svm import fit_halfspaces
from patch_sets import Maps, fine

Rows = NDArray[np.float32]


def unit(rows: Rows) -> Rows:
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    norms[norms == 0] = 1
    return rows / norms[:, None]


def inverse_root(
    covariance: NDArray[np.float64], share: float, power: float = 0.5
) -> NDArray[np.float64]:
    """A power of the inverse of a covariance of which a share is that of a sphere."""
    size = len(covariance)
    shrunk = (1 - share) * covariance + share * np.trace(covariance) / size * np.eye(size)
    values, vectors = np.linalg.eigh(shrunk)
    return np.asarray((vectors * values**-power) @ vectors.T)


def patch_rows(maps: Maps, index: int, layers: Sequence[str]) -> tuple[Rows, tuple[int, int]]:
    """(p, d) rows of one picture's patches as `PatchLayers` makes them, and (height, width)."""
    found = [maps.get(layer, index) for layer in layers]
    grid = found[0].shape[2:]
    parts = []
    for values in found:
        near = fine(values, grid)
        parts.append(unit(near[0].reshape(near.shape[1], -1).T))
    return np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts))), grid


def whole_row(maps: Maps, index: int) -> Rows:
    """(d,) today's default row of a whole picture: block_2@7+block_14@2."""
    parts = []
    for layer, cells in (("block_2", 7), ("block_14", 2)):
        flat = pool(maps.get(layer, index), cells).ravel()
        parts.append(flat / np.linalg.norm(flat))
    return np.concatenate(parts) / np.float32(np.sqrt(2))


def sample_patches(
    rows: Callable[[int], Rows], indices: Sequence[int], most: int, seed: int
) -> Rows:
    """At most `most` patches, as many of each picture."""
    rng = np.random.default_rng(seed)
    each = -(-most // len(indices))
    some = []
    for index in indices:
        own = rows(index)
        some.append(own[rng.choice(len(own), min(each, len(own)), replace=False)])
    return np.concatenate(some)[: max(most, 1)]


def spherical_kmeans(sample: Rows, k: int, seed: int, rounds: int = 12) -> tuple[Rows, NDArray]:
    """(k, d) unit centres and (n,) labels: drawn as in k-means++, then Lloyd's rounds."""
    rng = np.random.default_rng(seed)
    picked = [int(rng.integers(len(sample)))]
    far = np.full(len(sample), np.inf, np.float32)
    for _ in range(min(k, len(sample)) - 1):
        np.minimum(far, np.maximum(1 - sample @ sample[picked[-1]], 0), out=far)
        far[picked[-1]] = 0
        sums = np.cumsum(far, dtype=np.float64)
        picked.append(min(int(np.searchsorted(sums, rng.random() * sums[-1])), len(sample) - 1))
    centres = sample[picked]
    for _ in range(rounds):
        labels = np.argmax(sample @ centres.T, axis=1)
        order = np.argsort(labels, kind="stable")
        present, starts = np.unique(labels[order], return_index=True)
        centres = centres.copy()
        centres[present] = unit(np.add.reduceat(sample[order], starts, axis=0))
    return centres, np.argmax(sample @ centres.T, axis=1)


def directions(sample: Rows, k: int, seed: int, nu: float = 0.1) -> tuple[Rows, Rows]:
    """(k, d) unit directions of one-class SVMs in k clusters, and (k,) rho_j / |w_j|."""
    _, labels = spherical_kmeans(sample, k, seed)
    fitted = fit_halfspaces(sample, nu=nu, labels=labels, tol=1e-3)
    lengths = np.linalg.norm(fitted.coef, axis=1)
    return unit(fitted.coef.astype(np.float32)), (fitted.offset / lengths).astype(np.float32)


@dataclass(frozen=True)
class Parts:
    """Half-spaces that each learnt from one part of the normal images alone.

    The model is their union; without the half-spaces of its own part it has not seen an image.

    Attributes:
        columns: (d, k) unit directions, part by part.
        starts: (n_parts,) the first column of each.
    """

    columns: Rows
    starts: NDArray[np.int64]

    def by_part(self, rows: Rows) -> Rows:
        """(p, n_parts): 1 - the largest cosine to a part's directions."""
        return 1 - np.maximum.reduceat(rows @ self.columns, self.starts, axis=1)

    def scores(self, rows: Rows, without: int | None = None) -> Rows:
        """(p,) scores of the union, or of the union without one part."""
        by_part = self.by_part(rows)
        if without is not None and len(self.starts) > 1:
            by_part = np.delete(by_part, without, axis=1)
        return by_part.min(axis=1)


def joined(parts: Sequence[Rows]) -> Parts:
    """The union of (k_i, d) directions."""
    counts = [len(part) for part in parts]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return Parts(np.ascontiguousarray(np.concatenate(parts).T), starts)


def deal(n: int, n_parts: int, seed: int) -> NDArray[np.int64]:
    """(n,) the part of each image: as even as can be, at random."""
    return np.random.default_rng(100 + seed).permutation(n) % n_parts


def fit_patch_parts(
    rows: Callable[[int], Rows],
    indices: NDArray[np.int64],
    part: NDArray[np.int64],
    k: int,
    seed: int,
    most: int = 30_000,
) -> Parts:
    """k half-spaces in all, from at most `most` patches in all."""
    n_parts = int(part.max()) + 1
    found = []
    for number in range(n_parts):
        own = indices[part == number]
        sample = sample_patches(rows, own, most // n_parts, seed)
        found.append(directions(sample, k // n_parts, seed)[0])
    return joined(found)


def fit_whole_parts(rows: Rows, part: NDArray[np.int64], per: int, most: int, seed: int) -> Parts:
    """One half-space for `per` images of a part, at most `most` in all."""
    n_parts = int(part.max()) + 1
    found = []
    for number in range(n_parts):
        own = rows[part == number]
        k = max(1, min(len(own) // per, most // n_parts))
        found.append(unit(fit_halfspaces(own, k, nu=0.1, seed=seed).coef.astype(np.float32)))
    return joined(found)


def coreset(sample: Rows, size: int, seed: int) -> Rows:
    """PatchCore's: patches chosen greedily to be far apart, projected at random to 32 columns."""
    rng = np.random.default_rng(seed)
    thin = sample @ rng.normal(size=(sample.shape[1], 32)).astype(np.float32) / np.float32(32**0.5)
    chosen, gap = [int(rng.integers(len(sample)))], np.full(len(sample), np.inf, np.float32)
    for _ in range(size - 1):
        np.minimum(gap, ((thin - thin[chosen[-1]]) ** 2).sum(axis=1), out=gap)
        chosen.append(int(gap.argmax()))
    return sample[chosen]

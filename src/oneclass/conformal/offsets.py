"""One offset for all half-spaces: how far out a share of the normal rows lies.

What a row's own half-space, the one that learnt from it, makes of it is at most what the best of
all does. So of most rows it says already that they are not among the lowest, and the other
half-spaces need not be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.union import Union
from oneclass.rows import RowSource, map_blocks
from oneclass.svm import Halfspaces
from oneclass.system.host.blas import one_blas_thread

FIRST = 2
"""So many times as many rows as are to lie below are asked first."""
BLUR = 8
"""Roundings of a row's length, for each column, by which a product with it may be off."""
Floats = NDArray[np.float64]
Narrow = NDArray[np.float32]


def least_margins(rows: RowSource, fit: Halfspaces) -> Narrow:
    """(n,) what the best of half-spaces of unit length makes of each row at least.

    Args:
        rows: (n, d), as the half-spaces see them.
        fit: to these rows.
    """
    lengths = np.linalg.norm(fit.coef, axis=1)[:, None]
    coef = (fit.coef / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    blur = np.float32(BLUR * coef.shape[1] * np.finfo(np.float32).eps)

    def least(start: int, block: NDArray[np.floating[Any]]) -> Narrow:
        wide = block.astype(np.float32, copy=False)
        own = np.einsum("ij,ij->i", wide, coef[fit.assignment[start : start + len(wide)]])
        return np.asarray(own - blur * np.sqrt(np.einsum("ij,ij->i", wide, wide)))

    return np.concatenate(list(map_blocks(least, rows)))


def with_one_offset(
    union: Union, samples: Sequence[RowSource], least: Sequence[Narrow], nu: float
) -> Union:
    """With the offset that at most a share of the rows lies below, in the arithmetic that scores.

    Args:
        union: half-spaces of unit length, with offsets of 0.
        samples: (n, d) rows of each part.
        least: `least_margins` of each part.
        nu: the share.
    """
    known = np.concatenate(least)
    place = min(int(nu * len(known)), len(known) - 1)
    # Products in float64 are of few rows; those together have bits that others do not.
    n_first = FIRST * (place + 1) if union.narrow else len(known)
    first = np.zeros(len(known), bool)
    first[np.argsort(known, kind="stable")[:n_first]] = True
    best = _best(union, _chosen(samples, first))
    # What is above this is not among the lowest; they were all asked, or are asked now.
    limit = np.partition(best, place)[place]
    best = np.concatenate([best, _best(union, _chosen(samples, ~first & (known <= limit)))])
    offset = float(np.partition(best, place)[place])
    return replace(union, offset=np.full(len(union.coef), offset))


def _chosen(samples: Sequence[RowSource], chosen: NDArray[np.bool_]) -> list[RowSource]:
    ends = np.cumsum([some.n_rows for some in samples])[:-1]
    return [some.chosen(ids) for some, ids in zip(samples, np.split(chosen, ends), strict=True)]


def _best(union: Union, samples: Sequence[RowSource]) -> Floats:
    """What the best half-space makes of each row."""

    def margins(_: int, block: NDArray[np.floating[Any]]) -> Floats:
        return -union.row_scores(block)

    with one_blas_thread():  # as images are scored: with more threads a product has other bits
        found = [part for some in samples for part in map_blocks(margins, some)]
    return np.concatenate([np.zeros(0), *found])

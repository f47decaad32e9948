"""The scores of one pass, and where the threshold cuts them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oneclass.svm.solving.certificate import threshold_rank

Scores = NDArray[np.floating[Any]]

_KEEP_BYTES = 16 << 20  # larger tables go to a file: memory then does not grow with the rows


class ScoreTable:
    """(columns, rows) numbers, written block by block, read column by column or block by block."""

    def __init__(
        self, n_columns: int, n_rows: int, dtype: np.dtype[Any], *, in_memory: bool
    ) -> None:
        self._shape, self._dtype = (n_columns, n_rows), dtype
        self._array: Scores | None = None
        self._file: Any = None
        if in_memory or n_columns * n_rows * dtype.itemsize <= _KEEP_BYTES:
            self._array = np.empty(self._shape, dtype)
        else:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__

    def write(self, start: int, values: Scores) -> None:
        """Store (columns, b) values for the rows from ``start`` on."""
        if self._array is not None:
            self._array[:, start : start + values.shape[1]] = values
            return
        for column, line in enumerate(values):
            self._seek(column, start)
            view = np.ascontiguousarray(line).data.cast("B")
            while view:
                view = view[self._file.write(view) :]

    def read(self, column: int, start: int, stop: int) -> Scores:
        if self._array is not None:
            return self._array[column, start:stop]
        values = np.empty(stop - start, self._dtype)
        self._seek(column, start)
        view = values.data.cast("B")
        while view:
            view = view[self._file.readinto(view) :]
        return values

    def column(self, column: int) -> Scores:
        return self.read(column, 0, self._shape[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def _seek(self, column: int, start: int) -> None:
        self._file.seek((column * self._shape[1] + start) * self._dtype.itemsize)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Where the bound cuts a problem's rows, in the order of their scores.

    Attributes:
        column: the problem's column among the scores.
        lowest: mean score of the hull's lowest point: min over v in the hull of w.v.
        threshold: score of the row that the bound splits: the best offset for this w.
        n_fixed: rows below the band; they carry their full weight.
        thin: whether the band is a sample.
    """

    column: int
    lowest: float
    threshold: float
    n_fixed: int
    thin: bool = False


@dataclass(frozen=True, kw_only=True)
class Cut(Threshold):
    """The same, with the band as rows of one table.

    Attributes:
        edge: the lowest score in the band; ``tie`` decides between rows that have exactly it.
        tie: rows at the edge with a smaller index are fixed.
        band: (b,) indices of the rows in the band, ascending.
        scores: (b,) their scores.
    """

    edge: float
    tie: int
    band: NDArray[np.intp]
    scores: NDArray[np.float64]

    def fixes(self, scores: Scores, start: int) -> NDArray[np.bool_]:
        """Which of the rows from ``start`` on, with these scores, lie below the band."""
        below = scores < self.edge
        if start < self.tie:
            below[: self.tie - start] |= scores[: self.tie - start] == self.edge
        return below


def band_ranks(mass: float, width: int, n_rows: int) -> tuple[int, int, int]:
    """The ranks of the band's lowest row, of the row that the bound splits, and of the highest."""
    low = max(min(int(mass * (1 + 1e-12)) - width // 2, n_rows - width), 0)
    return low, threshold_rank(mass, n_rows), min(low + width, n_rows) - 1


def cut_scores(scores: Scores, mass: float, width: int, column: int) -> Cut:
    """Find threshold and band of one problem.

    Args:
        scores: (l,) scores of all rows.
        mass: nu l, at least 1: the number of rows that share the weight.
        width: rows in the band.
        column: where the scores stand in the table.
    """
    low, split, high = band_ranks(mass, width, len(scores))
    ordered = np.partition(scores, sorted({low, split, high}))
    threshold, edge, last = float(ordered[split]), ordered[low], ordered[high]
    lowest = float(ordered[:split].sum(dtype=np.float64) + (mass - split) * threshold) / mass
    near = np.flatnonzero((scores >= edge) & (scores <= last))
    near = near[np.argsort(scores[near], kind="stable")]
    skipped = low - int(np.count_nonzero(scores < edge))
    near = np.sort(near[skipped : skipped + high - low + 1])
    return Cut(
        column=column,
        lowest=lowest,
        threshold=threshold,
        n_fixed=low,
        edge=float(edge),
        tie=int(near[np.argmax(scores[near] == edge)]),
        band=near,
        scores=scores[near].astype(np.float64),
    )


def cut_thinly(scores: Scores, mass: float, width: int, drawn: int, column: int) -> Cut:
    """Cut at the threshold itself; the band is the row there, and some of the many around it, at
    random.

    Args:
        scores: (l,) scores of all rows.
        mass: nu l, at least 1.
        width: rows around the threshold, from which the band's are drawn.
        drawn: rows of the band.
        column: where the scores stand in the table.
    """
    at = cut_scores(scores, mass, 1, column)
    low, _, high = band_ranks(mass, width, len(scores))
    ordered = np.partition(scores, sorted({low, high}))
    near = np.flatnonzero((scores >= ordered[low]) & (scores <= ordered[high]))
    if len(near) > drawn:
        near = np.random.default_rng(0).choice(near, drawn, replace=False)
    near = np.union1d(near, at.band)
    return replace(at, band=near, scores=scores[near].astype(np.float64), thin=True)

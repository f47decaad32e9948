"""What the rounds ask of all rows, and the answer for rows that are read block by block.

Rows that lie on other machines answer the same questions where they are: see `oneclass.cluster`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, RowBlocks
from oneclass.svm._blocks import HeldRows, WideRows
from oneclass.svm.solving.certificate import Certified, certify
from oneclass.svm.solving.passes import Gathered, Survey, gather, score_rows, survey
from oneclass.svm.solving.scores import Cut, ScoreTable, Threshold, cut_scores, cut_thinly

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Point:
    """A point to certify: w as it is returned, and the problem's column among the scores.

    Attributes:
        column: that w has.
        coef: (d,) w, not zero.
        dual: squared length of the feasible point that w is, up to its rounding.
        mass: nu l, at least 1.
        threshold: as `Scored.cut` found it.
    """

    column: int
    coef: Array
    dual: float
    mass: float
    threshold: float


class Scored(Protocol):
    """All rows, scored against some w; the scores stay where the rows are."""

    def cut(
        self, masses: Sequence[float], widths: Sequence[int], drawn: Sequence[int]
    ) -> Sequence[Threshold]:
        """For each column, where its scores are cut. The bands are remembered for `gather`.

        Args:
            masses: nu l of each.
            widths: how many rows its band has.
            drawn: 0, or how many of these rows to draw, for a band that is a sample.
        """
        ...

    def gather(self, columns: Mapping[int, int]) -> dict[int, Gathered]:
        """One more pass: for some problems, by their column, the sum below the band and the band.

        What comes back has the problems' own numbers.
        """
        ...

    def certify(self, points: Sequence[Point]) -> Sequence[Certified]:
        """What the scores, which are float64, prove of their w."""
        ...


@runtime_checkable
class Looks(Protocol):
    """Rows, as the rounds see them."""

    @property
    def n_rows(self) -> int: ...

    @property
    def n_columns(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def survey(self, sampled: Ints | None = None) -> Survey:
        """The first pass; arguments and errors as for `passes.survey`."""
        ...

    def score(self, coefs: Array, dtype: np.dtype[Any]) -> AbstractContextManager[Scored]:
        """A pass: score all rows against (m, d) coefs, in their own dtype or in float64."""
        ...


class BlockLooks:
    """Looks at rows of this machine, block by block.

    Attributes:
        lengths: (l,) of the rows, from `survey` on.
    """

    def __init__(self, rows: RowBlocks) -> None:
        self._rows = rows
        self.n_rows, self.n_columns, self.dtype = rows.n_rows, rows.n_columns, rows.dtype
        self.lengths: NDArray[np.floating[Any]] = np.zeros(0)

    def survey(self, sampled: Ints | None = None) -> Survey:
        found, self.lengths = survey(self._rows, sampled)
        return found

    def score(self, coefs: Array, dtype: np.dtype[Any]) -> BlockScored:
        in_memory = isinstance(self._rows, ArrayRows | HeldRows)
        rows = self._rows if dtype == self.dtype else WideRows(self._rows)
        table = ScoreTable(len(coefs), self.n_rows, dtype, in_memory=in_memory)
        try:
            score_rows(rows, coefs, table)
        except BaseException:
            table.__exit__()
            raise
        return BlockScored(rows, table, self.lengths)


class BlockScored:
    """The scores of one pass in a table of this machine."""

    def __init__(
        self, rows: RowBlocks, table: ScoreTable, lengths: NDArray[np.floating[Any]]
    ) -> None:
        self._rows, self._table, self._lengths = rows, table, lengths
        self._cuts: list[Cut] = []

    def cut(
        self, masses: Sequence[float], widths: Sequence[int], drawn: Sequence[int]
    ) -> list[Cut]:
        self._cuts = []
        for column, (mass, width, few) in enumerate(zip(masses, widths, drawn, strict=True)):
            scores = self._table.column(column)
            self._cuts.append(
                cut_thinly(scores, mass, width, few, column)
                if few
                else cut_scores(scores, mass, width, column)
            )
        return self._cuts

    def gather(self, columns: Mapping[int, int]) -> dict[int, Gathered]:
        cuts = {number: self._cuts[column] for number, column in columns.items()}
        return gather(self._rows, cuts, self._table)

    def certify(self, points: Sequence[Point]) -> list[Certified]:
        return [
            certify(
                self._table.column(one.column).astype(np.float64, copy=False),
                self._lengths,
                one.coef,
                one.dual,
                one.mass,
            )
            for one in points
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._table.__exit__(*details)

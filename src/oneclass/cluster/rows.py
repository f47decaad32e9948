"""Rows that lie on the workers, and the solver's passes over them where they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Self

import numpy as np
from distributed import Client, Future
from numpy.typing import NDArray

from oneclass.cluster import chunks as work
from oneclass.cluster.calls import calling, result_of
from oneclass.cluster.selection import (
    Bracket,
    Counts,
    Extremes,
    Fetched,
    Found,
    Wanted,
    count_in_chunk,
    extremes_of_chunk,
    fetch_from_chunk,
    key_of,
    select,
)
from oneclass.cluster.tasks import Tasks
from oneclass.cluster.traffic import Traffic
from oneclass.errors import InputError
from oneclass.rows import RechunkedRows, as_rows
from oneclass.svm.solving.certificate import Certified, blur, certified, threshold_rank
from oneclass.svm.solving.looks import Point
from oneclass.svm.solving.passes import Gathered, Survey, check_visible
from oneclass.svm.solving.scores import Threshold, band_ranks

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


class ClusterRows:
    """Rows in chunks on the workers: the solver comes to them, only coefficients and sums travel.

    Few rows, which are solved through their matrix of products, are brought to this machine.

    Args:
        client: of Dask.
        chunks: futures of (n, d) arrays, or of row blocks that a worker can read; all rows in
            order.

    Attributes:
        n_rows, n_columns, dtype: of all rows.
        traffic: what each pass sent; see `Traffic`.

    Raises:
        InputError: the chunks do not fit together.
        ClusterError: the cluster is gone.
    """

    def __init__(self, client: Client, chunks: Sequence[Future]) -> None:
        self._client, self._chunks, self._tasks = client, list(chunks), Tasks(client)
        if not self._chunks:
            raise InputError("rows: no chunks; expected one future of an (n, d) array, or more.")
        with calling(client):
            asked = client.map(work.shape_of, self._chunks, pure=False)
        # Not `gather`, which waits for ever for what a client that is closing was asked.
        shapes = [result_of(client, future) for future in asked]
        kinds = {(columns, dtype) for _, columns, dtype in shapes}
        if len(kinds) > 1:
            odd = next(i for i, shape in enumerate(shapes) if shape[1:] != shapes[0][1:])
            raise InputError(
                f"rows: chunk {odd} has {shapes[odd][1]} columns of {np.dtype(shapes[odd][2])}, "
                f"chunk 0 has {shapes[0][1]} of {np.dtype(shapes[0][2])}; expected chunks of one "
                "kind: give whole rows, all of one dtype"
            )
        lengths = [n for n, _, _ in shapes]
        self._starts = [0, *accumulate(lengths)][:-1]
        self.n_rows, self.n_columns = sum(lengths), int(shapes[0][1])
        self.dtype = np.dtype(shapes[0][2])
        self.shape = (self.n_rows, self.n_columns)
        self.longest = 0.0

    @property
    def traffic(self) -> list[Traffic]:
        return self._tasks.traffic

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All rows in order, brought to this machine chunk by chunk."""
        return RechunkedRows(_Brought(self, self._client, self._chunks)).blocks()

    def survey(self, sampled: Ints | None = None) -> Survey:
        """The first pass: sums, a sample, and rows that nobody can use.

        Raises:
            InputError: a row is not finite, or all rows are too small.
            ClusterError: the cluster is gone.
        """
        wanted = np.zeros(0, np.intp) if sampled is None else sampled
        self._tasks.begin("survey")
        parts = self._tasks.each(work.survey_chunk, [self._starts, self._chunks], [wanted])
        found: work.SurveyPart = self._tasks.total(parts)
        if found.wrong:
            raise found.wrong
        mean_square = found.squares / self.n_rows
        if found.something:
            check_visible(mean_square, self.dtype)
        self.longest = found.longest
        return Survey(
            found.total, self.n_rows, mean_square, found.n_zero, found.first_zero, found.sample
        )

    def score(self, coefs: Array, dtype: np.dtype[Any]) -> ScoredRows:
        """A pass: score all rows against (m, d) coefs, in their own dtype or in float64."""
        self._tasks.begin("score")
        told = [np.ascontiguousarray(coefs, dtype=dtype), dtype]
        scored = self._tasks.each(work.score_chunk, [self._starts, self._chunks], told)
        return ScoredRows(self, self._chunks, self._tasks, scored, dtype)


class _Brought:
    """Chunks, one after the other in this machine's memory."""

    def __init__(self, rows: ClusterRows, client: Client, chunks: Sequence[Future]) -> None:
        self.n_rows, self.n_columns, self.dtype = rows.n_rows, rows.n_columns, rows.dtype
        self._client, self._chunks = client, chunks

    def blocks(self) -> Iterator[NDArray[Any]]:
        for future in self._chunks:
            yield from as_rows(result_of(self._client, future)).blocks()


class ScoredRows:
    """The scores of one pass, each chunk's where it lies. The questions are those of `Scored`."""

    def __init__(
        self,
        rows: ClusterRows,
        chunks: Sequence[Future],
        tasks: Tasks,
        scored: list[Future],
        dtype: np.dtype[Any],
    ) -> None:
        self._rows, self._chunks, self._tasks = rows, chunks, tasks
        self._scored, self._dtype = scored, dtype
        self._bands: list[work.Band] = []

    def cut(
        self, masses: Sequence[float], widths: Sequence[int], drawn: Sequence[int]
    ) -> list[Threshold]:
        n_rows = self._rows.n_rows
        extremes: Extremes = self._total(extremes_of_chunk, [])
        wanted, ranks = [], []
        for column, (mass, width) in enumerate(zip(masses, widths, strict=True)):
            bracket = Bracket(column, 0.0, *map(int, extremes.table[column]))
            low, split, high = band_ranks(mass, width, n_rows)
            ranks.append((low, split, band_ranks(mass, 1, n_rows)[0]))
            wanted += [Wanted(bracket, rank, placed=True) for rank in (low, high, ranks[-1][2])]
            wanted.append(Wanted(bracket, split, placed=False))
        found = self._select(wanted)
        self._bands, cuts = [], []
        for column, (low, split, alone) in enumerate(ranks):
            first, last, middle, at = found[4 * column : 4 * column + 4]
            thin = drawn[column] > 0
            fixed = middle if thin else first
            share = min(drawn[column] / widths[column], 1.0) if thin else 1.0
            self._bands.append(work.Band(column, first.place, last.place, fixed.place, share))
            lowest = (at.below + (masses[column] - split) * at.score) / masses[column]
            cuts.append(
                Threshold(
                    column=column,
                    lowest=lowest,
                    threshold=at.score,
                    n_fixed=alone if thin else low,
                    thin=thin,
                )
            )
        return cuts

    def gather(self, columns: Mapping[int, int]) -> dict[int, Gathered]:
        self._tasks.begin("gather")
        bands = [self._bands[column] for column in columns.values()]
        parts = self._tasks.each(work.gather_chunk, [self._chunks, self._scored], [bands])
        found: work.GatheredPart = self._tasks.total(parts)
        each = zip(columns, found.fixed, found.bands, found.scores, strict=True)
        return {
            number: Gathered(fixed, np.concatenate(band), np.concatenate(scores))
            for number, fixed, band, scores in each
        }

    def certify(self, points: Sequence[Point]) -> list[Certified]:
        if not points:
            return []
        n_rows, wanted = self._rows.n_rows, []
        for one in points:
            lowered = blur(one.coef)
            # A lowered score is less than the score by no more than that for the longest row.
            least = one.threshold - 1.01 * lowered * self._rows.longest
            ends = key_of(least, self._dtype), key_of(one.threshold, self._dtype)
            rank = threshold_rank(one.mass, n_rows)
            wanted.append(Wanted(Bracket(one.column, lowered, *ends), rank, placed=False))
        offsets = [found.score for found in self._select(wanted)]
        limits = [
            (one.column, offset, one.threshold) for one, offset in zip(points, offsets, strict=True)
        ]
        tails: work.Tails = self._total(work.tails_of_chunk, [limits])
        return [
            certified(one.coef, one.dual, one.mass, offset, tail, n_rows)
            for one, offset, tail in zip(points, offsets, tails.each, strict=True)
        ]

    def _select(self, wanted: list[Wanted]) -> list[Found]:
        def count(brackets: list[Bracket]) -> Counts:
            found: Counts = self._total(count_in_chunk, [brackets])
            return found

        def fetch(brackets: list[Bracket]) -> Fetched:
            found: Fetched = self._total(fetch_from_chunk, [brackets])
            return found

        return select(wanted, self._rows.n_rows, self._dtype, count, fetch)

    def _total(self, function: Any, told: list[Any]) -> Any:
        return self._tasks.total(self._tasks.each(function, [self._scored], told))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._scored = []

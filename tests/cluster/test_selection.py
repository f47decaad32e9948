"""Ranks among scores in chunks, against numpy's sort of all of them."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import pytest

from oneclass.cluster.chunks import ScoredChunk
from oneclass.cluster.selection import (
    FETCHED,
    Bracket,
    Counts,
    Fetched,
    Wanted,
    count_in_chunk,
    extremes_of_chunk,
    fetch_from_chunk,
    keys_of,
    scores_of,
    select,
)

KINDS = ("spread", "ties", "alike", "tiny", "both signs of zero")


def scores(kind: str, n: int, dtype: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    made = {
        "spread": lambda: random.normal(size=n),
        "ties": lambda: random.integers(-2, 3, n) / 4,
        "alike": lambda: np.full(n, 0.25),
        "tiny": lambda: random.normal(size=n) * 1e-30,
        "both signs of zero": lambda: random.choice([0.0, -0.0, 1.0], n),
    }
    return made[kind]().astype(dtype) + np.zeros(1, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [7, 3 * FETCHED])
def test_ranks_are_those_of_a_sort(kind: str, dtype: str, n: int) -> None:
    values = scores(kind, n, dtype, seed=n)
    cuts = sorted(np.random.default_rng(1).integers(1, n, 3))
    starts = [0, *map(int, cuts)]
    chunks = [
        ScoredChunk(start, part[None], np.zeros(0))
        for start, part in zip(starts, np.split(values, cuts), strict=True)
        if len(part)
    ]
    ends = reduce(add, map(extremes_of_chunk, chunks)).table[0]
    bracket = Bracket(0, 0.0, int(ends[0]), int(ends[1]))
    ranks = [0, 1, n // 3, n // 2, n - 2, n - 1]
    wanted = [Wanted(bracket, rank, placed) for rank in ranks for placed in (True, False)]

    def count(brackets: list[Bracket]) -> Counts:
        return reduce(add, [count_in_chunk(chunk, brackets) for chunk in chunks])

    most = 0

    def fetch(brackets: list[Bracket]) -> Fetched:
        nonlocal most
        found = reduce(add, [fetch_from_chunk(chunk, brackets) for chunk in chunks])
        most = max(map(len, found.keys))
        return found

    order, size = np.lexsort((np.arange(n), values)), float(abs(values).sum())
    for one, found in zip(wanted, select(wanted, n, values.dtype, count, fetch), strict=True):
        assert found.score == values[order[one.rank]]
        if one.placed:
            assert found.position == order[one.rank]
        else:
            exact = values[order[: one.rank]].astype(np.float64).sum()
            assert found.below == pytest.approx(float(exact), rel=1e-9, abs=1e-9 * size)
    assert most <= FETCHED


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keys_have_the_order_of_their_scores_and_lead_back(dtype: str) -> None:
    random = np.random.default_rng(3)
    values = (random.normal(size=5000) * 10.0 ** random.integers(-30, 30, 5000)).astype(dtype)
    keys = keys_of(values)
    assert np.array_equal(np.argsort(keys, kind="stable"), np.argsort(values, kind="stable"))
    assert np.array_equal(scores_of(keys, values.dtype), values)


def test_scores_can_be_lowered_by_the_length_of_their_rows() -> None:
    random = np.random.default_rng(4)
    values, lengths = random.normal(size=900), random.uniform(0.5, 2, 900)
    chunk = ScoredChunk(0, values[None], lengths)
    low, high = (int(key) for key in keys_of(np.array([-100.0, 100.0])))
    bracket = Bracket(0, 0.125, low, high)
    found = select(
        [Wanted(bracket, 300, False)],
        900,
        values.dtype,
        lambda brackets: count_in_chunk(chunk, brackets),
        lambda brackets: fetch_from_chunk(chunk, brackets),
    )
    assert found[0].score == np.sort(values - 0.125 * lengths)[300]

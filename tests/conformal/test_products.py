"""The worst positions are found for a part of the work, and have the values of the whole of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oneclass.conformal.products import ASKED, BLOCK, Largest
from oneclass.conformal.union import Joined, Union
from oneclass.conformal.whitening import learn_whitening, root
from oneclass.rows import ArrayRows

Rows = NDArray[np.floating[Any]]


def unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def picture(seed: int, n: int, k: int, dtype: str, spread: float = 0.5) -> tuple[Rows, Rows]:
    """(n, 24) positions around some centres, and (k, 24) directions of unit length near them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, 24))
    near = [centres[rng.integers(40, size=m)] + spread * rng.normal(size=(m, 24)) for m in (n, k)]
    return unit(near[0]).astype(dtype), unit(near[1]).astype(np.float32)


def union(coef: Rows, n_worst: int, offset: float | NDArray[np.float64] = 0.8) -> Union:
    return Union(coef, np.broadcast_to(offset, len(coef)).copy(), n_worst, narrow=True)


def expected(judge: Union, rows: Rows) -> NDArray[np.float64]:
    return np.sort(judge.positions(rows))[::-1][: judge.n_worst]


@given(
    st.integers(0, 10**6),
    st.integers(1, 2100),
    st.sampled_from([3, 127, 128, 300]),
    st.sampled_from(["float16", "float32"]),
    st.booleans(),
    st.sampled_from(["", "whitened", "with a level"]),
)
@settings(max_examples=90, deadline=None)
def test_the_worst_have_the_bits_of_all(
    seed: int, n: int, k: int, dtype: str, one_offset: bool, seen: str
) -> None:
    rows, coef = picture(seed, n, k, dtype)
    offset = 0.8 if one_offset else np.random.default_rng(seed).normal(0.8, 0.1, k)
    judge = union(coef, max(1, n // 100), offset)
    if seen and (whitening := learn_whitening(ArrayRows(rows))) is not None:
        judge = replace(judge, coef=coef @ root(whitening), whitening=whitening)
        if seen == "with a level":
            judge = replace(judge, level=0.4 * judge.coef.mean(axis=0))
    np.testing.assert_array_equal(judge.worst(rows), expected(judge, rows))
    np.testing.assert_allclose(judge.nearly_worst(rows), judge.worst(rows), rtol=0, atol=1e-6)
    assert judge.image_score(rows) == judge.look(rows).score


@given(
    st.integers(0, 10**6), st.sampled_from([128, 200, 510]), st.sampled_from(["long", "alike", "0"])
)
@settings(max_examples=30, deadline=None)
def test_half_spaces_of_any_length_and_repeated_ones_are_all_asked(
    seed: int, k: int, kind: str
) -> None:
    """Those that a whitening is folded into are not of unit length."""
    rows, coef = picture(seed, 1600, k, "float16")
    rng = np.random.default_rng(seed)
    if kind == "alike":
        coef = coef[rng.integers(0, rng.integers(1, k), k)]
    elif kind == "long":
        coef = coef * np.exp(rng.normal(0, 1, (k, 1))).astype(np.float32)
    else:
        coef = coef * (rng.random((k, 1)) < 0.9).astype(np.float32)
    judge = union(coef, 16)
    columns, offsets = Largest(coef, judge.offset)._spread
    assert columns.shape == coef.shape
    assert offsets.shape == (k, 1)
    assert sorted(map(tuple, columns)) == sorted(map(tuple, coef))
    np.testing.assert_array_equal(judge.worst(rows), expected(judge, rows))
    np.testing.assert_allclose(judge.nearly_worst(rows), judge.worst(rows), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("k", [24, 200, 510])
def test_those_that_bounds_ask_first_stand_for_all_as_well_as_the_plainly_chosen(k: int) -> None:
    _, coef = picture(k, 1, k, "float32")
    cosines = coef.astype(np.float64) @ coef.T.astype(np.float64)
    nearest = np.full(k, cosines.min())
    for _ in range(k // ASKED[0]):
        gains = np.maximum(cosines, nearest).sum(axis=1)
        nearest = np.maximum(nearest, cosines[gains.argmax()])
    columns, _ = Largest(coef, np.zeros(k))._spread
    found = (columns[: k // ASKED[0]].astype(np.float64) @ coef.T).max(axis=0)
    assert found.sum() == pytest.approx(nearest.sum(), rel=1e-3)


@pytest.mark.parametrize("n_different", [1, 2, 40, 700])
def test_equal_positions_have_the_bits_of_all(n_different: int) -> None:
    rows, coef = picture(1, n_different, 200, "float16")
    rows = rows[np.arange(1600) % n_different]
    judge = union(coef, 16)
    np.testing.assert_array_equal(judge.worst(rows), expected(judge, rows))


def test_a_line_of_defects_in_one_place_of_each_block_has_the_bits_of_all() -> None:
    rows, coef = picture(2, 8 * BLOCK + 70, 200, "float16")
    rows[5::BLOCK] *= -1
    judge = union(coef, 20)
    np.testing.assert_array_equal(judge.worst(rows), expected(judge, rows))


@pytest.mark.parametrize("length", [0.0, 1e-3, 300.0])
def test_rows_of_any_length_have_the_bits_of_all(length: float) -> None:
    rows, coef = picture(3, 1500, 200, "float32")
    judge = union(100 * coef, 15, 0.0)
    np.testing.assert_array_equal(
        judge.worst(np.float32(length) * rows), expected(judge, np.float32(length) * rows)
    )


def test_few_positions_are_asked_of_all_half_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    exactly = Largest._exactly

    def counted(self: Largest, rows: Rows, chosen: NDArray[np.intp]) -> NDArray[np.float32]:
        done.append(len(chosen))
        return exactly(self, rows, chosen)

    rows, coef = picture(4, 6400, 512, "float16", spread=0.05)
    odd = np.random.default_rng(0).choice(6400, 80, replace=False)
    rows[odd] = picture(5, 80, 1, "float16", spread=0.5)[0]
    judge = union(coef, 64)
    monkeypatch.setattr(Largest, "_exactly", counted)
    monkeypatch.setattr(Largest, "_largest", None)
    found = judge.worst(rows)
    monkeypatch.undo()
    np.testing.assert_array_equal(found, expected(judge, rows))
    assert 64 <= sum(done) < 70


@pytest.mark.parametrize("seen", ["", "whitened", "with a level"])
def test_the_worst_are_those_of_float64_rounded(seen: str) -> None:
    rows, coef = picture(8, 1300, 200, "float16")
    wide, exact = rows.astype(np.float64), coef.astype(np.float64)
    judge, scale, level = union(coef, 13), 1.0, 0.0
    if seen:
        whitening = learn_whitening(ArrayRows(rows))
        assert whitening is not None
        judge = replace(judge, whitening=whitening)
        scale = 1 / np.sqrt((wide**2).sum(axis=1) - ((wide @ whitening.T) ** 2).sum(axis=1))
    if seen == "with a level":
        judge = replace(judge, level=coef[0])
        level = -float(np.sort(scale * (wide @ exact[0]))[len(rows) // 4 - 1])
    scores = np.sort(0.8 - scale * (wide @ exact.T).max(axis=1))[::-1][:13]
    np.testing.assert_allclose(judge.worst(rows), scores - level, rtol=0, atol=1.5e-7)


def test_the_largest_is_that_of_exact_arithmetic_up_to_rounding() -> None:
    rows, coef = picture(5, 700, 130, "float16")
    exact = (rows.astype(np.float64) @ coef.T.astype(np.float64)).max(axis=1) - 0.8
    np.testing.assert_allclose(-union(coef, 7).row_scores(rows), exact, atol=1e-6)


@given(st.integers(0, 10**6), st.sampled_from([1.0, 1e-3]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_first_bounds_are_below_what_they_bound(seed: int, length: float, apart: bool) -> None:
    """However far whitening stretches rows, and with half-spaces that are against it."""
    rows, coef = picture(seed, 700, 160, "float32")
    whitening = learn_whitening(ArrayRows(rows))
    assert whitening is not None
    rows *= np.float32(length)
    coef = np.concatenate([coef, -coef[:40]])
    offset = np.random.default_rng(seed).normal(0.8, 0.1, 200) if apart else np.full(200, 0.8)
    largest = Largest(coef, offset, whitening)
    bounds, *_, slack = largest._first_bounds(rows)
    white = rows.astype(np.float64) @ root(whitening).astype(np.float64)
    seen = rows / np.linalg.norm(white, axis=1, keepdims=True)
    exact = seen @ coef.T.astype(np.float64) - (offset if apart else 0)
    assert (bounds <= exact.max(axis=1) + slack / 4).all()
    assert 0 < slack < 0.01


def test_a_joined_image_has_the_same_score_with_and_without_its_map() -> None:
    rows, coef = picture(6, 1200, 200, "float16")
    whole, directions = picture(7, 1, 30, "float16")
    joined = Joined(Union(directions, np.full(30, 0.5)), union(coef, 12), 0.4)
    row = np.concatenate([whole.reshape(-1), rows.reshape(-1)])
    assert joined.image_score(row) == joined.look(row).score

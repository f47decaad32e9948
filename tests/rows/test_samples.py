"""Thin rows: what they hold follows from the image's content and from nothing else."""

from __future__ import annotations

import hashlib
from tempfile import TemporaryFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oneclass.rows import ArrayRows, FileRows, samples, sliced
from oneclass.rows.near_copies import folded
from oneclass.rows.samples import Layout

LAYOUTS = st.builds(Layout, st.integers(0, 9), st.integers(1, 40), st.integers(1, 7))


def digest(text: object) -> bytes:
    return hashlib.sha256(str(text).encode()).digest()


def rows_of(n: int, layout: Layout, seed: int = 0) -> NDArray[np.float16]:
    random = np.random.default_rng(seed)
    shape = (layout.n_columns,) if layout.before else (layout.positions, layout.depth)
    return random.normal(1, 1, (n, *shape)).astype(np.float16)


@given(LAYOUTS, st.integers(0, 10**6), st.data())
@settings(max_examples=60, deadline=None)
def test_a_thin_row_holds_the_whole_row_and_different_patches(
    layout: Layout, seed: int, data: st.DataObject
) -> None:
    (row,) = rows_of(1, layout, seed)
    quota = data.draw(st.integers(1, layout.positions))
    thin = layout.thin(row, digest(seed), quota)
    assert (len(thin), thin.dtype) == (layout.thin_width(quota), row.dtype)
    assert layout.quota_of(len(thin)) == quota
    views = layout.views(ArrayRows(row[None]), ArrayRows(thin[None]))
    if views.as_a_whole is not None:
        np.testing.assert_array_equal(views.as_a_whole.take([0])[0], row[: layout.before])
    patches = row.reshape(-1)[layout.before :].reshape(layout.positions, layout.depth)
    kept = views.learnt.take([0])[0].tolist()
    for patch in kept:
        assert kept.count(patch) <= patches.tolist().count(patch)
    assert views.scored.shape == (1, layout.positions, layout.depth)


@given(LAYOUTS, st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_a_smaller_quota_is_the_beginning_of_a_larger_one(layout: Layout, seed: int) -> None:
    """So an image that gives fewer patches, since others came, need not be read again."""
    (row,) = rows_of(1, layout, seed)
    large = layout.thin(row, digest(seed), layout.positions)
    for quota in range(1, layout.positions):
        small = layout.thin(row, digest(seed), quota)
        np.testing.assert_array_equal(small, large[: len(small)])


def test_patches_are_drawn_evenly() -> None:
    layout = Layout(0, 20, 1)
    row = np.arange(20, dtype=np.float32)
    kept = [layout.thin(row, digest(i), 5)[-5:] for i in range(2000)]
    counts = np.bincount(np.concatenate(kept).astype(int), minlength=20)
    assert counts.min() > 400
    assert counts.max() < 600  # 500 are expected, with a standard deviation of 19


def test_outlines_tell_near_copies_as_rows_do() -> None:
    layout = Layout(3, 50, 40)
    rows = rows_of(30, layout).astype(np.float32)
    thin = np.stack([layout.thin(row, digest(i), 4) for i, row in enumerate(rows)])
    outlines = layout.views(ArrayRows(rows), ArrayRows(thin)).outlines
    every = np.arange(30)
    unit, unit_too = folded(ArrayRows(rows), every), folded(outlines, every)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, unit_too @ unit_too.T, atol=1e-5)


@given(LAYOUTS, st.integers(1, 10**6))
def test_room_is_bounded_and_quotas_fall_as_images_come(layout: Layout, n: int) -> None:
    quotas = [layout.quota(m, 2) for m in (n, n + 1, 2 * n)]
    assert quotas[0] >= quotas[1] >= quotas[2] >= 1
    assert 2 * quotas[2] >= quotas[0]
    if quotas[0] > 1:
        assert quotas[0] * n * layout.depth * 2 <= samples.SAMPLE_BYTES
    whole = layout.most_whole(n, 2)
    room = max(samples.WHOLE_BYTES, samples.FEWEST_WHOLE * layout.n_columns * 2)
    assert 1 <= whole <= n
    assert whole * layout.n_columns * 2 <= room


@pytest.mark.parametrize(("n", "whole"), [(1600, 1600), (10**5, 1651)])
def test_with_the_defaults_some_thousand_images_are_kept_whole(n: int, whole: int) -> None:
    """Both whole images and patches, at 640 pixels."""
    assert Layout(2160, 80 * 80, 152).most_whole(n, 2) == whole


@given(LAYOUTS.filter(lambda layout: layout.before > 0), st.integers(2, 30), st.booleans())
@settings(max_examples=40, deadline=None)
def test_whole_rows_that_are_read_once_are_the_same(layout: Layout, n: int, in_file: bool) -> None:
    whole = rows_of(n, layout)
    with TemporaryFile() as file:
        file.write(whole.tobytes())
        file.flush()
        kept = FileRows(file, whole.shape, whole.dtype) if in_file else ArrayRows(whole)
        some = kept.chosen(np.arange(n) % 3 > 0)
        views = layout.views(some)
        assert views.as_a_whole is not None
        once = views.as_a_whole.read_once()
        blocks = np.concatenate(list(views.as_a_whole.blocks()))
    expected = whole[np.arange(n) % 3 > 0, : layout.before]
    assert isinstance(once, ArrayRows)
    np.testing.assert_array_equal(once.take(range(once.n_rows)), expected)
    np.testing.assert_array_equal(blocks, expected.astype(np.float32))


def test_whole_rows_that_take_much_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(8, 4, 2)
    whole = ArrayRows(rows_of(10, layout))
    monkeypatch.setattr(sliced, "IN_MEMORY_BYTES", 10 * 8 * 2 - 1)
    seen = layout.views(whole).as_a_whole
    assert seen is not None
    assert seen.read_once() is seen

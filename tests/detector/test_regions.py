"""Regions of a map: against scipy's labels, against drawing them anew, against hand-made ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from oneclass.detector.regions import Polygon, components, regions

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))
MASKS = SHAPES.flatmap(lambda shape: arrays(bool, shape))
CORNERS = np.ones((3, 3))


def enclosed(polygon: Polygon, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which middles of unit squares an even number of edges to their right does not hide."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if x0 == x1:
            inside ^= (min(y0, y1) < y) & (y < max(y0, y1)) & (x < x0)
    return inside


def shoelace(polygon: Polygon) -> float:
    pairs = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return sum(a[0] * b[1] - a[1] * b[0] for a, b in pairs) / 2


@given(MASKS)
def test_components_are_those_of_scipy(above: NDArray[np.bool_]) -> None:
    ours, (theirs, n) = components(above), ndimage.label(above, CORNERS)
    assert ours.max() == n
    pairs = set(zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True))
    assert len(pairs) == len(np.unique(ours)) == len(np.unique(theirs))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.95])
def test_components_of_large_maps_are_those_of_scipy(seed: int, share: float) -> None:
    above = np.random.default_rng(seed).random((150, 170)) < share
    ours, (theirs, n) = components(above), ndimage.label(above, CORNERS)
    assert ours.max() == n
    pairs = set(zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True))
    assert len(pairs) == n + (n > 0 and not above.all())


@given(MASKS, st.integers(0, 2**32 - 1))
def test_the_outlines_enclose_the_positions_above_and_nothing_else(
    above: NDArray[np.bool_], seed: int
) -> None:
    values = np.where(above, 1.0, -1.0) * np.random.default_rng(seed).uniform(0.1, 1, above.shape)
    drawn = np.zeros(above.shape, int)
    for region in regions(values, 0.0):
        own = enclosed(region.contour, above.shape)
        for hole in region.holes:
            assert shoelace(hole) < 0
            assert not (enclosed(hole, above.shape) & ~own).any()
            own &= ~enclosed(hole, above.shape)
        drawn += own
        rows, columns = np.nonzero(own)
        assert region.area == len(rows)
        assert region.area == shoelace(region.contour) + sum(map(shoelace, region.holes))
        expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert region.box == expected
        assert region.value == values[own].max()
        x, y = region.place
        assert values[int(y), int(x)] == region.value
        for polygon in (region.contour, *region.holes):
            for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                assert (x0 == x1) != (y0 == y1)
    np.testing.assert_array_equal(drawn, above)


@given(MASKS, st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_places_are_those_of_the_picture(above: NDArray[np.bool_], size: tuple[int, int]) -> None:
    down, across = size[0] / above.shape[0], size[1] / above.shape[1]
    small, large = regions(above * 1.0, 0.5), regions(above * 1.0, 0.5, size)
    for a, b in zip(small, large, strict=True):
        np.testing.assert_allclose(b.contour, np.array(a.contour) * (across, down))
        np.testing.assert_allclose(b.place, np.array(a.place) * (across, down))
        assert b.area == pytest.approx(a.area * across * down)
        left, top, right, bottom = b.box
        corners = np.array(b.contour)
        assert 0 <= left < right <= size[1]
        assert 0 <= top < bottom <= size[0]
        assert left <= corners[:, 0].min() + 1e-6 < left + 1 + 2e-6
        assert right - 1 - 1e-6 < corners[:, 0].max() <= right + 1e-6
        assert top <= corners[:, 1].min() + 1e-6 < top + 1 + 2e-6
        assert bottom - 1 - 1e-6 < corners[:, 1].max() <= bottom + 1e-6


def test_a_ring_and_a_dot_by_hand() -> None:
    values = np.array(
        [
            [2, 2, 2, 0, 0],
            [2, 0, 2, 0, 0],
            [2, 2, 3, 0, 0],
            [0, 0, 0, 0, 5],
        ]
    )
    dot, ring = regions(values, 1, size=(8, 50))
    assert (dot.value, dot.place, dot.box, dot.area) == (5, (45, 7), (40, 6, 50, 8), 20)
    assert set(dot.contour) == {(40, 6), (50, 6), (50, 8), (40, 8)}
    assert (ring.value, ring.place, ring.box, ring.area) == (3, (25, 5), (0, 0, 30, 6), 160)
    assert set(ring.contour) == {(0, 0), (30, 0), (30, 6), (0, 6)}
    assert [set(hole) for hole in ring.holes] == [{(10, 2), (20, 2), (20, 4), (10, 4)}]
    assert json.loads(json.dumps(dot.to_json()))["box"] == [40, 6, 50, 8]


def test_positions_that_meet_at_a_corner_hang_together() -> None:
    (one,) = regions(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]), 0.5)
    assert one.area == 3
    assert len(one.contour) == 12


def test_what_equals_the_threshold_is_not_above_it() -> None:
    assert regions(np.full((3, 3), 0.5), 0.5) == ()
    (whole,) = regions(np.full((3, 3), 0.5), 0.4)
    assert set(whole.contour) == {(0, 0), (3, 0), (3, 3), (0, 3)}

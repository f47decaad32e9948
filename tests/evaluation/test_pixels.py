"""AUROC and AU-PRO of maps against plain loops over all pixels and all thresholds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from oneclass.evaluation.pixels import (
    LEVELS,
    PixelMeasures,
    _thresholds,
    area,
    count_pixels,
    enlarge,
)

Scene = list[tuple[np.ndarray, tuple[int, int], np.ndarray | None]]


def scene(seed: int, *, n: int = 4, m: int = 5, side: int = 20, strength: float = 1.5) -> Scene:
    """Maps of the pictures' own size: noise, and something more in some of the blobs."""
    rng = np.random.default_rng(seed)
    found: Scene = []
    for i in range(n + m):
        grid = ndimage.gaussian_filter(rng.normal(size=(side, side + 3)), 1).astype(np.float32)
        mask = None
        if i >= n:
            mask = np.zeros(grid.shape, bool)
            for _ in range(rng.integers(1, 4)):
                y, x = rng.integers(0, side - 6, 2)
                h, w = rng.integers(1, 7, 2)
                mask[y : y + h, x : x + w] = True
                grid[y : y + h, x : x + w] += rng.uniform(0, strength)
        found.append((grid, grid.shape, mask))
    return found


def au_pro(pictures: Scene, limit: float) -> float:
    """Bergmann et al. 2021, as it is written: every value is a threshold; trapezia; normalised."""
    outside: list[float] = []
    regions: list[list[float]] = []
    for grid, _, mask in pictures:
        labels, n = ndimage.label(np.zeros_like(grid) if mask is None else mask, np.ones((3, 3)))
        outside += list(grid[labels == 0])
        regions += [list(grid[labels == k]) for k in range(1, n + 1)]
    everything = sorted({*outside, *(v for region in regions for v in region)}, reverse=True)
    points = [(0.0, 0.0)]
    calm = np.array(outside)
    parts = [np.array(region) for region in regions]
    for threshold in everything:
        overlap = [float((part >= threshold).mean()) for part in parts]
        points.append((float((calm >= threshold).mean()), sum(overlap) / len(overlap)))
    total = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x1 <= limit:
            total += (x1 - x0) * (y0 + y1) / 2
        elif x0 < limit:
            at = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
            total += (limit - x0) * (y0 + at) / 2
    return total / limit


@pytest.mark.parametrize("strength", [0.3, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_plain_loops(seed: int, strength: float) -> None:
    pictures = scene(seed, strength=strength)
    found = PixelMeasures(count_pixels(lambda: iter(pictures))).of(range(5))
    assert found is not None
    values = np.concatenate([grid.ravel() for grid, _, _ in pictures])
    truth = np.concatenate(
        [np.zeros(grid.size, bool) if mask is None else mask.ravel() for grid, _, mask in pictures]
    )
    # A straight line between thresholds is up to one false pixel off the staircase.
    pixel = 1 / (~truth).sum()
    assert found.auroc.value == pytest.approx(roc_auc_score(truth, values), abs=pixel)
    for figure, limit in ((found.au_pro_30, 0.3), (found.au_pro_5, 0.05)):
        assert figure.value == pytest.approx(au_pro(pictures, limit), abs=pixel / limit + 1e-4)


def test_perfect_and_hopeless_maps() -> None:
    mask = np.zeros((20, 20), bool)
    mask[3:9, 4:7] = True
    grid = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    for sign, expected in ((1, 1.0), (-1, 0.0)):
        shown = grid + sign * 5 * mask.astype(np.float32)
        pictures: Scene = [(grid, grid.shape, None), (shown, grid.shape, mask)]
        found = PixelMeasures(count_pixels(lambda p=pictures: iter(p))).of([0])
        assert found is not None
        for figure in (found.auroc, found.au_pro_30, found.au_pro_5):
            assert figure.value == pytest.approx(expected, abs=1e-3)
            assert figure.low <= figure.value <= figure.high
            # One picture of a region: the next one may be all otherwise.
            assert figure.high - figure.low > 0.5


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_rising_function_of_all_maps_changes_nothing(seed: int) -> None:
    pictures = scene(seed, n=2, m=2, side=16)
    bent: Scene = [(np.exp(g.astype(np.float64)).astype(np.float32), s, m) for g, s, m in pictures]
    one, other = (
        PixelMeasures(count_pixels(lambda p=p: iter(p))).of(range(2)) for p in (pictures, bent)
    )
    assert one is not None
    assert other is not None
    assert one.auroc.value == pytest.approx(other.auroc.value, abs=1e-4)
    assert one.au_pro_30.value == pytest.approx(other.au_pro_30.value, abs=1e-3)


def test_a_small_region_counts_as_much_as_a_large_one() -> None:
    mask = np.zeros((40, 40), bool)
    mask[2:22, 2:22] = True
    mask[30:32, 30:32] = True
    grid = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    grid[30:32, 30:32] += 9
    grid[2:22, 2:22] -= 9
    pictures: Scene = [(grid, grid.shape, mask)]
    found = PixelMeasures(count_pixels(lambda: iter(pictures))).of([0])
    assert found is not None
    assert found.n_regions == 2
    assert found.au_pro_30.value == pytest.approx(0.5, abs=1e-3)
    assert found.auroc.value == pytest.approx(0.01, abs=1e-2)


def test_kinds_share_the_normal_pictures_and_have_their_own_regions() -> None:
    pictures = scene(1)
    measures = PixelMeasures(count_pixels(lambda: iter(pictures)))
    alone = [*pictures[:4], pictures[6]]
    one = measures.of([2])
    assert one is not None
    assert one.au_pro_30.value == pytest.approx(au_pro(alone, 0.3), abs=1e-3)
    assert measures.of([]) is None


def test_the_interval_of_au_pro_covers_that_of_many_pictures() -> None:
    many = scene(0, n=150, m=150, side=24)
    truth = PixelMeasures(count_pixels(lambda: iter(many))).of(range(150))
    assert truth is not None
    covered = 0
    for seed in range(1, 21):
        few = scene(seed, n=15, m=15, side=24)
        found = PixelMeasures(count_pixels(lambda p=few: iter(p)), seed=seed).of(range(15))
        assert found is not None
        covered += found.au_pro_30.low <= truth.au_pro_30.value <= found.au_pro_30.high
    assert covered >= 15  # 19 are expected


def test_intervals_of_the_same_figures_narrow_with_more_pictures() -> None:
    mask = np.zeros((20, 20), bool)
    mask[3:9, 4:7] = True
    grid = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    widths = []
    for n in (1, 5, 50):
        pictures: Scene = [(grid, grid.shape, None), (grid + 9 * mask, grid.shape, mask)] * n
        found = PixelMeasures(count_pixels(lambda p=pictures: iter(p))).of(range(n))
        assert found is not None
        widths.append([one.high - one.low for one in (found.auroc, found.au_pro_30)])
    assert np.all(np.diff(widths, axis=0) < 0)
    # 50 of 50 regions are found: by Clopper and Pearson .929 to 1.
    assert widths[-1] == pytest.approx([0.05, 0.05], abs=0.02)


def test_coarse_maps_are_enlarged_to_the_mask() -> None:
    rng = np.random.default_rng(3)
    coarse = rng.random((4, 6)).astype(np.float32)
    mask = np.zeros((40, 60), bool)
    mask[10:20, 10:30] = True
    fine = enlarge(coarse, (40, 60))
    for grid in (coarse, fine):
        pictures: Scene = [(grid, (40, 60), None), (grid, (40, 60), mask)]
        counts = count_pixels(lambda p=pictures: iter(p))
        assert counts.normal.sum() == 2400
        assert counts.inside.sum() == 200
        assert counts.outside.sum() == 2200
        assert counts.overlap.sum() == pytest.approx(1)


def test_thresholds_of_many_values_come_from_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneclass.evaluation.pixels.MOST_SAMPLED", 5000)
    pictures = scene(2, n=20, m=0)
    few = _thresholds(iter(pictures))
    assert len(few) <= len(LEVELS) + 1
    everything = np.sort(np.concatenate([grid.ravel() for grid, _, _ in pictures]))
    at = np.searchsorted(everything, few[len(few) // 2]) / len(everything)
    assert 0.2 < at < 0.999


def test_counts_say_nothing_of_pixels_where_no_mask_has_a_region() -> None:
    grid = np.ones((8, 8), np.float32)
    pictures: Scene = [(grid, (8, 8), None), (grid, (8, 8), np.zeros((8, 8), bool))]
    assert PixelMeasures(count_pixels(lambda: iter(pictures))).of([0]) is None


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_areas_are_those_of_trapezia(limit: float) -> None:
    x = np.array([[0, 0, 0.1, 0.1, 0.5, 1.0]])
    y = np.array([[0, 0.2, 0.3, 0.6, 0.8, 1.0]])
    steps = np.linspace(0, limit, 200001)
    expected = np.trapezoid(np.interp(steps, x[0], y[0]), steps) / limit
    assert area(x, y, limit)[0] == pytest.approx(expected, abs=1e-4)

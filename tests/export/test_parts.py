"""Each piece of the graph computes what its model in numpy computes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from graphs import run
from oneclass.backbones.spec import Preprocessing
from oneclass.conformal.calibration import Calibration
from oneclass.conformal.union import Union
from oneclass.detector.heat import Heat, explain_row
from oneclass.detector.predictions import Prediction
from oneclass.export import pixels, rows, scores
from oneclass.export.graph import Graph
from oneclass.images.scale import PixelScale
from oneclass.representations import maps
from oneclass.representations.preparation import prepare

NEWER = 22


def unit_rows(shape: tuple[int, ...], seed: int) -> np.ndarray:
    found = np.abs(np.random.default_rng(seed).normal(size=shape)).astype(np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("wanted", [1, 3])
@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("resized", [True, False])
@pytest.mark.parametrize("evened", [True, False])
def test_pixels_are_prepared_as_for_the_detector(
    depth: str, wanted: int, channels: int, layout: str, resized: bool, evened: bool
) -> None:
    mean, std = ((0.5,), (0.25,)) if wanted == 1 else ((0.48, 0.45, 0.4), (0.2, 0.21, 0.22))
    record = Preprocessing((24, 33), "bilinear", mean, std, evened=evened)
    scale = PixelScale(depth, 3.0, 201.0)
    size = record.size if resized else (40, 27)
    images = np.random.default_rng(0).integers(0, 256, (2, *size, channels)).astype(depth)
    images[1] //= 5
    flat = images[..., 0] if channels == 1 else images
    expected = np.stack([prepare(image, scale, record) for image in flat])
    given = images if layout == "NHWC" else np.ascontiguousarray(images.transpose(0, 3, 1, 2))

    found = run(
        lambda g, x: pixels.prepare(g, x, scale, record, layout=layout, resized=resized),
        {"x": given},
    )

    assert found.shape == expected.shape
    assert found.dtype == np.float32
    if depth == "uint8" and (wanted == 3 or channels == 1):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=5e-6)


@pytest.mark.parametrize("opset", [17, NEWER])
@pytest.mark.parametrize(("side", "cells"), [((7, 7), 7), ((14, 9), 4), ((28, 30), 1), ((5, 8), 3)])
def test_maps_are_pooled_and_refined_alike(side: tuple[int, int], cells: int, opset: int) -> None:
    given = np.random.default_rng(1).normal(size=(3, 6, *side)).astype(np.float32)
    pooled = run(lambda g, x: rows.pool(g, x, side, cells), {"x": given}, opset=opset)
    np.testing.assert_allclose(pooled, maps.pool(given, cells), atol=1e-6)
    near = run(rows.neighbourhoods, {"x": given}, opset=opset)
    np.testing.assert_allclose(near, uniform_filter(given, (1, 1, 3, 3), mode="nearest"), atol=1e-6)
    grid = (side[0] + 3, side[1] * 2)
    fine = run(lambda g, x: rows.refine(g, x, side, grid), {"x": given}, opset=opset)
    up = [maps.interpolation(n, to) for n, to in zip(side, grid, strict=True)]
    np.testing.assert_allclose(fine, up[0] @ given @ up[1].T, atol=1e-6)


@pytest.mark.parametrize("edge", [0, 1, 2])
def test_the_edge_is_what_lies_within_it(edge: int) -> None:
    given = np.random.default_rng(4).normal(size=(2, 3, 7, 9)).astype(np.float32)
    found = run(lambda g, x: rows.cover_edge(g, x, edge), {"x": given})
    down, across = (np.clip(np.arange(n), edge, n - 1 - edge) for n in (7, 9))
    np.testing.assert_array_equal(found, given[:, :, down][..., across])


@pytest.mark.parametrize("stays", [True, False])
def test_parts_of_a_row_weigh_the_same_and_a_zero_part_is_told(stays: bool) -> None:
    random = np.random.default_rng(2)
    parts = {
        name: random.normal(size=(4, d)).astype(np.float32) for name, d in (("a", 9), ("b", 5))
    }
    parts["b"][2] = 0
    found = run(lambda g, a, b: rows.units(g, [a, b], zero_stays=stays), parts)
    whole = found[[0, 1, 3]]
    np.testing.assert_allclose(np.linalg.norm(whole[:, :9], axis=1), 0.5**0.5, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-6)
    assert np.isnan(found[2, 9:]).all() != stays
    assert (found[2, 9:] == 0).all() == stays


def test_positions_are_rows_of_channels() -> None:
    given = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    found = run(rows.positions, {"x": given})
    np.testing.assert_array_equal(found, given.transpose(0, 2, 3, 1).reshape(2, 20, 3))
    np.testing.assert_array_equal(run(rows.flatten, {"x": given}), given.reshape(2, -1))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("opset", [17, NEWER])
@pytest.mark.parametrize("narrow", [False, True])
def test_scores_of_images_and_patches(dtype: type[np.floating], opset: int, narrow: bool) -> None:
    coef = unit_rows((7, 30), seed=3).astype(dtype)
    offset = np.random.default_rng(4).uniform(0.5, 0.9, 7)
    images, patches = unit_rows((5, 30), seed=5), unit_rows((5, 11, 30), seed=6)
    union, close = Union(coef, offset, narrow=narrow), 3e-7 if narrow else 1e-12

    found, winner = run(lambda g, x: scores.outside(g, x, union)[:2], {"x": images}, opset=opset)
    np.testing.assert_allclose(found, union.image_scores(images), atol=close)
    np.testing.assert_array_equal(winner, union.margins(images).argmax(1))

    found = run(
        lambda g, x: scores.worst_mean(g, scores.outside(g, x, union)[0], 3),
        {"x": patches},
        opset=opset,
    )
    expected = Union(coef, offset, 3, narrow).image_scores(patches)
    np.testing.assert_allclose(found, expected, atol=close)


@pytest.mark.parametrize("twice", [False, True])
def test_whitened_positions_are_scored_alike(twice: bool) -> None:
    """As they are now, and side by side as models of before have them; of zero, too."""
    random, positions = np.random.default_rng(0), unit_rows((2, 30, 7), 1)
    positions[0, 3] = 0
    whitening = random.normal(size=(7, 7) if twice else (4, 7)).astype(np.float32)
    whitening *= 0.9 / np.linalg.norm(whitening, 2)
    coef = random.normal(size=(5, 14 if twice else 7)).astype(np.float32)
    union = Union(coef, np.full(5, 0.3), 3, True, whitening)
    found, _ = run(lambda g, rows: scores.outside(g, rows, union)[:2], {"rows": positions})
    expected = [union.row_scores(image) for image in positions]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[0, 3] == np.float32(0.3)


@pytest.mark.parametrize("positions", [1, 2, 30, 31])
def test_an_image_s_own_level_is_taken_off_alike(positions: int) -> None:
    random, images = np.random.default_rng(3), unit_rows((4, positions, 7), 1)
    whitening = random.normal(size=(4, 7)).astype(np.float32)
    whitening *= 0.9 / np.linalg.norm(whitening, 2)
    coef, level = random.normal(size=(5, 7)).astype(np.float32), random.normal(size=7)
    union = Union(coef, np.full(5, 0.3), 3, True, whitening, level.astype(np.float32))

    def write(g: Graph, rows: str) -> str:
        distances, _, there = scores.outside(g, rows, union)
        return scores.less_level(g, distances, there, union, positions)

    expected = [union.positions(image) for image in images]
    np.testing.assert_allclose(run(write, {"x": images}), expected, atol=1e-6)
    assert np.abs(expected - np.array([union.row_scores(image) for image in images])).min() > 1e-3


@pytest.mark.parametrize("n", [1, 2, 19, 20, 119])
@pytest.mark.parametrize("rate", [0.5, 0.05, 0.01])
def test_p_values_and_verdicts_count_ties_and_rounding_as_the_detector_does(
    n: int, rate: float
) -> None:
    random = np.random.default_rng(n)
    normal = np.sort(np.round(random.normal(size=n), 2))
    calibration = Calibration(normal)
    new = np.concatenate([normal, normal + 2e-7, normal - 2e-7, random.normal(size=50), [9, -9]])
    expected = np.array([calibration.p_value(float(s), np.zeros(4, np.float32)) for s in new])

    def write(g: Graph, x: str) -> tuple[str, ...]:
        count = scores.at_least_as_odd(g, [x], [normal], calibration.slack)
        return scores.p_value(g, count, n), scores.verdict(g, count, n, rate, "odd")

    found, odd = run(write, {"x": new})
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(odd, expected <= rate)


def test_the_map_is_the_detectors_own() -> None:
    shapes = ((4, 6, 5), (3, 2, 2))
    d = sum(c * h * w for c, h, w in shapes)
    coef, offset = unit_rows((3, d), seed=7), np.array([0.5, 0.52, 0.48])
    calm = np.random.default_rng(8).uniform(0, 0.05, (3, 6, 5)).astype(np.float32)
    images = unit_rows((6, d), seed=9)

    def write(g: Graph, x: str) -> str:
        winner = scores.outside(g, x, Union(coef, offset))[1]
        return scores.terms_map(g, x, winner, coef, calm, shapes)

    found = run(write, {"x": images})
    heat = Heat(calm, np.ones(1))
    nobody = Prediction("", 0.0, 1.0, False)
    for image, made in zip(images, found, strict=True):
        union = Union(coef, offset)
        expected = explain_row(nobody, image, union.look(image), union, heat, shapes)
        np.testing.assert_allclose(made, expected.anomaly_map, atol=1e-12)

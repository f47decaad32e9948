"""Patches as rows: small defects, found and shown where they are."""

from __future__ import annotations

import csv
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, Explanation, InputError, load
from oneclass.backbones import DEFAULT, Backbone
from oneclass.images.scale import PixelScale
from oneclass.representations import (
    PatchLayers,
    PretrainedLayers,
    from_record,
)
from oneclass.representations.maps import interpolation
from oneclass.representations.positions import positions
from oneclass.rows.layers import Layers
from oneclass.statistics import auroc

SETTINGS = {"rows": "patches", "layer": "block_2@14+block_4", "size": (96, 96), "n_halfspaces": 8}
ROOT = Path(__file__).parents[2]
BYTES = PixelScale("uint8", 0, 255)


def scratched(images: np.ndarray, top: int, left: int) -> np.ndarray:
    marked = images.copy()
    marked[:, top : top + 7, left : left + 7] = 0
    return marked


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(**SETTINGS).fit(stripes(40, seed=1, side=48))


def test_rows_are_positions_of_unit_length() -> None:
    network = Backbone.open(DEFAULT)
    layers = PatchLayers(
        network, Layers.parse("block_2+block_4@6", network.has_layer), size=(96, 64)
    )
    prepared = [layers.prepare(image, BYTES) for image in stripes(3, seed=1)]
    rows = layers.rows(prepared)
    assert layers.grid == (24, 16)
    assert rows.shape == (3, 24 * 16, layers.n_columns) == (3, 384, 24 + 40)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(rows[..., :24], axis=2), 0.5**0.5, atol=1e-5)
    np.testing.assert_allclose(layers.rows(prepared[:1]), rows[:1], atol=1e-6)


def test_a_single_layer_keeps_the_order_of_its_positions() -> None:
    network = Backbone.open(DEFAULT)
    planes = PretrainedLayers(network, [("block_2", None)], size=(32, 32))
    prepared = [planes.prepare(image, BYTES) for image in stripes(2, seed=1)]
    maps = planes.rows(prepared).reshape(2, 24, 8, 8)
    smooth = uniform_filter(maps, (1, 1, 3, 3), mode="nearest")
    expected = smooth.transpose(0, 2, 3, 1).reshape(2, 64, 24)
    expected /= np.linalg.norm(expected, axis=2, keepdims=True)
    found = PatchLayers(network, [("block_2", None)], size=(32, 32)).rows(prepared)
    np.testing.assert_allclose(found, expected, atol=1e-5)


SHAPES = [(1, 1), (1, 5), (2, 2), (7, 3), (14, 10), (28, 9), (28, 20)]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_positions_are_smoothed_interpolated_and_of_one_length(
    shape: tuple[int, int], dtype: str
) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, *shape)).astype(np.float32)
    near = uniform_filter(maps.astype(float), (1, 1, 3, 3), mode="nearest")
    down, across = interpolation(shape[0], 28), interpolation(shape[1], 20)
    fine = (down @ near @ across.T).transpose(0, 2, 3, 1)
    expected = 0.7 * fine / np.linalg.norm(fine, axis=-1, keepdims=True)
    found = positions(maps, (28, 20), 0.7, dtype)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=1e-5 if dtype == "float32" else 4e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_positions_have_the_same_bits_alone_and_with_others(shape: tuple[int, int]) -> None:
    maps = np.random.default_rng(3).normal(size=(3, 7, *shape)).astype(np.float32)
    found = positions(maps, (28, 20), 0.7, "float16")
    for one, image in zip(found, maps, strict=True):
        np.testing.assert_array_equal(positions(image[None], (28, 20), 0.7, "float16")[0], one)


def test_positions_in_float16_are_those_in_float32_rounded() -> None:
    maps = np.random.default_rng(4).normal(size=(2, 40, 14, 14)).astype(np.float32)
    narrow, wide = (positions(maps, (28, 28), 0.5**0.5, dtype) for dtype in ("float16", "float32"))
    np.testing.assert_array_equal(narrow, wide.astype(np.float16))


@pytest.mark.parametrize("value", [0, 1e-25])
def test_a_position_without_a_direction_is_zero(value: float) -> None:
    maps = np.full((1, 3, 2, 2), value, np.float32)
    assert not positions(maps, (4, 4), 1, "float32").any()


@pytest.mark.parametrize("value", [1e-15, 1e-3, 1e15])
def test_positions_of_any_scale_have_the_same_direction(value: float) -> None:
    maps = np.random.default_rng(5).normal(size=(1, 8, 5, 5)).astype(np.float32)
    found = positions(maps * np.float32(value), (5, 5), 1, "float32")
    np.testing.assert_allclose(found, positions(maps, (5, 5), 1, "float32"), atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e25])
def test_a_position_that_cannot_be_squared_is_not_finite(value: float) -> None:
    maps = np.ones((1, 3, 2, 2), np.float32)
    maps[0, 1, 0, 0] = value
    assert not np.isfinite(positions(maps, (2, 2), 1, "float16")).all()


def test_the_graph_of_positions_is_the_one_that_its_tool_writes() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "write_positions.py"))
    assert tool["FILE"].read_bytes() == tool["content"]()


@pytest.mark.parametrize(("n", "to"), [(1, 4), (2, 7), (5, 5), (7, 14), (14, 28)])
def test_interpolation_is_linear_between_the_middles(n: int, to: int) -> None:
    values = np.random.default_rng(1).normal(size=n)
    places = (np.arange(to) + 0.5) * n / to - 0.5
    expected = np.interp(places, np.arange(n), values)
    np.testing.assert_allclose(interpolation(n, to) @ values, expected, atol=1e-6)


def test_the_score_is_the_mean_of_the_worst_positions(detector: Detector) -> None:
    new = np.concatenate(
        [stripes(4, seed=2, side=48), scratched(stripes(4, seed=3, side=48), 9, 9)]
    )
    predictions = list(detector.score(new))
    for e, p in zip(detector.explain(new), predictions, strict=True):
        assert isinstance(e, Explanation)
        assert e.prediction == p
        assert e.offset == 0
        assert e.n_worst == 2  # one in a hundred of 14 x 14
        assert np.sort(e.anomaly_map.ravel())[-2:].mean() == pytest.approx(p.score, abs=1e-12)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (20, 5), (41, 41)])
def test_a_small_defect_is_found_and_shown(detector: Detector, top: int, left: int) -> None:
    normal = detector.score(stripes(20, seed=5, side=48)).scores
    marked = scratched(stripes(20, seed=6, side=48), top, left)
    assert auroc(normal, detector.score(marked).scores) == 1
    for e in detector.explain(marked[:5]):
        assert isinstance(e, Explanation)
        row, column = np.unravel_index(np.argmax(e.anomaly_map), e.anomaly_map.shape)
        assert abs((row + 0.5) * 48 / 14 - (top + 3.5)) < 6
        assert abs((column + 0.5) * 48 / 14 - (left + 3.5)) < 6


def test_false_alarms_keep_the_promise() -> None:
    called = []
    for seed in range(6):
        detector = Detector(**SETTINGS, false_alarms=0.1, seed=seed).fit(
            stripes(40, seed=seed, side=32)
        )
        called += [p.is_anomaly for p in detector.score(stripes(40, seed=seed + 50, side=32))]
    assert 0.02 < np.mean(called) < 0.18  # 0.1 are promised


def test_many_images_are_calibrated_by_a_split() -> None:
    images = stripes(2000, seed=1, side=8)
    detector = Detector(**{**SETTINGS, "layer": "block_2", "size": (16, 16)}).fit(images)
    assert detector.card["calibration"]["method"] == "split"
    assert len(detector.score(images[:3])) == 3


def test_a_loaded_model_says_the_same(detector: Detector, tmp_path: Path) -> None:
    digest = detector.save(tmp_path / "p.oneclass", rows=True)
    assert (tmp_path / "p.oneclass.rows").exists()
    again = load(tmp_path / "p.oneclass")
    assert again.rows == "patches"
    new = stripes(3, seed=7, side=48)
    assert list(again.score(new)) == list(detector.score(new))
    assert again.heat_scale == detector.heat_scale
    assert again.save(tmp_path / "q.oneclass") == digest


def test_threads_and_order_change_nothing(detector: Detector, tmp_path: Path) -> None:
    other = Detector(**SETTINGS, threads=1).fit(stripes(40, seed=1, side=48)[::-1])
    assert other.save(tmp_path / "a") == detector.save(tmp_path / "b")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": "patches", "layer": "pool"}, r"layer 'pool' has no map.*block_2"),
        ({"rows": "patches", "backbone": "greyscale"}, "greyscale has none"),
        ({"rows": "pixels"}, "rows is 'pixels': expected one of image, patches, both"),
    ],
)
def test_what_has_no_patches_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Detector(**settings).fit(stripes(12, seed=1))


def test_the_command_line_and_the_report(tmp_path: Path) -> None:
    write_images(tmp_path / "normal", stripes(25, seed=1, side=32))
    write_images(tmp_path / "new", scratched(stripes(4, seed=2, side=32), 3, 3))
    words = ("--rows", "patches", "--layer", "block_2", "--size", "64", "--halfspaces", "6")
    done = oneclass("fit", "normal", "-o", "p.oneclass", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = oneclass("score", "p.oneclass", "new", "-o", "run", "--heatmaps", "heat", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "heat/index.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            values = np.sort(np.load(tmp_path / "heat" / row["npy"]).ravel())
            worst = values[-int(row["n_worst"]) :].mean()
            assert worst == pytest.approx(float(row["score"]), abs=1e-12)
    done = oneclass("report", "p.oneclass", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "run/report.html").read_text()
    assert "--rows patches" in page
    assert "patches of the images, resized to 64 x 64 pixels" in page
    done = oneclass("update", "p.oneclass", "new", cwd=tmp_path)
    assert done.returncode == 4  # the rows of patches are kept only if asked for
    assert "fit again" in done.stderr


def edged(edge: int, size: tuple[int, int] = (96, 64)) -> PatchLayers:
    network = Backbone.open(DEFAULT)
    layers = Layers.parse("block_2+block_4", network.has_layer)
    return PatchLayers(network, layers, size=size, edge=edge, row_dtype="float16")


def test_the_nearest_position_within_stands_for_one_at_the_edge() -> None:
    covered, plain = edged(1), edged(0)
    prepared = [plain.prepare(image, BYTES) for image in stripes(2, seed=1)]
    before = plain.rows(prepared).reshape(2, 24, 16, -1)
    expected = before[:, np.clip(np.arange(24), 1, 22)][:, :, np.clip(np.arange(16), 1, 14)]
    found = covered.rows(prepared)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    assert (before != expected).any()
    assert covered.n_worst == plain.n_worst
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(plain)).rows(prepared), before.reshape(found.shape)
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(covered)).rows(prepared), found)


def test_a_record_of_before_has_no_edge_and_a_small_map_neither() -> None:
    network = Backbone.open(DEFAULT)
    record = edged(1).to_json()
    assert record["edge"] == 1
    assert from_record(record, network).edge == 1
    assert "edge" not in edged(0).to_json()
    assert from_record(edged(0).to_json(), network).edge == 0
    assert edged(1, (96, 32)).edge == 0
    for wrong in (2, -1, True, "1", None):
        with pytest.raises(ValueError, match="edge"):
            from_record({**record, "edge": wrong}, network)

"""Rows: pooled, of unit length, and each depending on its own image alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from computed import Computed
from oneclass.backbones import DEFAULT, Backbone
from oneclass.errors import ImageError, InputError
from oneclass.images.scale import choose_scale
from oneclass.images.sources import gather
from oneclass.representations import Greyscale, PretrainedLayers, from_record
from oneclass.representations.extraction import Extracted, extract
from oneclass.representations.maps import pool
from oneclass.rows.layers import Layers

SCALE = choose_scale("uint8", 0, 255)


@pytest.fixture(scope="module")
def layer() -> PretrainedLayers:
    layers = [("block_2", 3), ("block_15", None)]
    return PretrainedLayers(Backbone.open(DEFAULT), layers, size=(64, 64))


def pooled_by_loops(maps: NDArray[np.float32], grid: int) -> NDArray[np.float64]:
    n, channels, h, w = maps.shape
    out = np.empty((n, channels, grid, grid))
    for i in range(grid):
        for j in range(grid):
            rows = slice(i * h // grid, -(-(i + 1) * h // grid))
            columns = slice(j * w // grid, -(-(j + 1) * w // grid))
            out[:, :, i, j] = maps[:, :, rows, columns].astype(float).mean((2, 3))
    return out


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_pool_averages_cells(h: int, w: int, data: st.DataObject) -> None:
    grid = data.draw(st.integers(1, min(h, w)))
    maps = np.random.default_rng(h * w).normal(size=(2, 3, h, w)).astype(np.float32)
    np.testing.assert_allclose(pool(maps, grid), pooled_by_loops(maps, grid), atol=1e-6)


def test_rows_have_unit_length(layer: PretrainedLayers, normal_images: NDArray[np.uint8]) -> None:
    rows = layer.rows([layer.prepare(image, SCALE) for image in normal_images[:5]])
    assert rows.shape == (5, 24 * 3 * 3 + 320 * 2 * 2)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)


def test_a_row_depends_on_its_own_image_alone(
    layer: PretrainedLayers, normal_images: NDArray[np.uint8]
) -> None:
    prepared = [layer.prepare(image, SCALE) for image in normal_images[:16]]
    together = layer.rows(prepared)
    for i, one in enumerate(prepared):
        np.testing.assert_array_equal(layer.rows([one])[0], together[i])
    np.testing.assert_array_equal(layer.rows(prepared[::-1])[::-1], together)


def test_greyscale_is_raw_intensity() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 32), dtype=np.uint8)
    grey = Greyscale((9, 32))
    row = grey.rows([grey.prepare(image, SCALE)])[0]
    np.testing.assert_allclose(row, (image / 255).ravel(), rtol=1e-6)


def test_records_restore_the_same_rows(normal_images: NDArray[np.uint8]) -> None:
    backbone = Backbone.open(DEFAULT)
    layered = PretrainedLayers(backbone, [("block_4", 3), ("pool", None)], size=(64, 48))
    for original, network in ((layered, backbone), (Greyscale((9, 32)), None)):
        again = from_record(original.to_json(), network)
        a, b = ([r.prepare(normal_images[0], SCALE)] for r in (original, again))
        np.testing.assert_array_equal(original.rows(a), again.rows(b))


@pytest.mark.parametrize(("layer", "grid"), [("pool", 1), ("block_15", 8), ("block_15", 0)])
def test_a_grid_needs_a_map_that_is_large_enough(layer: str, grid: int) -> None:
    with pytest.raises(InputError, match=rf"grid {grid}: layer '{layer}' has shape"):
        PretrainedLayers(Backbone.open(DEFAULT), [(layer, grid)])


def results_of(sources, layer, workers: int = 2) -> list[Extracted | ImageError]:
    return list(extract(sources, layer, SCALE, workers=workers))


def test_rows_come_in_order_whatever_the_workers(
    layer: PretrainedLayers, normal_images: NDArray[np.uint8]
) -> None:
    sources = gather(normal_images)
    reference = results_of(sources, layer, workers=1)
    assert [r.index for r in reference] == list(range(len(normal_images)))
    for workers in (2, 5):
        for a, b in zip(results_of(sources, layer, workers), reference, strict=True):
            np.testing.assert_array_equal(a.row, b.row)
            assert a.digest == b.digest


def test_bad_images_change_no_good_one(
    layer: PretrainedLayers, normal_images: NDArray[np.uint8]
) -> None:
    good = list(normal_images[:20])
    bad = [np.zeros((4, 4), np.uint16), np.zeros((0, 4), np.uint8), np.zeros((4, 4, 2), np.uint8)]
    mixed = gather([good[0], bad[0], *good[1:9], bad[1], bad[2], *good[9:]])
    results = results_of(mixed, layer)
    errors = [r for r in results if isinstance(r, ImageError)]
    assert [e.reason for e in errors] == ["bit_depth", "unsupported", "unsupported"]
    rows = [r.row for r in results if isinstance(r, Extracted)]
    alone = [r.row for r in results_of(gather(good), layer)]
    np.testing.assert_array_equal(rows, alone)


def test_a_zero_row_is_an_error_not_a_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [("stem", None), ("pool", None)]
    layer = PretrainedLayers(Backbone.open(DEFAULT), layers, size=(32, 32))
    stem = np.ones((4, 2, 2, 2), np.float32)
    pooled = np.ones((4, 3), np.float32)
    stem[0] = pooled[1] = 0
    stem[2] = np.nan
    monkeypatch.setattr(layer, "together", 4)
    monkeypatch.setattr(layer, "session", Computed(("stem", "pool"), [stem, pooled]))
    results = results_of(gather(np.zeros((4, 8, 8), np.uint8)), layer)
    reasons = [getattr(r, "reason", "fine") for r in results]
    assert reasons == ["row_zero", "row_zero", "row_not_finite", "fine"]
    np.testing.assert_allclose(np.linalg.norm(results[3].row), 1, rtol=1e-6)


def test_leaving_early_stops_the_readers(
    layer: PretrainedLayers, normal_images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = gather(np.concatenate([normal_images] * 10))
    read: list[int] = []
    real = type(sources).pixels
    monkeypatch.setattr(
        type(sources), "pixels", lambda self, i, least: read.append(i) or real(self, i)
    )
    stream = extract(sources, layer, SCALE, workers=2)
    next(stream)
    stream.close()
    assert len(read) < 100


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((4, 4)),
        np.zeros(3),
        np.zeros((9, 8, 3)),
        np.ma.zeros((2, 8, 8)),
        [1, 2],
        ["a.png", np.zeros((2, 2))],
        [""],
        None,
        5,
    ],
)
def test_inputs_that_are_no_images_are_named(given: object) -> None:
    with pytest.raises(InputError, match=r"expected|Give a list"):
        gather(given)


@pytest.mark.parametrize(
    ("text", "grid", "layers"),
    [
        ("block_8", None, [("block_8", None)]),
        ("block_8", 4, [("block_8", 4)]),
        ("block_8@2", None, [("block_8", 2)]),
        ("block_2@7+block_14", 3, [("block_2", 7), ("block_14", 3)]),
        ("block_2@7+block_14@2", None, [("block_2", 7), ("block_14", 2)]),
    ],
)
def test_layers_are_read_from_a_text(text: str, grid: int | None, layers: list) -> None:
    assert Layers.parse(text, Backbone.open(DEFAULT).has_layer, grid) == Layers(layers)


@pytest.mark.parametrize(
    ("text", "grid", "message"),
    [
        ("block_8@x", None, "NAME@GRID"),
        ("block_8@", None, "NAME@GRID"),
        ("pool+pool", None, "names one layer twice"),
        (
            "block_2@7+block_14@2",
            3,
            "layers block_2@7.block_14@2 have .* layer block_2 with grid 3",
        ),
    ],
)
def test_texts_that_make_no_layers(text: str, grid: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Layers.parse(text, Backbone.open(DEFAULT).has_layer, grid)


def test_each_layer_weighs_the_same(layer: PretrainedLayers, normal_images: NDArray) -> None:
    row = layer.rows([layer.prepare(normal_images[0], SCALE)])[0].astype(float)
    assert row[: 24 * 9] @ row[: 24 * 9] == pytest.approx(0.5, rel=1e-6)

"""Whole images beside patches: the means of cells, and how each channel varies over the image."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray

from computed import Computed
from oneclass.backbones import DEFAULT, Backbone
from oneclass.errors import InputError
from oneclass.images.scale import choose_scale
from oneclass.representations import MeansAndDeviations, PretrainedLayers, from_record
from oneclass.representations.deviations import deviations

SCALE = choose_scale("uint8", 0, 255)
LAYERS = [("block_2", 3), ("block_10", 2)]


@pytest.fixture(scope="module")
def made() -> MeansAndDeviations:
    return MeansAndDeviations(Backbone.open(DEFAULT), LAYERS, size=(64, 96))


def test_rows_are_means_and_standard_deviations(
    made: MeansAndDeviations, normal_images: NDArray[np.uint8]
) -> None:
    prepared = np.stack([made.prepare(image, SCALE) for image in normal_images[:3]])
    means = PretrainedLayers(made.backbone, LAYERS, size=(64, 96)).rows(prepared)
    maps = made.backbone.session(["block_2", "block_10"])(prepared)

    rows = made.rows(prepared)

    assert rows.shape == (3, made.n_columns) == (3, 24 * 9 + 112 * 4 + 24 + 112)
    for row, mean, *own in zip(rows, means, *maps, strict=True):
        varied = [np.sqrt(one.astype(float).var((1, 2))) for one in own]
        parts = [one / np.linalg.norm(one) for one in varied]
        expected = [0.2 * mean, *(np.sqrt(0.96 / 2) * part for part in parts)]
        np.testing.assert_allclose(row, np.concatenate(expected), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("side", [12, 16, 17])
def test_deviations_in_cells_are_those_of_each_cell(side: int) -> None:
    maps = np.random.default_rng(side).normal(5, 1, (2, 4, side, side + 3)).astype(np.float32)
    found = deviations(maps, 3).reshape(2, 4, 3, 3)
    for row in range(3):
        for column in range(3):
            down, across = (
                slice(i * n // 3, -(-(i + 1) * n // 3))
                for i, n in ((row, side), (column, side + 3))
            )
            expected = maps[..., down, across].astype(float).std((2, 3))
            np.testing.assert_allclose(found[..., row, column], expected, rtol=1e-6)


def test_maps_that_are_alike_have_no_deviation_in_any_cell() -> None:
    assert not deviations(np.full((1, 2, 7, 9), 0.1, np.float32), 3).any()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_row_depends_on_its_own_image_alone(dtype: str, normal_images: NDArray[np.uint8]) -> None:
    made = MeansAndDeviations(Backbone.open(DEFAULT), LAYERS, size=(64, 64), row_dtype=dtype)
    prepared = [made.prepare(image, SCALE) for image in normal_images[:9]]
    together = made.rows(prepared)
    assert together.dtype == dtype
    for i, one in enumerate(prepared):
        np.testing.assert_array_equal(made.rows([one])[0], together[i])


def test_a_copy_and_a_record_make_the_same_rows(
    made: MeansAndDeviations, normal_images: NDArray[np.uint8]
) -> None:
    prepared = [made.prepare(normal_images[0], SCALE)]
    record = made.to_json()
    assert record["kind"] == "means_and_deviations"
    for again in (pickle.loads(pickle.dumps(made)), from_record(record, made.backbone)):
        assert isinstance(again, MeansAndDeviations)
        np.testing.assert_array_equal(again.rows(prepared), made.rows(prepared))


def test_a_layer_that_is_alike_everywhere_leaves_the_means(
    made: MeansAndDeviations, monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = [np.full((1, 24, 16, 24), 3, np.float32), np.full((1, 112, 4, 6), 2, np.float32)]
    monkeypatch.setattr(made, "session", Computed(("block_2", "block_10"), alike))
    row = made.rows([np.zeros((3, 64, 96), np.float32)])[0]
    assert np.linalg.norm(row) == pytest.approx(0.2)
    assert not row[-24 - 112 :].any()


def test_layers_without_a_map_do_not_vary() -> None:
    with pytest.raises(InputError, match=r"block_2@3\+pool cannot vary"):
        MeansAndDeviations(Backbone.open(DEFAULT), [("block_2", 3), ("pool", None)])

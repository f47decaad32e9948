"""Whole images and patches of one pass of the network, and of two."""

from __future__ import annotations

import pickle
from copy import deepcopy

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import stripes
from oneclass import Detector
from oneclass.backbones import DEFAULT, Backbone, LayerSession
from oneclass.detector.views import BESIDE_PATCHES, CELLS, DEFAULT_LAYER, DEFAULT_PATCHES
from oneclass.images.scale import choose_scale
from oneclass.representations import (
    MeansAndDeviations,
    PatchLayers,
    WholeAndPatches,
    from_record,
)

SCALE = choose_scale("uint8", 0, 255)
LARGE = stripes(6, seed=1, side=260)


def fitted(**asked: object) -> WholeAndPatches:
    settings = {"rows": "both", "n_halfspaces": 3, "false_alarms": 0.5, **asked}
    made = Detector(**settings).fit(list(LARGE)).model.representation
    assert isinstance(made, WholeAndPatches)
    return made


@pytest.fixture(scope="module")
def one_pass() -> WholeAndPatches:
    return fitted(rows=None)


def batch(made: WholeAndPatches, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([made.prepare(image, SCALE) for image in images])


def test_the_default_sees_both_in_one_pass(one_pass: WholeAndPatches) -> None:
    assert one_pass.one_pass
    assert (str(one_pass.whole.layers), str(one_pass.patches.layers)) == (
        BESIDE_PATCHES,
        DEFAULT_PATCHES,
    )
    assert isinstance(one_pass.whole, MeansAndDeviations)
    assert one_pass.whole.cells == CELLS
    assert one_pass.whole.preprocessing == one_pass.patches.preprocessing
    assert one_pass.prepared_shape == (3, 256, 256)


def test_one_pass_makes_the_rows_that_each_makes_alone(one_pass: WholeAndPatches) -> None:
    network = Backbone.open(DEFAULT)
    given = {"size": (256, 256), "row_dtype": one_pass.row_dtype, "evened": True}
    whole = MeansAndDeviations(network, one_pass.whole.layers, cells=CELLS, **given)
    patches = PatchLayers(network, one_pass.patches.layers, **given)
    prepared = batch(one_pass, LARGE[:3])

    rows = one_pass.rows(prepared).astype(np.float32)

    width = whole.n_columns
    np.testing.assert_allclose(rows[:, :width], whole.rows(prepared), atol=1e-4)
    alone = patches.rows(prepared).reshape(3, -1)
    np.testing.assert_allclose(rows[:, width:], alone, atol=1e-3)


def test_the_network_is_passed_once(
    one_pass: WholeAndPatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, seen = batch(one_pass, LARGE[:2]), []
    compute = LayerSession.__call__

    def counted(self: LayerSession, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        seen.append(len(images))
        return compute(self, images)

    monkeypatch.setattr(LayerSession, "__call__", counted)
    one_pass.rows(prepared)
    assert seen == [2]


def test_copies_and_records_keep_one_pass_and_the_same_bits(one_pass: WholeAndPatches) -> None:
    prepared = batch(one_pass, LARGE[:2])
    rows = one_pass.rows(prepared)
    copies = (
        pickle.loads(pickle.dumps(one_pass)),
        deepcopy(one_pass),
        from_record(one_pass.to_json(), one_pass.backbone),
    )
    for again in copies:
        assert isinstance(again, WholeAndPatches)
        assert again.one_pass
        np.testing.assert_array_equal(again.rows(prepared), rows)


@pytest.mark.parametrize("asked", [{"size": (192, 256)}, {"tiles": 128, "size": (256, 256)}])
def test_beside_tiles_and_small_patches_whole_images_have_a_pass_of_their_own(
    asked: dict[str, object],
) -> None:
    made = fitted(**asked)
    assert not made.one_pass
    assert str(made.whole.layers) == DEFAULT_LAYER
    assert isinstance(made.whole, MeansAndDeviations)
    assert made.whole.cells == 1
    assert made.whole.preprocessing.size == (224, 224)
    again = from_record(made.to_json(), made.backbone)
    assert isinstance(again, WholeAndPatches)
    prepared = batch(made, LARGE[:2])
    np.testing.assert_array_equal(again.rows(prepared), made.rows(prepared))


def test_layers_of_patches_that_are_asked_for_are_of_the_same_pass() -> None:
    made = fitted(layer="block_6", size=(224, 224))
    assert made.one_pass
    assert made.whole.session.layers == ("block_2", "block_10", "block_6")
    assert made.rows(batch(made, LARGE[:1])).shape == (1, made.n_columns)


@pytest.mark.parametrize("cells", [0, 2, True, "3"])
def test_a_record_of_other_cells_is_refused(one_pass: WholeAndPatches, cells: object) -> None:
    record = one_pass.to_json()
    record["whole"] = {**record["whole"], "cells": cells}
    with pytest.raises(ValueError, match="cells a side"):
        from_record(record, one_pass.backbone)

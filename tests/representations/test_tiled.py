"""Tiles: every position once, from where it lies furthest inside, and no seam between them."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from conftest import stripes
from oneclass import Detector, Explanation, InputError, load
from oneclass.backbones import Backbone
from oneclass.detector.settings import as_options, of_card
from oneclass.detector.views import choose_representation, why
from oneclass.export.assembly import onnx_model
from oneclass.images import Header
from oneclass.images.scale import choose_scale
from oneclass.representations import PatchLayers, TiledPatches, from_record
from oneclass.representations.tiled import OVERLAP, STEP, spans
from oneclass.rows.layers import Layers

SIDES = st.integers(2, 30).map(lambda n: n * STEP)
TILED = {"layer": "block_2+block_4", "tiles": 64, "n_halfspaces": 20, "rows": "patches"}


def patches(size: tuple[int, int], layer: str, **given: object) -> PatchLayers:
    network = Backbone.open("efficientnet-lite0")
    return PatchLayers(network, Layers.parse(layer, network.has_layer, None), size=size, **given)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    down, across = np.mgrid[:height, :width]
    waves = 60 * np.sin(down / 41) + 60 * np.cos(across / 53)
    return np.stack([128 + waves, 120 + waves / 2, 140 - waves / 2], axis=2).astype(np.uint8)


def sheet(size: tuple[int, int]) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    coarse = np.kron(
        random.integers(40, 200, (size[0] // 16, size[1] // 16, 3)), np.ones((16, 16, 1))
    )
    return (coarse + random.integers(0, 40, (*size, 3))).astype(np.uint8)


@given(SIDES, SIDES, st.sampled_from([2, 4, 8, 16, 32]))
@settings(max_examples=200, deadline=None)
def test_tiles_cover_a_side_once(length: int, tile: int, stride: int) -> None:
    length = max(length, tile)
    found = spans(length, tile, stride)
    places = np.concatenate([np.arange(length // stride)[one.target] for one in found])
    np.testing.assert_array_equal(places, np.arange(length // stride))
    margin = min(OVERLAP, tile // (2 * STEP) * STEP) // (2 * stride)
    for one in found:
        assert one.start % STEP == 0
        assert 0 <= one.start <= length - tile
        before, behind = one.source.start, tile // stride - one.source.stop
        assert before >= 0
        assert behind >= 0
        assert one.source.start + one.start // stride == one.target.start
        assert before >= margin or one.start == 0
        assert behind >= margin or one.start == length - tile
    assert found[-1].start == length - tile


@pytest.mark.parametrize("size", [(320, 224), (96, 416), (128, 128)])
def test_tiles_are_the_whole_picture_where_the_network_sees_no_further(
    size: tuple[int, int],
) -> None:
    """Of block_2 a position depends on fewer pixels than tiles overlap: nothing may differ."""
    tile, whole = patches((96, 96), "block_2"), patches(size, "block_2")
    tiled = TiledPatches(tile, size)
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    scale = choose_scale("uint8", 0, 255)
    planes = tiled.prepare(picture, scale)
    np.testing.assert_array_equal(planes, whole.prepare(picture, scale))
    found, expected = tiled.rows(planes[None]), whole.rows(planes[None])
    assert found.shape == expected.shape == (1, np.prod(whole.grid), whole.n_columns)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    two = tiled.rows(np.stack([planes, planes[:, ::-1]]))
    np.testing.assert_array_equal(two[0], found[0])


def test_with_the_default_layers_tiles_are_nearly_the_whole_picture() -> None:
    size = (384, 576)
    tiled = TiledPatches(patches((384, 384), "block_4+block_10"), size)
    assert tiled.n_tiles == 2
    planes = tiled.prepare(sheet(size), choose_scale("uint8", 0, 255))
    expected = patches(size, "block_4+block_10").rows(planes[None])
    apart = np.linalg.norm(tiled.rows(planes[None]) - expected, axis=2)
    assert apart.max() < 0.05  # neighbouring positions are about .3 apart
    assert apart.mean() < 0.005


@pytest.mark.parametrize("kind", ["constant", "smooth", "periodic"])
def test_there_is_no_seam(kind: str) -> None:
    """What changes from one position to the next changes no more where two tiles meet."""
    size = (384, 768)
    pictures = {
        "constant": np.full((*size, 3), 130, np.uint8),
        "smooth": smooth(*size),
        "periodic": np.tile(smooth(32, 32), (12, 24, 1)),
    }
    tiled = TiledPatches(patches((384, 384), "block_4+block_10"), size)
    assert tiled.n_tiles == 3
    planes = tiled.prepare(pictures[kind], choose_scale("uint8", 0, 255))
    rows = tiled.rows(planes[None])[0].reshape(*tiled.grid, -1).astype(np.float64)
    inside = slice(10, -10)  # the picture's own edge is another thing
    steps = np.linalg.norm(np.diff(rows, axis=1), axis=2)[inside]
    seams = [one.target.stop - 1 for one in tiled._across[:-1]]
    others = np.delete(np.arange(10, steps.shape[1] - 10), np.array(seams) - 10)
    assert steps[:, seams].mean() < 1.2 * steps[:, others].mean() + 0.01


def test_a_record_and_a_pickle_give_it_back() -> None:
    tiled = TiledPatches(patches((64, 64), "block_4", row_dtype="float16"), (96, 160))
    planes = tiled.prepare(smooth(96, 160), choose_scale("uint8", 0, 255))
    again = from_record(tiled.to_json(), tiled.backbone)
    for other in (again, pickle.loads(pickle.dumps(tiled))):
        assert isinstance(other, TiledPatches)
        assert other.to_json() == tiled.to_json()
        np.testing.assert_array_equal(other.rows(planes[None]), tiled.rows(planes[None]))
    assert tiled.grid == (12, 20)
    assert tiled.n_worst == tiled.tile.n_worst == 1


@pytest.mark.parametrize(
    ("size", "why"), [((100, 160), "multiples of 32"), ((32, 160), "smaller than its tiles")]
)
def test_sizes_that_tiles_do_not_fit_are_refused(size: tuple[int, int], why: str) -> None:
    with pytest.raises(InputError, match=why):
        TiledPatches(patches((64, 64), "block_4"), size)


@pytest.mark.parametrize(("size", "advised"), [((1500, 2000), (1504, 1984)), (150, (160, 160))])
def test_the_size_that_is_advised_with_tiles_is_near_and_taken(
    size: int | tuple[int, int], advised: tuple[int, int]
) -> None:
    images = stripes(6, seed=1, side=160)
    words = f"Give {advised[0]}x{advised[1]} (--size"
    with pytest.raises(InputError, match=re.escape(words)):
        Detector(tiles=64, size=size).fit(images)
    headers = [Header(2000, 1500, "uint8", 3, 1, "JPEG")] * 6
    made = choose_representation(headers, Detector(tiles=64, size=advised).settings)
    assert made.preprocessing.size == advised


@pytest.mark.parametrize(("side", "size"), [(20, None), (47, None), (160, 32), (160, 7)])
def test_pictures_smaller_than_any_tile_are_refused(side: int, size: int | None) -> None:
    images = stripes(6, seed=1, side=side)
    with pytest.raises(InputError, match="tiles are for large pictures: a tile has 64 pixels"):
        Detector(tiles=64, size=size).fit(images)


def test_a_model_with_the_smallest_tiles_is_read_back(tmp_path: Path) -> None:
    images = stripes(6, seed=1, side=48)
    Detector(tiles=640, threads=1).fit(images).save(tmp_path / "small.oneclass")
    assert len(load(tmp_path / "small.oneclass").score(images)) == 6


def test_tiles_that_a_size_leaves_without_use_are_not_said_to_be_for_larger_pictures() -> None:
    headers = [Header(2000, 1500, "uint8", 3, 1, "JPEG")] * 6
    asked = Detector(tiles=640, size=320).settings
    said = str(why(headers, asked, choose_representation(headers, asked)))
    assert "so there is one tile, as without --tiles. Tiles are of use with a larger --size" in said


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(**TILED).fit(stripes(30, seed=1, side=160))


def test_a_small_defect_is_found_and_shown_in_its_place(detector: Detector) -> None:
    odd = stripes(10, seed=2, side=160)
    odd[:, 100:108, 60:72] = 255
    normal = detector.score(stripes(20, seed=3, side=160))
    assert min(detector.score(odd).scores) > np.median(normal.scores)
    for one in detector.explain(odd):
        assert isinstance(one, Explanation)
        assert one.anomaly_map.shape == (40, 40)
        row, column = np.unravel_index(one.anomaly_map.argmax(), (40, 40))
        assert 23 <= row <= 28
        assert 13 <= column <= 19
        worst = np.sort(one.anomaly_map.ravel())[::-1][: one.n_worst]
        assert worst.mean() == pytest.approx(one.prediction.score, abs=1e-12)
        assert one.n_worst == 3  # a hundredth of a tile's 256 positions


def test_a_file_and_an_update_give_it_back(detector: Detector, tmp_path: Path) -> None:
    images = stripes(30, seed=1, side=160)
    Detector(**TILED).fit(images[:25]).save(tmp_path / "m", rows=True)
    loaded = load(tmp_path / "m")
    loaded.update(images[25:])
    assert loaded.save(tmp_path / "a") == detector.save(tmp_path / "b")
    new = stripes(3, seed=7, side=160)
    np.testing.assert_array_equal(loaded.score(new).scores, detector.score(new).scores)


def test_whole_images_beside_tiles(tmp_path: Path) -> None:
    detector = Detector(**{**TILED, "rows": "both"}).fit(stripes(30, seed=1, side=160))
    record = detector.card["representation"]
    assert record["kind"] == "whole_and_patches"
    assert record["tiles"] == [64, 64]
    assert record["preprocessing"]["size"] == [160, 160]
    detector.save(tmp_path / "m")
    new = stripes(3, seed=7, side=160)
    np.testing.assert_array_equal(
        load(tmp_path / "m").score(new).scores, detector.score(new).scores
    )


def test_the_command_that_fits_it_again(detector: Detector) -> None:
    words = as_options(of_card(detector.card))
    assert words[words.index("--tiles") + 1] == "64"
    assert words[words.index("--size") + 1] == "160x160"


def test_other_pictures_are_brought_to_the_same_size(detector: Detector) -> None:
    assert np.isfinite(detector.score([stripes(1, seed=2, side=300)[0]]).scores).all()


def test_what_does_not_go_with_tiles_says_so(detector: Detector) -> None:
    images = stripes(6, seed=1, side=160)
    with pytest.raises(InputError, match="tiles is 100: expected a multiple of 32"):
        Detector(tiles=100)
    with pytest.raises(InputError, match="tiles is 32: expected a whole number of at least 64"):
        Detector(tiles=32)
    with pytest.raises(InputError, match="rows is 'image': leave one of them out"):
        Detector(tiles=64, rows="image").fit(images)
    with pytest.raises(InputError, match="greyscale has none"):
        Detector(tiles=64, backbone="greyscale").fit(images)
    with pytest.raises(
        InputError, match="size 150x150: with tiles, height and width are multiples of 32"
    ):
        Detector(tiles=64, size=150).fit(images)
    with pytest.raises(InputError, match="tiles: an exported graph sees a picture whole"):
        onnx_model(detector)


def test_pictures_smaller_than_a_tile_are_one() -> None:
    detector = Detector(**{**TILED, "tiles": 640}).fit(stripes(12, seed=1, side=100))
    assert detector.card["representation"]["tiles"] == [96, 96]
    assert detector.card["representation"]["preprocessing"]["size"] == [96, 96]

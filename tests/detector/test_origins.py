"""Defects are not learnt without a word: folders are told, and odd ones are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import Detector
from oneclass.detector.origins import unlike_the_rest
from oneclass.images.sounding import BAD
from oneclass.rows import ArrayRows

SMALL = {"size": (64, 64), "layer": "block_4", "grid": 2}


def test_a_whole_data_set_says_where_it_came_from(tmp_path: Path) -> None:
    write_images(tmp_path / "defects/train/good", stripes(30, seed=1))
    write_images(tmp_path / "defects/test/good", stripes(12, seed=2))
    write_images(tmp_path / "defects/test/turned", stripes(6, seed=3, upright=False))
    write_images(tmp_path / "defects/test/scratch", stripes(5, seed=4))
    found = Detector(**SMALL).fit(tmp_path).folders
    told = {folder.path.relative_to(tmp_path).as_posix(): folder for folder in found}
    assert {name: folder.n_images for name, folder in told.items()} == {
        "defects/train/good": 30,
        "defects/test/good": 12,
        "defects/test/turned": 6,
        "defects/test/scratch": 5,
    }
    assert [name for name, f in told.items() if f.unlike] == ["defects/test/turned"]
    assert [name for name, f in told.items() if f.sounds_bad] == ["defects/test/scratch"]


def test_one_folder_and_arrays_have_little_to_tell(tmp_path: Path) -> None:
    write_images(tmp_path / "defects", stripes(20, seed=1))
    (folder,) = Detector(**SMALL).fit(tmp_path / "defects").folders
    assert (folder.n_images, folder.sounds_bad, folder.unlike) == (20, True, False)
    assert Detector(**SMALL).fit(stripes(20, seed=1)).folders == ()


@pytest.mark.parametrize("seed", range(5))
def test_kinds_that_are_all_different_are_not_called_unlike(seed: int) -> None:
    random = np.random.default_rng(seed)
    kinds = random.normal(0, 1, (6, 30))
    rows = (kinds[np.repeat(np.arange(6), 20)] + random.normal(0, 0.1, (120, 30))).astype("f4")
    assert not unlike_the_rest(ArrayRows(rows), np.repeat(np.arange(6), 20)).any()


@pytest.mark.parametrize("seed", range(5))
def test_a_folder_of_the_same_kind_is_seldom_called_unlike(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(1, 1, (200, 30)).astype("f4")
    of = random.integers(0, 4, 200)
    assert not unlike_the_rest(ArrayRows(rows), of).any()
    rows[of == 2, :10] -= 4
    assert unlike_the_rest(ArrayRows(rows), of).tolist() == [False, False, True, False]


@pytest.mark.parametrize("name", ["bad", "NG", "not_ok", "scratches", "defective", "ground_truth"])
def test_names_that_speak_of_defects(name: str) -> None:
    assert BAD.search(name)


@pytest.mark.parametrize("name", ["good", "ok", "training", "badge_line", "angle", "camera_3"])
def test_names_that_do_not(name: str) -> None:
    assert not BAD.search(name)

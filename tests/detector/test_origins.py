"""Defects are not learnt without a word: folders are told, and odd ones are named."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import Detector
from oneclass.detector.origins import unlike_the_rest
from oneclass.images.sounding import BAD, files_sounding_bad
from oneclass.rows import ArrayRows

SMALL = {"size": (64, 64), "layer": "block_4", "grid": 2}


def test_a_whole_data_set_says_where_it_came_from(tmp_path: Path) -> None:
    write_images(tmp_path / "defects/train/good", stripes(30, seed=1))
    first, *_ = write_images(tmp_path / "defects/test/good", stripes(12, seed=2))
    odd = first.rename(first.with_name("bad_01.png"))
    write_images(tmp_path / "defects/test/turned", stripes(6, seed=3, upright=False))
    write_images(tmp_path / "defects/test/scratch", stripes(5, seed=4))
    with pytest.warns(
        UserWarning, match="12 images to look at again were learnt as normal"
    ) as caught:
        found = Detector(**SMALL).fit(tmp_path).folders
    said = str(caught[-1].message)
    assert "turned (6: looks unlike the rest)" in said
    assert "scratch (5: its name speaks of defects)" in said
    assert f"files whose names speak of defects ({odd})" in said
    assert caught[-1].filename == __file__
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
    with pytest.warns(UserWarning, match="20 images to look at again were learnt as normal"):
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


def test_what_cannot_be_read_is_warned_of_where_it_is_learnt(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "parts", stripes(33, seed=1))
    for path in paths[:3]:
        path.write_bytes(b"no image")
    told = r"3 of 33 images could not be used and were not learnt: .*000\.png, .*; see \.errors"
    with pytest.warns(UserWarning, match=told) as caught:
        detector = Detector(**SMALL).fit(tmp_path / "parts")
    assert len(detector.errors) == 3
    assert caught[-1].filename == __file__
    with pytest.warns(UserWarning, match="1 of 2 images could not be used and was not learnt"):
        detector.update([paths[0], paths[3]], forget=stripes(1, seed=9))


@pytest.mark.parametrize(
    ("n", "n_odd", "told"),
    [(4, 3, 3), (4, 4, 4), (1, 1, 1), (9, 9, 9), (10, 5, 5), (10, 6, 0), (40, 40, 0)],
)
def test_names_are_told_unless_most_of_enough_files_are_called_so(
    n: int, n_odd: int, told: int
) -> None:
    files = [Path("new", f"{'bad_' if i < n_odd else ''}{i}.png") for i in range(n)]
    assert files_sounding_bad(files) == tuple(files[:told])


def test_an_update_sees_new_names_beside_all_that_was_given(tmp_path: Path) -> None:
    """Three new files that are called bad are told, also where all that is new is called so."""
    paths = write_images(tmp_path / "parts", stripes(30, seed=1))
    detector = Detector(**SMALL).fit(tmp_path / "parts")

    def add(n: int, seed: int, name: str) -> list[str]:
        new = write_images(tmp_path / "arriving", stripes(n, seed=seed))
        for path in new:
            path.rename(tmp_path / "parts" / f"{name}_{path.name}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            detector.update(tmp_path / "parts")
        return [name for folder in detector.folders for name in folder.odd_names]

    assert add(12, 2, "bad") == [f"bad_{i:03}.png" for i in range(12)]
    assert add(3, 3, "fine") == []
    assert len(paths) == 30
    # Where most that was given is called so, that is what parts are called there.
    for path in (tmp_path / "parts").iterdir():
        path.rename(path.with_name(f"crack_test_rig_{path.name}"))
    assert add(12, 4, "crack_test_rig") == []

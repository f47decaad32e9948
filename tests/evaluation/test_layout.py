"""What belongs to a category, and what is refused before anything is measured."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from categories import make_category
from oneclass import InputError
from oneclass.evaluation.layout import find, read_category


def test_pictures_kinds_and_masks_belong_together(tmp_path: Path) -> None:
    category = read_category("parts", make_category(tmp_path / "parts"))
    assert len(category.train) == 12
    assert category.kinds == ("dot", "lying")
    assert [p.is_odd for p in category.test] == [False] * 5 + [True] * 7
    masked = [p for p in category.test if p.mask]
    assert [p.kind for p in masked] == ["dot"] * 4
    for picture in masked:
        assert picture.mask is not None
        assert picture.mask.name == f"{picture.file.stem}_mask.png"
        assert picture.read_mask().sum() == 40
    assert len(list(category.files)) == 12 + 12 + 4


def test_masks_of_visa_have_the_pictures_names_and_any_value(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "parts")
    for mask in sorted((folder / "ground_truth/dot").iterdir()):
        values = np.asarray(Image.open(mask)) // 255 * 3
        Image.fromarray(values).save(mask.with_name(mask.name.replace("_mask", "")))
        mask.unlink()
    masked = [p for p in read_category("parts", folder).test if p.mask]
    assert len(masked) == 4
    assert all(p.read_mask().sum() == 40 for p in masked)


def test_without_masks_all_is_well(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "parts")
    shutil.rmtree(folder / "ground_truth")
    assert not any(p.mask for p in read_category("parts", folder).test)


def resize_a_mask(folder: Path) -> None:
    Image.new("L", (24, 23)).save(folder / "ground_truth/dot/001_mask.png")


def mask_of_nothing(folder: Path) -> None:
    Image.new("L", (24, 24)).save(folder / "ground_truth/dot/777_mask.png")


def masks_of_no_kind(folder: Path) -> None:
    (folder / "ground_truth/dent").mkdir()


def take(*names: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        for name in names:
            shutil.rmtree(folder / name)

    return harm


def empty(*names: str, keep: str = "") -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        for name in names:
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
            if keep:
                (folder / name / keep).touch()

    return harm


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (take("train/good"), r"train/good: no such folder, and so no normal pictures to learn"),
        (take("train"), r"train/good: no such folder"),
        (take("test/good"), r"test/good: no such folder, and so no normal pictures to test on"),
        (take("test/dot", "test/lying"), r"test: no folder but good/"),
        (take("test/dot"), r"ground_truth/dot: masks of a kind of defect without pictures"),
        (
            empty("test/scratch"),
            r"test/scratch: it is empty. A folder in .*parts/test is a kind of",
        ),
        (empty("test/a", "test/b"), r"test/a: it is empty, nor is there a picture in b. A folder"),
        (empty("test/a", keep="x.txt"), r"test/a: no picture in it, but 1 other file. A folder in"),
        (empty("test/good"), r"test/good: it is empty. Put normal pictures to test on there"),
        (resize_a_mask, r"001_mask.png: a mask of 24 x 23 pixels .* picture of 24 x 24, .*001.png"),
        (mask_of_nothing, r"777_mask.png: a mask of no picture in .*test/dot \(1 such\)"),
        (masks_of_no_kind, r"dent: masks of a kind of defect without pictures"),
    ],
)
def test_what_would_be_measured_wrongly_is_refused(
    tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    folder = make_category(tmp_path / "parts")
    harm(folder)
    with pytest.raises(InputError, match=message):
        read_category("parts", folder)


def test_a_folder_of_categories_is_each_of_them(tmp_path: Path) -> None:
    for name in ("b", "a"):
        make_category(tmp_path / "all" / name)
    (tmp_path / "all/notes").mkdir()
    assert list(find([tmp_path / "all"])) == ["a", "b"]
    assert list(find([tmp_path / "all/a", tmp_path / "all"])) == ["a", "b"]


def test_categories_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for place in ("x", "y"):
        make_category(tmp_path / place / "a")
    found = find([tmp_path / "x", tmp_path / "y"])
    assert list(found) == [str(tmp_path / "x/a"), str(tmp_path / "y/a")]


@pytest.mark.parametrize(
    ("name", "message"), [("no", "there is no such folder"), ("empty", "neither it nor a folder")]
)
def test_what_is_no_category_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"{re.escape(str(tmp_path / name))}: {message}"):
        find([tmp_path / name])


def test_folders_without_the_layout_are_led_to_what_takes_them(tmp_path: Path) -> None:
    (tmp_path / "good_parts").mkdir()
    with pytest.raises(InputError, match="oneclass compare GOOD --test-odd ODD"):
        find([tmp_path])

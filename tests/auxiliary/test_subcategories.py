"""Which image belongs where, and which are held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import stripes, write_images
from oneclass import InputError
from oneclass.auxiliary.pixelfile import data_digest, mean_and_std, write_pixels
from oneclass.auxiliary.subcategories import (
    from_clusters,
    from_csv,
    from_folder,
    hold_out,
    keep_large,
)


def test_the_first_folder_below_is_the_sub_category(tmp_path: Path) -> None:
    write_images(tmp_path / "b2", stripes(2, seed=1))
    write_images(tmp_path / "b10/deep/er", stripes(1, seed=2))
    write_images(tmp_path, stripes(1, seed=3))
    found = from_folder(tmp_path)
    assert found.subcategories == ("b2", "b2", "b10")
    assert found.notes == (f"1 image in {tmp_path} itself belongs to no sub-category.",)


def test_a_folder_without_sub_folders_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, stripes(3, seed=3))
    with pytest.raises(InputError, match=r"holds 3 images, but no sub-folder.*--labels"):
        from_folder(tmp_path)
    with pytest.raises(InputError, match="expected a folder"):
        from_folder(tmp_path / "none")


def test_a_table_names_sub_categories(tmp_path: Path) -> None:
    write_images(tmp_path / "images", stripes(4, seed=1))
    table = tmp_path / "t.csv"
    table.write_text("\ufeffpath,identity\n000.png,ann\n001.png,bob\n002.png,\n009.png,ann\n")
    found = from_csv(table, tmp_path / "images")
    assert found.subcategories == ("ann", "bob")
    assert [error.reason for error in found.errors] == ["unlabelled", "missing"]


def test_a_table_that_was_written_on_windows(tmp_path: Path) -> None:
    write_images(tmp_path / "images/a", stripes(2, seed=1))
    (tmp_path / "t.csv").write_text("filename,class\na\\000.png,ann\na\\001.png,bob\n")
    found = from_csv(tmp_path / "t.csv", tmp_path / "images")
    assert [path.name for path in found.paths] == ["000.png", "001.png"]
    assert found.errors == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no rows"),
        ("file,part\n000.png,a\n", r"\(file, part\), file names the images, and none says"),
        ("000.png,a\n001.png,b\n", "its first line .000.png, a. names an image, and so is no"),
        ("path,label\n000.png,a\n000.png,b\n", "more than once"),
        ("path,label\n900.png,a\n", "of its 1 line none names an image .*900.png.*Give paths"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    write_images(tmp_path, stripes(1, seed=1))
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        from_csv(tmp_path / "t.csv", tmp_path)


def test_clusters_part_what_looks_different(tmp_path: Path) -> None:
    write_images(tmp_path / "a", stripes(10, seed=1))
    write_images(tmp_path / "b", stripes(10, seed=2, upright=False))
    found = from_clusters(tmp_path, 2, seed=0)
    folders = [path.parent.name for path in found.paths]
    assert len(set(zip(folders, found.subcategories, strict=True))) == 2
    for k in (1, 11):
        with pytest.raises(InputError, match="at most 10, half of the 20 images"):
            from_clusters(tmp_path, k, seed=0)


@pytest.mark.parametrize("n", [1, 3])
def test_too_few_images_to_group_are_told_as_that(tmp_path: Path, n: int) -> None:
    """No number of groups would do, so none is asked for."""
    write_images(tmp_path, stripes(n, seed=1))
    with pytest.raises(InputError, match="too few to group: at least 4 are needed"):
        from_clusters(tmp_path, 2, seed=0)
    write_images(tmp_path, stripes(4, seed=1))
    assert len(from_clusters(tmp_path, 2, seed=0).paths) == 4


def test_small_sub_categories_are_left_out_and_named() -> None:
    kept, note = keep_large(["a", "b", "a", "c", "c"], at_least=2)
    assert kept.tolist() == [True, False, True, True, True]
    assert note is not None
    assert "1 of 3 sub-categories" in note
    assert "left out: b." in note
    assert keep_large(["a", "a", "b", "b"], at_least=2)[1] is None


@pytest.mark.parametrize("names", [["a", "a", "a"], ["a", "a", "b"], ["a", "b", "c"], []])
def test_fewer_than_two_sub_categories_are_refused(names: list[str]) -> None:
    with pytest.raises(InputError, match="at least 2 with 2 images or more"):
        keep_large(names, at_least=2)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.integers(0, 1000))
def test_a_tenth_of_each_larger_sub_category_is_held_out(labels: list, seed: int) -> None:
    given_labels = np.array(labels)
    held = hold_out(given_labels, seed=seed)
    for label in set(labels):
        n, out = (given_labels == label).sum(), held[given_labels == label].sum()
        assert out == (0 if n < 5 else max(1, round(n / 10)))
    np.testing.assert_array_equal(held, hold_out(given_labels, seed=seed))


def test_pixels_are_kept_as_bytes_and_bad_files_are_listed(tmp_path: Path) -> None:
    images = stripes(4, seed=1, side=16)
    paths = write_images(tmp_path / "new", images)
    paths[1].write_bytes(b"broken")
    found = write_pixels(tuple(paths), (16, 16), None, tmp_path / "p.npy")
    np.testing.assert_array_equal(found.pixels[:, 0], images[[0, 2, 3]])
    np.testing.assert_array_equal(found.kept, [0, 2, 3])
    assert [error.path for error in found.errors] == [paths[1]]
    mean, std = mean_and_std(found.pixels, np.array([0, 2]))
    chosen = images[[0, 3]] / 255
    assert mean == pytest.approx((chosen.mean(),))
    assert std == pytest.approx((chosen.std(),))


def test_deep_and_coloured_images_keep_their_contrast(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 4096, (3, 8, 8), np.uint16)
    deep[0, 0, 0] = 4095
    for i, image in enumerate(deep):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    paths = tuple(sorted(tmp_path.glob("*.png")))
    found = write_pixels(paths, (8, 8), None, tmp_path / "p.npy")
    assert np.abs(found.pixels[:, 0] - deep / 4095 * 255).max() <= 0.51
    colour = tmp_path / "colour"
    write_images(colour, rng.integers(0, 256, (2, 8, 8, 3), np.uint8))
    for channels, planes in ((None, 3), (3, 3), (1, 1)):
        both = write_pixels(tuple(colour.iterdir()), (8, 8), channels, tmp_path / "q.npy")
        assert both.pixels.shape == (2, planes, 8, 8)


def test_the_digest_is_of_content_and_names(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "new", stripes(3, seed=1))
    found = write_pixels(tuple(paths), (8, 8), 1, tmp_path / "p.npy")
    first = data_digest(found, np.array([0, 1]), ["a", "b"])
    assert first == data_digest(found, np.array([0, 1]), ["a", "b"])
    assert first != data_digest(found, np.array([0, 1]), ["a", "a"])
    assert first != data_digest(found, np.array([0, 2]), ["a", "b"])

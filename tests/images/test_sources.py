"""What may hold images: whatever people have their paths and pixels in."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from conftest import stripes, write_images
from oneclass.errors import ImageError, InputError
from oneclass.images.sources import gather


class Series:
    """As pandas' in what matters: it is gone through, and its items are its values."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __iter__(self) -> Any:
        return iter(self.items)


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
@pytest.mark.parametrize(
    "hold",
    [list, tuple, iter, np.array, lambda x: np.array(x, object), Series,
     lambda x: np.array(x, object)[:, None], lambda x: (item for item in x)],
    ids=["list", "tuple", "iterator", "array", "objects", "series", "column", "generator"],
)  # fmt: skip
def test_paths_in_whatever_holds_them(tmp_path: Path, hold: Any, kind: Any) -> None:
    paths = write_images(tmp_path / "a", stripes(3, seed=1))
    found = gather(hold([kind(path) for path in paths]))
    assert [*found.items] == paths
    assert found.errors == ()


def test_one_path_of_any_kind(tmp_path: Path) -> None:
    (path,) = write_images(tmp_path / "a", stripes(1, seed=1))
    with os.scandir(tmp_path / "a") as entries:
        (entry,) = entries
    for given in (path, str(path), os.fsencode(path), np.str_(path), entry, [entry]):
        assert [*gather(given).items] == [path]


def test_an_object_array_of_arrays() -> None:
    ragged = np.empty(2, object)
    ragged[:] = [stripes(1, seed=1)[0], stripes(1, seed=2, side=30)[0]]
    assert [item.shape for item in gather(ragged).items] == [(24, 24), (30, 30)]


class Table:
    columns = ("path",)

    def __iter__(self) -> Any:
        return iter(self.columns)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Table(), "one column of this table"),
        (io.StringIO("a.png"), "the path of this file"),
        (io.BytesIO(b"x"), "the path of this file"),
        ({"a": "a.png"}, "its keys or of its values"),
        (7, "paths, or numpy arrays"),
        (None, "paths, or numpy arrays"),
        (np.ma.masked_array([1, 2], [0, 1]), "without a mask"),
        ([np.ma.masked_array([[1, 2]], [[0, 1]])], "without a mask"),
        (bytearray(b"a.png"), "type bytearray: expected paths"),
        (memoryview(np.zeros((9, 9), np.uint8)), "type memoryview: expected paths"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "the content of a file"),
        ([b"\xff\xd8\xff" * 2000], "the content of a file"),
        ([object()], "numpy.asarray"),
        (["a.png", float("nan")], "images of type float, str"),
        (np.zeros(5), "an array of shape"),
        (np.zeros((24, 20, 3), np.uint8), "one colour image, or 24 grey ones of width 3. Give a"),
        (
            np.zeros((24, 20, 4), np.uint8),
            r"transparent colour image.* in a list: .* image\[..., :3\]",
        ),
        (np.zeros((24, 20, 1), np.uint8), r"one grey image, or 24 .* width 1. .* image\[..., 0\]"),
        (np.zeros((24, 20, 2), np.uint8), "half-transparent image, or 24 grey ones of width 2"),
        (np.zeros((5, 24, 20, 7), np.uint8), r"\(5, 24, 20, 7\): expected .* grey or RGB pictures"),
        (np.zeros((5, 9, 24, 20), np.uint8), r"\(5, 9, 24, 20\): expected .* grey or RGB pictures"),
    ],
)
def test_one_sentence_for_everything_else(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        gather(given)


def test_narrow_images_in_a_list_and_channels_that_come_first_are_what_they_say() -> None:
    assert len(gather(list(np.zeros((6, 20, 4), np.uint8)))) == 6
    assert len(gather(np.zeros((3, 24, 20), np.uint8))) == 3  # documented: three grey ones


RGB = np.arange(5 * 24 * 20 * 3, dtype=np.uint32).reshape(5, 24, 20, 3).astype(np.uint8)
GREY = RGB[..., 0]
RGBA = np.concatenate([RGB, np.full((5, 24, 20, 1), 255, np.uint8)], axis=-1)


@pytest.mark.parametrize(
    ("given", "code", "right"),
    [
        (GREY[..., None], "images[..., 0]", GREY),
        (np.stack([GREY] * 2, axis=-1), "images[..., 0]", GREY),
        (RGBA, "[PIL.Image.fromarray(image) for image in images]", RGB),
        (RGBA, "images[..., :3]", RGB),
        (np.moveaxis(RGB, -1, 1), "numpy.moveaxis(images, 1, -1)", RGB),
        (np.moveaxis(RGBA, -1, 1), "numpy.moveaxis(images[:, :3], 1, -1)", RGB),
        (GREY[:, None], "images[:, 0]", GREY),
        (np.stack([GREY] * 2, axis=1), "images[:, 0]", GREY),
    ],
)
def test_a_batch_of_another_layout_is_refused_at_once_and_the_advice_works(
    given: Any, code: str, right: Any
) -> None:
    """Once for all of them, not once an image."""
    with pytest.raises(InputError) as refused:
        gather(given)
    said = str(refused.value)
    assert said.startswith(f"an array of shape {given.shape}: expected (n, H, W) or (n, H, W, 3)")
    assert code in said
    found = gather(eval(code, {"images": given, "numpy": np, "PIL": PIL}))
    assert [found.pixels(i).tolist() for i in range(len(found))] == right.tolist()


def test_where_a_shape_can_be_read_in_two_ways_the_last_axis_is_the_colours() -> None:
    assert len(gather(np.zeros((3, 3, 3, 3), np.uint8))) == 3
    assert gather(RGB).pixels(2).tolist() == RGB[2].tolist()
    with pytest.raises(InputError, match=r"give images\[..., 0\]"):
        gather(np.zeros((3, 3, 3, 1), np.uint8))
    assert len(gather(np.zeros((0, 24, 20, 1), np.uint8))) == 0


def test_two_grey_images_in_a_list_of_one_may_be_given_as_they_are() -> None:
    found = gather([np.zeros((2, 24, 20), np.uint8)])
    with pytest.raises(ImageError, match=r"image\[0\], or, .* two grey images, the array itself"):
        found.pixels(0)
    assert len(gather(np.zeros((2, 24, 20), np.uint8))) == 2
    with pytest.raises(ImageError, match=r"image\[0\]$|image\[0\] \[") as one:
        gather([np.zeros((1, 24, 20), np.uint8)]).pixels(0)
    assert "the array itself" not in str(one.value)

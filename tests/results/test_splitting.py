"""What is tested on is not learnt: not by another name, and not as a near-copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import write_images
from oneclass import InputError
from oneclass.images.alike import alike
from oneclass.images.sources import Images, gather
from oneclass.results import splitting
from oneclass.results.splitting import Split, split

Pixels = NDArray[np.uint8]


def pictures(n: int, seed: int) -> Pixels:
    """(n, 32, 32) patterns of 8 x 8 squares."""
    squares = np.random.default_rng(seed).integers(40, 200, (n, 8, 8), dtype=np.uint8)
    return np.asarray(squares.repeat(4, axis=1).repeat(4, axis=2))


def parted(images: Images, normal: Any = None, odd: Any = None, *, seed: int = 0) -> Split:
    given = [None if one is None else gather(one) for one in (normal, odd)]
    return split(
        gather(images), *given, seed=seed, threads=1, progress=None, stage=None
    )  # fmt: skip


def contents(items: Any) -> set[bytes]:
    return {np.asarray(item).tobytes() for item in items}


def test_images_of_the_same_pixels_are_left_out_of_learning_whatever_they_are_called(
    tmp_path: Path,
) -> None:
    good = pictures(12, seed=1)
    write_images(tmp_path / "good", good)
    write_images(tmp_path / "test", good[[7, 3]])
    found = parted(tmp_path / "good", tmp_path / "test")
    assert [path.name for path in found.normal.items if isinstance(path, Path)] == [
        "000.png",
        "001.png",
    ]
    assert len(found.learn) == 10
    assert not {"003.png", "007.png"} & {path.name for path in found.learn.items}  # type: ignore[union-attr]
    assert found.notes == (
        "2 images to learn from are also given to test on: they were left out of learning.",
    )


def test_odd_ones_are_neither_learnt_nor_held_back_nor_normal() -> None:
    good, odd = pictures(20, seed=1), pictures(3, seed=2)
    found = parted([*good, *odd], odd=list(odd))
    assert contents(found.learn.items) | contents(found.normal.items) == contents(good)
    assert (len(found.learn), len(found.normal)) == (16, 4)
    assert "3 images to learn from are also" in found.notes[0]
    found = parted(good, [*pictures(5, seed=3), odd[0]], list(odd))
    assert len(found.normal) == 5
    assert found.notes == (
        "1 normal image to test on is also given as odd: it counts as odd alone.",
    )


def test_nothing_is_said_where_nothing_is_given_twice() -> None:
    found = parted(pictures(20, seed=1), pictures(4, seed=2), pictures(4, seed=3))
    assert (len(found.learn), len(found.normal), found.notes) == (20, 4, ())


@pytest.mark.parametrize(
    ("normal", "odd", "told"),
    [
        (slice(0, 12), None, "all 12 images to learn .* not learnt: 0 are left.* no --test-normal"),
        (slice(0, 11), None, "11 of the 12 images to learn from are .*: 1 is left"),
        (None, slice(0, 12), "all 12 images to learn .*Give normal images that are not among"),
        (None, slice(0, 4), r"hold some back: 8 \(without 4 that are also odd\), and 10 are"),
        (slice(0, 2), slice(0, 2), "all 2 normal images to test on are also given as odd"),
    ],
)
def test_too_little_is_refused_with_what_to_do(
    normal: slice | None, odd: slice | None, told: str
) -> None:
    images = pictures(12, seed=1)
    given = [None if part is None else images[part] for part in (normal, odd)]
    with pytest.raises(InputError, match=told):
        parted(images, *given)


@pytest.mark.parametrize("altered", [False, True])
def test_copies_and_near_copies_stay_on_one_side(altered: bool) -> None:
    """A fifth of the images is held back, as exactly as that allows."""
    once = pictures(30, seed=1)
    images, of = [*once, *once, *once], np.tile(np.arange(30), 3)
    if altered:
        images = [
            np.clip(image + np.random.default_rng(i).normal(0, 5, image.shape), 0, 255).astype(
                np.uint8
            )
            for i, image in enumerate(images)
        ]
    number = {image.tobytes(): int(of[i]) for i, image in enumerate(images)}
    for seed in range(5):
        found = parted(images, seed=seed)
        learnt = {number[content] for content in contents(found.learn.items)}
        held = {number[content] for content in contents(found.normal.items)}
        assert not learnt & held
        assert len(found.normal) == 18
        assert len(found.learn) == 72


def test_different_pictures_are_held_back_by_the_seed() -> None:
    images = pictures(40, seed=1)
    first, again, other = (contents(parted(images, seed=s).normal.items) for s in (0, 0, 1))
    assert first == again != other
    assert len(first) == 8


def test_too_few_different_pictures_to_hold_some_back() -> None:
    images = list(pictures(4, seed=1)) * 5
    with pytest.raises(InputError, match="20 images show about 4, the others are copies"):
        parted(images)


def test_pictures_of_one_colour_are_not_taken_for_copies() -> None:
    images = [np.full((32, 32), 4 * i, np.uint8) for i in range(40)]
    assert len(parted(images).normal) == 8


def test_what_cannot_be_read_is_neither_learnt_nor_held_back_and_told(tmp_path: Path) -> None:
    write_images(tmp_path, pictures(20, seed=1))
    for name in ("bad.png", "worse.png"):
        (tmp_path / name).write_bytes(b"no image")
    found = parted(tmp_path, odd=tmp_path / "worse.png")
    assert (len(found.learn), len(found.normal), len(found.odd or ())) == (16, 4, 0)
    assert [error.path.name for error in found.errors] == ["bad.png", "worse.png", "worse.png"]
    with pytest.raises(InputError, match="only 0 of 1 images can be used"):
        parted(tmp_path / "bad.png")
    few = [tmp_path / f"{i:03}.png" for i in range(9)]
    with pytest.raises(InputError, match=r"9 \(without 1 that cannot be read\), and 10 are"):
        parted([*few, tmp_path / "bad.png"])


def noisy(images: Pixels, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, 5, images.shape)
    return np.asarray(np.clip(images + noise, 0, 255), np.uint8)


def test_pictures_to_test_on_that_are_near_copies_of_learnt_ones_are_told(tmp_path: Path) -> None:
    good, new = pictures(40, seed=1), pictures(10, seed=2)
    write_images(tmp_path / "good", good)
    write_images(tmp_path / "test", np.concatenate([new, noisy(good[:5], seed=3)]))
    found = parted(tmp_path / "good", tmp_path / "test")
    # They are learnt and tested on all the same: nobody but who gave them knows which to take out.
    assert (len(found.learn), len(found.normal)) == (40, 15)
    [told] = found.notes
    assert told.startswith("5 of 15 normal images to test on are nearly the same as ones that are")
    names = ", ".join(str(tmp_path / f"test/{i:03}.png") for i in (10, 11, 12))
    assert f"({names} and 2 more)" in told
    write_images(tmp_path / "one", np.concatenate([new, noisy(good[:1], seed=3)]))
    [told] = parted(tmp_path / "good", tmp_path / "one").notes
    assert told.startswith("1 of 11 normal images to test on is nearly the same as one that is")


def test_near_copies_among_those_tested_on_alone_are_none_of_what_is_learnt() -> None:
    good, new = pictures(40, seed=1), pictures(10, seed=2)
    assert parted(good, [*new, *noisy(new, seed=3)]).notes == ()
    # Of one that is also given as odd nothing is said, for it is not tested on as normal.
    near = noisy(good[:1], seed=3)
    [told] = parted(good, [*new, *near], list(near)).notes
    assert "counts as odd alone" in told


def test_what_may_be_alike_stays_on_one_side_though_check_would_not_call_it_so() -> None:
    found = []
    for seed in range(100):
        rows = np.random.default_rng(seed).normal(0, 1, (35, 6)) * np.linspace(1, 0.2, 6)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        seen = [splitting._Seen(b"%d" % i, row.astype(np.float16)) for i, row in enumerate(rows)]
        shown = alike([one.small for one in seen], [one.digest for one in seen])
        apart = 35 - sum(len(group) - 1 for group in shown)
        found.append((len(splitting._together(seen)), apart))
    assert all(together <= apart for together, apart in found)
    assert any(together < apart - 5 for together, apart in found)

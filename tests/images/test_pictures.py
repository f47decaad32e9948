"""Pictures of PIL's are judged as their files are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from conftest import stripes
from oneclass import images
from oneclass.errors import ImageError, InputError
from oneclass.images.sources import gather

COLOUR = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
CLEAR = np.dstack([COLOUR, np.tile(np.arange(30, dtype=np.uint8) * 8, (20, 1))])


def jpeg(path: Path) -> Path:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(COLOUR).save(path / "a.jpg", exif=turned)
    return path / "a.jpg"


def webp(path: Path) -> Path:
    turned = Image.Exif()
    turned[0x0112] = 8
    Image.fromarray(CLEAR).save(path / "a.webp", exif=turned, lossless=True)
    return path / "a.webp"


def tiff(path: Path) -> Path:
    Image.fromarray(COLOUR).save(path / "a.tif", tiffinfo={0x0112: 3})
    return path / "a.tif"


def png(path: Path, mode: str, **how: Any) -> Path:
    Image.fromarray(CLEAR).convert(mode).save(path / "a.png", **how)
    return path / "a.png"


def deep(path: Path) -> Path:
    Image.fromarray(COLOUR[..., 0].astype(np.uint16) * 200).save(path / "a.png")
    return path / "a.png"


def ink(path: Path) -> Path:
    Image.fromarray(CLEAR, "CMYK").save(path / "a.tif")
    return path / "a.tif"


def gif(path: Path) -> Path:
    Image.fromarray(COLOUR[..., 0]).save(path / "a.gif")
    return path / "a.gif"


def greys(path: Path) -> Path:
    Image.fromarray(COLOUR[..., 0] // 64).save(path / "a.png")
    picture = Image.open(path / "a.png").convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    picture.save(path / "a.png")
    return path / "a.png"


def single(path: Path) -> Path:
    Image.fromarray(COLOUR[..., 0].astype(np.float32) / 7).save(path / "a.tif")
    return path / "a.tif"


KINDS = [
    jpeg, webp, tiff, deep, ink, gif, greys, single,
    *(lambda p, mode=mode: png(p, mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
    lambda p: png(p, "L", transparency=7),
    lambda p: png(p, "RGB", transparency=tuple(COLOUR[3, 4].tolist())),
    lambda p: png(p, "P", transparency=5),
]  # fmt: skip


@pytest.mark.parametrize("opened", ["lazy", "loaded", "memory"])
@pytest.mark.parametrize("make", KINDS)
def test_a_picture_is_seen_as_its_file(make: Any, opened: str, tmp_path: Path) -> None:
    path = make(tmp_path)
    held: Any = io.BytesIO(path.read_bytes()) if opened == "memory" else path
    with Image.open(held) as picture:
        if opened == "loaded":
            picture.load()
        sources = gather([picture])
        seen = sources.pixels(0)
        picture.load()  # still can be
    as_file = images.read(path)
    assert (seen.dtype, seen.shape) == (as_file.dtype, as_file.shape)
    assert seen.tolist() == as_file.tolist()
    header = sources.header(0)
    assert (header.height, header.width) == as_file.shape[:2]


def test_a_lazy_picture_has_its_file_s_key_and_its_reduction(tmp_path: Path) -> None:
    Image.fromarray(stripes(1, seed=1, side=640)[0]).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        by_picture, by_file = gather(picture), gather(tmp_path / "a.jpg")
    assert by_picture.key(0) == by_file.key(0)
    reduced = by_picture.pixels(0, (100, 100))
    assert reduced.shape == (160, 160)
    assert reduced.tolist() == by_file.pixels(0, (100, 100)).tolist()


@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
def test_a_turned_tiff_is_not_what_pillow_makes_of_it_by_its_path(
    tmp_path: Path, orientation: int
) -> None:
    path, grey = tmp_path / "a.tif", stripes(1, seed=1)[0][:20, :30]
    Image.fromarray(grey).save(path, tiffinfo={274: orientation})
    with Image.open(path) as lazy, path.open("rb") as file, Image.open(file) as seen:
        seen.load()
        for picture in (lazy, seen):
            np.testing.assert_array_equal(gather([picture]).pixels(0), images.read(path))


def test_what_was_changed_in_memory_counts(tmp_path: Path) -> None:
    path = png(tmp_path, "RGB")
    with Image.open(path) as picture:
        picture.paste((9, 9, 9), (0, 0, 30, 20))
        assert gather([picture]).pixels(0).max() == 9
    with Image.open(jpeg(tmp_path)) as picture:
        upright = ImageOps.exif_transpose(picture)
        converted = picture.convert("L")
    assert gather([upright]).pixels(0).shape == (30, 20, 3)
    assert gather([converted]).pixels(0).shape == (30, 20)  # it still says how it lies
    Image.fromarray(stripes(1, seed=1, side=64)[0]).save(tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as picture:
        picture.draft(None, (32, 32))
        assert gather([picture]).pixels(0).shape == (32, 32)


def two_frames(path: Path) -> Path:
    first, second = (Image.fromarray(255 * COLOUR[..., i]) for i in (0, 1))
    first.save(path, save_all=True, append_images=[second])
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.tif"])
@pytest.mark.parametrize("loaded", [False, True])
def test_several_frames_are_refused_and_a_copy_of_one_is_not(
    name: str, loaded: bool, tmp_path: Path
) -> None:
    with Image.open(two_frames(tmp_path / name)) as picture:
        if loaded:
            picture.load()
        sources = gather([picture])
        try:
            errors = sources.errors or [sources.pixels(0)]
        except ImageError as error:
            errors = [error]
        assert errors[0].reason == "multi_frame"
        picture.seek(1)
        assert gather([picture.copy()]).pixels(0).shape[:2] == (20, 30)


def test_bad_pictures_are_items_and_stop_nothing(tmp_path: Path) -> None:
    Image.fromarray(stripes(1, seed=1, side=400)[0]).save(jpeg(tmp_path))
    whole = (tmp_path / "a.jpg").read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole[: len(whole) // 2])
    with Image.open(tmp_path / "a.jpg") as closed, Image.open(cut) as seen:
        with pytest.raises(OSError, match=r"(?i)truncated"):
            seen.load()
        shut = Image.open(tmp_path / "a.jpg")
        shut.load()
        shut.close()
        with Image.open(cut) as lazy:
            sources = gather([lazy, seen, Image.fromarray(COLOUR), shut])
    sources_closed = gather([closed, COLOUR])
    assert [e.reason for e in sources_closed.errors] == ["unreadable"]
    assert "closed before it was read" in sources_closed.errors[0].detail
    assert list(sources_closed.names) == ["array[1]"]
    reasons = {e.name: e.reason for e in sources.errors}
    assert reasons == {"array[1]": "truncated", "array[3]": "unreadable"}
    assert [*sources.names] == ["array[0]", "array[2]"]
    with pytest.raises(ImageError, match=r"array\[0\].*ends inside"):
        sources.pixels(0)
    assert sources.pixels(1).tolist() == COLOUR.tolist()


def test_formats_that_only_pil_reads_are_read_by_it(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.pcx")
    with Image.open(tmp_path / "a.pcx") as picture:
        assert gather([picture]).pixels(0).tolist() == COLOUR.tolist()


def test_an_array_with_transparency_is_led_to_what_composites_it() -> None:
    with pytest.raises(ImageError, match=r"PIL\.Image\.fromarray\(image\)"):
        gather([CLEAR]).pixels(0)


def test_a_mixed_list_names_the_picture() -> None:
    with pytest.raises(InputError, match=r"type PIL\.Image, ndarray, str: .*one kind"):
        gather([COLOUR, "a.png", Image.fromarray(COLOUR)])

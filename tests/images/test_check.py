"""The report on a folder, against folders of known content."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import damage
from conftest import stripes
from oneclass import Detector, InputError
from oneclass.images.alike import fingerprint
from oneclass.images.check import check
from oneclass.images.checking.report import CheckReport
from oneclass.images.checking.shown import ROWS
from oneclass.images.formats.arithmetic import noticing, premultiplied_on_white
from oneclass.images.inside import HEATMAP_MARK
from oneclass.images.sounding import BAD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 good grey images, a copy of one as BMP, a constant one, one 16-bit, one in colour."""
    good = damage.write_good(tmp_path, 20)
    Image.open(good[3]).save(tmp_path / "copy.bmp")
    Image.new("L", (40, 30), 7).save(tmp_path / "flat.png")
    rng = np.random.default_rng(5)
    wide = rng.integers(0, 65536, (32, 32), dtype=np.uint16)
    (tmp_path / "wide.png").write_bytes(damage.png(wide))
    colour = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.tif")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "notes.csv").write_text("1,2")
    return tmp_path


def test_the_tables(folder: Path) -> None:
    report = check([folder])
    assert report.images == 24
    assert [(error.path.name, error.reason) for error in report.errors] == [
        ("text.png", "not_an_image")
    ]
    assert list(report.sizes.items()) == [((32, 32), 23), ((40, 30), 1)]
    assert dict(report.formats) == {"PNG": 22, "BMP": 1, "TIFF": 1}
    assert dict(report.depths) == {"uint8": 23, "uint16": 1}
    assert {d: [p.name for p in paths] for d, paths in report.rarer.items()} == {
        "uint16": ["wide.png"],
        "RGB": ["colour.tif"],
    }
    assert dict(report.colours) == {"grey": 23, "RGB": 1}
    assert [[p.name for p in group] for group in report.duplicates] == [
        ["copy.bmp", "good-003.png"]
    ]
    assert [path.name for path in report.constant] == ["flat.png"]
    assert dict(report.ignored) == {".csv": 1}


def test_those_of_another_depth_or_colour_are_named(folder: Path) -> None:
    report = check([folder])
    for kind, mode in (("RGB", "RGB"), ("uint16", "I;16")):
        (path,) = report.rarer[kind]
        with Image.open(path) as picture:
            assert picture.mode == mode
        assert f"Of the rarer kind, {kind}:\n    {path}" in report.text()
        assert report.to_json()["rarer"][kind] == [str(path)]
    assert set(report.rarer) == {"RGB", "uint16"}
    assert check([folder / "good-003.png"]).rarer == {}
    assert check([folder / "text.png"]).rarer == {}


def test_of_as_many_of_each_kind_none_is_called_the_rarer(tmp_path: Path) -> None:
    grey = stripes(7, seed=1)
    for i in range(3):
        Image.fromarray(grey[i]).save(tmp_path / f"grey{i}.png")
        Image.fromarray(np.stack([grey[3 + i], grey[i], grey[i]], 2)).save(tmp_path / f"rgb{i}.png")
    report = check([tmp_path])
    assert report.rarer == {}
    assert {kind: len(paths) for kind, paths in report.tied.items()} == {"grey": 3, "RGB": 3}
    assert set(report.to_json()["tied"]) == {"grey", "RGB"}
    assert "rarer" not in report.text()
    for kind in ("grey", "RGB"):
        assert f"As many as of another kind, {kind}:\n    {report.tied[kind][0]}" in report.text()
    Image.fromarray(grey[6].astype(np.uint16)).save(tmp_path / "grey3.png")
    report = check([tmp_path])  # 4 grey, 3 of colour; 6 of 8 bits, 1 of 16
    assert (set(report.rarer), report.tied) == ({"RGB", "uint16"}, {})
    assert "Convert the rarer ones or train" in report.text()


def test_of_as_many_of_each_depth_all_are_named_as_the_fit_says(tmp_path: Path) -> None:
    for i, image in enumerate(stripes(4, seed=1)):
        deep = image.astype(np.uint16) * 200 if i % 2 else image
        Image.fromarray(deep).save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match="'oneclass check' lists them"):
        Detector(backbone="greyscale").fit(tmp_path)
    text = check([tmp_path]).text()
    assert all(str(tmp_path / f"{i}.png") in text for i in range(4))
    assert "rarer" not in text
    assert "Convert those of one kind or train one model each." in text


def test_what_becomes_of_images_of_one_colour_is_said(folder: Path) -> None:
    text = check([folder]).text()
    assert "One single colour:\n    " in text
    assert "learns such an image calls others of that colour normal; of one that it did" in text


def test_the_advice_names_every_finding(folder: Path) -> None:
    advice = "\n".join(check([folder]).advice())
    for words in ("1 of 25 files cannot be read", "2 bit depths (uint8, uint16)", "mixed",
                  "1 image is an exact copy", "1 image is one single colour"):  # fmt: skip
        assert words in advice


def test_json_is_complete_and_text_is_for_terminals(folder: Path) -> None:
    (folder / "new\nline\x1b[31m.png").write_bytes(b"")
    (folder / os.fsdecode(b"not-\xff-utf8.png")).write_bytes(b"")
    report = check([folder])
    again = json.loads(json.dumps(report.to_json()))
    assert again["images"] == 24
    assert again["sizes"][0] == {"width": 32, "height": 32, "images": 23}
    assert again["duplicates"] == [[str(folder / "copy.bmp"), str(folder / "good-003.png")]]
    assert {error["reason"] for error in again["errors"]} == {"empty", "not_an_image"}
    assert again["advice"] == list(report.advice())
    text = report.text()
    text.encode()
    assert "\x1b" not in text
    assert "new\\nline\\x1b[31m.png" in text


def test_numbers_stand_in_one_column(tmp_path: Path) -> None:
    first, *_ = damage.write_good(tmp_path, 5)
    for i in range(3):
        map_of = Image.open(first)
        mark = PngInfo()
        mark.add_text("Software", HEATMAP_MARK)
        map_of.save(tmp_path / f"00000{i}_a.png", pnginfo=mark)
    (tmp_path / "notes.txt\x1b[31m").touch()
    lines = check(tmp_path).text().splitlines()
    rows = [line for line in lines if line.startswith("  ") and line.split()[-1] in "135"]
    assert any("heatmaps of oneclass" in row for row in rows)
    assert any(".txt\\x1b" in row for row in rows)
    assert len(rows) == 6
    assert len({len(row) for row in rows}) == 1


def opaque_but(value: int, mode: str) -> Image.Image:
    picture = Image.new(mode, (6, 4), 90 if mode == "L" else (90, 40, 10))
    alpha = Image.new("L", (6, 4), 255)
    alpha.putpixel((2, 1), value)
    picture.putalpha(alpha)
    return picture


def in_palette(used: int) -> Image.Image:
    picture = Image.new("P", (6, 4), 0)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((2, 1), used)
    return picture


def keyed(colour: tuple[int, int, int]) -> Image.Image:
    picture = Image.new("RGB", (6, 4), (90, 40, 10))
    picture.putpixel((2, 1), colour)
    return picture


@pytest.mark.parametrize(
    ("name", "picture", "more", "told"),
    [
        ("a.png", opaque_but(254, "RGB"), {}, True),
        ("a.png", opaque_but(255, "RGB"), {}, False),
        ("a.png", opaque_but(0, "L"), {}, True),
        ("a.tif", opaque_but(0, "RGB"), {}, True),
        ("a.tif", opaque_but(255, "RGB"), {}, False),
        ("a.webp", opaque_but(0, "RGB"), {"lossless": True}, True),
        ("a.webp", opaque_but(255, "RGB"), {"lossless": True}, False),
        ("a.gif", in_palette(1), {"transparency": 1}, True),
        ("a.gif", in_palette(1), {}, False),
        ("a.png", in_palette(1), {"transparency": 1}, True),
        ("a.png", in_palette(0), {"transparency": 1}, False),
        ("a.png", keyed((1, 2, 3)), {"transparency": (1, 2, 3)}, True),
        ("a.png", keyed((1, 2, 3)), {"transparency": (1, 2, 4)}, False),
        ("a.jpg", keyed((1, 2, 3)), {}, False),
    ],
)
def test_transparency_is_told_where_a_pixel_has_it(
    tmp_path: Path, name: str, picture: Image.Image, more: dict[str, object], told: bool
) -> None:
    picture.save(tmp_path / name, **more)
    report = check(tmp_path)
    assert report.images == 1
    assert report.to_json()["transparent"] == [str(tmp_path / name)] * told
    assert ("With transparent parts:" in report.text()) == told
    said = "1 image has transparent parts, which are taken for white"
    assert any(said in sentence for sentence in report.advice()) == told


def test_colours_that_carry_their_opacity_are_noticed() -> None:
    colour = np.full((2, 3, 3), 9, np.uint8)
    for alpha, told in ((255, False), (200, True)):
        with noticing() as noticed:
            premultiplied_on_white(colour, np.full((2, 3), alpha, np.uint8))
        assert noticed.transparent == told


def test_one_picture_is_told_that_no_fit_takes_it(tmp_path: Path) -> None:
    first, second = damage.write_good(tmp_path, 2)
    (alone,) = check(first).advice()
    assert alone.startswith("1 image is too few: 'oneclass fit' refuses fewer than 2 that differ")
    (tmp_path / "copy.png").write_bytes(first.read_bytes())
    assert (
        "2 images show one picture alone: 'oneclass fit'"
        in check([first, tmp_path / "copy.png"]).text()
    )
    (two,) = check([first, second]).advice()
    assert two.startswith("2 images are few")
    with pytest.raises(InputError, match="at least 2 normal images"):
        Detector(backbone="greyscale").fit(first)


def test_files_that_show_few_pictures_are_few(tmp_path: Path) -> None:
    for file in damage.write_good(tmp_path, 8):
        for n in range(3):
            (tmp_path / f"{n}_{file.name}").write_bytes(file.read_bytes())
    assert any(one.startswith("8 different pictures are few") for one in check(tmp_path).advice())


def test_a_clean_folder_has_no_advice(tmp_path: Path) -> None:
    damage.write_good(tmp_path, 25)
    report = check(tmp_path)
    assert report.advice() == ()
    assert "Nothing is amiss." in report.text()


def test_a_folder_whose_name_speaks_of_defects_is_told(tmp_path: Path) -> None:
    damage.write_good(tmp_path, 20)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    damage.write_good(scratch, 3)
    report = check([tmp_path])
    assert report.to_json()["suspect_folders"] == {str(scratch): 3}
    assert "3 images in folders whose names speak of defects" in report.text()
    (tmp_path / "masks").mkdir()
    assert check([tmp_path / "masks"]).suspect == {}


def test_several_folders_may_be_several_products(tmp_path: Path) -> None:
    for name in ("caps", "nuts", "scratch"):
        (tmp_path / name).mkdir()
        damage.write_good(tmp_path / name, 10)
    report = check([tmp_path])
    assert report.to_json()["folders"] == {
        str(tmp_path / n): 10 for n in ("caps", "nuts", "scratch")
    }
    told = f"Images of 2 folders ({tmp_path / 'caps'}, {tmp_path / 'nuts'}): one model is for one"
    assert told in report.text()
    assert "one product" not in check([tmp_path / "caps", tmp_path / "scratch"]).text()


def test_files_whose_names_speak_of_defects_are_told(tmp_path: Path) -> None:
    odd = [
        file.rename(file.with_name(f"bad_{file.name}"))
        for file in damage.write_good(tmp_path, 26)[:6]
    ]
    report = check(tmp_path)
    assert report.to_json()["suspect_files"] == list(map(str, sorted(odd)))
    assert f"6 images whose names speak of defects ({odd[0]}, " in report.text()
    assert report.text().count("bad_") == 5  # the first ones


def test_all_names_are_told_where_all_are_asked_for(tmp_path: Path) -> None:
    for file in damage.write_good(tmp_path, 60)[:25]:
        file.rename(file.with_name(f"NG_{file.name}"))
    found = check(tmp_path)
    assert "--all" not in found.text(every=True)
    assert set(map(str, found.suspect_files)) <= set(
        found.text(every=True).replace(",", "").split()
    )


@pytest.mark.parametrize("n_bad", [8, 30])
def test_names_of_defects_beside_names_of_good_parts_are_no_habit(
    n_bad: int, tmp_path: Path
) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for i, file in enumerate(damage.write_good(folder, 40)):
        file.rename(file.with_name(f"{'NG' if i < n_bad else 'OK'}_{i}.png"))
    assert len(check(folder).suspect_files) == n_bad


@pytest.mark.parametrize(
    "name",
    [
        *("NIO", "n.i.O", "Ausschuss", "schlecht", "Fehler_3", "defekt", "nicht_ok", "not good"),
        *("NG", "no_good", "not-normal", "non ok"),
    ],
)
def test_what_people_call_defects(name: str) -> None:
    assert BAD.search(name)


@pytest.mark.parametrize(
    "name",
    ["junior", "fehlerfrei", "union", "nigeria", "defence", "hangar", "normal", "piano_ok"],
)
def test_what_only_looks_like_it(name: str) -> None:
    assert not BAD.search(name)


def test_a_name_that_most_of_a_folder_bear_is_that_of_the_part(tmp_path: Path) -> None:
    for file in damage.write_good(tmp_path, 20):
        file.rename(file.with_name(f"crack_test_rig_{file.name}"))
    assert check(tmp_path).suspect_files == ()


def test_files_in_a_folder_that_speaks_of_defects_are_told_once(tmp_path: Path) -> None:
    for name in ("good", "scratch"):
        (tmp_path / name).mkdir()
        damage.write_good(tmp_path / name, 4)[0].rename(tmp_path / name / "bad.png")
    report = check(tmp_path)
    assert (list(report.suspect), list(report.suspect_files)) == (
        [tmp_path / "scratch"],
        [tmp_path / "good/bad.png"],
    )


def test_an_empty_folder_and_a_missing_one(tmp_path: Path) -> None:
    assert check([tmp_path]).advice() == ("There is no readable image here.",)
    report = check([tmp_path / "nowhere"])
    assert [error.reason for error in report.errors] == ["missing"]
    assert report.advice() == ("1 path leads nowhere: check the spelling.",)
    assert report.text().startswith("0 images, 0 unreadable\n\nLeading nowhere (1):\n")
    (tmp_path / "text.png").write_text("no image")
    assert check([tmp_path, tmp_path / "nowhere"]).advice() == (
        "1 path leads nowhere: check the spelling.",
        "There is no readable image here: 1 file cannot be read; fix or remove it.",
    )


def test_few_images_are_called_few(tmp_path: Path) -> None:
    damage.write_good(tmp_path, 5)
    assert any("few" in sentence for sentence in check([tmp_path]).advice())


def test_what_there_is_one_of_is_told_in_the_singular(tmp_path: Path) -> None:
    damage.write_good(tmp_path, 1)
    report = check([tmp_path])
    assert report.text().startswith("1 image, 0 unreadable")
    assert report.advice()[0].startswith("1 image is too few")


def test_same_bytes_in_another_shape_are_no_copies(tmp_path: Path) -> None:
    pixels = np.arange(16, dtype=np.uint8)
    for i, shape in enumerate(((4, 4), (2, 8), (8, 2))):
        (tmp_path / f"{i}.png").write_bytes(damage.png(pixels.reshape(shape)))
    (tmp_path / "wide.png").write_bytes(damage.png(pixels.view(np.uint16).reshape(2, 4)))
    assert check([tmp_path]).duplicates == ()


def test_progress_counts_every_file_once(folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    check([folder], progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 25) for i in range(1, 26)]


def test_hundreds_of_damaged_files_leave_the_good_ones_as_they_are(tmp_path: Path) -> None:
    damage.write_good(tmp_path / "good", 30)
    alone = check([tmp_path])
    bad = damage.write_damaged(tmp_path / "bad", 200)
    report = check([tmp_path])
    assert report.images == alone.images == 30
    assert (report.sizes, report.duplicates) == (alone.sizes, alone.duplicates)
    assert {error.path for error in report.errors} == set(bad)
    assert all(error.reason in bad[error.path] for error in report.errors)
    assert isinstance(report, CheckReport)
    assert report.text()


def test_jpeg_among_other_formats_is_pointed_out(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 9, 9), dtype=np.uint8)
    for i, pixels in enumerate(images):
        Image.fromarray(pixels).save(tmp_path / f"{i}.{'jpg' if i % 2 else 'png'}")
    assert any("JPEG is mixed with PNG" in sentence for sentence in check([tmp_path]).advice())


def test_near_copies_are_found_and_different_pictures_are_not(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(30):
        small = Image.fromarray(random.integers(40, 200, (9, 9), dtype=np.uint8))
        picture = small.resize((96, 80), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"{number}.png")
        if number < 3:
            picture.save(tmp_path / f"{number}_0.jpg", quality=60)
            picture.point([int(1.1 * v) for v in range(256)]).save(tmp_path / f"{number}_1.png")
    report = check(tmp_path)
    assert [[path.name for path in group] for group in report.near] == [
        [f"{n}.png", f"{n}_0.jpg", f"{n}_1.png"] for n in range(3)
    ]
    assert report.duplicates == ()
    told = "9 of the images look like only 3 pictures when they are made small: see whether they"
    [sentence] = [sentence for sentence in report.advice() if told in sentence]
    assert "different parts that only look alike are: keep those. 'oneclass fit' comp" in sentence
    assert "Where that is about 30 pictures, as here, or fewer, nothing need be taken" in sentence
    assert report.pictures == 30
    (tmp_path / "0_2.png").write_bytes((tmp_path / "0.png").read_bytes())
    again = check(tmp_path)
    assert (again.images, again.copies, again.pictures) == (37, 1, 30)
    assert "Nearly the same picture, 3 files:" in report.text()
    assert len(report.to_json()["near_copies"]) == 3


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (16, 16), (37, 41, 3)])
def test_a_fingerprint_does_not_depend_on_brightness(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 100, shape, dtype=np.uint8)
    a, b = fingerprint(pixels), fingerprint(2 * pixels + 20)
    assert a.shape == (256,)
    np.testing.assert_allclose(a, b, atol=2e-3)


def test_what_is_not_shown_of_a_table_is_called_by_its_name(tmp_path: Path) -> None:
    for side in range(20, 40):
        Image.new("L", (side, side), 90).save(tmp_path / f"{side}.png")
        (tmp_path / f"x.{side}").write_text("x")
    told = check(tmp_path).text()
    assert f"... and {20 - ROWS} more sizes\n" in told
    assert f"... and {20 - ROWS} more endings\n" in told


def test_pictures_that_stand_beside_such_that_lie_are_told(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("L", (40, 20), 50 + i).save(tmp_path / f"{i}.png")
    Image.new("L", (20, 40), 90).save(tmp_path / "3.png")
    told = check(tmp_path).text()
    assert "1 stand upright and 3 lie on their side" in told
    assert "sizes, from" not in told

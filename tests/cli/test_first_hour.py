"""What a newcomer asks in the first hour: why this, which ones, how long, any image at all?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import damage
from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector
from oneclass.cli.talk.writing import say_folders
from oneclass.detector.files.information import not_tried
from oneclass.detector.origins import LEARNT_BEFORE, Folder, near_copies
from oneclass.detector.views import choose_representation, why
from oneclass.images import Header

SMALL = ("--layer", "block_4", "--grid", "2", "--size", "64")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_folder_without_an_image_stops_a_script(tmp_path: Path, form: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    write_images(tmp_path / "good", stripes(3, seed=1))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/bad.png").write_text("no")
    for folders, code in (
        (["empty"], 2),
        (["missing"], 2),
        (["empty", "missing"], 2),
        (["good"], 0),
        (["good", "empty"], 0),
        (["good", "missing"], 3),
        (["bad"], 3),
    ):
        done = oneclass("check", *folders, *form, cwd=tmp_path)
        assert done.returncode == code, folders
        if form:
            assert json.loads(done.stdout)["images"] == (3 if "good" in folders else 0)


def test_a_fit_of_few_images_says_how_far_the_rate_may_lie_from_the_mean(tmp_path: Path) -> None:
    for n, few in ((40, True), (110, False)):
        write_images(tmp_path / f"good{n}", stripes(n, seed=1))
        done = oneclass("fit", f"good{n}", "-o", "m.oneclass", *SMALL, cwd=tmp_path)
        told = "this very model may well call anything between 0 and 12 of 100 normal images"
        assert (told in done.stderr) == few
        assert (told in oneclass("info", "m.oneclass", cwd=tmp_path).stdout) == few


@pytest.mark.parametrize(
    ("n", "words", "told"),
    [
        (20, ("--rows", "patches"), "From 50 different images on, patches are seen whitened, too"),
        (20, ("--rows", "patches", "--false-alarms", "10%"), "From 50 different images on"),
        (20, ("--rows", "image"), None),
        (50, ("--rows", "patches"), None),
    ],
)
def test_a_fit_says_from_how_many_images_on_patches_are_looked_at_better(
    n: int, words: tuple[str, ...], told: str | None, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (n, 32, 32)).astype(np.uint8)
    write_images(tmp_path / "good", noise)
    done = oneclass("fit", "good", "-o", "m.oneclass", "--size", "64", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ("seen whitened" in done.stderr) == (told is not None)
    assert told is None or told in done.stderr


def multiplied(folder: Path, n: int, copies: int) -> None:
    """`n` pictures with so many brightened copies each: 03_1.png is one of 03_0.png."""
    small = np.random.default_rng(1).integers(40, 200, (n, 6, 6))
    for number, image in enumerate(small.repeat(4, axis=1).repeat(4, axis=2)):
        for copy in range(copies + 1):
            brighter = np.clip(image.astype(int) + copy, 0, 255).astype(np.uint8)
            folder.mkdir(exist_ok=True)
            Image.fromarray(brighter).save(folder / f"{number:02}_{copy}.png")


def test_near_copies_are_named_by_check_and_by_fit(tmp_path: Path) -> None:
    multiplied(tmp_path / "good", 24, 5)
    done = oneclass("fit", "good", "-o", "m.oneclass", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "144 images show about 24 different pictures" in done.stderr
    assert "  good/00_0.png, good/00_1.png, good/00_2.png, good/00_3.png and 2 more" in done.stderr
    assert "nearly the same picture, 24 groups:" in done.stderr
    assert "  ... and 16 more groups" in done.stderr
    assert "Detector.near_copies" in done.stderr
    # What the model file holds does not depend on what the files are called.
    assert b"00_0" not in (tmp_path / "m.oneclass").read_bytes()
    checked = oneclass("check", "good", cwd=tmp_path).stdout
    assert "groups of near-copies (--all names them all)" in checked
    assert "'oneclass fit' compares what its network sees, may find more or fewer" in checked
    assert (
        "where it says no number, it found none, and counts each image as a picture of" in checked
    )
    assert "Where that is about 24 pictures, as here, or fewer, nothing need be taken" in checked
    assert "Where it is far more, believe the smaller number, and keep one picture of" in checked
    assert "If it counts far fewer pictures than 24, believe it, and keep one pi" in done.stderr
    (tmp_path / "more").mkdir()
    (tmp_path / "good/00_0.png").rename(tmp_path / "more/00_9.png")
    image = np.asarray(Image.open(tmp_path / "more/00_9.png"))
    Image.fromarray(np.clip(image.astype(int) + 9, 0, 255).astype(np.uint8)).save(
        tmp_path / "more/00_9.png"
    )
    done = oneclass("update", "m.oneclass", "more", cwd=tmp_path)
    assert re.search(r"\n  more/00_9\.png, and [5-7] learnt before, whose names", done.stderr)


def test_groups_of_near_copies_by_hand() -> None:
    names = ["b/10.png", "b/2.png", "x", None, "c", None, None, "a"]
    pictures = np.array([0, 0, 1, 1, 2, 3, 3, 0])
    assert near_copies(names.__getitem__, pictures) == (
        ("a", "b/2.png", "b/10.png"),
        ("x", LEARNT_BEFORE),
    )
    assert near_copies(["a", "b"].__getitem__, np.array([0, 1])) == ()


def test_python_has_all_groups() -> None:
    images = list(np.repeat(stripes(6, seed=1), 3, axis=0))
    detector = Detector(backbone="greyscale", size=(16, 16), threads=1)
    assert detector.near_copies == ()
    groups = detector.fit(images).near_copies
    assert set(groups) == {tuple(f"array[{3 * i + k}]" for k in range(3)) for i in range(6)}


def pictures(folder: Path, sides: list[tuple[int, int]]) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number, shape in enumerate(sides):
        Image.fromarray(random.integers(0, 255, shape, np.uint8)).save(folder / f"{number}.png")


@pytest.mark.parametrize(
    ("sides", "words", "reason"),
    [
        ([(64, 80)] * 4, (), "the images have 64 pixels on their shorter side; below 256, patches"),
        (
            [(64, 300)] * 2 + [(300, 200)] * 3,
            (),
            "half of the images have at least 200 pixels on their shorter side (64 to 200); below",
        ),
        (
            [(64, 80)] * 4,
            ("--size", "64"),
            "Why: with --size and no --rows, whole images alone are looked at. With --rows both",
        ),
        (
            [(64, 80)] * 4,
            ("--layer", "block_4", "--grid", "2"),
            "Why: with --layer and --grid and no --rows, whole images alone",
        ),
        ([(64, 80)] * 4, ("--rows", "image"), None),
        ([(64, 64)] * 4, ("--backbone", "greyscale"), None),
        (
            [(256, 300)] * 3 + [(64, 80)],
            (),
            "at least 256 pixels on their shorter side (64 to 256); from 256 on, patches are "
            "looked at, too",
        ),
    ],
)
def test_a_fit_says_why_it_looks_at_what_it_looks_at(
    tmp_path: Path, sides: list[tuple[int, int]], words: tuple[str, ...], reason: str | None
) -> None:
    pictures(tmp_path / "good", sides)
    done = oneclass("fit", "good", "-o", "m.oneclass", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ("Why:" in done.stderr) == (reason is not None)
    assert reason is None or reason in done.stderr


def test_sizes_of_images_of_another_depth_do_not_count(tmp_path: Path) -> None:
    pictures(tmp_path / "good", [(64, 80)] * 4)
    Image.fromarray(np.full((300, 300), 9, np.uint16)).save(tmp_path / "good/deep.png")
    done = oneclass("fit", "good", "-o", "m.oneclass", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "Why: the images have 64 pixels on their shorter side;" in done.stderr


@pytest.mark.parametrize("words", [(), ("--backbone", "greyscale")])
def test_sizes_of_images_that_cannot_be_used_do_not_count(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    pictures(tmp_path / "good", [(64, 80)] * 24)
    bomb = damage.ihdr(60_000, 60_000, 8, 0)
    content = damage.chunk(b"IHDR", bomb[:-4]) + damage.idat(bytes(99)) + damage.IEND
    (tmp_path / "good/bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    if not words:  # greyscale knows of that one only once it has begun
        whole = damage.png(np.full((300, 300), 9, np.uint8))
        (tmp_path / "good/cut.png").write_bytes(whole[: len(whole) // 2])
    done = oneclass("fit", "good", "-o", "m.oneclass", *words, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert words or "Why: the images have 64 pixels on their shorter side;" in done.stderr
    assert "of another size" not in done.stderr


def test_a_grid_for_the_default_layers_is_told_what_to_be_given_with(tmp_path: Path) -> None:
    """Nobody typed their names; the line that is shown works."""
    write_images(tmp_path / "good", stripes(12, seed=1))
    fit = ("fit", "good", "-o", "m.oneclass")
    for rows in ((), ("--rows", "image")):
        done = oneclass(*fit, *rows, "--grid", "4", cwd=tmp_path)
        assert done.returncode == 2
        told = "grid 4: the default layers, block_2@7+block_14@2, have grids of their own"
        assert told in done.stderr
    shown = re.search(r"without one: (--layer \S+ --grid 4) \(in", done.stderr)
    assert shown, done.stderr
    assert oneclass(*fit, *shown[1].split(), cwd=tmp_path).returncode == 0


def test_a_fit_names_tiles_where_pictures_are_shrunk_by_far() -> None:
    asked = Detector().settings
    said = {}
    for side in (640, 959, 960, 1280, 3648):
        headers = [Header(3 * side // 2, side, "uint8", 3, 1, "JPEG")] * 3
        representation = choose_representation(headers, asked)
        said[side] = why(headers, asked, representation) or ""
    assert "--tiles" not in said[640] + said[959]
    assert said[960].endswith("640 looks at all their pixels and takes about 4 times as long.")
    assert said[1280].endswith("640 looks at all their pixels and takes about 8 times as long.")
    assert said[3648].endswith("takes about 65 times as long.")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "Why: the images have 1200 pixels on their shorter side; from 256 on, patches are"),
        ({"rows": "both"}, "note: the images have 1200 pixels on their shorter side, and patches"),
        ({"rows": "patches"}, "and patches see up to 640, so these are shrunk; for defects that"),
        ({"rows": "image"}, None),
        ({"rows": "patches", "size": (608, 800)}, None),
        ({"tiles": 640}, None),
    ],
)
def test_a_fit_to_two_megapixels_names_tiles_with_their_measured_cost(
    settings: dict[str, Any], told: str | None
) -> None:
    """Seven times: docs/smalldefects.md."""
    asked = Detector(**settings).settings
    headers = [Header(1600, 1200, "uint8", 3, 1, "JPEG")] * 3
    said = why(headers, asked, choose_representation(headers, asked)) or ""
    assert ("--tiles 640 looks at all their pixels and takes about 7 times" in said) == bool(told)
    assert told is None or told in said


def test_what_is_amiss_and_why_are_told_in_lines_of_their_own() -> None:
    headers = [Header(300, 300, "uint8", 3, 1, "JPEG")] * 9 + [Header(900, 90, "uint8", 3, 1, "")]
    asked = Detector().settings
    first, second = str(why(headers, asked, choose_representation(headers, asked))).splitlines()
    assert first.startswith("note: 1 of the 10 pictures has quite another shape")
    assert second.startswith("Why: half of the images have")


def test_compare_is_not_named_beside_tiles_which_it_has_none_of() -> None:
    made = {"kind": "patches", "tiles": [640, 640]}
    said = not_tried({"representation": made}, ["good"])
    assert said is not None
    assert "compare" not in said
    assert "whole images alone (--rows image)" in said
    assert "oneclass compare good" in str(
        not_tried({"representation": {"kind": "patches"}}, ["good"])
    )


@pytest.mark.parametrize("rows", [None, "patches"])
def test_a_fit_says_where_one_tile_holds_a_picture(rows: str | None) -> None:
    asked = Detector(tiles=320, rows=rows).settings
    for sides, told in (((300, 310), True), ((300, 640), False)):
        headers = [Header(*sides, "uint8", 3, 1, "JPEG")] * 3
        said = why(headers, asked, choose_representation(headers, asked)) or ""
        assert ("a tile of 320 pixels holds a whole picture" in said) == told


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        ((640, 640), "one tile, as without --tiles. Tiles are for"),
        ((1920, 1280), "one tile. Without --tiles it is looked at as 960 x 640. Tiles are for"),
    ],
)
def test_a_fit_with_one_tile_says_how_large_pictures_are_without(
    sides: tuple[int, int], told: str
) -> None:
    asked = Detector(tiles=2048).settings
    headers = [Header(*sides, "uint8", 3, 1, "JPEG")] * 3
    assert told in (why(headers, asked, choose_representation(headers, asked)) or "")
    plain = Detector().settings
    size = choose_representation(headers, plain).patches.preprocessing.size
    assert size == ((640, 640) if "as without" in told else (640, 960))


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        ({"size": 1300}, 4),
        ({"size": (1300, 1300), "rows": "image"}, 4),
        ({"size": (640, 1280), "tiles": 320}, None),
        ({"size": (1280, 1408), "rows": "patches"}, 4),
        ({"size": 448}, None),
        ({"size": (5000, 99), "backbone": "greyscale"}, None),
        ({"size": 5000, "backbone": "greyscale"}, 16),
        ({}, None),
    ],
)
def test_a_fit_says_where_a_size_enlarges_pictures_by_far(
    settings: dict[str, Any], times: int | None
) -> None:
    asked = Detector(**settings).settings
    headers = [Header(310, 300, "uint8", 3, 1, "JPEG")] * 5 + [Header(9, 9, "uint8", 3, 1, "PNG")]
    said = why(headers, asked, choose_representation(headers, asked)) or ""
    assert ("note: --size" in said) == (times is not None)
    assert times is None or f"most of these pictures about {times}-fold:" in said


def test_a_fit_that_enlarges_pictures_says_so_while_it_does() -> None:
    stages: list[str] = []
    detector = Detector(backbone="greyscale", size=120).fit(stripes(9, seed=1), stage=stages.append)
    assert stages[:2] == ["looking at the images' sizes", "reading images, enlarged about 5-fold"]
    assert "--size 120x120 enlarges most of these pictures about 5-fold" in str(detector.why)


def test_heatmaps_that_are_replaced_are_told(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(20, seed=1))
    words = ("score", "m.oneclass", "good", "--heatmaps", "heat")
    assert oneclass("fit", "good", "-o", "m.oneclass", *SMALL, cwd=tmp_path).returncode == 0
    assert "earlier" not in oneclass(*words, cwd=tmp_path).stderr
    words = ("score", "m.oneclass", "good/000.png", "--heatmaps", "heat")
    told = oneclass(*words, cwd=tmp_path).stderr
    assert "20 earlier heatmaps in heat were replaced.\n" in told
    assert "1 earlier heatmap in heat was replaced.\n" in oneclass(*words, cwd=tmp_path).stderr


def test_fit_and_update_say_how_long_they_took(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(20, seed=1))
    write_images(tmp_path / "more", stripes(4, seed=2))
    fit = oneclass("fit", "good", "-o", "m.oneclass", *SMALL, cwd=tmp_path)
    update = oneclass("update", "m.oneclass", "more", "--yes", cwd=tmp_path)
    for done, n in ((fit, 20), (update, 24)):
        assert done.returncode == 0, done.stderr
        assert re.search(rf"learnt {n} normal images \(\d+ kB\) in \d\.\d s\.", done.stderr)


def test_an_update_names_what_it_does_from_the_beginning(tmp_path: Path) -> None:
    images = stripes(24, seed=1)
    detector = Detector(backbone="greyscale", n_halfspaces=2).fit(images[:20])
    told: list[object] = []
    detector.update(images[20:], progress=lambda done, _: told.append(done), stage=told.append)
    assert told == [
        "opening the rows that were learnt",
        "reading images",
        *range(1, 5),
        "looking for near-copies",
        "learning from whole images",
        *(f"learning from whole images, part {n} of 2" for n in (1, 2)),
        *(f"measuring how odd normal images are, part {n} of 2" for n in (1, 2)),
        "measuring how odd normal images are",
    ]


def test_check_names_every_near_copy_where_it_is_asked_to(tmp_path: Path) -> None:
    multiplied(tmp_path / "good", 7, 6)
    short = oneclass("check", "good", cwd=tmp_path).stdout
    assert "... and 2 more files (--all names them all)" in short
    assert "... and 2 more groups of near-copies (--all names them all)" in short
    told = oneclass("check", "good", "--all", cwd=tmp_path).stdout
    assert "more" not in told.split("* ")[0]
    groups = json.loads(oneclass("check", "good", "--json", cwd=tmp_path).stdout)["near_copies"]
    assert len(groups) == 7
    for group in groups:
        listed = "".join(f"    {name}\n" for name in group)
        assert f"Nearly the same picture, 7 files:\n{listed}" in told


@pytest.mark.parametrize("n_bad", [0, 2, 4])
def test_folders_that_are_not_shown_are_counted(n_bad: int, capsys: Any) -> None:
    folders = tuple(Folder(Path(f"parts/{i}"), 20 - i, i >= 12 - n_bad, False) for i in range(12))
    say_folders(folders)
    told = capsys.readouterr().err
    shown = sum(f" parts/{i}" in told for i in range(12))
    assert shown == 8 + n_bad
    assert all(f" parts/{i}   <- its name" in told for i in range(12 - n_bad, 12))
    assert (f"... and {12 - shown} more\n" in told) == (shown < 12)
    assert told.count("more") == (shown < 12)


@pytest.mark.parametrize(
    ("bad", "unlike", "told"), [(0, 0, True), (0, 1, True), (0, 2, True), (1, 0, False)]
)
def test_folders_of_good_parts_may_be_several_products(
    bad: int, unlike: int, told: bool, capsys: Any
) -> None:
    say_folders(tuple(Folder(Path(f"{i}"), 20, i < bad, i < unlike) for i in range(2)))
    assert ("different products" in capsys.readouterr().err) == told


@pytest.mark.parametrize(
    ("n", "words", "stdin", "told"),
    [
        (9, ("good",), "", "(--rows both): a fit each."),
        (10, ("good",), "", "To see them side by side: oneclass compare good"),
        (10, ("-",), "good", "To see them side by side: oneclass compare IMAGES"),
    ],
)
def test_compare_is_named_where_it_does_not_refuse_and_waits_for_nothing(
    n: int, words: tuple[str, ...], stdin: str, told: str, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(n, seed=1))
    words = ("fit", *words, "-o", "m.oneclass", "--rows", "image")
    done = oneclass(*words, cwd=tmp_path, stdin=stdin)
    assert done.returncode == 0, done.stderr
    (line,) = re.findall("Not tried.*", done.stderr)
    assert line.endswith(told)
    if n < 10:
        assert "too few normal" in oneclass("compare", "good", cwd=tmp_path).stderr

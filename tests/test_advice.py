"""What a message advises is done as it says, once, and leads to success."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import stripes, write_images
from oneclass import Detector, ImageError, InputError, ModelFileError, load
from oneclass.cli import cli
from oneclass.cli.talk import console
from oneclass.detector.files import modelfile

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name has a blank, with pictures and a model that needs no network."""
    folder = tmp_path_factory.mktemp("advice") / "my parts"
    write_images(folder / "normal", stripes(60, seed=1))
    write_images(folder / "good", stripes(4, seed=2))
    dark = stripes(3, seed=3, upright=False) // 8
    dark[:, 4:12, 4:12] += 200  # far odder than any stripes
    write_images(folder / "bad", dark)
    detector = Detector(backbone="greyscale", size=(16, 16), threads=1)
    detector.fit(folder / "normal").save(folder / "m.oneclass", rows=True)
    return folder


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, in that folder: its exit code and what it says."""
    monkeypatch.chdir(place)

    def command(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["oneclass", *words])
        code = console.run(cli)
        return code, "".join(capfd.readouterr())

    return command


FIT = ["fit", "normal", "-o", "x.oneclass", "--backbone", "greyscale"]
SIZE = ["--size", "16"]


@pytest.mark.parametrize(
    ("wrong", "said", "right"),
    [
        (["score", "m.oneclass", '"good"'], "without the quotes", ["score", "m.oneclass", "good"]),
        (
            ["score", "m.oneclass", "good\\000.png"],
            "write / instead of \\",
            ["score", "m.oneclass", "good/000.png"],
        ),
        (
            ["score", "m.oneclass", "good", "--false-alarms", "20"],
            "For 20 %, write 20%",
            ["score", "m.oneclass", "good", "--false-alarms", "20%"],
        ),
        ([*FIT, *SIZE, "--layer", "block_4"], "Leave them out", [*FIT, *SIZE]),
        ([*FIT, *SIZE, "--rows", "patches"], "Leave out one", [*FIT, *SIZE]),
        ([*FIT, *SIZE, "--runtime", "onnxruntime"], "Leave them out", [*FIT, *SIZE]),
        (
            [*FIT, *SIZE, "--false-alarms", "0.1%"],
            "Give a higher rate",
            [*FIT, *SIZE, "--false-alarms", "20%"],
        ),
        (
            ["update", "m.oneclass", "bad", "-o", "u.oneclass"],
            "--yes if all of them are.",
            ["update", "m.oneclass", "bad", "-o", "u.oneclass", "--yes"],
        ),
        (
            ["score", "m.oneclass", "good", "--unclear", "1%"],
            "Give a higher rate",
            ["score", "m.oneclass", "good", "--unclear", "30%"],
        ),
        (
            ["score", "m.oneclass", "good", "-o", "m.oneclass"],
            "Give a place that exists",
            ["score", "m.oneclass", "good", "-o", "run"],
        ),
    ],
    ids=lambda words: "-".join(words)[:40] if isinstance(words, list) else "",
)
def test_what_a_command_advises(run: Run, wrong: list[str], said: str, right: list[str]) -> None:
    code, told = run(*wrong)
    assert code in (2, 3), told
    assert said in told
    code, told = run(*right)
    assert code == 0, told


@pytest.mark.parametrize(
    "wrong",
    [
        ["score", "good", "m.oneclass"],
        ["score", "good", "m.oneclass", "bad"],
        ["info", "good"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_offered_can_be_run_as_it_stands(run: Run, wrong: list[str]) -> None:
    code, told = run(*wrong)
    assert code in (2, 4)
    if found := re.search(r"Try: oneclass (.+)", told):
        assert run(*shlex.split(found[1]))[0] == 0


def test_an_exported_model_is_compared_by_the_command_that_is_shown(run: Run, place: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    code, told = run("export", "m.oneclass", "-o", str(place / "an export.onnx"))
    assert code == 0
    shown = told.partition("To compare: oneclass ")[2].strip()
    words = shlex.split(shown.replace("IMAGES", "good"))
    assert run(*words)[0] == 0


def test_pictures_that_are_gone(run: Run, place: Path) -> None:
    write_images(place / "gone", stripes(2, seed=5))
    assert run("score", "m.oneclass", "gone", "-o", "gone run")[0] == 0
    for one in (place / "gone").iterdir():
        one.unlink()
    code, told = run("report", "m.oneclass", "gone run")
    assert code == 2
    assert "--without-pictures makes a page" in told
    assert run("report", "m.oneclass", "gone run", "--without-pictures")[0] == 0


def test_a_share_in_percent_gets_no_second_percent_sign(run: Run) -> None:
    code, told = run("score", "m.oneclass", "good", "--false-alarms", "200%")
    assert code == 2
    assert "%%" not in told
    assert "% %" not in told


def test_no_command_is_named_that_does_not_help(run: Run) -> None:
    """Images that the model never learnt can all be read, so `check` would name none of them."""
    code, told = run("update", "m.oneclass", "--forget", "good", "-o", "f.oneclass")
    assert code == 3
    assert "1 more (1 x not_learnt)\n" in told


IMAGE = stripes(1, seed=2)[0]


@pytest.mark.parametrize(
    "image",
    [
        np.stack([IMAGE] * 4, axis=-1),
        np.stack([IMAGE] * 3),
        IMAGE[None],
        IMAGE[..., None],
        np.stack([IMAGE] * 2, axis=-1),
        IMAGE.astype(np.int64),
        IMAGE.astype(np.int16),
        IMAGE.astype(object),
        IMAGE.astype(np.uint32),
    ],
    ids=lambda image: f"{image.dtype}{image.shape}",
)
def test_the_code_in_a_message_makes_an_array_that_is_taken(place: Path, image: Any) -> None:
    detector = load(place / "m.oneclass")
    for _ in range(3):  # (1, H, W) becomes (H, W, 1) first
        found = detector.score([image])
        if not found.errors:
            break
        assert found.errors[0].reason == "unsupported"
        code = re.search(r"((?:image|numpy)[.\[].+?[)\]])(?:[ ,]|$)", found.errors[0].detail)
        assert code, found.errors[0].detail
        image = eval(code[1], {"image": image, "numpy": np})
    assert len(found) == 1
    assert found.scores[0] == pytest.approx(detector.score([IMAGE]).scores[0], rel=1e-4)


@pytest.mark.parametrize("kind", [">u2", ">f4", ">f8"])
def test_the_order_of_an_arrays_bytes_does_not_matter(kind: str) -> None:
    """What reads FITS, and numpy itself from old files, gives big-endian numbers."""
    images = [(one / 255).astype(kind) if "f" in kind else one * kind_max(kind)
              for one in stripes(6, seed=1).astype(kind)]  # fmt: skip
    detector = Detector(backbone="greyscale", size=(16, 16), threads=1)
    own = detector.fit([one.astype(one.dtype.newbyteorder("=")) for one in images])
    scores = own.score([one.astype(one.dtype.newbyteorder("=")) for one in images]).scores
    assert detector.fit(images).score(images).scores.tolist() == scores.tolist()


def kind_max(kind: str) -> Any:
    return np.dtype(kind).type(257)


def test_an_image_beyond_what_can_be_squared_is_named_and_left_out() -> None:
    images = list(stripes(12, seed=1).astype(np.float32) / 255)
    images[7] = images[7].copy()
    images[7][:3] = -3.4e38
    detector = Detector(backbone="greyscale", size=(16, 16), threads=1).fit(images)
    (error,) = detector.errors
    assert (error.name, error.reason) == ("array[7]", "row_not_finite")
    assert "far out of range; correct them, or leave it out" in error.detail
    detector.fit(images[:7] + images[8:])
    assert detector.errors == ()


def test_black_images_among_normal_ones_are_found_by_the_command_that_is_named(
    run: Run, place: Path
) -> None:
    """A larger nu, as was advised, never helps: they stand for nothing."""
    write_images(place / "some black", stripes(12, seed=1))
    for number in range(6):
        Image.new("L", (24, 24)).save(place / "some black" / f"black {number}.png")
    fit = ["fit", "some black", "-o", "sb.oneclass", *FIT[4:], *SIZE]
    code, told = run(*fit)
    assert code == 2
    assert "'oneclass check' names those of one single colour" in told
    assert run(*fit, "--nu", "0.9")[0] == 2
    code, told = run("check", "some black")
    assert code == 0
    named = re.findall(r"black \d\.png", told.partition("One single colour:")[2])
    assert len(named) == len(set(named)) > 0
    for one in (place / "some black").glob("black*"):
        one.unlink()
    assert run(*fit)[0] == 0


def test_few_different_pictures_bring_no_sentence_about_rows() -> None:
    """A part may hold one picture: that is no news to people who gave images."""
    images = list(np.repeat(stripes(6, seed=1), 3, axis=0))
    detector = Detector(backbone="greyscale", size=(16, 16), threads=1).fit(images)
    told = " ".join(detector.card["fit"]["warnings"])
    assert "18 images show about 6 different pictures" in told
    assert "row" not in told
    assert "coef" not in told


def test_a_path_that_is_given_for_rows() -> None:
    from oneclass.svm import nu_path

    with pytest.raises(InputError, match=r"numpy\.load\(file, mmap_mode='r'\)"):
        nu_path("rows.npy", [0.5])
    with pytest.raises(InputError, match=r"nu: 2\.0; expected"):
        nu_path(np.ones((3, 2)), [2])


def test_ycbcr_in_a_tiff_is_to_be_saved_as_rgb(tmp_path: Path) -> None:
    from oneclass.images import read

    picture = Image.fromarray(np.stack([IMAGE] * 3, axis=-1))
    picture.convert("YCbCr").save(tmp_path / "y.tif")
    with pytest.raises(ImageError, match="save it as RGB, with LZW, deflate or no compression"):
        read(tmp_path / "y.tif")
    Image.open(tmp_path / "y.tif").convert("RGB").save(tmp_path / "y.tif", compression="tiff_lzw")
    assert read(tmp_path / "y.tif").shape == (24, 24, 3)


@pytest.mark.parametrize("line", ["  good/000.png", "good/000.png  "])
def test_a_blank_around_a_path_in_a_list_is_named(run: Run, place: Path, line: str) -> None:
    """It may be part of a name, so it is not taken away unasked."""
    (place / "list.txt").write_text(line + "\n", encoding="utf-8")
    code, told = run("score", "m.oneclass", "list.txt")
    assert code == 2, "no image at all"
    assert "begins or ends with a blank; take that away" in told
    (place / "list.txt").write_text(line.strip() + "\n", encoding="utf-8")
    assert run("score", "m.oneclass", "list.txt")[0] == 0


def test_a_model_that_is_far_too_large_is_no_lack_of_memory_for_images(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A video of 1 TB, say: fewer threads or a smaller layer would not help."""

    class Huge(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise MemoryError

    monkeypatch.setattr(modelfile, "_opened", lambda _: nullcontext(Huge()))
    with pytest.raises(ModelFileError, match=r"not fit into memory\. Give a file made by"):
        load(place / "m.oneclass")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "this is SVG, which cannot be read; convert"),
        (b'<?xml version="1.0"?>\n<note/>', "this is XML"),
        (b"", "never written whole; fetch or export it again"),
        (b"\0" * 99, "never written whole; fetch or export it again"),
        (b"no picture", "convert it to one of these, or leave it out"),
    ],
)
def test_each_file_that_is_no_image_is_told_what_to_do(
    tmp_path: Path, start: bytes, said: str
) -> None:
    from oneclass.images import read

    (tmp_path / "x.png").write_bytes(start)
    with pytest.raises(ImageError, match=said):
        read(tmp_path / "x.png")


NOWHERE = "s3://plant/there"


@pytest.mark.parametrize(
    "words",
    [
        ["report", "m.oneclass", NOWHERE],
        ["report", "m.oneclass", "run", "-o", NOWHERE],
        ["report", "m.oneclass", "run", "--labels", NOWHERE],
        ["verify", NOWHERE, "m.oneclass", "good"],
        ["verify", "e.onnx", "m.oneclass", "good", "--csv", NOWHERE],
        ["export", "m.oneclass", "-o", NOWHERE],
        ["export", "m.oneclass", "-o", "e", "--format", "web", "--onnxruntime-web", NOWHERE],
        ["backbone", "import", NOWHERE, "-o", "n.onnx"],
        ["backbone", "import", "e.onnx", "-o", NOWHERE],
        ["backbone", "export", "nets:net", "-o", NOWHERE],
        ["backbone", "export", "nets:net", "-o", "n.onnx", "--weights", NOWHERE],
        ["demo", NOWHERE],
        ["demo", "textures", NOWHERE],
        ["cache", "info", NOWHERE],
        ["cache", "prune", NOWHERE],
        ["train", NOWHERE, "-o", "n.onnx"],
        ["train", "good", "-o", NOWHERE],
        ["train", "good", "-o", "n.onnx", "--labels", NOWHERE],
        ["evaluate", NOWHERE],
        ["evaluate", "good", "-o", NOWHERE],
        ["paper", "--mnist", NOWHERE],
        ["paper", "--xray", NOWHERE],
        ["paper", "--faces", NOWHERE],
        ["paper", "--faces", "good", "--sexes", NOWHERE],
        ["paper", "-o", NOWHERE],
        ["serve", "--data", NOWHERE],
        ["serve", "--folder", NOWHERE],
        ["serve", "export", NOWHERE],
    ],
    ids=lambda words: " ".join(words).replace(NOWHERE, "S3"),
)
def test_an_address_is_no_folder_of_a_strange_name(run: Run, place: Path, words: list[str]) -> None:
    """As a path it would be s3:/plant/there, which is not there, or is made and written to."""
    before = sorted(place.rglob("*"))
    code, told = run(*words)
    assert code == 2, told
    told = " ".join(told.split())
    assert f"{NOWHERE}: expected a path of this machine" in told
    assert "copy all else to a folder and give that, or write to a folder and copy from" in told
    assert sorted(place.rglob("*")) == before


def test_a_file_address_is_a_path_of_this_machine(run: Run, place: Path) -> None:
    write_images(place / "seen", stripes(2, seed=6))
    assert run("score", "m.oneclass", "seen", "-o", "seen run")[0] == 0
    address = (place / "seen run").as_uri()
    assert run("report", (place / "m.oneclass").as_uri(), address)[0] == 0
    assert (place / "seen run/report.html").is_file()


def test_greyscale_is_not_asked_for_where_it_was_given(run: Run) -> None:
    code, told = run("backbone", "show", "greyscale")
    assert code == 2
    assert "nor 'greyscale'" not in told
    shown = re.search(r"Give a network here, such as ([\w-]+)\.", told)
    assert shown
    assert run("backbone", "show", shown[1])[0] == 0

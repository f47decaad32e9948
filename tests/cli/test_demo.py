"""The demo goes through the command line, and can be run again."""

from __future__ import annotations

import hashlib
import re
import sys
from importlib import import_module, resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oneclass import InputError, OneclassError
from oneclass.cli import cli
from oneclass.cli.demo import run_command, run_demo, run_textures
from oneclass.cli.talk import console
from oneclass.datasets.demonstration import write_digits
from oneclass.datasets.mnist import mnist_5k
from oneclass.datasets.textures import (
    TEXTURES,
    damaged,
    squares,
    texture,
    texture_parts,
    write_textures,
)


def test_the_digits_are_mnist() -> None:
    images, labels = mnist_5k()
    assert images.shape == (5000, 28, 28)
    assert images.dtype == np.uint8
    assert images.max() == 255
    assert (np.bincount(labels) == 500).all()


def test_the_demo_finds_the_other_digits(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    run_demo(tmp_path / "demo", seed=0)
    said = capfd.readouterr().err
    for command in ("check", "fit", "score", "report"):
        assert f"$ oneclass {command}" in said
    found = float(said.split("AUROC ")[1][:5])
    assert found > 0.95
    assert len(list((tmp_path / "demo/normal").iterdir())) == 300
    assert len(list((tmp_path / "demo/incoming/5").iterdir())) == 200
    page = (tmp_path / "demo/run/report.html").read_text(encoding="utf-8")
    assert "Against the labels" in page
    assert page.count('<li class="tile') == 400


def test_writing_the_digits_twice_changes_nothing(tmp_path: Path) -> None:
    write_digits(tmp_path, seed=0)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    write_digits(tmp_path, seed=0)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before
    with pytest.raises(InputError, match=r"is in the way"):
        write_digits(tmp_path, seed=1)


def test_a_folder_of_pictures_is_not_the_demos(tmp_path: Path) -> None:
    (tmp_path / "good_parts").mkdir()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "good_parts/mine.png")
    with pytest.raises(InputError, match=r"good_parts holds mine\.png, which is not the demo's"):
        write_digits(tmp_path / "good_parts", seed=0)
    with pytest.raises(InputError, match="which is not the demo's"):
        write_textures(tmp_path / "good_parts", seed=0)
    assert [path.name for path in (tmp_path / "good_parts").iterdir()] == ["mine.png"]
    for name in ("run", "heatmaps"):  # of an earlier demo
        (tmp_path / "demo" / name).mkdir(parents=True)
    for name in ("fives.oneclass", "fives.oneclass.rows", "textures.oneclass.previous"):
        (tmp_path / "demo" / name).touch()
    write_textures(tmp_path / "demo", seed=0)


def test_a_failing_command_ends_the_demo(tmp_path: Path) -> None:
    with pytest.raises(OneclassError, match="ended with exit code 2"):
        run_command("fit", tmp_path / "nowhere", "-o", tmp_path / "m")


def test_the_textures_are_those_that_the_notice_names() -> None:
    notice = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")
    for name in TEXTURES:
        file = resources.files("oneclass.datasets") / "data" / f"{name}.png"
        assert f"{name}.png" in notice
        assert hashlib.sha256(file.read_bytes()).hexdigest() in notice
        assert texture(name).shape == (512, 512)


@pytest.mark.parametrize("seed", range(5))
def test_damage_is_small_and_where_it_can_be_seen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    part = squares(texture("gravel"))[seed]
    assert damaged(part, "good", rng) is part
    for kind in ("scratch", "stain"):
        changed = np.abs(damaged(part, kind, rng).astype(int) - part) > 20
        assert 0.002 < changed.mean() < 0.15
        assert not changed[0].any()
        assert not changed[:, -1].any()


def test_textures_are_written_as_ever_and_share_no_pixel(tmp_path: Path) -> None:
    write_textures(tmp_path, seed=3)
    parts = texture_parts(seed=3)
    assert len(parts) == 3 * 24 + 3 * 3 * 12
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == set(parts)
    for name, part in parts.items():
        with Image.open(tmp_path / name) as image:
            assert (np.array(image) == part).all()
    for name in TEXTURES:
        good = [f"normal/{name}", f"incoming/good/{name}"]
        places = [place_of(parts[k], name) for k in parts if k.rpartition("-")[0] in good]
        assert sorted(places) == list(range(36))


def place_of(part: np.ndarray, name: str) -> int:
    """Which square of a texture a part is; exactly one is."""
    (place,) = np.flatnonzero((squares(texture(name)) == part).all((1, 2)))
    return int(place)


def test_squares_tile_a_picture() -> None:
    picture = np.arange(180 * 260).reshape(180, 260).astype(np.uint16)
    parts = squares(picture)
    assert parts.shape == (6, 85, 85)
    assert (parts[4] == picture[85:170, 85:170]).all()
    assert len(np.unique(parts)) == parts.size


def test_chance_alone_says_which_part_is_learnt() -> None:
    """Good parts are such as the promise is about: exchangeable with those learnt from."""
    learnt = np.zeros(36)
    for seed in range(30):
        for name, part in texture_parts(seed=seed).items():
            if name.startswith("normal/brick"):
                learnt[place_of(part, "brick")] += 1
    assert learnt.sum() == 30 * 24
    assert (abs(learnt - 20) < 10).all()  # as if each were drawn with a chance of 2 in 3


def test_the_words_of_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from oneclass.cli import cli

    module = import_module("oneclass.cli.demo")

    called = []
    monkeypatch.setattr(module, "run_demo", lambda folder, seed: called.append(("d", folder)))
    monkeypatch.setattr(module, "run_textures", lambda folder, seed: called.append(("t", folder)))
    for words in (
        [],
        ["x"],
        ["digits", "x"],
        ["textures"],
        ["textures", "x"],
        ["there"],
        ["digits", "digit"],
        ["digits", "--seed", "3"],
        ["textures", "--seed", "3"],
    ):
        assert CliRunner().invoke(cli, ["demo", *words]).exit_code == 0
    assert [f"{kind} {folder}" for kind, folder in called] == [
        "d oneclass-demo", "d x", "d x", "t oneclass-demo-textures", "t x", "d there", "d digit",
        "d oneclass-demo-3", "t oneclass-demo-textures-3",
    ]  # fmt: skip
    assert CliRunner().invoke(cli, ["demo", "x", "y"]).exit_code == 2
    slip = CliRunner().invoke(cli, ["demo", "texture"])
    assert slip.exit_code == 2
    assert "Did you mean textures?" in slip.output
    for option in ("-o", "--out", "--output"):
        slip = CliRunner().invoke(cli, ["demo", option, "x"])
        assert "[FOLDER] is an argument: it stands by itself" in slip.output


def test_the_demo_finds_scratches_and_stains(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_textures(tmp_path / "demo", seed=0)
    said = capfd.readouterr().err
    assert float(said.split("AUROC ")[1][:5]) > 0.85
    assert "5% promised" in said
    assert int(re.search(r"good: +(\d+) of  36", said)[1]) <= 5
    assert "something is new for all" in said
    assert "two in three of these were damaged on purpose" in said
    for name in ("run/report.html", "run/predictions.csv", "heatmaps"):
        assert str(tmp_path / "demo" / name) in said.split("\nLook at ")[1]
    assert (tmp_path / "demo/heatmaps/index.csv").exists()
    assert (tmp_path / "demo/run/report.html").exists()


def test_a_demo_that_is_stopped_says_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stop(folder: Path, *, seed: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("oneclass.cli.demo"), "run_demo", stop)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["oneclass", "demo", "dm"])
    for there in (False, True):
        assert console.run(cli) == 130
        said = capsys.readouterr().err
        assert ("nothing was written yet" in said) != there
        assert ("what is finished lies in dm." in said) == there
        (tmp_path / "dm").mkdir(exist_ok=True)

"""The demo goes through the command line, and can be run again."""

from __future__ import annotations

import hashlib
from importlib import import_module, resources
from pathlib import Path

import numpy as np
import pytest

from oneclass import InputError, OneclassError
from oneclass.cli.demo import run_command, run_demo, run_textures
from oneclass.datasets.demonstration import write_digits
from oneclass.datasets.mnist import mnist_5k
from oneclass.datasets.textures import TEXTURES, damaged, texture, write_textures


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
    part = texture("gravel")[:160, :160]
    assert damaged(part, "good", rng) is part
    for kind in ("scratch", "stain"):
        changed = np.abs(damaged(part, kind, rng).astype(int) - part) > 20
        assert 0.002 < changed.mean() < 0.15
        assert not changed[0].any()
        assert not changed[:, -1].any()


def test_textures_are_written_as_ever_and_share_no_pixel(tmp_path: Path) -> None:
    write_textures(tmp_path / "a", seed=3)
    write_textures(tmp_path / "b", seed=3)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.png"))
    assert len(files) == 3 * 40 + 3 * 3 * 12
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_words_of_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from oneclass.cli import cli

    module = import_module("oneclass.cli.demo")

    called = []
    monkeypatch.setattr(module, "run_demo", lambda folder, seed: called.append(("d", folder)))
    monkeypatch.setattr(module, "run_textures", lambda folder, seed: called.append(("t", folder)))
    for words in ([], ["x"], ["digits", "x"], ["textures"], ["textures", "x"]):
        assert CliRunner().invoke(cli, ["demo", *words]).exit_code == 0
    assert [f"{kind} {folder}" for kind, folder in called] == [
        "d oneclass-demo", "d x", "d x", "t oneclass-demo", "t x"
    ]  # fmt: skip
    assert CliRunner().invoke(cli, ["demo", "x", "y"]).exit_code == 2


@pytest.mark.slow
def test_the_demo_finds_scratches_and_stains(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_textures(tmp_path / "demo", seed=0)
    said = capfd.readouterr().err
    assert float(said.split("AUROC ")[1][:5]) > 0.75
    assert (tmp_path / "demo/heatmaps/index.csv").exists()
    assert (tmp_path / "demo/run/report.html").exists()

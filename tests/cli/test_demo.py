"""The demo goes through the command line, and can be run again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oneclass import InputError, OneclassError
from oneclass.cli.demo import run_command, run_demo
from oneclass.datasets.demonstration import write_digits
from oneclass.datasets.mnist import mnist_5k


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

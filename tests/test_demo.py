"""The demo goes through the command line, and can be run again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oneclass import InputError, Prediction, demo
from oneclass.demo import auroc, mnist_5k, run_demo, write_digits
from oneclass.sheet import draw_sheet


def test_the_digits_are_mnist() -> None:
    images, labels = mnist_5k()
    assert images.shape == (5000, 28, 28)
    assert images.dtype == np.uint8
    assert images.max() == 255
    assert (np.bincount(labels) == 500).all()


def test_the_demo_finds_the_other_digits(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    run_demo(tmp_path / "demo", seed=0)
    said = capfd.readouterr().err
    for command in ("check", "fit", "score"):
        assert f"$ oneclass {command}" in said
    found = float(said.split("AUROC ")[1][:5])
    assert found > 0.95
    assert len(list((tmp_path / "demo/normal").iterdir())) == 300
    assert len(list((tmp_path / "demo/incoming/5").iterdir())) == 200
    with Image.open(tmp_path / "demo/picture.png") as picture:
        assert picture.width > 900
        assert len(picture.getcolors(1_000_000)) > 20


def test_writing_the_digits_twice_changes_nothing(tmp_path: Path) -> None:
    write_digits(tmp_path, seed=0)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    write_digits(tmp_path, seed=0)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before
    with pytest.raises(InputError, match=r"is in the way"):
        write_digits(tmp_path, seed=1)


def test_a_failing_command_ends_the_demo(tmp_path: Path) -> None:
    with pytest.raises(demo.OneclassError, match="ended with exit code 2"):
        demo._command("fit", tmp_path / "nowhere", "-o", tmp_path / "m")


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
)
def test_auroc_is_the_chance_that_an_anomaly_scores_higher(normal: list, anomalous: list) -> None:
    pairs = [(a > n) + (a == n) / 2 for a in anomalous for n in normal]
    assert auroc(np.array(normal), np.array(anomalous)) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("n", [1, 7, 13])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_sheet_of_any_number_of_images(tmp_path: Path, n: int, dtype: type) -> None:
    predictions = []
    for i in range(n):
        path = tmp_path / f"{i}.png"
        Image.fromarray(np.full((5 + 40 * i, 200), 20 * i, dtype)).save(path)
        predictions.append(Prediction(str(path), float(i), 0.5, i > 3))
    draw_sheet(predictions, tmp_path / "sheet.png", title="some")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 100

"""`oneclass export` on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from commands import oneclass
from conftest import stripes
from graphs import session_of
from oneclass import Detector, load


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "parts.oneclass"
    Detector(size=(64, 64)).fit(stripes(30, seed=1)).save(file)
    return file


def test_a_file_that_runs_elsewhere(model: Path, tmp_path: Path) -> None:
    done = oneclass("export", model, "-o", tmp_path / "parts.onnx", "--layout", "nchw")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "parts.onnx" in done.stderr
    new = stripes(5, seed=2)
    session = session_of((tmp_path / "parts.onnx").read_bytes())
    found = session.run(["score"], {"images": new[:, None]})[0]
    np.testing.assert_allclose(found, load(model).score(new).scores, atol=1e-6)


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left(
    model: Path, tmp_path: Path
) -> None:
    done = oneclass("export", model, "-o", tmp_path / "missing" / "parts.onnx")
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    done = oneclass("export", model, "-o", tmp_path / "a.onnx", "--size", "9", "--without-resize")
    assert done.returncode == 2
    assert "Leave the size out" in done.stderr
    assert list(tmp_path.iterdir()) == []

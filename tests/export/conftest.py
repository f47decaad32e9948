"""What several of the tests of exported models begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import stripes
from oneclass import Detector, load
from oneclass.export.assembly import onnx_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, with its exported graph beside it."""
    file = tmp_path_factory.mktemp("models") / "parts.oneclass"
    Detector(size=(64, 64)).fit(stripes(30, seed=1)).save(file)
    file.with_suffix(".onnx").write_bytes(onnx_model(load(file)))
    return file

"""One model for all reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import stripes
from oneclass import Detector


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "m.oneclass"
    Detector(layer="block_2@4", size=(64, 64)).fit(stripes(40, seed=1)).save(file)
    return file

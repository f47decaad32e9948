"""Sets of real pictures, unpacked once from the archives that ONECLASS_DATA has."""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path

from svm_rows import needed


def unpacked(archive: str) -> Path:
    """The folder of an archive such as defects/deeppcb.tar; the program ends where it is missing.

    It lies under ONECLASS_UNPACKED, or in the folder for temporary files.
    """
    root = Path(os.environ.get("ONECLASS_UNPACKED", Path(tempfile.gettempdir()) / "data"))
    place = root / Path(archive).stem
    if not place.is_dir():
        with tarfile.open(needed(Path(os.environ.get("ONECLASS_DATA", "")) / archive)) as tar:
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=root) as begun:  # a folder that is there is whole
                tar.extractall(Path(begun) / place.name, filter="data")
                (Path(begun) / place.name).rename(place)
    inner = place / place.name
    return inner if inner.is_dir() else place

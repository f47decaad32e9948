"""Heatmaps as files: an overlay to look at, the numbers to compute with, and an index."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from oneclass.detector.heat import Explanation
from oneclass.images.folders import HEATMAP_MARK
from oneclass.results.runs import csv_text, make_folder
from oneclass.system.files import translated_errors, whole_file

INDEX = "index.csv"
COLUMNS = ("path", "score", "offset", "n_worst", "png", "npy")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 60


class HeatmapFolder:
    """A folder that fills with one overlay and one map an image."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, and take an older index out of it: its files will be others' soon.

        Raises:
            InputError: it cannot be made or written to.
        """
        make_folder(folder)
        with translated_errors(folder):
            (folder / INDEX).unlink(missing_ok=True)
        self.folder = folder
        self._rows: list[tuple[str, ...]] = []

    def add(self, explanation: Explanation, drawn: Image.Image) -> None:
        """Write one image's two files.

        Raises:
            StorageError: the disk is full.
        """
        prediction = explanation.prediction
        name = f"{len(self._rows) + 1:06}_{_safe(prediction.path)}"
        buffer = io.BytesIO()
        mark = PngInfo()
        mark.add_text("Software", HEATMAP_MARK)  # so that no later run takes it for an image
        drawn.save(buffer, "PNG", pnginfo=mark)
        with whole_file(self.folder / f"{name}.png") as file:
            file.write(buffer.getvalue())
        with whole_file(self.folder / f"{name}.npy") as file:
            np.save(file, explanation.anomaly_map)
        numbers = (repr(prediction.score), repr(explanation.offset), str(explanation.n_worst))
        self._rows.append((prediction.path, *numbers, f"{name}.png", f"{name}.npy"))

    def finish(self) -> None:
        """Write index.csv, which says what each file belongs to.

        Raises:
            StorageError: the disk is full.
        """
        with whole_file(self.folder / INDEX) as file:
            file.write(csv_text(COLUMNS, self._rows))


def _safe(path: str) -> str:
    """A file's own name without what a shell, a system or a browser would stumble over."""
    return _UNSAFE.sub("_", Path(path).stem)[:LONGEST_NAME].strip("._") or "image"

"""Heatmaps as files: an overlay to look at, the numbers to compute with, and an index."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oneclass.detector.estimator import Detector
from oneclass.detector.heat import Explanation
from oneclass.detector.predictions import Prediction
from oneclass.errors import ImageError
from oneclass.images.folders import HEATMAP_MARK
from oneclass.images.sources import Progress, Sources
from oneclass.results.overlay import overlay, picture
from oneclass.results.png import png
from oneclass.results.runs import csv_text, make_folder
from oneclass.system.files import translated_errors, whole_file

INDEX = "index.csv"
COLUMNS = ("path", "score", "offset", "n_worst", "png", "npy")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Drawn:
    """One image's heatmap, ready to be written.

    Attributes:
        prediction: of the image.
        offset, n_worst: of its `Explanation`.
        files: the bytes of each file, by the ending of its name; the PNG says that it is a heatmap,
            so that no later run takes it for an image.
    """

    prediction: Prediction
    offset: float
    n_worst: int
    files: Mapping[str, bytes]


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

    def add(self, drawn: Drawn) -> None:
        """Write one image's two files.

        Raises:
            StorageError: the disk is full.
        """
        name = f"{len(self._rows) + 1:06}_{_safe(drawn.prediction.path)}"
        for ending, content in drawn.files.items():
            with whole_file(self.folder / f"{name}.{ending}") as file:
                file.write(content)
        numbers = (repr(drawn.prediction.score), repr(drawn.offset), str(drawn.n_worst))
        self._rows.append((drawn.prediction.path, *numbers, f"{name}.png", f"{name}.npy"))

    def finish(self) -> None:
        """Write index.csv, which says what each file belongs to.

        Raises:
            StorageError: the disk is full.
        """
        with whole_file(self.folder / INDEX) as file:
            file.write(csv_text(COLUMNS, self._rows))


def draw_each(
    detector: Detector, sources: Sources, progress: Progress | None = None
) -> Iterator[Drawn | ImageError]:
    """What a `HeatmapFolder` takes of each image, or why it has none: made in the workers.

    Args:
        detector: with maps.
        sources: what `gather` made of the images.
        progress: called with (images done, images in all).

    Raises:
        InputError: the model's layers have no map.
    """
    scale, heat_scale = detector.pixel_scale, detector.heat_scale

    def draw(explanation: Explanation, image: Image.Image) -> Drawn:
        with detector.stages.measure("draw"):
            over = overlay(image, explanation.anomaly_map, heat_scale)
            files = {
                "png": png(np.asarray(over), ("Software", HEATMAP_MARK)),
                "npy": _npy(explanation.anomaly_map),
            }
        return Drawn(explanation.prediction, explanation.offset, explanation.n_worst, files)

    return detector.explain_and(
        draw, sources, glance=lambda pixels: picture(pixels, scale), progress=progress
    )


def _npy(anomaly_map: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, anomaly_map, allow_pickle=False)
    return buffer.getvalue()


def _safe(path: str) -> str:
    """A file's own name without what a shell, a system or a browser would stumble over."""
    return _UNSAFE.sub("_", Path(path).stem)[:LONGEST_NAME].strip("._") or "image"

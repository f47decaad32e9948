"""Heatmaps as files: an overlay to look at, the numbers to compute with, regions, and an index."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oneclass.detector.estimator import Detector
from oneclass.detector.heat import Explanation
from oneclass.detector.predictions import Prediction
from oneclass.detector.regions import Region
from oneclass.errors import ImageError, OneclassError
from oneclass.images.inside import HEATMAP_MARK, is_ours
from oneclass.images.sources import Progress, Sources
from oneclass.results.folders import INDEX, REGIONS, check_heatmap_folder
from oneclass.results.overlay import outline, overlay, picture
from oneclass.results.png import png
from oneclass.results.runs import csv_text
from oneclass.system.files import flush_files, make_folder, translated_errors, whole_file
from oneclass.system.places import Remote
from oneclass.system.stages import Stages

COLUMNS = ("path", "score", "offset", "n_worst", "png", "npy")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Drawn:
    """One image's heatmap, ready to be written.

    Attributes:
        prediction: of the image.
        offset, n_worst: of its `Explanation`.
        regions: a line of JSON that tells its size and its regions; None of a model that has no
            threshold for pixels.
        files: the bytes of each file, by the ending of its name; the PNG says that it is a heatmap,
            so that no later run takes it for an image.
    """

    prediction: Prediction
    offset: float
    n_worst: int
    regions: str | None
    files: Mapping[str, bytes]


class HeatmapFolder:
    """A folder that fills with one overlay and one map an image."""

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            InputError: it cannot be made or written to, or is refused by `check_heatmap_folder`.
        """
        check_heatmap_folder(folder)
        make_folder(folder)
        self.folder = folder
        self.n_replaced = 0
        """Heatmaps of an earlier run that were taken away."""
        self._regions: list[str] = []
        self._rows: list[tuple[str, ...]] = []

    def add(self, drawn: Drawn) -> None:
        """Write one image's two files; the first takes what is older out of the folder.

        Only what the older index names goes, and of that only what was drawn here. Where no image
        can be drawn, all of it stays. What is stopped between the two files leaves neither.

        Raises:
            InputError: the folder cannot be written to.
            StorageError: the disk is full.
        """
        if not self._rows:
            self._end_older()
        name = f"{len(self._rows) + 1:06}_{_safe(drawn.prediction.path)}"
        begun: list[Path] = []
        try:
            for ending, content in drawn.files.items():
                begun.append(self.folder / f"{name}.{ending}")
                with whole_file(begun[-1], flush=False) as file:
                    file.write(content)
        except BaseException:
            for path in begun:
                with suppress(OSError, OneclassError):
                    path.unlink(missing_ok=True)
            raise
        numbers = (repr(drawn.prediction.score), repr(drawn.offset), str(drawn.n_worst))
        self._rows.append((drawn.prediction.path, *numbers, f"{name}.png", f"{name}.npy"))
        if drawn.regions is not None:
            self._regions.append(drawn.regions)

    def finish(self) -> None:
        """Write regions.jsonl, if the model has a threshold, and index.csv, each whole.

        Where the index stands, all files that it names are on the disk. One of an older run stays
        where nothing was drawn.

        Raises:
            StorageError: the disk is full.
        """
        if not self._rows and (self.folder / INDEX).exists():
            return
        flush_files(self.folder / name for row in self._rows for name in row[-2:])
        if self._regions:
            with whole_file(self.folder / REGIONS) as file:
                for line in self._regions:
                    file.write(f"{line}\n".encode("utf-8", "backslashreplace"))
        with whole_file(self.folder / INDEX) as file:
            file.write(csv_text(COLUMNS, self._rows))

    def _end_older(self) -> None:
        with translated_errors(self.folder):
            self.n_replaced = _remove_older(self.folder)
            for name in (INDEX, REGIONS):
                (self.folder / name).unlink(missing_ok=True)


def _remove_older(folder: Path) -> int:
    """Take away the heatmaps that an older index names; in a store they are left to their owner.

    Returns:
        How many there were.
    """
    removed = 0
    if isinstance(folder, Remote) or not (folder / INDEX).is_file():
        return removed
    with (folder / INDEX).open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            name = Path(row.get("png") or "").name
            if name and is_ours(str(folder), name):
                (folder / name).unlink()
                (folder / f"{name[:-4]}.npy").unlink(missing_ok=True)
                removed += 1
    return removed


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
    draw = _Draw(sources, detector.heat_scale, _threshold(detector), detector.stages)
    glance = partial(picture, scale=detector.pixel_scale)
    return detector.explain_and(draw, sources, glance=glance, progress=progress)


@dataclass(frozen=True)
class _Draw:
    """An explanation and its picture to the files of one image; it can travel."""

    sources: Sources
    heat_scale: float
    threshold: float | None
    stages: Stages

    def __call__(self, index: int, found: Explanation, image: Image.Image) -> Drawn | ImageError:
        threshold = self.threshold
        with self.stages.measure("draw"):
            try:
                header = self.sources.header(index)
            except ImageError as gone:  # since it was scored
                return gone
            size = header.height, header.width
            regions = () if threshold is None else found.regions(threshold, size)
            over = overlay(image, found.anomaly_map, self.heat_scale)
            outlined = outline(over, regions, size)
            told = None if threshold is None else _line(found.prediction, threshold, size, regions)
            files = {
                "png": png(np.asarray(outlined), ("Software", HEATMAP_MARK)),
                "npy": _npy(found.anomaly_map),
            }
        return Drawn(found.prediction, found.offset, found.n_worst, told, files)


def _threshold(detector: Detector) -> float | None:
    """The detector's threshold for pixels; None of a model that was fitted before there was one."""
    return detector.pixel_threshold if len(detector.model.heat.normal_peaks) else None


def _line(
    prediction: Prediction, threshold: float, size: tuple[int, int], regions: Sequence[Region]
) -> str:
    """An image's regions as one line of JSON."""
    height, width = size
    return json.dumps(
        {
            "path": prediction.path,
            "width": width,
            "height": height,
            "score": prediction.score,
            "is_anomaly": prediction.is_anomaly,
            "threshold": threshold,
            "regions": [region.to_json() for region in regions],
        }
    )


def _npy(anomaly_map: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, anomaly_map, allow_pickle=False)
    return buffer.getvalue()


def _safe(path: str) -> str:
    """A file's own name without what a shell, a system or a browser would stumble over."""
    return _UNSAFE.sub("_", Path(path).stem)[:LONGEST_NAME].strip("._") or "image"

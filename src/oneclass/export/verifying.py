"""How far an exported model is from the one that it was made from, on a user's own images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import Preprocessing
from oneclass.detector.estimator import Detector
from oneclass.detector.heat import Explanation
from oneclass.errors import ImageError, InputError
from oneclass.export.resizing import may_begin_vertically
from oneclass.export.running import Exported
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Progress, Sources
from oneclass.representations.preparation import prepare
from oneclass.system.arrays import Pixels

DEFAULT_TOLERANCE = 0.1
"""Of a score, in standard deviations of the normal images' scores."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How differently an image is judged; exported less own.

    Attributes:
        path: of the image.
        score: in standard deviations of the normal images' scores; NaN where only one is a number.
        p_value: difference.
        verdicts: the exported one and the model's.
        near: whether the own score is so near to the threshold that the tolerance may decide.
        anomaly_map: the largest difference in the map, as a share of the heat scale; None without
            maps.
    """

    path: str
    score: float
    p_value: float
    verdicts: tuple[bool, bool]
    near: bool
    anomaly_map: float | None

    def within(self, tolerance: float) -> bool:
        """Whether the scores agree, and the verdicts do unless the threshold is near."""
        same = self.verdicts[0] == self.verdicts[1]
        return bool(abs(self.score) <= tolerance) and (same or self.near)


def check_origin(exported: Exported, detector: Detector) -> None:
    """Refuse to compare a model with what was made from another one.

    Raises:
        InputError: the digests differ.
    """
    theirs = exported.record["model_sha256"]
    if theirs != detector.digest:
        raise InputError(
            f"the exported model was made from a model of SHA-256 {theirs}, and this one has "
            f"{detector.digest}. Give the model that it was made from, or export again."
        )


def other_order(exported: Exported) -> bool:
    """Whether it resizes tall images in another order of axes than the Pillow that is here.

    Pillow 13.0 changed the order, and the exported model has that of where it was made.
    """
    told = exported.record.get("tall_vertically_first")
    return told is not None and told != may_begin_vertically()


def compare(
    exported: Exported,
    detector: Detector,
    sources: Sources,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    progress: Progress | None = None,
) -> Iterator[Difference | ImageError]:
    """Judge images by both.

    Both get what `images.read` makes of a file, so that how another program reads files is not
    compared. The exported model gets all pixels; the detector reads large JPEGs at a part of their
    size where that is enough. One that does not resize gets what the detector would have resized.

    Args:
        exported: from `open_exported`.
        detector: the model that it was made from.
        sources: what `gather` made of the images.
        tolerance: of scores, in standard deviations of the normal images' scores.
        progress: called with (images done, images in all).
    """
    spread = float(detector.normal_scores.std()) or 1.0
    with_maps = "anomaly_map" in exported.record["outputs"]
    judged = (detector.explain_each if with_maps else detector.score_each)(
        sources, progress=progress
    )
    for index, own in enumerate(judged):
        if isinstance(own, ImageError):
            yield own
            continue
        try:
            pixels = _pixels(sources, index, exported, detector)
        except ImageError as gone:  # between scoring and this
            yield gone
            continue
        prediction = own.prediction if isinstance(own, Explanation) else own
        found = exported(pixels)
        near = abs(prediction.score - detector.score_threshold) <= tolerance * spread
        yield Difference(
            prediction.path,
            (float(found["score"]) - prediction.score) / spread,
            float(found["p_value"]) - prediction.p_value,
            (bool(found["is_anomaly"]), prediction.is_anomaly),
            near,
            _of_maps(found["anomaly_map"], own, detector) if isinstance(own, Explanation) else None,
        )


def _of_maps(found: NDArray[np.float32], own: Explanation, detector: Detector) -> float:
    return float(np.abs(found - own.anomaly_map).max() / detector.heat_scale)


def _pixels(sources: Sources, index: int, exported: Exported, detector: Detector) -> Pixels:
    """What the exported model is given of an image."""
    own = detector.model.representation.preprocessing
    if exported.record["resized"]:
        pixels = sources.pixels(index, own.at_least)
        zeros, ones = ((value,) * (3 if pixels.ndim == 3 else 1) for value in (0.0, 1.0))
        plain = Preprocessing(own.size, own.interpolation, zeros, ones)
        depth = exported.record["input"]["type"]
        planes = prepare(pixels, PixelScale(depth, 0.0, 1.0), plain)
        made = planes if depth == "float32" else np.rint(planes).astype(depth)
        return made[0] if len(made) == 1 else np.ascontiguousarray(made.transpose(1, 2, 0))
    pixels = sources.pixels(index)
    size = exported.record["size"]
    if size is not None and tuple(size) != pixels.shape[:2]:
        raise InputError(
            f"{sources.names[index]}: has {pixels.shape[1]} x {pixels.shape[0]} pixels, and the "
            f"exported model takes {size[1]} x {size[0]} (width x height). Give images of that "
            "size, or export again without --size."
        )
    return pixels

"""Images and their heat, small enough to travel inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from oneclass.detector.estimator import Detector
from oneclass.detector.heat import Explanation
from oneclass.detector.predictions import Prediction
from oneclass.errors import ImageError, InputError
from oneclass.images.sources import Progress, Sources
from oneclass.results.overlay import heat_layer, visible

MOST_TILES, MOST_CALM = 500, 100
BUDGET = 3_400_000
"""Characters for all images of a page, so that 500 of them stay under 5 MB."""
LEVELS = ((192, 78), (160, 70), (128, 62), (96, 55), (72, 45), (56, 35))
"""Longest side in pixels and WebP quality; the first that keeps the budget is taken."""
HEAT_SIDE = 28


@dataclass(frozen=True)
class Tile:
    """One image of the page.

    Attributes:
        prediction: of the image.
        rank: its place among all scored images, 1 for the oddest.
        image: as a data URI; None where it cannot be shown.
        heat: a transparent layer to lay over it, as a data URI; None without one.
        size: (width, height) of the image in the page's pixels.
        problem: why there is no image.
    """

    prediction: Prediction
    rank: int
    image: str | None
    heat: str | None = None
    size: tuple[int, int] = (1, 1)
    problem: str = ""


def most_telling(predictions: Sequence[Prediction]) -> list[tuple[int, Prediction]]:
    """The predictions to show, with their ranks: all, or of many the oddest and the least odd."""
    ranked = list(enumerate(sorted(predictions, key=lambda p: -p.score), 1))
    if len(ranked) <= MOST_TILES:
        return ranked
    return [*ranked[: MOST_TILES - MOST_CALM], *ranked[-MOST_CALM:]]


def make_tiles(
    chosen: Sequence[tuple[int, Prediction]], detector: Detector, *, progress: Progress | None
) -> list[Tile]:
    """Read the chosen images again, and take their scores apart where the model can.

    An image that is gone or no longer has the score that was recorded is not shown.
    """
    found = list(_look(chosen, detector, progress))
    for side, quality in LEVELS:
        tiles = [_encoded(one, side, quality) for one in found]
        if sum(len(t.image or "") + len(t.heat or "") for t in tiles) <= BUDGET:
            break
    return tiles


@dataclass(frozen=True)
class _Seen:
    rank: int
    prediction: Prediction
    image: Image.Image | None
    heat: str | None = None
    problem: str = ""


def _look(
    chosen: Sequence[tuple[int, Prediction]], detector: Detector, progress: Progress | None
) -> Iterator[_Seen]:
    paths = [Path(prediction.path) for _, prediction in chosen]
    sources = Sources(paths, [str(path) for path in paths])
    heat_scale: float | None = None
    results: Iterator[Explanation | Prediction | ImageError]
    try:
        heat_scale = detector.heat_scale
        results = detector.explain_each(sources, progress=progress)
    except InputError:  # layers without maps
        results = detector.score_each(sources, progress=progress)
    for index, ((rank, recorded), result) in enumerate(zip(chosen, results, strict=True)):
        if isinstance(result, ImageError):
            yield _Seen(rank, recorded, None, problem=result.reason)
            continue
        again = result.prediction if isinstance(result, Explanation) else result
        if again.score != recorded.score:
            yield _Seen(rank, recorded, None, problem="changed since it was scored")
            continue
        try:
            image = visible(sources.pixels(index), detector.pixel_scale)
        except ImageError as gone:  # since a moment ago
            yield _Seen(rank, recorded, None, problem=gone.reason)
            continue
        image.thumbnail((LEVELS[0][0], LEVELS[0][0]), Image.Resampling.LANCZOS)
        heat = None
        if isinstance(result, Explanation) and heat_scale is not None:
            heat = _heat(result, heat_scale)
        yield _Seen(rank, recorded, image, heat)


def _heat(explanation: Explanation, heat_scale: float) -> str:
    sides = explanation.anomaly_map.shape
    height, width = (max(side, HEAT_SIDE) for side in sides)
    return _data_uri(heat_layer(explanation.anomaly_map, heat_scale, (width, height)), 60)


def _encoded(seen: _Seen, side: int, quality: int) -> Tile:
    if seen.image is None:
        return Tile(seen.prediction, seen.rank, None, problem=seen.problem)
    image = seen.image
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    uri = _data_uri(image, quality)
    return Tile(seen.prediction, seen.rank, uri, seen.heat, seen.image.size)


def _data_uri(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()

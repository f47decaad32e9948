"""Images and their heat, small enough to travel inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from oneclass.detector.estimator import Detector
from oneclass.detector.heat import Explanation
from oneclass.detector.predictions import Prediction
from oneclass.errors import ImageError, InputError
from oneclass.images.sources import Progress, Sources
from oneclass.results.overlay import heat_layer, visible
from oneclass.system.names import plural
from oneclass.system.places import is_address

MOST_TILES, MOST_CALM, MOST_WRONG = 500, 100, 150
BUDGET = 3_400_000
"""Characters for all images of a page, so that 500 of them stay under 5 MB."""
LARGE, LARGE_QUALITY, MOST_LARGE, LARGE_BUDGET = 560, 74, 100, 1_500_000
"""The most telling images are kept large enough to be enlarged, as many as this budget takes."""
LEVELS = ((192, 78), (160, 70), (128, 62), (96, 55), (72, 45), (56, 35))
"""Longest side in pixels and WebP quality of the others; the first that keeps the budget."""
HEAT_SIDE = 28
NOT_FETCHED = "it lies at an address"
"""Why a picture at an address is not shown: a report fetches none."""


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


def most_telling(
    predictions: Sequence[Prediction], wrong: Collection[str] = ()
) -> list[tuple[int, Prediction]]:
    """The predictions to show, with their ranks: all, or of many the oddest and the least odd.

    Args:
        predictions: of the run.
        wrong: paths of those whose verdict is known to be wrong; up to `MOST_WRONG` come first.
    """
    ranked = list(enumerate(sorted(predictions, key=lambda p: -p.score), 1))
    if len(ranked) <= MOST_TILES:
        return ranked
    places = [i for i, (_, p) in enumerate(ranked) if p.path in wrong][:MOST_WRONG]
    kept = {*places, *range(len(ranked) - MOST_CALM, len(ranked))}
    for place in range(len(ranked)):
        if len(kept) >= MOST_TILES:
            break
        kept.add(place)
    return [ranked[place] for place in sorted(kept)]


def make_tiles(
    chosen: Sequence[tuple[int, Prediction]],
    detector: Detector,
    *,
    places: Mapping[str, Path],
    first: Collection[str] = (),
    progress: Progress | None,
) -> list[Tile]:
    """Read the chosen images again, and take their scores apart where the model can.

    An image that is gone, no longer has the score that was recorded, or lies at an address is not
    shown.

    Args:
        chosen: ranks and predictions.
        detector: that scored them.
        places: where an image lies now, by its path.
        first: paths of images that are kept large before all others.
        progress: called with (images read, images in all).
    """
    order = sorted(range(len(chosen)), key=lambda i: (chosen[i][1].path not in first, i))
    candidates = set(order[:MOST_LARGE])
    here = [i for i, (_, p) in enumerate(chosen) if not is_address(p.path)]
    large = {n for n, i in enumerate(here) if i in candidates}
    looked = _look([chosen[i] for i in here], detector, places, large, progress)
    seen = dict(zip(here, looked, strict=True))
    found = [
        seen.get(i) or _Seen(rank, prediction, None, problem=NOT_FETCHED)
        for i, (rank, prediction) in enumerate(chosen)
    ]
    room = LARGE_BUDGET
    for i in order[:MOST_LARGE]:
        uri = found[i].large
        if uri is not None and len(uri) <= room:
            room -= len(uri)
        else:
            found[i] = replace(found[i], large=None)
    for side, quality in LEVELS:
        tiles = [_encoded(one, side, quality) for one in found]
        if sum(len(t.image or "") + len(t.heat or "") for t in tiles) <= BUDGET:
            break
    return tiles


def told_not_shown(tiles: Sequence[Tile]) -> list[str]:
    """A sentence on the pictures that are gone, and one on those at addresses, where there are."""
    remote = sum(tile.problem == NOT_FETCHED for tile in tiles)
    gone = sum(tile.image is None for tile in tiles) - remote
    found = []
    if gone:
        found.append(
            f"{gone:,} of {len(tiles):,} pictures {plural(gone, 'is', 'are')} not shown: gone, "
            "unreadable or changed since they were scored; their verdicts are of that time."
        )
    if remote:
        lie, them = "they lie at addresses", plural(remote, "it", "them")
        found.append(
            f"{remote:,} of {len(tiles):,} pictures {plural(remote, 'is', 'are')} not shown: "
            f"{plural(remote, NOT_FETCHED, lie)}, and a report fetches none. To see {them}, copy "
            f"{them} to a folder and score there."
        )
    return found


@dataclass(frozen=True)
class _Seen:
    rank: int
    prediction: Prediction
    image: Image.Image | None
    large: str | None = None
    size: tuple[int, int] = (1, 1)
    heat: str | None = None
    problem: str = ""


def _look(
    chosen: Sequence[tuple[int, Prediction]],
    detector: Detector,
    places: Mapping[str, Path],
    large: Collection[int],
    progress: Progress | None,
) -> Iterator[_Seen]:
    paths = [places[prediction.path] for _, prediction in chosen]
    sources = Sources(paths, [prediction.path for _, prediction in chosen])
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
        heat = None
        if isinstance(result, Explanation) and heat_scale is not None:
            heat = _heat(result, heat_scale)
        uri = _data_uri(_shrunk(image, LARGE), LARGE_QUALITY) if index in large else None
        small = _shrunk(image, LEVELS[0][0])
        yield _Seen(rank, recorded, small, uri, small.size, heat)


def _heat(explanation: Explanation, heat_scale: float) -> str:
    sides = explanation.anomaly_map.shape
    height, width = (max(side, HEAT_SIDE) for side in sides)
    return _data_uri(heat_layer(explanation.anomaly_map, heat_scale, (width, height)), 60)


def _encoded(seen: _Seen, side: int, quality: int) -> Tile:
    if seen.image is None:
        return Tile(seen.prediction, seen.rank, None, problem=seen.problem)
    uri = seen.large or _data_uri(_shrunk(seen.image, side), quality)
    return Tile(seen.prediction, seen.rank, uri, seen.heat, seen.size)


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """A copy whose longer side has at most so many pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def _data_uri(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()

"""One category with one setting: fit on its normal pictures, score the others, measure."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from oneclass import images
from oneclass.cluster.traffic import Traffic
from oneclass.detector.estimator import Detector
from oneclass.detector.heat import Explanation
from oneclass.detector.predictions import Prediction
from oneclass.detector.settings import (
    GREYSCALE,
    IMAGE,
    OF_THIS_MACHINE,
    VIEWS,
    Settings,
    as_options,
)
from oneclass.errors import ImageError, InputError
from oneclass.evaluation.cells import Cell, Costs, Kind, Rate
from oneclass.evaluation.layout import Category, Picture
from oneclass.evaluation.pixels import Grid, Marked, PixelMeasures, count_pixels
from oneclass.evaluation.ranking import rank
from oneclass.images import REASONS
from oneclass.images.sources import Progress, Sources
from oneclass.statistics import exact_interval
from oneclass.system.arrays import Array
from oneclass.system.files import translated_errors
from oneclass.system.host import memory
from oneclass.system.host.portable import as_typed
from oneclass.system.names import some_names, some_of


class Progressing(Protocol):
    """Shows how far a fit or a scoring is."""

    def __call__(self, done: int, total: int) -> None:
        """So many images are done of so many."""

    def stage(self, name: str) -> None:
        """What is done from now on has no count."""


Show = Callable[[str], AbstractContextManager[Progressing]]
"""Begins to show the progress of what has some name."""
NO_MASKS = "There are no masks (ground_truth/), so nothing is said of pixels."
NO_MAPS = "The layers of this setting have no maps, so nothing is said of pixels."
UNMASKED = "{} of {} odd pictures have no mask: they are left out of what is said of pixels."


@dataclass(frozen=True)
class Scored:
    """A picture with its verdict.

    Attributes:
        picture: from the category.
        prediction: of the detector.
        place: of its map among the maps; -1 where the model has none.
    """

    picture: Picture
    prediction: Prediction
    place: int = -1


class Maps:
    """Maps on their own grids, as the detector made them, in a temporary file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._shapes: list[tuple[int, int]] = []
        self._starts = [0]

    def add(self, grid: Array) -> int:
        """Keep one more (h, w), in float32; its place."""
        with translated_errors(Path(tempfile.gettempdir())):
            self._file.write(np.ascontiguousarray(grid, np.float32).tobytes())
        self._shapes.append((grid.shape[0], grid.shape[1]))
        self._starts.append(self._starts[-1] + 4 * grid.size)
        return len(self._shapes) - 1

    def get(self, place: int) -> Grid:
        self._file.seek(self._starts[place])
        data = self._file.read(self._starts[place + 1] - self._starts[place])
        return np.frombuffer(data, np.float32).reshape(self._shapes[place])


def words(settings: Settings) -> str:
    """The words of `oneclass fit` that make these settings, without those of this machine."""
    return " ".join(as_options({**vars(settings), **dict.fromkeys(OF_THIS_MACHINE)})) or "defaults"


def measure(
    category: Category, settings: Settings, show: Show, traffic: list[Traffic] | None = None
) -> Cell:
    """Fit, score and measure.

    Args:
        category: what to learn and to test.
        settings: of the detector.
        show: begins to show progress.
        traffic: where each pass of a cluster adds what it sent.

    Raises:
        InputError: the category cannot be fitted, or nothing normal or nothing odd can be read.
        StorageError: the disk is full.
    """
    with tempfile.TemporaryFile() as file:
        maps, detector = Maps(file), Detector(**vars(settings))
        if traffic is not None:
            detector.traffic = traffic
        with memory.Peak() as peak:
            with show(f"{category.name}: fit") as progress, _Clock() as fitting:
                detector.fit(list(category.train), progress=progress, stage=progress.stage)
            with show(f"{category.name}: score") as progress, _Clock() as scoring:
                scored, errors = _score(detector, category, maps, progress)
        _check_both(scored, errors, category)
        cell = _with_pixels(_told(category, settings, detector, scored), scored, maps)
    n = len(scored)
    costs = Costs(
        fitting.wall, fitting.processor, 1e3 * scoring.wall / n, 1e3 * scoring.processor / n,
        peak.megabytes, _model_kilobytes(detector),
    )  # fmt: skip
    unread = (*map(str, detector.errors), *map(str, errors), *cell.errors)
    notes = (*cell.notes, *_unjudged_kinds(category, scored, errors))
    return replace(cell, costs=costs, errors=unread, notes=notes)


class _Clock:
    """Seconds on the clock and of the processor, between entering and leaving."""

    def __enter__(self) -> _Clock:
        self._began = time.perf_counter(), time.process_time()
        self.wall = self.processor = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._began[0]
        self.processor = time.process_time() - self._began[1]


def _score(
    detector: Detector, category: Category, maps: Maps, progress: Progress
) -> tuple[list[Scored], list[ImageError]]:
    files = [one.file for one in category.test]
    sources = Sources(files, list(map(str, files)))
    mapped = None not in detector.model.representation.map_shapes
    make = detector.explain_each if mapped else detector.score_each
    scored, errors = [], []
    for picture, result in zip(category.test, make(sources, progress=progress), strict=True):
        if isinstance(result, ImageError):
            errors.append(result)
        elif isinstance(result, Explanation):
            needed = picture.mask is not None or not picture.is_odd
            place = maps.add(result.anomaly_map) if needed else -1
            scored.append(Scored(picture, result.prediction, place))
        else:
            scored.append(Scored(picture, result))
    return scored, errors


def _check_both(scored: list[Scored], errors: list[ImageError], category: Category) -> None:
    """Refuse what no rate can be said of.

    Raises:
        InputError: none of the normal pictures, or none of the odd ones, could be judged.
    """
    test = category.folder / "test"
    for odd, what in ((False, "normal"), (True, "odd")):
        if any(one.picture.is_odd == odd for one in scored):
            continue
        files = {str(one.file) for one in category.test if one.is_odd == odd}
        why = [error for error in errors if error.name in files]
        seen = as_typed(["check", str(test)])
        if all(error.reason in REASONS for error in why):
            advice = f"To see why: oneclass {seen}"
        elif any(error.reason == "one_colour" for error in why):
            advice = (
                f"Put {what} pictures there that show something. What names those of one single "
                f"colour: oneclass {seen}"
            )
        else:
            advice = f"Put {what} pictures there that are like those of train/good."
        none = _none_of(why, f"{what} picture", f"{what} pictures")
        raise InputError(f"{test}: {none}. The first: {why[0]}. {advice}")


def _none_of(errors: list[ImageError], one: str, many: str) -> str:
    """`none of the 5 odd pictures can be read (5 x truncated)`; there is one at least."""
    counts = Counter(error.reason for error in errors)
    done = "read" if counts.keys() <= set(REASONS) else "judged"
    told = ", ".join(f"{n} x {reason}" for reason, n in counts.most_common())
    if len(errors) == 1:
        return f"the only {one} cannot be {done} ({told})"
    return f"none of the {len(errors)} {many} can be {done} ({told})"


def _unjudged_kinds(
    category: Category, scored: list[Scored], errors: list[ImageError]
) -> tuple[str, ...]:
    """A sentence on each kind of defect of which nothing could be judged: the tables lack it."""
    told = []
    there = {one.picture.kind for one in scored}
    for kind in (kind for kind in category.kinds if kind not in there):
        files = {str(one.file) for one in category.test if one.kind == kind}
        why = [error for error in errors if error.name in files]
        names = (f"picture of the kind {kind}", f"pictures of the kind {kind}")
        told.append(f"{_none_of(why, *names)}, so no figure counts that kind. The first: {why[0]}")
    return tuple(told)


def _told(category: Category, settings: Settings, detector: Detector, scored: list[Scored]) -> Cell:
    """What is said of images; costs and pixels are not known yet."""
    card = detector.card
    normal = [one for one in scored if not one.picture.is_odd]
    odd = [one for one in scored if one.picture.is_odd]
    scores = [_scores(part) for part in (normal, odd)]
    called = np.array([one.prediction.is_anomaly for one in (*normal, *odd)])
    kinds = [
        _kind(name, normal, [one for one in odd if one.picture.kind == name], settings.seed)
        for name in category.kinds
        if any(one.picture.kind == name for one in odd)
    ]
    return Cell(
        category=category.name,
        setting=words(settings),
        looked_at=_looked_at(card),
        n_train=int(card["fit"]["n_images"]),
        n_good=len(normal),
        n_odd=len(odd),
        promised=float(card["false_alarms"]),
        ranking=rank(scores[0], scores[1], called, seed=settings.seed),
        false_alarms=_rate(normal),
        found=_rate(odd),
        pixels=None,
        kinds=tuple(kinds),
        costs=Costs(0, 0, 0, 0, None, 0),
        errors=(),
        notes=(*_among_learnt(scored), *card["fit"]["warnings"]),
        seed=settings.seed,
    )


def _among_learnt(scored: list[Scored]) -> list[str]:
    """A sentence where test pictures are ones that were learnt, by their pixels."""
    learnt = [one.prediction.path for one in scored if one.prediction.learnt]
    n = len(learnt)
    if not n:
        return []
    are, scores, they, prove = (
        ("is", "its score is", "it", "proves")
        if n == 1
        else ("are", "their scores are", "they", "prove")
    )
    return [
        f"{some_of(n, len(scored), 'test picture')} {are} among those learnt from "
        f"({some_names(learnt)}): {scores} lower than {they} would be if {they} were new, and "
        f"{prove} nothing, so these are no figures of new pictures. Test on others."
    ]


def _kind(name: str, normal: list[Scored], odd: list[Scored], seed: int) -> Kind:
    scores = [_scores(part) for part in (normal, odd)]
    called = np.array([one.prediction.is_anomaly for one in (*normal, *odd)])
    return Kind(name, rank(scores[0], scores[1], called, seed=seed).auroc, _rate(odd), None)


def _scores(scored: list[Scored]) -> Array:
    return np.array([one.prediction.score for one in scored])


def _rate(scored: list[Scored]) -> Rate:
    hits = sum(one.prediction.is_anomaly for one in scored)
    return Rate(hits, len(scored), *exact_interval(hits, len(scored)))


def _looked_at(card: dict[str, Any]) -> str:
    record = card["representation"]
    height, width = record["preprocessing"]["size"]
    view = VIEWS.get(record["kind"], record["kind"] if record["kind"] == GREYSCALE else IMAGE)
    return f"{view}, {width} x {height}"


def _with_pixels(cell: Cell, scored: list[Scored], maps: Maps) -> Cell:
    """With what is said of pixels, where there are masks and maps."""
    mapped = [one for one in scored if one.place >= 0]
    masked = [one for one in mapped if one.picture.is_odd]
    if not any(one.picture.mask for one in scored):
        return replace(cell, notes=(*cell.notes, NO_MASKS))
    if not masked:
        return replace(cell, notes=(*cell.notes, NO_MAPS))
    normal = [one for one in mapped if not one.picture.is_odd]
    readable, errors = _readable(masked)
    if not readable:
        return replace(cell, errors=errors)
    counts = count_pixels(lambda: _marked([*normal, *readable], maps))
    measures = PixelMeasures(counts, seed=cell.seed)
    places: dict[str, list[int]] = {}
    for place, one in enumerate(readable):
        places.setdefault(one.picture.kind, []).append(place)
    kinds = tuple(
        replace(kind, pixels=measures.of(places[kind.name])) if kind.name in places else kind
        for kind in cell.kinds
    )
    n_without = cell.n_odd - len(readable)
    notes = (*cell.notes, UNMASKED.format(n_without, cell.n_odd)) if n_without else cell.notes
    pixels = measures.of(range(len(readable)))
    return replace(cell, pixels=pixels, kinds=kinds, notes=notes, errors=errors)


def _readable(masked: list[Scored]) -> tuple[list[Scored], tuple[str, ...]]:
    """The pictures whose masks can be read, and why the others' cannot."""
    kept, errors = [], []
    for one in masked:
        try:
            one.picture.read_mask()
            kept.append(one)
        except ImageError as error:
            errors.append(str(error))
    return kept, tuple(errors)


def _marked(scored: list[Scored], maps: Maps) -> Iterator[Marked]:
    for one in scored:
        if one.picture.mask is None:
            header = images.probe(one.picture.file)
            yield maps.get(one.place), (header.height, header.width), None
        else:
            mask = one.picture.read_mask()
            yield maps.get(one.place), mask.shape, mask


def _model_kilobytes(detector: Detector) -> float:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "m.oneclass")
        detector.save(file)
        return file.stat().st_size / 1e3

"""A fit from beginning to end: from what the user gave to a state of the detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oneclass.backbones import choose_runtime
from oneclass.detector import modelfile
from oneclass.detector.choosing import check_choosable, choose_layer, choose_numbers
from oneclass.detector.collecting import (
    choose_pixel_scale,
    choose_representation,
    collect_rows,
    read_headers,
)
from oneclass.detector.criteria import Choice
from oneclass.detector.learning import learn
from oneclass.detector.model import FittedModel
from oneclass.detector.settings import AUTO, PATCHES, Settings
from oneclass.detector.training_rows import TrainingRows, rows_file
from oneclass.errors import ImageError
from oneclass.images.formats.source import Header
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Images, Progress, gather
from oneclass.representations import Representation
from oneclass.representations.extraction import open_store
from oneclass.rows.store import RowStore


@dataclass(frozen=True)
class State:
    """All that changes in a detector, in one value: what fails leaves the one before.

    Attributes:
        model: that scores.
        training: what it learnt from; None where that lies beside its file.
        file: that holds it, if any does.
        digest: of the file's content; None while no file holds this model.
        choice: of what was "auto".
        errors, ignored: of the images that it learnt from.
    """

    model: FittedModel
    training: TrainingRows | None = None
    file: Path | None = None
    digest: str | None = None
    choice: Choice | None = None
    errors: tuple[ImageError, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)

    def with_rows(self) -> State:
        """With the rows that the model learnt from, read from beside its file if need be.

        Raises:
            ModelFileError: they are not there, damaged, or another model's.
        """
        if self.training is not None:
            return self
        assert self.file is not None, "loaded detectors know their file"
        return replace(self, training=TrainingRows.beside(self.file, self.model.card))

    def saved(self, file: Path, *, rows: bool) -> State:
        """Written to a file; arguments and errors as for `Detector.save`."""
        rows = rows and not self.model.representation.n_worst
        state = self.with_rows() if rows else self
        digest = modelfile.write(file, self.model.card, self.model.arrays())
        if rows and state.training is not None:
            state.training.write(rows_file(file), self.model.card)
        return replace(state, file=file, digest=digest)


def fit(
    asked: Settings, images: Images, progress: Progress | None
) -> tuple[State, RowStore | None]:
    """Learn what normal images look like; arguments and errors as for `Detector.fit`.

    Returns:
        The state, and the store of rows that was used, if one was.
    """
    check_choosable(asked)
    sources = gather(images)
    headers = read_headers(sources, workers=asked.workers)
    named = None if asked.layer == AUTO else _representation(asked, headers)
    scale, notes = choose_pixel_scale(sources, headers, workers=asked.workers, cache=asked.cache)
    if named is None:
        found = choose_layer(asked, sources, scale, progress)
        representation, choice, made = found.representation, found.choice, found.made
    else:
        representation, choice, made = named, None, {}
    store = store_for(asked, representation, scale)
    collected = collect_rows(
        sources,
        representation,
        scale,
        workers=asked.workers,
        progress=progress,
        store=store,
        made=made,
    )
    if choice is None and AUTO in (asked.nu, asked.n_halfspaces):
        choice = choose_numbers(asked, sources, collected, representation, scale)
    training = TrainingRows(collected.rows, collected.digests)
    model = learn(training, representation, scale, **learning_settings(asked, choice), notes=notes)
    model = model.with_choice(choice.record if choice else None)
    errors = tuple(collected.errors)
    return State(model, training, choice=choice, errors=errors, ignored=sources.ignored), store


def learning_settings(asked: Settings, choice: Choice | None) -> dict[str, Any]:
    """What `learn` takes, with the choices of the fit in the place of what is "auto"."""
    names = ("nu", "n_halfspaces", "false_alarms", "seed")
    chosen = {"nu": choice.nu, "n_halfspaces": choice.n_halfspaces} if choice else {}
    return {name: getattr(asked, name) for name in names} | chosen


def store_for(
    asked: Settings, representation: Representation, scale: PixelScale
) -> RowStore | None:
    """The store of rows in the cache that was asked for; None without one."""
    return None if asked.cache is None else open_store(asked.cache, representation, scale)


def _representation(asked: Settings, headers: list[Header]) -> Representation:
    return choose_representation(
        headers,
        asked.backbone,
        asked.layer,
        asked.grid,
        asked.size,
        asked.threads,
        patches=asked.rows == PATCHES,
        runtime=choose_runtime(asked.runtime, asked.precision),
        row_dtype=asked.row_dtype,
    )

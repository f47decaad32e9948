"""A fit from beginning to end: from what the user gave to a state of the detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from oneclass.cluster.crew import crew_of
from oneclass.cluster.traffic import Traffic
from oneclass.detector.collecting import (
    choose_pixel_scale,
    collect_rows,
    foreign_note,
    of_one_depth,
    one_colour_note,
    read_headers,
)
from oneclass.detector.files import modelfile
from oneclass.detector.files.replacing import changed, is_one_file, stamp, unchanged
from oneclass.detector.files.training_rows import (
    TrainingRows,
    kept_bytes,
    kept_with_rows,
    rows_file,
)
from oneclass.detector.learning import learn
from oneclass.detector.model import FittedModel
from oneclass.detector.origins import Folder, near_copies, origins
from oneclass.detector.settings import Settings
from oneclass.detector.views import choose_representation, enlarged, why
from oneclass.errors import ImageError, ModelFileError
from oneclass.images.checking.sizes import tally
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Images, Progress, Sources, Stage, gather, refuse_absent
from oneclass.representations import Representation
from oneclass.representations.extraction import open_store
from oneclass.rows.store import RowStore
from oneclass.system.files import check_replaces, write_together
from oneclass.system.names import count, plural, some_names
from oneclass.system.stages import silent


@dataclass(frozen=True)
class State:
    """All that changes in a detector, in one value: what fails leaves the one before.

    Attributes:
        model: that scores.
        training: what it learnt from; None where that lies beside its file.
        file: that holds it, if any does.
        digest: of the file's content; None while no file holds this model.
        read: digest of the file's content as it was read or written last.
        errors, ignored, folders, near_copies: of the images that it learnt from.
        unlearnt: those of the errors that are of images to learn, and not to forget.
        n_read: how many images the last fit or update could use.
        why: a fit looks at what it looks at; None where the settings say so.
    """

    model: FittedModel
    training: TrainingRows | None = None
    file: Path | None = None
    digest: str | None = None
    errors: tuple[ImageError, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    folders: tuple[Folder, ...] = ()
    near_copies: tuple[tuple[str, ...], ...] = ()
    why: str | None = None
    unlearnt: tuple[ImageError, ...] = ()
    n_read: int = 0
    read: str | None = None

    def with_rows(self) -> State:
        """With the rows that the model learnt from, read from beside its file if need be.

        Raises:
            ModelFileError: they are not there, damaged, or another model's; or the model's file
                is another one by now.
        """
        if self.training is not None:
            return self
        assert self.file is not None, "loaded detectors know their file"
        try:
            card, made = self.model.card, self.model.representation
            n_bytes = kept_bytes(made, card["fit"]["n_images"])
            return replace(self, training=TrainingRows.beside(self.file, card, n_bytes))
        except ModelFileError:
            if stamp(self.file) not in (None, self.read):
                raise changed(self.file) from None
            raise

    def left_out(self) -> Iterator[str]:
        """A sentence where images to learn could not be used."""
        if left := self.unlearnt:
            n, total = len(left), len(left) + self.n_read
            yield (
                f"{n} of {count(total, 'image')} could not be used and {plural(n, 'was', 'were')} "
                f"not learnt: {some_names([error.name for error in left])}; see .errors."
            )

    def doubtful(self) -> Iterator[str]:
        """A sentence where images come from folders, or have names, that look amiss."""
        amiss = [folder for folder in self.folders if folder.amiss]
        named = [str(f.path / name) for f in self.folders for name in f.odd_names]
        told = [f"{folder.path} ({folder.n_images}: {folder.amiss})" for folder in amiss]
        if named:
            told.append(f"files whose names speak of defects ({some_names(named)})")
        if told:
            n = sum(folder.n_images for folder in amiss) + len(named)
            yield (
                f"{count(n, 'image')} to look at again {plural(n, 'was', 'were')} learnt "
                f"as normal: {some_names(told)}. Give the normal ones alone; see .folders."
            )

    def saved(self, file: Path, *, rows: bool, backup: bool) -> State:
        """Written to a file; arguments and errors as for `Detector.save`."""
        check_replaces(file, "model", modelfile.MAGIC)
        state = self.with_rows() if rows else self
        # What was loaded and not updated since has its rows beside its file, and they stay good.
        own = self.training is None and is_one_file(file, self.file)
        keeping = kept_with_rows(file, rows=rows or own) if backup else nullcontext()
        stays = unchanged(file, self.read) if is_one_file(file, self.file) else nullcontext()
        with stays, keeping:
            digest = _write(file, self.model, state.training if rows else None)
        return replace(state, file=file, digest=digest, read=digest)


def _write(file: Path, model: FittedModel, training: TrainingRows | None) -> str:
    """Write a model and, where there are some, its rows beside it: both or neither; its digest."""
    card, arrays = model.card, model.arrays()
    if training is None:
        return modelfile.write(file, card, arrays)
    digests: list[str] = []
    write_together(
        {
            rows_file(file): lambda out: training.write_to(out, card),
            file: lambda out: digests.append(modelfile.write_to(out, card, arrays)),
        }
    )
    return digests[0]


def fit(
    asked: Settings,
    images: Images | Sources,
    progress: Progress | None,
    stage: Stage | None,
    traffic: list[Traffic],
) -> tuple[State, RowStore | None]:
    """Learn what normal images look like; arguments and errors as for `Detector.fit`.

    Args:
        traffic: where each pass of a cluster adds what it sent.

    Returns:
        The state, and the store of rows that was used, if one was.
    """
    begin = stage or silent
    begin("looking at the images' sizes")
    sources = gather(images)
    refuse_absent(sources)
    with crew_of(asked.cluster, asked.workers, traffic) as workers:
        headers = read_headers(sources, workers=workers)
        told = list(headers.values())
        usable = of_one_depth(told)
        representation = choose_representation(usable, asked)
        scale, notes = choose_pixel_scale(sources, told, workers=workers, cache=asked.cache)
        store = store_for(asked, representation, scale)
        times = enlarged(usable, asked)  # said at once, for it may take long
        begin("reading images" + (f", enlarged about {times}-fold" if times else ""))
        collected = collect_rows(
            sources, representation, scale, workers=workers, progress=progress, store=store
        )
    training, one_colour = collected.training, collected.one_colour
    # What breaks off has a header, too.
    learnt = [headers[i] for i in collected.indices if i in headers]
    notes += foreign_note(learnt) + one_colour_note(one_colour)
    model, pictures = learn(
        training,
        representation,
        scale,
        asked,
        notes=notes,
        one_colour=one_colour.values(),
        sizes=tally(learnt),
        stage=begin,
    )
    begin("comparing folders")
    errors = tuple(collected.errors)
    outlines = training.views(representation.layout).outlines
    state = State(
        model,
        training,
        errors=errors,
        ignored=sources.ignored,
        folders=origins(sources, collected.indices, outlines),
        near_copies=near_copies(lambda i: sources.names[collected.indices[i]], pictures),
        why=why(learnt, asked, representation),
        unlearnt=errors,
        n_read=len(collected.indices),
    )
    return state, store


def store_for(
    asked: Settings, representation: Representation, scale: PixelScale
) -> RowStore | None:
    """The store of rows in the cache that was asked for; None without one."""
    return None if asked.cache is None else open_store(asked.cache, representation, scale)

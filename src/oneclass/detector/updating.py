"""More normal images for a model, or fewer, without looking at the old ones again."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass.cluster.crew import crew_of
from oneclass.cluster.traffic import Traffic
from oneclass.conformal.calibration import DEFAULT_FALSE_ALARMS, threshold_rank
from oneclass.conformal.union import Union
from oneclass.detector.files.training_rows import RowCollector, TrainingRows
from oneclass.detector.fitting import State, store_for
from oneclass.detector.judging import nothing_to_judge
from oneclass.detector.learning import learn
from oneclass.detector.model import FittedModel
from oneclass.detector.origins import Folder, by_name, near_copies
from oneclass.detector.predictions import Prediction
from oneclass.detector.settings import Settings
from oneclass.errors import ImageError, InputError
from oneclass.images.checking.sizes import Sizes, from_json, tally
from oneclass.images.scale import Colour, one_colour
from oneclass.images.sources import Images, Progress, Sources, Stage, content_digest, gather
from oneclass.representations import Representation
from oneclass.representations.extraction import Workers, extract
from oneclass.rows.store import RowStore
from oneclass.system.host.workers import ordered_map
from oneclass.system.names import count, plural, some_names
from oneclass.system.stages import silent

NOT_LEARNT = "not_learnt"


@dataclass(frozen=True)
class _Kept:
    """What a card keeps of images beside their rows, of those that are added or forgotten.

    Attributes:
        colours: of those of one single colour.
        sizes: of all.
    """

    colours: set[Colour] = field(default_factory=set)
    sizes: Sizes = field(default_factory=Sizes)


@dataclass(frozen=True)
class Update:
    """What an update did.

    Attributes:
        added: images that the model had not learnt before.
        known: images that it had, by their pixels; they count once.
        forgotten: images taken out.
        errors: images that could not be read, and images to forget that were never learnt.
        odd: of the images added, those that the model before found far odder than any that it had
            learnt, the oddest first. Are they normal?
        called: of the images added, those that the model before called anomalies, in their order.
        still: of these, those that the new model calls anomalies, too, as it judges them; None
            before anything is learnt, and where it keeps no more than a sample of their rows.
        folders: where the images added came from; of arrays nothing.
    """

    added: int
    known: int
    forgotten: int
    errors: tuple[ImageError, ...]
    odd: tuple[Prediction, ...] = ()
    called: tuple[Prediction, ...] = ()
    folders: tuple[Folder, ...] = ()
    still: tuple[Prediction, ...] | None = None

    @property
    def suspect(self) -> tuple[Prediction, ...]:
        """Of those called anomalies, the ones whose name, or folder's name, speaks of defects."""
        bad = {folder.path for folder in self.folders if folder.sounds_bad}
        names = {name for folder in self.folders for name in folder.odd_names}
        files = [Path(prediction.path) for prediction in self.called]
        return tuple(
            prediction
            for prediction, file in zip(self.called, files, strict=True)
            if file.parent in bad or file.name in names
        )

    def doubtful(self) -> Iterator[str]:
        """A sentence where images were learnt that look like no normal one."""
        if self.odd:
            n, named = len(self.odd), some_names([prediction.path for prediction in self.odd])
            yield (
                f"{count(n, 'image')} learnt as normal {plural(n, 'was', 'were')} far odder than "
                f"any normal one before: {named}. If {plural(n, 'it is', 'they are')} not normal, "
                f"take {plural(n, 'it', 'them')} out with update(forget=...); see .odd of what "
                "update returns."
            )


def update(
    asked: Settings,
    state: State,
    images: Images | Sources,
    forget: Images | Sources,
    progress: Progress | None,
    stage: Stage | None,
    traffic: list[Traffic],
    before: Callable[[Update], object] | None = None,
) -> tuple[State, Update, RowStore | None]:
    """Learn more normal images, or forget some; arguments and errors as for `Detector.update`.

    Args:
        state: of which the rows are known.
        traffic: where each pass of a cluster adds what it sent.

    Returns:
        The state after it, what was done, and the store of rows that was used, if one was.
    """
    model, training = state.model, state.training
    assert training is not None, "an update needs the rows"
    begin = stage or silent
    more, fewer = gather(images), gather(forget)
    _refuse_both(more, fewer)
    begin("reading images")
    training, forgotten, gone, unknown = without_some(
        training, fewer, model.representation, workers=asked.workers
    )
    store = store_for(asked, model.representation, model.scale)
    with crew_of(asked.cluster, asked.workers, traffic) as workers:
        training, judged, known, errors, added = with_more(
            training, more, model, workers=workers, progress=progress, store=store
        )
    learnt, new = model, list(judged.values())
    called = tuple(prediction for prediction in new if prediction.is_anomaly)
    all_errors, folders = (*errors, *unknown), _folders(more, new)
    did = Update(len(new), known, forgotten, all_errors, far_odder(new, model), called, folders)
    if before:
        before(did)
    alike: tuple[tuple[str, ...], ...] = ()
    if new or forgotten:
        start = None
        if isinstance(model.union, Union) and len(model.union.coef) == 1:
            start = model.union.coef
        learnt, pictures = learn(
            training,
            model.representation,
            model.scale,
            asked,
            start=start,
            one_colour=_colours(model, gone.colours, added.colours),
            sizes=_sizes(model, gone.sizes, added.sizes),
            stage=begin,
        )
        alike = _near_copies(judged, training, pictures)
        did = replace(did, still=_still_called(judged, training, learnt))
    after = State(
        learnt,
        training,
        state.file,
        None,
        errors=did.errors,
        ignored=more.ignored,
        folders=folders,
        near_copies=alike,
        unlearnt=tuple(errors),
        n_read=len(new) + known,
        read=state.read,
    )
    return after, did, store


def _still_called(
    judged: Mapping[bytes, Prediction], training: TrainingRows, model: FittedModel
) -> tuple[Prediction, ...] | None:
    """What a model that has learnt images says of those that were anomalies before, if it is that.

    To be learnt makes no image normal: one alone among many moves the half-spaces little.

    Args:
        judged: what the model before said of the images, by their digest.
        training: with their rows.
        model: the new one.

    Returns:
        The anomalies; None where the row of one that was an anomaly before is not kept whole.
    """
    still = []
    for digest, before in judged.items():
        if before.is_anomaly:
            number = bisect_left(training.digests, digest)  # they ascend
            if number >= training.rows.n_rows:
                return None
            now = model.judge(before.path, training.rows.take([number])[0], digest)
            still += [now] if now.is_anomaly else []
    return tuple(still)


def _refuse_both(more: Sources, fewer: Sources) -> None:
    """Refuse files that are to be learnt and to be forgotten.

    Raises:
        InputError: there are some.
    """
    gone = {os.path.realpath(item) for item in fewer.items if isinstance(item, Path)}
    files = (item for item in (more.items if gone else ()) if isinstance(item, Path))
    both = [str(file) for file in files if os.path.realpath(file) in gone]
    if both:
        raise InputError(
            f"{count(len(both), 'image')} {plural(len(both), 'is', 'are')} to be learnt and to be "
            f"forgotten: {some_names(both)}. Give each in one of the two places."
        )


def _near_copies(
    judged: Mapping[bytes, Prediction], training: TrainingRows, pictures: NDArray[np.int64]
) -> tuple[tuple[str, ...], ...]:
    """Groups with images that are new; of the others no name is known."""
    names = {digest: prediction.path for digest, prediction in judged.items()}
    return near_copies(lambda i: names.get(training.digests[i]), pictures)


def _folders(more: Sources, new: Sequence[Prediction]) -> tuple[Folder, ...]:
    """Where the images that are new came from; nothing of arrays.

    What most of a folder are called is seen among all that was given of it, known or new.
    """
    files = zip(more.items, more.names, strict=True)
    given = [Path(name) for item, name in files if isinstance(item, Path)]
    return by_name([Path(p.path) for p in new], given=given) if given and new else ()


def _colours(model: FittedModel, gone: set[Colour], more: set[Colour]) -> set[Colour] | None:
    """Of images of one single colour, those that are learnt after an update."""
    known = model.card["fit"].get("one_colour")
    return None if known is None else {tuple(one) for one in known} - gone | more


def _sizes(model: FittedModel, gone: Sizes, more: Sizes) -> Sizes | None:
    """Of the images that are learnt after an update."""
    known = from_json(model.card)
    return None if known is None else known - gone + more


def far_odder(new: Sequence[Prediction], model: FittedModel) -> tuple[Prediction, ...]:
    """Images that a model finds far odder than any normal one.

    Args:
        new: what the model says of them.
        model: before it learns them.

    Returns:
        The oddest first.
    """
    limit = far_from(model)
    return tuple(sorted((p for p in new if p.score > limit), key=lambda p: -p.score))


def far_from(model: FittedModel) -> float:
    """The score above which an image is far odder than any normal one.

    That is odder than all held-out normal images, and more than twice as far from the middle one as
    the threshold is. The oddest of them alone would be no measure: one that should not be among
    them would let everything pass. A threshold at a high rate of false alarms is none, either, so
    it is that of `DEFAULT_FALSE_ALARMS` at most.
    """
    normal, rate = model.calibration.normal_scores, min(model.false_alarms, DEFAULT_FALSE_ALARMS)
    threshold = normal[-max(1, threshold_rank(len(normal), rate))]
    return float(max(normal[-1], 2 * threshold - np.median(normal)))


def with_more(
    training: TrainingRows,
    sources: Sources,
    model: FittedModel,
    *,
    workers: Workers,
    progress: Progress | None,
    store: RowStore | None = None,
) -> tuple[TrainingRows, dict[bytes, Prediction], int, list[ImageError], _Kept]:
    """Add the rows of images: the rows, the new images, how many were known, the errors, and what
    a card keeps of the new ones.

    The new images are what the model said of them, by the digest of their content.
    """
    errors = list(sources.errors)
    known = set(training.digests)
    collected: RowCollector | None = None
    judged: dict[bytes, Prediction] = {}
    n_read, kept = 0, _Kept()
    results = extract(sources, model.representation, model.scale, workers=workers, store=store)
    for done, result in enumerate(results, 1):
        if isinstance(result, ImageError):
            errors.append(result)
        elif error := nothing_to_judge(result, model):
            errors.append(error)
        else:
            n_read += 1
            if result.digest not in known:
                known.add(result.digest)
                collected = collected or collector_of(training, model, len(sources))
                collected.add(result.digest, result.row)
                judged[result.digest] = model.judge(result.name, result.row)
                kept.sizes.update(_size(sources, result.index))
                if result.one_colour:
                    kept.colours.add(result.one_colour)
        if progress:
            progress(done, len(sources))
    if collected:
        collected.add_all(training)
        training, _ = collected.finish()
    return training, judged, n_read - len(judged), errors, kept


def collector_of(training: TrainingRows, model: FittedModel, n_more: int) -> RowCollector:
    """For the rows of all images learnt so far, and of so many more.

    Raises:
        StorageError: the disk has no room for them.
    """
    rows, layout = training.rows, model.representation.layout
    quota = layout.quota_of(training.thin.n_columns) if layout and training.thin else None
    most = len(training.digests) + n_more
    return RowCollector(most, rows.shape[1:], rows.stored, layout, quota)


def without_some(
    training: TrainingRows,
    sources: Sources,
    representation: Representation,
    *,
    workers: int,
) -> tuple[TrainingRows, int, _Kept, list[ImageError]]:
    """Take out images with the same pixels: the rows left, how many went, what a card keeps of
    them, and the errors.

    Args:
        training: what was learnt.
        sources: the images to forget.
        representation: that they were learnt with: how much of a JPEG was read then.
        workers: threads that read.

    Raises:
        InputError: fewer than two images would be left.
    """
    learnt = Counter(training.digests)
    at_least = representation.preprocessing.at_least

    def digest_of(index: int) -> tuple[bytes, tuple[Colour | None, Sizes]] | ImageError:
        try:
            with sources.room(index):
                pixels = sources.pixels(index, at_least)
                digest, colour = content_digest(pixels), one_colour(pixels)
        except ImageError as error:
            return error
        if digest in learnt:
            return digest, (colour, _size(sources, index, learnt[digest]))
        why = "its pixels are those of no image that the model learnt from; nothing to forget"
        return ImageError(sources.names[index], NOT_LEARNT, why)

    found = list(ordered_map(digest_of, range(len(sources)), workers))
    errors = [*sources.errors, *(item for item in found if isinstance(item, ImageError))]
    gone = dict(item for item in found if not isinstance(item, ImageError))
    left = training.without(set(gone), representation.layout)
    if len(set(left.digests)) < 2:
        raise InputError(
            f"only {len(left.digests)} of {len(training.digests)} normal images would be left: at "
            "least 2 different ones are needed. Forget fewer, or fit a new model."
        )
    kept = _Kept({colour for colour, _ in gone.values() if colour})
    for _, sizes in gone.values():
        kept.sizes.update(sizes)
    return left, len(training.digests) - len(left.digests), kept, errors


def _size(sources: Sources, index: int, n: int = 1) -> Sizes:
    """Of an image that was learnt `n` times; nothing where its file broke off since it was read."""
    with suppress(ImageError):
        return tally([sources.header(index)] * n)
    return Sizes()

"""The detector: learn from normal images, score others, keep what was learnt."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import Backbone
from oneclass.cluster.traffic import Traffic
from oneclass.conformal.drift import drift
from oneclass.conformal.guarantee import too_few
from oneclass.detector import settings
from oneclass.detector.facts import Facts, by_name
from oneclass.detector.fitting import State, fit, store_for
from oneclass.detector.heat import Explanation
from oneclass.detector.judging import Explain, Judge, explanation_alone, finish_each
from oneclass.detector.model import FittedModel
from oneclass.detector.predictions import Prediction, Predictions, told_learnt, warn_repeated
from oneclass.detector.settings import AUTO, Settings
from oneclass.detector.updating import Update, update
from oneclass.errors import ImageError, InputError
from oneclass.images.checking.sizes import told_unlike
from oneclass.images.sources import Images, Progress, Sources, Stage, gather
from oneclass.representations.extraction import Extracted
from oneclass.rows.store import RowStore
from oneclass.system.places import place
from oneclass.system.stages import Stages

LABELS = (
    "labels (y) are not looked at: all images are learnt as normal. Give the normal ones alone."
)
R = TypeVar("R")


class Detector(Facts):
    """Finds images that are not like the normal ones it was fitted to.

    Images become rows (a layer of a frozen network, or grey-scale intensities), a union of
    half-spaces is fitted to the rows, and an image is as odd as it lies outside of all of them.
    A method that fails leaves the detector as it was, and threads may share one that is fitted.
    What needs a fitted detector raises InputError where it is not.

    Attributes:
        settings: as they were given; each is also an attribute of its own: `detector.nu`.
        stages: how long reading, resizing, the network and scoring took, over all calls of `score`.
        traffic: what each pass over the images sent to a cluster and brought back, over all calls.
    """

    @by_name
    def __init__(
        self,
        *,
        backbone: str | Path | Backbone = settings.DEFAULT_BACKBONE,
        rows: str | None = None,
        layer: str | None = None,
        grid: int | None = None,
        size: tuple[int, int] | None = None,
        tiles: int | None = None,
        nu: float = 0.1,
        n_halfspaces: int | None = None,
        false_alarms: float | None = None,
        seed: int = 0,
        threads: int | None = None,
        runtime: str = AUTO,
        precision: str = AUTO,
        row_dtype: str | None = None,
        cache: str | Path | None = None,
        cluster: Any = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in settings.BY_NAME}
        self.settings = Settings(**given)
        settings.there(self.settings.backbone)
        self._state: State | None = None
        self._store: RowStore | None = None
        self.stages = Stages()
        self.traffic: list[Traffic] = []

    __init__.__doc__ = f"""Set what `fit` will do; nothing is computed yet.

    Args:
{settings.arguments()}

    Raises:
        InputError: a value out of its range, or a backbone that is not there.
        MissingDependencyError: OpenVINO is needed and not installed.
    """

    @classmethod
    def holding(cls, model: FittedModel, file: Path, digest: str, **given: Any) -> Self:
        """A detector with the model of a file and these settings; `oneclass.load` makes it."""
        detector = cls(**given)
        detector._state = State(model, file=file, digest=digest, read=digest)
        return detector

    def set_params(self, **given: Any) -> Self:
        """Change settings for the next fit or update; what was learnt stays.

        Those of this machine, `threads`, `cache` and `cluster`, hold at once.

        Raises:
            InputError: no such setting, or a value out of its range; then none is changed.
        """
        if unknown := sorted(given.keys() - settings.BY_NAME):
            raise InputError(settings.unknown(unknown[0]))
        changed = Settings(**{**self.get_params(), **given})
        if "backbone" in given:
            settings.there(changed.backbone)
        self.settings = changed
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles open a cache of their own."""
        return {**self.__dict__, "_store": None}

    def fit(
        self,
        images: Images | Sources,
        y: object = None,
        *,
        progress: Progress | None = None,
        stage: Stage | None = None,
    ) -> Self:
        """Learn what normal images look like.

        Args:
            images: a folder, file, glob, list.txt or address (s3://bucket/folder/), or several of
                them; or arrays of (H, W) or (H, W, 3), in uint8, uint16 or float; or what `gather`
                made of these. Unreadable ones end in `errors`.
            y: not looked at; scikit-learn's pipelines hand one over.
            progress: called with (images done, images in all).
            stage: called with a few words where something begins that is not counted: what is left
                to do when all images are read may take longer than that.

        Warns:
            UserWarning: the images are too few for the usual rate of false alarms, and none was
                asked for; some cannot be used (`errors`); or some come from folders, or have
                names, that had better be looked at (`folders`); or there is a `y`.

        Raises:
            InputError: fewer than two images can be read, or nothing tells them apart; a setting
                that these images or this backbone do not allow.
            StorageError: the rows do not fit into memory.
        """
        if y is not None:
            _warn(LABELS)
        self._state, self._store = fit(self.settings, images, progress, stage, self.traffic)
        _warn(too_few(self.model.card), *self._state.left_out(), *self._state.doubtful())
        return self

    def update(
        self,
        images: Images | Sources = (),
        *,
        forget: Images | Sources = (),
        progress: Progress | None = None,
        stage: Stage | None = None,
        before: Callable[[Update], object] | None = None,
    ) -> Update:
        """Learn more normal images, or forget some; the old ones are not looked at again.

        The result is that of a fresh fit to the images that there are then, within the solver's
        tolerance, with a new certificate and a new calibration.

        Args:
            images: as for `fit`, or what `gather` made of them; one that was learnt before counts
                once.
            forget: the same, for images to be found again by their pixels.
            progress: called with (images done, images in all).
            stage: called with a few words where something begins that is not counted.
            before: called with what is to be done once all images are read and nothing is learnt
                yet, which takes longer; what it raises ends the update, and nothing has changed.

        Warns:
            UserWarning: as `fit` does; and images were learnt that the model before found far odder
                than any normal one (`Update.odd`).

        Raises:
            InputError: not fitted yet; fewer than two images would be left; a file is to be learnt
                and to be forgotten.
            ModelFileError: the detector was loaded, and the rows beside its file are missing,
                damaged, or another model's.
        """
        state = self._require_fit()
        if stage:
            stage("opening the rows that were learnt")
        state = state.with_rows()
        self._state, did, self._store = update(
            self.settings, state, images, forget, progress, stage, self.traffic, before
        )
        about = (*self._state.left_out(), *self._state.doubtful(), *did.doubtful())
        _warn(too_few(self.model.card), *about)
        return did

    def score(self, images: Images | Sources, *, progress: Progress | None = None) -> Predictions:
        """Say how odd images are.

        Args:
            images: as for `fit`.
            progress: called with (images done, images in all).

        Returns:
            One prediction for each image that could be read, in order, and the errors. A file that
            is given several times has one, where it is given first.

        Warns:
            UserWarning: there is no image in it, as in an empty folder; or a file was named more
                than once, so that there are fewer predictions than files.

        Raises:
            InputError: nothing that was given is there.
        """
        sources = gather(images)
        sources.refuse_nowhere()
        results = list(self.score_each(sources, progress=progress))
        if not len(sources) and not sources.errors:
            told = "there is no image in what was given, so there are no predictions"
            warnings.warn(told, UserWarning, stacklevel=2)
        warn_repeated(sources)
        predictions = tuple(r for r in results if isinstance(r, Prediction))
        return Predictions(
            predictions,
            (*sources.errors, *(r for r in results if isinstance(r, ImageError))),
            self.drift(predictions),
            told_learnt([p.path for p in predictions if p.learnt], len(predictions)),
            self.unlike(sources),
        )

    def drift(self, predictions: Sequence[Prediction]) -> str | None:
        """A sentence where this detector's predictions look, as a whole, unlike the normal images.

        None where all is well or the images are too few to say. Images that it learnt from are left
        out: they look more normal than new ones.
        """
        model = self.model
        return drift(
            np.fromiter((p.p_value for p in predictions if not p.learnt), np.float64),
            model.false_alarms,
            model.calibration.n_held_out,
            all_new=not any(p.learnt for p in predictions),
        )

    def unlike(self, images: Images | Sources) -> str | None:
        """A sentence where images have quite another shape or size than those that were learnt.

        Args:
            images: as for `fit`. Their headers are read, of 1,000 at most; of images at an address
                nothing is.

        Returns:
            None where there are none, or the model is from before sizes were kept.
        """
        return told_unlike(gather(images), self.card)

    def score_each(
        self, sources: Sources, *, progress: Progress | None = None
    ) -> Iterator[Prediction | ImageError]:
        """Like `score`, one result at a time, so that nothing is lost when it is interrupted.

        Args:
            sources: what `gather` made of the images.
        """
        model = self.model
        return self._each(Judge(model, self.stages), sources, model, progress)

    def explain(
        self, images: Images, *, progress: Progress | None = None
    ) -> Iterator[Explanation | ImageError]:
        """Say how odd images are, and where: one result at a time, in constant memory.

        Args:
            images: as for `fit`.
            progress: called with (images done, images in all).

        Yields:
            First why there is nothing to read where names lead to no image; then for each image,
            in order, its `Explanation`, or why it could not be read.

        Warns:
            UserWarning: a file was named more than once; it has one explanation.

        Raises:
            InputError: not fitted yet, or the model's layers have no map.
        """
        _ = self.model.maps  # refuses before any image is read
        sources = gather(images)
        warn_repeated(sources)
        return chain(sources.errors, self.explain_each(sources, progress=progress))

    def explain_each(
        self, sources: Sources, *, progress: Progress | None = None
    ) -> Iterator[Explanation | ImageError]:
        """Like `explain`, for what `gather` made of the images: one result for each of its items.

        Raises:
            InputError: not fitted yet, or the model's layers have no map.
        """
        return self.explain_and(explanation_alone, sources, progress=progress)

    def explain_and(
        self,
        finish: Callable[[int, Explanation, Any], R],
        sources: Sources,
        *,
        glance: Callable[[NDArray[Any]], Any] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[R | ImageError]:
        """Like `explain_each`, and what is made of each explanation: in the workers.

        Args:
            finish: called with the image's number among the sources, its explanation, and what
                `glance` returned; threads share it, and with `glance` it travels to a cluster.
            sources: what `gather` made of the images.
            glance: called with each image's pixels as they were read: (H, W) or (H, W, 3), of a
                large JPEG at a part of its size. None where nobody needs them.
            progress: called with (images done, images in all).

        Raises:
            InputError: not fitted yet, or the model's layers have no map.
        """
        model = self.model
        _ = model.maps  # refuses before any image is read
        return self._each(Explain(model, self.stages, finish), sources, model, progress, glance)

    def save(self, file: str | Path, *, rows: bool = False, backup: bool = True) -> str:
        """Write the model file, whole or not at all.

        Another model that was there is kept beside it, as `file` with .previous behind its name,
        and its rows with it, as .previous.rows: they are no other model's.

        Args:
            file: by custom it ends in .oneclass; it may be an address such as s3://bucket/a.
            rows: whether to write the normal images' rows, too, to `file` with .rows behind its
                name: `update` needs them, scoring does not. Those of patches take 0.3 to
                2 MB each, with `tiles` about 5 MB a megapixel.
            backup: False to keep nothing; then rows of the model before stay where they are unless
                `rows` writes over them. Of what goes to an address nothing is kept.

        Returns:
            The SHA-256 of the model file's content, in hex.

        Raises:
            InputError: not fitted yet, or the place cannot be written to.
            ModelFileError: the detector was loaded from this file, or saved to it, and what is
                there by now is another model, or is being written.
            StorageError: the disk is full.
        """
        self._state = self._require_fit().saved(place(file), rows=rows, backup=backup)
        return str(self._state.digest)

    def _each(
        self,
        finish: Callable[[Extracted], R],
        sources: Sources,
        model: FittedModel,
        progress: Progress | None,
        glance: Callable[[NDArray[Any]], Any] | None = None,
    ) -> Iterator[R | ImageError]:
        asked, stages = self.settings, self.stages
        self._store = store = store_for(asked, model.representation, model.scale)
        yield from finish_each(
            finish, sources, model, asked,
            store=store, stages=stages, traffic=self.traffic, glance=glance, progress=progress,
        )  # fmt: skip


def _warn(*sentences: str | None) -> None:
    """Warn whoever called the caller of each."""
    for told in filter(None, sentences):
        warnings.warn(told, UserWarning, stacklevel=3)

"""The detector: learn from normal images, score others, keep what was learnt."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import FP32, Backbone
from oneclass.cluster.crew import crew_of
from oneclass.conformal.drift import drift
from oneclass.detector import settings
from oneclass.detector.fitting import State, fit, store_for
from oneclass.detector.heat import Explanation
from oneclass.detector.judging import Explain, Judge, explanation_alone
from oneclass.detector.model import FittedModel
from oneclass.detector.origins import Folder
from oneclass.detector.predictions import Prediction, Predictions
from oneclass.detector.settings import AUTO, Settings
from oneclass.detector.updating import Update, update
from oneclass.errors import ImageError, InputError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Images, Progress, Sources, Stage, gather
from oneclass.representations.extraction import Extracted, extract_and
from oneclass.rows.store import CacheUse, RowStore
from oneclass.system.stages import Stages

R = TypeVar("R")
HABITS = {
    "predict": "Use score(images): each prediction has is_anomaly.",
    "fit_predict": "Use fit(images), then score(others): each prediction has is_anomaly.",
    "predict_proba": "Use score(images): each prediction has a p_value.",
    "decision_function": "Use score(images).scores; larger is odder.",
    "score_samples": "Use score(images).scores; larger is odder.",
    "transform": "It makes no rows for others to use; score(images) says how odd images are.",
    "load": "Use oneclass.load(file).",
    "threshold": "Use score_threshold.",
    "threshold_": "Use score_threshold.",
}
"""What those who know scikit-learn try, and what to use instead."""


class Detector:
    """Finds images that are not like the normal ones it was fitted to.

    Images become rows (a layer of a frozen network, or grey-scale intensities), a union of
    half-spaces is fitted to the rows, and an image is as odd as it lies outside of all of them.
    A method that fails leaves the detector as it was, and threads may share one that is fitted.
    What needs a fitted detector raises InputError where it is not.

    Attributes:
        settings: as they were given; each is also an attribute of its own: `detector.nu`.
        stages: how long reading, resizing, the network and scoring took, over all calls of `score`.
    """

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
        self._state: State | None = None
        self._store: RowStore | None = None
        self.stages = Stages()

    __init__.__doc__ = f"""Set what `fit` will do; nothing is computed yet.

    Args:
{settings.arguments()}

    Raises:
        InputError: a value out of its range.
        MissingDependencyError: OpenVINO is needed and not installed.
    """

    @classmethod
    def holding(cls, model: FittedModel, file: Path, digest: str, **given: Any) -> Self:
        """A detector with the model of a file and these settings; `oneclass.load` makes it."""
        detector = cls(**given)
        detector._state = State(model, file=file, digest=digest)
        return detector

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name, as scikit-learn's `clone` asks for them."""
        return dict(vars(self.settings))

    def set_params(self, **given: Any) -> Self:
        """Change settings for the next fit; what was learnt stays.

        Raises:
            InputError: no such setting, or a value out of its range; then none is changed.
        """
        if unknown := sorted(given.keys() - settings.BY_NAME):
            known = ", ".join(settings.BY_NAME)
            raise InputError(f"{unknown[0]} is no setting: expected one of {known}.")
        self.settings = Settings(**{**self.get_params(), **given})
        return self

    def __getattr__(self, name: str) -> Any:
        if name in settings.BY_NAME and "settings" in self.__dict__:
            return getattr(self.settings, name)
        hint = f" {HABITS[name]}" if name in HABITS else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}.{hint}")

    def __repr__(self) -> str:
        shown = [name for name in settings.BY_NAME if name not in settings.OF_THIS_MACHINE]
        return f"Detector({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles open a cache of their own."""
        return {**self.__dict__, "_store": None}

    def fit(
        self, images: Images, *, progress: Progress | None = None, stage: Stage | None = None
    ) -> Self:
        """Learn what normal images look like.

        Args:
            images: a folder, file, glob or list.txt, or several of them; or arrays of (H, W) or
                (H, W, 3), in uint8, uint16 or float. Unreadable ones end in `errors`.
            progress: called with (images done, images in all).
            stage: called with a few words where something begins that is not counted: what is left
                to do when all images are read may take longer than that.

        Raises:
            InputError: fewer than two images can be read, or nothing tells them apart; a setting
                that these images or this backbone do not allow.
            StorageError: the rows do not fit into memory.
        """
        self._state, self._store = fit(self.settings, images, progress, stage)
        return self

    def update(
        self,
        images: Images = (),
        *,
        forget: Images = (),
        progress: Progress | None = None,
        stage: Stage | None = None,
    ) -> Update:
        """Learn more normal images, or forget some; the old ones are not looked at again.

        The result is that of a fresh fit to the images that there are then, within the solver's
        tolerance, with a new certificate and a new calibration.

        Args:
            images: as for `fit`; one that was learnt before counts once.
            forget: images, found again by their pixels.
            progress: called with (images done, images in all).
            stage: called with a few words where something begins that is not counted.

        Raises:
            InputError: not fitted yet; fewer than two images would be left.
            ModelFileError: the detector was loaded, and the rows beside its file are missing,
                damaged, or another model's.
        """
        state = self._require_fit().with_rows()
        self._state, did, self._store = update(
            self.settings, state, images, forget, progress, stage
        )
        return did

    def score(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        """Say how odd images are.

        Args:
            images: as for `fit`.
            progress: called with (images done, images in all).

        Returns:
            One prediction for each image that could be read, in order, and the errors.
        """
        sources = gather(images)
        results = list(self.score_each(sources, progress=progress))
        predictions = tuple(r for r in results if isinstance(r, Prediction))
        return Predictions(
            predictions,
            (*sources.errors, *(r for r in results if isinstance(r, ImageError))),
            self.drift(predictions),
        )

    def drift(self, predictions: Sequence[Prediction]) -> str | None:
        """A sentence where this detector's predictions look, as a whole, unlike the normal images.

        None where all is well or the images are too few to say.
        """
        model = self.model
        return drift(
            np.fromiter((p.p_value for p in predictions), np.float64, len(predictions)),
            model.false_alarms,
            model.calibration.n_held_out,
        )

    def score_each(
        self, sources: Sources, *, progress: Progress | None = None
    ) -> Iterator[Prediction | ImageError]:
        """Like `score`, one result at a time, so that nothing is lost when it is interrupted.

        Args:
            sources: what `gather` made of the images.
        """
        model = self.model
        return self._each(model, sources, Judge(model, self.stages), progress)

    def explain(
        self, images: Images, *, progress: Progress | None = None
    ) -> Iterator[Explanation | ImageError]:
        """Say how odd images are, and where: one result at a time, in constant memory.

        Args:
            images: as for `fit`.
            progress: called with (images done, images in all).

        Yields:
            For each image, in order, its `Explanation`, or why it could not be read.

        Raises:
            InputError: not fitted yet, or the model's layers have no map.
        """
        _ = self.model.maps  # refuses before any image is read
        sources = gather(images)
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
        return self._each(model, sources, Explain(model, self.stages, finish), progress, glance)

    def save(self, file: str | Path, *, rows: bool = False) -> str:
        """Write the model file, whole or not at all.

        Args:
            file: by custom it ends in .oneclass.
            rows: whether to write the normal images' rows, too, to `file` with .rows behind its
                name: `update` needs them, scoring does not. Those of patches take up to 2 MB
                each, and up to about 4 GB.

        Returns:
            The SHA-256 of the model file's content, in hex.

        Raises:
            InputError: not fitted yet, or the place cannot be written to.
            StorageError: the disk is full.
        """
        self._state = self._require_fit().saved(Path(file), rows=rows)
        return str(self._state.digest)

    @property
    def errors(self) -> tuple[ImageError, ...]:
        """After `fit` or `update`, the images that could not be read."""
        return self._state.errors if self._state else ()

    @property
    def ignored(self) -> Mapping[str, int]:
        """After `fit` or `update`, how many files in folders were no images, by their suffix."""
        return self._state.ignored if self._state else {}

    @property
    def folders(self) -> tuple[Folder, ...]:
        """After `fit`, the folders of the images, how many of each, and which look amiss."""
        return self._state.folders if self._state else ()

    @property
    def digest(self) -> str | None:
        """After `save` or `load`, the SHA-256 of the model file's content, in hex."""
        return self._state.digest if self._state else None

    @property
    def normal_scores(self) -> NDArray[np.float64]:
        """(n,) the anomaly scores of held-out normal images."""
        return self.model.calibration.normal_scores.copy()

    @property
    def score_threshold(self) -> float:
        """An image is called an anomaly if its score is larger than this.

        Of models with sister models, fitted before there was one number, about.
        """
        return self.model.threshold

    @property
    def heat_scale(self) -> float:
        """The largest value that a normal image's map usually has: one scale for all heatmaps.

        Raises:
            InputError: not fitted yet, or the model's layers have no map.
        """
        model = self.model
        _ = model.maps  # refuses layers without one
        return float(model.heat.heat_scale[0])

    @property
    def pixel_threshold(self) -> float:
        """A position of a map is marked if its value is larger than this.

        Of normal images like those it learnt from, about the promised share of false alarms, or
        less, shows any marked position; so a normal image is mostly left without a mark.

        Raises:
            InputError: not fitted yet, the model's layers have no map, or the model file is from
                before the largest values of held-out normal maps were kept.
        """
        return self.model.pixel_threshold

    @property
    def network(self) -> Backbone | None:
        """The frozen network; None for grey-scale."""
        return self.model.representation.backbone

    @property
    def computed_by(self) -> dict[str, str]:
        """The runtime with its version, and the precision, that make rows here."""
        representation = self.model.representation
        precision = representation.runtime.precision if representation.runtime else FP32
        return {"runtime": representation.version, "precision": precision}

    @property
    def pixel_scale(self) -> PixelScale:
        """The rule that makes intensities of pixel values."""
        return self.model.scale

    @property
    def card(self) -> dict[str, Any]:
        """What the model is made of: representation, pixel scale, fit, rate of false alarms."""
        return copy.deepcopy(self.model.card)

    @property
    def cache_use(self) -> CacheUse | None:
        """What the cache was good for the last time that images were read; None without one."""
        return None if self._store is None else self._store.use

    @property
    def model(self) -> FittedModel:
        """What the fit has left behind, whole."""
        return self._require_fit().model

    def _each(
        self,
        model: FittedModel,
        sources: Sources,
        finish: Callable[[Extracted], R],
        progress: Progress | None,
        glance: Callable[[NDArray[Any]], Any] | None = None,
    ) -> Iterator[R | ImageError]:
        asked = self.settings
        self._store = store = store_for(asked, model.representation, model.scale)
        side_by_side = asked.workers if len(sources) > 1 else 1  # to count them takes a while
        with crew_of(asked.cluster, side_by_side) as workers:
            results = extract_and(
                finish,
                sources,
                model.representation,
                model.scale,
                workers=workers,
                glance=glance,
                store=store,
                stages=self.stages,
            )
            for done, result in enumerate(results, 1):
                yield result
                if progress:
                    progress(done, len(sources))

    def _require_fit(self) -> State:
        if self._state is None:
            raise InputError("this detector is not fitted: call fit(images) first, or load a file.")
        return self._state

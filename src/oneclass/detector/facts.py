"""What a detector tells of itself."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, Self

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import FP32, Backbone
from oneclass.conformal.guarantee import spread
from oneclass.detector import settings
from oneclass.detector.fitting import State
from oneclass.detector.model import FittedModel
from oneclass.detector.origins import Folder
from oneclass.detector.settings import Settings
from oneclass.errors import ImageError, InputError
from oneclass.images.scale import PixelScale
from oneclass.rows.store import CacheUse, RowStore
from oneclass.system.names import did_you_mean, percent

P = ParamSpec("P")
HABITS = {
    "predict": "Use score(images): each prediction has is_anomaly.",
    "fit_predict": "Use fit(images), then score(others): each prediction has is_anomaly.",
    "predict_proba": "Use score(images): each prediction has a p_value.",
    "decision_function": "Use score(images).scores; larger is odder.",
    "score_samples": "Use score(images).scores; larger is odder.",
    "transform": "It makes no rows for others to use; score(images) says how odd images are.",
    "load": "Use oneclass.load(file).",
    **dict.fromkeys(
        ("heatmap", "heatmaps", "anomaly_map"), "Use explain(images): where each image is odd."
    ),
    **dict.fromkeys(("score_one", "infer", "detect"), "Use score([image])[0]."),
    "report": "A page is made by 'oneclass report MODEL RUN'.",
    "threshold": "Use score_threshold.",
    "threshold_": "Use score_threshold.",
}
"""What those who know scikit-learn try, and what to use instead."""
OTHER_RATE = "oneclass.load(file, false_alarms=...) opens a saved model at another rate."
OWN = ("settings", "stages", "traffic")
"""Attributes that a detector makes for itself."""


class Hinting(type):
    """Of classes of which people try what is not there: `Detector.load(file)`."""

    def __getattr__(cls, name: str) -> Any:
        hint = f" {HABITS[name]}" if name in HABITS else ""
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}.{hint}")


def by_name(init: Callable[P, None]) -> Callable[P, None]:
    """Of an `__init__` that takes names alone: says where what was given without one belongs."""

    @wraps(init)
    def checked(*given: P.args, **named: P.kwargs) -> None:
        if len(given) > 1:
            raise TypeError(
                f"Detector({given[1]!r}): settings are given by name, such as Detector(nu=0.1). "
                f"To learn from images: Detector().fit({given[1]!r}); to open a model file: "
                "oneclass.load(file)."
            )
        if strange := sorted(named.keys() - settings.BY_NAME):
            raise TypeError(f"Detector({strange[0]}=...): {settings.unknown(strange[0])}")
        init(*given, **named)

    return checked


class Facts(metaclass=Hinting):
    """What is read off a detector, and changes nothing: its settings, and what the fit has left."""

    settings: Settings
    _state: State | None
    _store: RowStore | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name, as scikit-learn's `clone` asks for them."""
        return dict(vars(self.settings))

    def __getattr__(self, name: str) -> Any:
        if name in settings.BY_NAME and "settings" in self.__dict__:
            return getattr(self.settings, name)
        hint = f" {HABITS[name]}" if name in HABITS else did_you_mean(name, settings.BY_NAME)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}.{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a setting, for the next fit; what would change nothing is refused.

        Raises:
            AttributeError: it is no setting.
            InputError: a setting's value is out of its range.
        """
        if name in settings.BY_NAME:
            self.set_params(**{name: value})
            if name == "false_alarms" and self._state is not None:
                warnings.warn(
                    "false_alarms holds from the next fit or update on; what was learnt goes by "
                    f"{percent(self.model.false_alarms)}, as before. {OTHER_RATE}",
                    UserWarning,
                    stacklevel=2,
                )
            return
        known = getattr(type(self), name, None)
        if isinstance(known, property) and known.fset is None:
            raise AttributeError(f"{name} is read off what was learnt. {OTHER_RATE}")
        if known is None and name not in OWN and not name.startswith("_"):
            rate = f" {OTHER_RATE}" if "threshold" in name else ""
            raise AttributeError(f"{settings.unknown(name)}{rate}")
        object.__setattr__(self, name, value)

    @abstractmethod
    def set_params(self, **given: Any) -> Self:
        """Change settings for the next fit."""

    def __repr__(self) -> str:
        shown = [name for name in settings.BY_NAME if name not in settings.OF_THIS_MACHINE]
        return f"Detector({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

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
        """After `fit` or `update`, the folders of the new images, and which look amiss."""
        return self._state.folders if self._state else ()

    @property
    def near_copies(self) -> tuple[tuple[str, ...], ...]:
        """After `fit` or `update`, names of images that show about the same picture, by group.

        After an update, of groups with new images; `(learnt before)` is one whose name is not
        known any more.
        """
        return self._state.near_copies if self._state else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What `oneclass fit` says of the model beside its promise, a sentence each.

        Such as that many images show the same few pictures, or how far this very model's rate of
        false alarms may lie from the promised one, where its images are few.
        """
        card = self.model.card
        return tuple(filter(None, (*card["fit"]["warnings"], spread(card))))

    @property
    def why(self) -> str | None:
        """After `fit`, what decided between whole images and patches; None if settings did."""
        return self._state.why if self._state else None

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

    def _require_fit(self) -> State:
        if self._state is None:
            raise InputError("this detector is not fitted: call fit(images) first, or load a file.")
        return self._state

"""What the detector says of images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import ImageError, InputError
from oneclass.system.names import count, plural, some_names
from oneclass.system.paths import Made

if TYPE_CHECKING:
    from oneclass.images.sources import Sources

ANOMALY, UNCLEAR, FINE = VERDICTS = ("anomaly", "unclear", "fine")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the detector says of one image.

    Attributes:
        path: the image as it was named; ``array[i]`` for the i-th array.
        score: the anomaly score; larger is odder; above 0 the image lies outside every half-space.
        p_value: in (0, 1]: the share of normal images that look at least this odd.
        is_anomaly: whether the p-value is at most the model's rate of false alarms.
        is_unclear: whether it lies above that, but not above a second rate that was asked for.
        learnt: whether the model learnt from this very image, by its pixels; False where nobody
            knows, as of models that were fitted before these were kept.
    """

    path: str
    score: float
    p_value: float
    is_anomaly: bool
    is_unclear: bool = False
    learnt: bool = False

    @property
    def verdict(self) -> str:
        """anomaly, unclear, or fine."""
        return ANOMALY if self.is_anomaly else UNCLEAR if self.is_unclear else FINE


def digits(score: float) -> str:
    """A score or a threshold as people are shown it everywhere: `0.2356`, `1.000`."""
    return f"{score:#.4g}"


def odds(p_value: float, n_normal: int, rate: float | None = None) -> str:
    """How odd an image is beside normal ones, for people who have never heard of a p-value.

    Args:
        p_value: in (0, 1].
        n_normal: the held-out normal images behind it.
        rate: of false alarms, in (0, 1), up to which images are anomalies: a share that is rounded
            beyond it would contradict the verdict. None for no verdict.
    """
    if p_value <= 1.5 / (n_normal + 1):  # of one that is odder still, the p-value is the same
        return f"odder than all {n_normal:,} good images that it was compared with"
    if p_value >= 0.95:
        return "nearly every good image looks this odd or odder"
    # One in so many down to one in six, then tenths.
    n, of = (1, round(1 / p_value)) if p_value < 0.18 else (round(10 * p_value), 10)
    about, looks = "about", plural(n, "looks", "look")
    if rate is not None and (p_value <= rate) != (n / of <= rate * (1 + 1e-9)):
        about, looks = "fewer than" if p_value <= rate else "more than", "look"
    return f"{about} {n} in {of:,} good images {looks} this odd or odder"


class Scored(Made[Prediction]):
    """Predictions of many images in little memory: made anew when they are asked for.

    Args:
        names: of the images.
    """

    def __init__(self, names: Sequence[str]) -> None:
        # As large as they can become: arrays that grow leave holes in the memory behind them.
        self._names, self._n = names, 0
        self._index = np.empty(len(names), np.uint32)
        self._odd, self._unclear = np.empty(len(names), bool), np.empty(len(names), bool)
        self._learnt = np.empty(len(names), bool)
        self._score, self._p_value = np.empty(len(names)), np.empty(len(names))

    def add(self, index: int, prediction: Prediction) -> None:
        """Add the prediction of the image that has this index among the names."""
        self._index[self._n] = index
        self._odd[self._n], self._unclear[self._n] = prediction.is_anomaly, prediction.is_unclear
        self._learnt[self._n] = prediction.learnt
        self._score[self._n], self._p_value[self._n] = prediction.score, prediction.p_value
        self._n += 1

    def __len__(self) -> int:
        return self._n

    def made(self, place: int) -> Prediction:
        return Prediction(
            self._names[int(self._index[place])],
            float(self._score[place]),
            float(self._p_value[place]),
            bool(self._odd[place]),
            bool(self._unclear[place]),
            bool(self._learnt[place]),
        )


@dataclass(frozen=True)
class Predictions(Sequence[Prediction]):
    """The predictions in the order of the images, and what could not be scored.

    Going through them to the end, or asking for `scores`, warns once (UserWarning) where images are
    missing: a gate must not take an image that it never saw for a good one, nor one image's score
    for another's. `errors` has them. So it does of what `drift`, `learnt` and `unlike` say.

    Attributes:
        predictions: one for each image that could be read.
        errors: one for each that could not.
        drift: a warning where the batch as a whole looks unlike the normal images did, or None.
        learnt: a warning where some of the images are among those that the model learnt from, which
            proves nothing, or None.
        unlike: a warning where some have quite another shape or size than the images that the model
            learnt from, or None.
    """

    predictions: tuple[Prediction, ...]
    errors: tuple[ImageError, ...] = ()
    drift: str | None = None
    learnt: str | None = None
    unlike: str | None = None
    _told: list[bool] = field(default_factory=list, init=False, repr=False, compare=False)

    def __iter__(self) -> Iterator[Prediction]:
        yield from self.predictions
        self._tell()

    def __len__(self) -> int:
        return len(self.predictions)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Prediction, ...]: ...
    def __getitem__(self, index: int | slice) -> Prediction | tuple[Prediction, ...]:
        return self.predictions[index]

    def _tell(self) -> None:
        """Warn whoever called the caller of all that makes these worth less, once."""
        if self._told:
            return
        self._told.append(True)
        for told in (self._missing(), self.learnt, self.unlike, self.drift):
            if told:
                warnings.warn(told, UserWarning, stacklevel=3)

    def _missing(self) -> str | None:
        if not self.errors:
            return None
        n = len(self.errors)
        were, are = ("images were", "are") if n > 1 else ("image was", "is")
        return (
            f"{n} {were} not scored and {are} not among these predictions, so their places are not "
            f"those of the images: go by .path, and see .errors. The first: {self.errors[0]}"
        )

    @property
    def scores(self) -> NDArray[np.float64]:
        """(n,) float64 anomaly scores of the images that could be read.

        Raises:
            InputError: there were images, and none could be scored: of no scores none is too large.
        """
        if self.errors and not self.predictions:
            raise InputError(
                f"none of {count(len(self.errors), 'image')} could be scored, so there are no "
                f"scores; see .errors. The first: {self.errors[0]}"
            )
        self._tell()
        return np.array([p.score for p in self.predictions], dtype=np.float64)


def told_learnt(learnt: Sequence[str], n: int) -> str | None:
    """A sentence where images were scored that the model learnt from; None where there are none.

    Args:
        learnt: names of those of the images that it learnt from; the first are told.
        n: how many images there are in all.
    """
    n_learnt = len(learnt)
    if not n_learnt:
        return None
    which = f"{n_learnt:,} of these {n:,} images {plural(n_learnt, 'is one', 'are ones')}"
    if n_learnt == n:
        which = "this image is one" if n == 1 else f"all {n:,} images are ones"
    they, scores, verdicts = (
        ("it is", "its score is lower than it would be if the image were new", "its verdict proves")
        if n_learnt == 1
        else (
            "they are",
            "their scores are lower than they would be if the images were new",
            "their verdicts prove",
        )
    )
    named = f" ({some_names(learnt)})" if n_learnt < n else ""
    return (
        f"{which} that the model learnt from as normal{named}: {scores}, and "
        f"{verdicts} nothing, neither that {they} good nor that the model finds what is odd. "
        "Score others."
    )


def warn_repeated(sources: Sources) -> None:
    """Warn whoever called the caller of files that were named twice: results are fewer than those.

    Args:
        sources: what `gather` made of the images.
    """
    if n := len(sources.repeated):
        warnings.warn(
            f"{count(n, 'file was', 'files were')} given more than once and "
            f"{plural(n, 'has', 'have')} one result each: there are {n} fewer than you gave. "
            f"The first: {sources.repeated[0]}",
            UserWarning,
            stacklevel=3,
        )

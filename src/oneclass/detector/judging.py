"""What becomes of images' rows: a fitted model's word on each, in threads or on other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from oneclass.cluster.crew import crew_of
from oneclass.cluster.traffic import Traffic
from oneclass.detector.heat import Explanation
from oneclass.detector.model import FittedModel
from oneclass.detector.predictions import Prediction
from oneclass.detector.settings import Settings
from oneclass.errors import ImageError
from oneclass.images.sources import Progress, Sources
from oneclass.representations.extraction import Extracted, extract_and
from oneclass.rows.store import RowStore
from oneclass.system.stages import Stages

R = TypeVar("R")
ONE_COLOUR = (
    "every pixel has one and the same value, as behind a covered lens or in an empty export, and "
    "the model learnt from no image of that colour, so there is nothing to judge; look at the "
    "camera and the file, and if such an image is good, let the model learn anew with some of them"
)


def nothing_to_judge(image: Extracted, model: FittedModel) -> ImageError | None:
    """Why an image of one single colour has no verdict; None where it has one."""
    if image.one_colour and not model.knows_colour(image.one_colour):
        return ImageError(image.name, "one_colour", ONE_COLOUR)
    return None


@dataclass(frozen=True)
class Judge:
    """A row to its prediction; it can travel."""

    model: FittedModel
    stages: Stages

    def __call__(self, image: Extracted) -> Prediction | ImageError:
        if error := nothing_to_judge(image, self.model):
            return error
        with self.stages.measure("score"):
            return self.model.judge(image.name, image.row, image.digest)


@dataclass(frozen=True)
class Explain(Generic[R]):
    """A row to what is made of its explanation; it can travel."""

    model: FittedModel
    stages: Stages
    finish: Callable[[int, Explanation, Any], R]

    def __call__(self, image: Extracted) -> R | ImageError:
        if error := nothing_to_judge(image, self.model):
            return error
        with self.stages.measure("score"):
            explanation = self.model.explain(image.name, image.row, image.digest)
        return self.finish(image.index, explanation, image.glance)


def explanation_alone(_: int, explanation: Explanation, __: Any) -> Explanation:
    """Nothing more is made of it."""
    return explanation


def finish_each(
    finish: Callable[[Extracted], R],
    sources: Sources,
    model: FittedModel,
    asked: Settings,
    *,
    store: RowStore | None,
    stages: Stages,
    traffic: list[Traffic],
    glance: Callable[[NDArray[Any]], Any] | None = None,
    progress: Progress | None = None,
) -> Iterator[R | ImageError]:
    """What is made of each image's row, or why it has none, in order and in constant memory.

    Args:
        finish: a `Judge` or an `Explain`.
        sources: the images.
        model: whose rows they become.
        asked: who is to work: `cluster` and `threads`.
        store, stages: as for `extract_and`.
        traffic: where each pass of a cluster adds what it sent.
        glance, progress: as for `Detector.explain_and`.
    """
    side_by_side = asked.workers if len(sources) > 1 else 1  # to count them takes a while
    with crew_of(asked.cluster, side_by_side, traffic) as workers:
        results = extract_and(
            finish,
            sources,
            model.representation,
            model.scale,
            workers=workers,
            glance=glance,
            store=store,
            stages=stages,
            digests=model.learnt is not None,
        )
        for done, result in enumerate(results, 1):
            yield result
            if progress:
                progress(done, len(sources))

"""What becomes of an image's row, as objects that can travel to other machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from oneclass.detector.heat import Explanation
from oneclass.detector.model import FittedModel
from oneclass.detector.predictions import Prediction
from oneclass.representations.extraction import Extracted
from oneclass.system.stages import Stages

R = TypeVar("R")


@dataclass(frozen=True)
class Judge:
    """A row to its prediction."""

    model: FittedModel
    stages: Stages

    def __call__(self, image: Extracted) -> Prediction:
        with self.stages.measure("score"):
            return self.model.judge(image.name, image.row)


@dataclass(frozen=True)
class Explain(Generic[R]):
    """A row to what is made of its explanation."""

    model: FittedModel
    stages: Stages
    finish: Callable[[int, Explanation, Any], R]

    def __call__(self, image: Extracted) -> R:
        with self.stages.measure("score"):
            explanation = self.model.explain(image.name, image.row)
        return self.finish(image.index, explanation, image.glance)


def explanation_alone(_: int, explanation: Explanation, __: Any) -> Explanation:
    """Nothing more is made of it."""
    return explanation

"""Models of before: p-values by sister models, which were fitted without a fifth of the images.

Each held-out image was scored by the sister that had not seen it, and so is every new image (CV+,
the jackknife+ by folds: Barber, Candès, Ramdas and Tibshirani, "Predictive inference with the
jackknife+", 2021). No model is fitted like this any more; those that were keep what they said.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.calibration import Calibration, Floats, at_least, threshold_rank
from oneclass.conformal.union import Union


@dataclass(frozen=True)
class SisterCalibration(Calibration):
    """Held-out scores of normal images, and the half-spaces that gave them.

    Attributes:
        normal_scores: (n,) float64 anomaly scores, ascending within a fold.
        fold: (n,) int64, the fold of each score, ascending; all 0 for a split.
        fold_coef: (m, d) float16, the half-spaces fitted without each fold; m = 0 for a split,
            whose held-out images were scored by the model itself.
        fold_offset: (m,) float64.
        fold_member: (m,) int64, the fold that a half-space was fitted without, ascending.
        n_worst: of the sisters' scores, as in `Union`.

    Raises:
        ValueError: the arrays do not fit together.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = (
        "normal_scores",
        "fold",
        "fold_coef",
        "fold_offset",
        "fold_member",
    )

    fold: NDArray[np.int64]
    fold_coef: NDArray[np.float16]
    fold_offset: Floats
    fold_member: NDArray[np.int64]
    n_worst: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        folds, members = np.unique(self.fold), np.unique(self.fold_member)
        if self.fold.shape != self.normal_scores.shape:
            raise ValueError(f"fold of shape {self.fold.shape}")
        if self.fold_member.ndim != 1 or self.fold_offset.shape != self.fold_member.shape:
            raise ValueError(f"fold_member of shape {self.fold_member.shape}")
        if self.fold_coef.ndim != 2 or len(self.fold_coef) != len(self.fold_member):
            raise ValueError(f"fold_coef of shape {self.fold_coef.shape}")
        if (np.diff(self.fold) < 0).any() or (np.diff(self.fold_member) < 0).any():
            raise ValueError("folds that are not in order")
        if list(folds) != (list(members) if len(members) else [0]):
            raise ValueError(f"half-spaces of folds {members} for scores of folds {folds}")

    def p_value(self, score: float, row: NDArray[np.floating[Any]]) -> float:
        """As for `Calibration`: each fold compares with what its sister says of the row."""
        scores = [sister.image_score(row) for sister in self.sisters] or [score]
        pairs = zip(self._by_fold, scores, strict=True)
        count = sum(at_least(normal, new - self.slack) for normal, new in pairs)
        return (count + 1) / (self.n_held_out + 1)

    def threshold(self, rate: float) -> float:
        """About where verdicts change: exact for a split alone."""
        normal = np.sort(self.normal_scores)
        return float(normal[-threshold_rank(len(normal), rate)])

    @cached_property
    def sisters(self) -> tuple[Union, ...]:
        """The unions that were fitted without each fold, in the folds' order; none for a split."""
        return tuple(
            Union(self.fold_coef[own], self.fold_offset[own], self.n_worst)
            for fold in np.unique(self.fold_member)
            for own in [self.fold_member == fold]
        )

    @cached_property
    def _by_fold(self) -> list[Floats]:
        return [self.normal_scores[self.fold == k] for k in np.unique(self.fold)]

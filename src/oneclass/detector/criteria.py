"""Choosing layer, number of half-spaces and nu from normal images alone.

Two models are fitted to disjoint parts of the normal images; a third part, held out, judges them by
three criteria. docs/auto.md compares the criteria on labelled data and says why one of them rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from oneclass.detector.collecting import choose_n_halfspaces
from oneclass.errors import InputError
from oneclass.statistics import auroc
from oneclass.svm import Halfspaces, fit_halfspaces, halfspace_scores

Rows = NDArray[np.float32]
Planes = NDArray[np.float32]
T = TypeVar("T")
CRITERIA = ("tightness", "stability", "self_made")
HALFSPACES = (None, 1, 4, 16, 64)
NUS = (0.1, 0.01, 0.3, 0.5)
FEWEST, MOST = 10, 300
TILES = 4


@dataclass(frozen=True)
class Criteria:
    """What normal images alone say about one setting; of each, more is better.

    Attributes:
        tightness: -1 to 1, the mean cosine of held-out rows to the half-space that they are in.
        stability: -1 to 1, Spearman's correlation of held-out scores by models of disjoint parts.
        self_made: 0 to 1, mean AUROC of held-out images against altered copies of themselves.
    """

    tightness: float
    stability: float
    self_made: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Rule:
    """How a setting is chosen.

    Attributes:
        criterion: one of `CRITERIA`: the candidate with the most of it.
        margin: by how much it must beat the default's, or the default stays.
        checked: whether candidates that see fewer self-made anomalies than the default are out. A
            layer that sees nothing at all is as tight as can be.
    """

    criterion: str
    margin: float
    checked: bool


RULES = {
    "layer": Rule("tightness", 0.02, checked=True),
    "n_halfspaces": Rule("tightness", 0.0, checked=False),
    "nu": Rule("tightness", 0.0, checked=False),
}
"""Those that lose least in benchmarks/choose_auto.py."""


@dataclass(frozen=True)
class Parts:
    """The rows of one representation: two parts to fit to, one held out, and its altered copies.

    Attributes:
        first: (a, d) float32.
        second: (b, d) float32, of other images.
        held_out: (m, d) float32, of others again.
        altered: for each kind of alteration, (m, d) float32 rows of the held-out images' copies.
    """

    first: Rows
    second: Rows
    held_out: Rows
    altered: Mapping[str, Rows]

    def columns(self, spans: Sequence[slice]) -> Parts:
        """With some of the columns, of unit length again."""

        def some(rows: Rows) -> Rows:
            joined = np.concatenate([rows[:, span] for span in spans], axis=1)
            joined /= np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12)
            return joined

        altered = {name: some(rows) for name, rows in self.altered.items()}
        return Parts(some(self.first), some(self.second), some(self.held_out), altered)


def split_of(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the two parts to fit to and of the held-out fifth, of n images in random order.

    Raises:
        InputError: fewer than `FEWEST` images.
    """
    if n < FEWEST:
        raise InputError(
            f"only {n} different normal images: choosing a setting by itself ('auto') needs at "
            f"least {FEWEST}, and 50 are advisable. Give more, or name the setting."
        )
    held = max(3, n // 5)
    return np.arange(held, n, 2), np.arange(held + 1, n, 2), np.arange(held)


def altered(planes: Planes, random: np.random.Generator) -> dict[str, Planes]:
    """Three self-made anomalies of a prepared image.

    Args:
        planes: (channels, height, width) float32.
        random: decides where; the same state gives the same copies.

    Returns:
        "rotated": by a multiple of 90 degrees (by 180 if it is not square). "pasted": a rectangle
        of 2 to 15 % of the area copied to another place. "shuffled": the tiles of a 4 x 4 grid in
        another order. Shapes and type as given.
    """
    return {
        "rotated": _rotated(planes, random),
        "pasted": _pasted(planes, random),
        "shuffled": _shuffled(planes, random),
    }


def judge(parts: Parts, n_halfspaces: int | None, nu: float, *, seed: int = 0) -> Criteria:
    """The three criteria of one setting.

    Args:
        parts: rows of the setting's representation.
        n_halfspaces: for all the images; a part's model gets its share. None for one per 12.
        nu: in (0, 1].
        seed: of the clustering.
    """
    total = len(parts.first) + len(parts.second) + len(parts.held_out)
    models = []
    for rows in (parts.first, parts.second):
        share = None if n_halfspaces is None else round(n_halfspaces * len(rows) / total)
        k = choose_n_halfspaces(share if share is None else max(1, share), len(rows))
        models.append(fit_halfspaces(rows, k, nu=nu, seed=seed))
    scores = [_scores(parts.held_out, model) for model in models]
    caught = [
        auroc(normal, _scores(rows, model))
        for model, normal in zip(models, scores, strict=True)
        for rows in parts.altered.values()
    ]
    return Criteria(
        float(np.mean([_cosine(parts.held_out, model) for model in models])),
        _rank_correlation(*scores),
        float(np.mean(caught)),
    )


def preferred(values: Mapping[T, Criteria], default: T, rule: Rule) -> T:
    """The candidate that a rule prefers, or the default where none is clearly better.

    Args:
        values: each candidate's criteria, the default's among them.
        default: kept unless another candidate is more than the margin better.
        rule: what counts.
    """
    least = values[default].self_made if rule.checked else -1.0
    allowed = [name for name, found in values.items() if found.self_made >= least]
    best = max(allowed, key=lambda name: getattr(values[name], rule.criterion))
    gain = getattr(values[best], rule.criterion) - getattr(values[default], rule.criterion)
    return best if gain > rule.margin else default


def halfspace_candidates(n: int) -> list[int | None]:
    """None (one per 12 images) and the fixed numbers that n images allow."""
    return [k for k in HALFSPACES if k is None or k <= n // 2]


def _scores(rows: Rows, model: Halfspaces) -> NDArray[np.float64]:
    return -halfspace_scores(rows, model.coef, model.offset)[0]


def _cosine(rows: Rows, model: Halfspaces) -> float:
    _, own = halfspace_scores(rows, model.coef, model.offset)
    coef = model.coef[own]
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(coef, axis=1)
    products = np.einsum("ij,ij->i", rows, coef, dtype=np.float64)
    return float(np.mean(products / np.maximum(lengths, 1e-12)))


def _rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    ranks = []
    for scores in (one, other):
        ordered = np.sort(scores)
        below = np.searchsorted(ordered, scores, "left")
        ranks.append((below + np.searchsorted(ordered, scores, "right")) / 2)
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _rotated(planes: Planes, random: np.random.Generator) -> Planes:
    quarters = int(random.integers(1, 4)) if planes.shape[1] == planes.shape[2] else 2
    return np.ascontiguousarray(np.rot90(planes, quarters, axes=(1, 2)))


def _pasted(planes: Planes, random: np.random.Generator) -> Planes:
    height, width = planes.shape[1:]
    area, aspect = random.uniform(0.02, 0.15), math.exp(random.uniform(-1, 1))
    h = int(np.clip(height * math.sqrt(area * aspect), 1, height))
    w = int(np.clip(width * math.sqrt(area / aspect), 1, width))
    (top, down), (left, right) = (
        random.integers(0, side - part + 1, 2) for side, part in ((height, h), (width, w))
    )
    copy = planes.copy()
    copy[:, down : down + h, right : right + w] = planes[:, top : top + h, left : left + w]
    return copy


def _shuffled(planes: Planes, random: np.random.Generator) -> Planes:
    height, width = (side // TILES for side in planes.shape[1:])
    copy = planes.copy()
    for to, place in enumerate(random.permutation(TILES * TILES)):
        (down, right), (top, left) = divmod(to, TILES), divmod(int(place), TILES)
        copy[:, down * height : (down + 1) * height, right * width : (right + 1) * width] = planes[
            :, top * height : (top + 1) * height, left * width : (left + 1) * width
        ]
    return copy

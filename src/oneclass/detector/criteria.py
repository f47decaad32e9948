"""Choosing layer, number of half-spaces and nu from normal images alone.

Two models are fitted to disjoint parts of the normal images; a third part, held out, judges them by
three criteria. docs/auto.md compares the criteria on labelled data and says why one of them rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from oneclass.detector.collecting import choose_n_halfspaces
from oneclass.detector.settings import AUTO
from oneclass.errors import InputError
from oneclass.statistics import auroc
from oneclass.svm import Halfspaces, fit_halfspaces, halfspace_scores
from oneclass.system.arrays import Array, Rows

T = TypeVar("T")
CRITERIA = ("tightness", "stability", "self_made")
HALFSPACES = (None, 1, 4, 16, 64)
NUS = (0.1, 0.01, 0.3, 0.5)
FEWEST, MOST = 10, 300


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
class Preference:
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


PREFERENCES = {
    "layer": Preference("tightness", 0.02, checked=True),
    "n_halfspaces": Preference("tightness", 0.0, checked=False),
    "nu": Preference("tightness", 0.0, checked=False),
}
"""Those that lose least in benchmarks/choose_auto.py."""


@dataclass(frozen=True)
class SplitRows:
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

    def of(self, layer: Callable[[Rows], Rows]) -> SplitRows:
        """With the rows that a function makes of these."""
        altered = {name: layer(rows) for name, rows in self.altered.items()}
        return SplitRows(layer(self.first), layer(self.second), layer(self.held_out), altered)


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what it was chosen from.

    Attributes:
        layer: None where it was not to be chosen.
        n_halfspaces: None for one per 12 images.
        nu: in (0, 1].
        record: the candidates with their criteria, as JSON.
    """

    layer: str | None
    n_halfspaces: int | None
    nu: float
    record: dict[str, Any]


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


def judge(parts: SplitRows, n_halfspaces: int | None, nu: float, *, seed: int = 0) -> Criteria:
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


def preferred(values: Mapping[T, Criteria], default: T, rule: Preference) -> T:
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


def choose_from_rows(
    parts: SplitRows,
    layers: Mapping[str, Callable[[Rows], Rows]],
    n_halfspaces: int | str | None,
    nu: float | str,
    *,
    default_nu: float,
    seed: int,
) -> Choice:
    """Choose from rows: the layer, then the number of half-spaces, then nu.

    Args:
        parts: rows of all candidate layers, or of the layer that was named.
        layers: for each candidate layer what makes its rows of these, the default first; none
            where it was named.
        n_halfspaces: a number, None for one per 12 images, or "auto".
        nu: a number, or "auto".
        default_nu: where nu is "auto".
        seed: of the clustering.
    """
    n = len(parts.first) + len(parts.second) + len(parts.held_out)
    record: dict[str, Any] = {"n_images": n}
    k = None if isinstance(n_halfspaces, str) else n_halfspaces
    value = default_nu if isinstance(nu, str) else nu
    layer = None
    if layers:
        found = {
            name: judge(parts.of(layer_rows), _at_most(k, n), value, seed=seed)
            for name, layer_rows in layers.items()
        }
        layer = _pick("layer", found, next(iter(layers)), record)
        parts = parts.of(layers[layer])
    if n_halfspaces == AUTO:
        numbers = {k: judge(parts, k, value, seed=seed) for k in halfspace_candidates(n)}
        k = _pick("n_halfspaces", numbers, None, record)
    if nu == AUTO:
        values = {v: judge(parts, _at_most(k, n), v, seed=seed) for v in NUS}
        value = _pick("nu", values, default_nu, record)
    return Choice(layer, k, value, record)


def _at_most(k: int | None, n: int) -> int | None:
    return None if k is None else min(k, n)


def _pick(setting: str, found: dict[T, Criteria], default: T, record: dict[str, Any]) -> T:
    chosen = preferred(found, default, PREFERENCES[setting])
    record[setting] = {
        **asdict(PREFERENCES[setting]),
        "chosen": chosen,
        "candidates": [{"value": v, **criteria.to_json()} for v, criteria in found.items()],
    }
    return chosen


def _scores(rows: Rows, model: Halfspaces) -> Array:
    return -halfspace_scores(rows, model.coef, model.offset)[0]


def _cosine(rows: Rows, model: Halfspaces) -> float:
    _, own = halfspace_scores(rows, model.coef, model.offset)
    coef = model.coef[own]
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(coef, axis=1)
    products = np.einsum("ij,ij->i", rows, coef, dtype=np.float64)
    return float(np.mean(products / np.maximum(lengths, 1e-12)))


def _rank_correlation(one: Array, other: Array) -> float:
    ranks = []
    for scores in (one, other):
        ordered = np.sort(scores)
        below = np.searchsorted(ordered, scores, "left")
        ranks.append((below + np.searchsorted(ordered, scores, "right")) / 2)
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])

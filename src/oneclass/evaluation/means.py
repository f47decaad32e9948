"""Means over categories, each counting the same, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oneclass.evaluation.cells import Cell, Rate
from oneclass.evaluation.ranking import Figure
from oneclass.evaluation.running import Evaluation

IMAGES = ("auroc", "average_precision", "best_f1", "f1")
RATES = ("false_alarms", "found")
PIXELS = ("pixel_auroc", "au_pro_30", "au_pro_5")


@dataclass(frozen=True)
class Mean:
    """Of one setting.

    Attributes:
        setting: its words.
        figures: by name, what two categories have at least.
        counts: by the same names, of how many categories.
    """

    setting: str
    figures: dict[str, Figure]
    counts: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def figures_of(cell: Cell) -> dict[str, Figure | Rate]:
    """All figures of a cell by name; those of pixels where there are any."""
    found: dict[str, Figure | Rate] = {name: getattr(cell.ranking, name) for name in IMAGES}
    found |= {"false_alarms": cell.false_alarms, "found": cell.found}
    if cell.pixels:
        values = (cell.pixels.auroc, cell.pixels.au_pro_30, cell.pixels.au_pro_5)
        found |= dict(zip(PIXELS, values, strict=True))
    return found


def means(evaluation: Evaluation) -> list[Mean]:
    """The means of each setting that several categories were evaluated with."""
    found = []
    for setting in evaluation.settings:
        cells = [figures_of(c) for c in evaluation.cells if c.setting == setting]
        parts = {
            name: [cell[name] for cell in cells if name in cell]
            for name in (*IMAGES, *RATES, *PIXELS)
        }
        several = {name: part for name, part in parts.items() if len(part) > 1}
        if several:
            figures = {name: mean(part) for name, part in several.items()}
            found.append(Mean(setting, figures, {name: len(p) for name, p in several.items()}))
    return found


def mean(figures: Sequence[Figure | Rate]) -> Figure:
    """The mean of independent figures, with the interval that theirs give.

    Each end lies as far from the mean as the root of the sum of the squared distances of the
    figures' own ends, over their number (the method of variance estimates recovery: Zou and
    Donner 2008, "Construction of confidence limits about effect measures").
    """
    value, low, high = (
        np.array([getattr(figure, end) for figure in figures]) for end in ("value", "low", "high")
    )
    n = len(value)
    below = np.sqrt(((value - low) ** 2).sum()) / n
    above = np.sqrt(((high - value) ** 2).sum()) / n
    middle = float(value.mean())
    return Figure(middle, float(middle - below), float(middle + above))

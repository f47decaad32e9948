"""What a run says against what somebody knows: false alarms, anomalies found, AUROC."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from oneclass.detector.predictions import Prediction
from oneclass.report import plots
from oneclass.report.labels import Truth, told_unmatched
from oneclass.report.markup import definitions, figure, section
from oneclass.statistics import auroc, auroc_interval, exact_interval, roc_curve
from oneclass.system.names import count, percent, plural

CHANCE = "the chance that an anomaly scores higher than a normal image"
SWAPPED = "Of the anomalies most were not: are the two swapped?"
ROC = "From no image called an anomaly, bottom left, to all of them, top right."


class Agreement:
    """The verdicts beside the truth.

    Args:
        predictions: of the run.
        truth: what is known of the images; empty where nobody knows.

    Attributes:
        normal: predictions of normal images.
        odd: predictions of anomalies.
    """

    def __init__(self, predictions: Sequence[Prediction], truth: Truth) -> None:
        self.predictions, self.truth = predictions, truth
        self.normal, self.odd = truth.apart(predictions)

    @cached_property
    def false_alarms(self) -> float:
        """The share of normal images that were called anomalies."""
        return _called(self.normal) / len(self.normal)

    @property
    def swapped(self) -> bool:
        """Whether most normal images were called anomalies, and most of the others were not."""
        if not self.normal or not self.odd:
            return False
        return self.false_alarms > 0.5 > _called(self.odd) / len(self.odd)

    @property
    def learnt(self) -> str:
        """How many of the normal images the model learnt from, behind their number; or nothing."""
        n = sum(p.learnt for p in self.normal)
        if not n:
            return ""
        all_of = plural(n, "which", "all of which")
        return f", {all_of if n == len(self.normal) else f'{n:,} of which'} the model learnt from"

    def more_than(self, rate: float) -> bool:
        """Whether there are more false alarms than a rate, beyond what is chance."""
        return exact_interval(_called(self.normal), len(self.normal))[0] > rate

    def sentence(self, rate: float) -> str:
        """The false alarms and the anomalies found."""
        parts = []
        if self.normal:
            called = _called(self.normal)
            learnt = self.learnt and f"{self.learnt},"
            parts.append(
                f"{called:,} of {len(self.normal):,} normal {plural(len(self.normal), 'image')} "
                f"({percent(self.false_alarms)}){learnt} {_was(called)} called "
                f"{plural(called, 'an anomaly', 'anomalies')}"
            )
            more = f", more than the {percent(rate)} that were promised"
            parts[0] += more if self.more_than(rate) else f" (promised: about {percent(rate)})"
        if self.odd:
            found = _called(self.odd)
            parts.append(
                f"{found:,} of {len(self.odd):,} {plural(len(self.odd), 'anomaly', 'anomalies')} "
                f"{_was(found)} found"
            )
        return "; ".join(parts) + "."

    def section(self, rate: float) -> str:
        """The figures against the labels, and the ROC curve."""
        if not self.truth:
            return ""
        known = len(self.normal) + len(self.odd)
        lines = [
            (
                "Images with a label",
                f"{len(self.normal)} normal, {count(len(self.odd), 'anomaly', 'anomalies')}",
            )
        ]
        if without := len(self.predictions) - known:
            lines.append(("Images without one", f"{without:,} of {len(self.predictions):,}"))
        if self.truth.unmatched:
            lines.append(("Labels of no scored image", told_unmatched(self.truth)))
        plot = ""
        if self.normal:
            lines.append(("False alarms", self._alarms(rate)))
        if self.odd:
            lines.append(("Anomalies found", _rate(_called(self.odd), len(self.odd))))
        if unclear := [group for group in (self.normal, self.odd) if _unclear(group)]:
            told = ", ".join(
                f"{_unclear(group)} {'normal' if group is self.normal else 'anomalies'}"
                for group in unclear
            )
            lines.append(("Unclear", told))
        if self.normal and self.odd:
            scores = [np.array([p.score for p in group]) for group in (self.normal, self.odd)]
            low, high = auroc_interval(*scores)
            area = f"{auroc(*scores):.3f} (95 % interval {low:.3f} to {high:.3f})"
            lines.insert(1, ("AUROC", f"{area}: {CHANCE}"))
            here = (self.false_alarms, _called(self.odd) / len(self.odd))
            curve = plots.roc_plot(*roc_curve(*scores), here)
            plot = f'<div class="plots">{figure("ROC curve", curve, ROC)}</div>'
        return section("labels", "Against the labels", definitions(lines) + plot)

    def _alarms(self, rate: float) -> str:
        told = _rate(_called(self.normal), len(self.normal)) + self.learnt
        if self.more_than(rate):
            ask = SWAPPED if self.swapped else "Are these like them?"
            return (
                f"{told}: more than the {percent(rate)} that was promised for images like those "
                f"that it learnt from. {ask}"
            )
        if self.false_alarms <= rate:
            return f"{told}; promised was about {percent(rate)}"
        return f"{told}; promised was about {percent(rate)}, and this much more may be chance"


def _called(group: Sequence[Prediction]) -> int:
    return sum(p.is_anomaly for p in group)


def _was(n: int) -> str:
    return plural(n, "was", "were")


def _unclear(group: Sequence[Prediction]) -> int:
    return sum(p.is_unclear for p in group)


def _rate(hits: int, n: int) -> str:
    low, high = exact_interval(hits, n)
    interval = f"95 % interval {percent(low)} to {percent(high)}"
    return f"{hits} of {n}, {percent(hits / n)} ({interval})"

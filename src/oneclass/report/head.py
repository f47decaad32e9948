"""The head of the page: what was found, what it was asked for, and what is amiss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oneclass.conformal.drift import IF_NORMAL
from oneclass.conformal.guarantee import spread
from oneclass.detector.files.information import learnt_from
from oneclass.detector.predictions import Prediction, told_learnt
from oneclass.report.agreement import Agreement
from oneclass.report.tiles import Tile, told_not_shown
from oneclass.results.runs import Run
from oneclass.system.names import percent, plural


@dataclass(frozen=True)
class Head:
    """What the head is made from.

    Attributes:
        run: that was scored.
        card: of the model, at the rates that it was scored with.
        agreement: with the labels.
        tiles: the pictures.
        said: what people called some of the images, by their paths.
    """

    run: Run
    card: dict[str, Any]
    agreement: Agreement
    tiles: Sequence[Tile]
    said: Mapping[str, str]

    @property
    def rate(self) -> float:
        """The share of normal images that may be called anomalies."""
        return float(self.card["false_alarms"])

    @property
    def rates(self) -> dict[float, int]:
        """How many images were scored at which rate: the service's may change between two."""
        given = self.run.record.get("rates")
        if not given:
            return {self.rate: len(self.run.predictions)}
        return {float(rate): int(n) for rate, n in given}

    def told_rate(self) -> str:
        """The rate, or the lowest and the highest one."""
        low, high = percent(min(self.rates)), percent(max(self.rates))
        return low if low == high else f"{low} to {high}"

    def headline(self) -> str:
        """The verdict in a line."""
        predictions = self.run.predictions
        n, odd = len(predictions), sum(p.is_anomaly for p in predictions)
        unclear = sum(p.is_unclear for p in predictions)
        learnt = sum(p.learnt for p in predictions)
        if not n:
            return "No image could be scored"
        if n == 1:
            return _of_one(predictions[0])
        if not odd and not unclear:
            text = f"All {n:,} images look normal"
            return f"{text} to a model that learnt from them" if learnt == n else text
        reviewed = sum(p.is_anomaly and p.path in self.said for p in predictions)
        are = plural(odd, "is an anomaly", "are anomalies")
        if reviewed:  # and may have been found to be none
            are = plural(odd, "was called an anomaly", "were called anomalies")
        text = f"{odd:,} of {n:,} images {are}"
        if unclear:
            text += f", {unclear:,} {plural(unclear, 'is', 'are')} unclear"
        if reviewed:
            some = f"{reviewed:,} of these" if reviewed < odd else plural(odd, "it", "all of them")
            text += f"; people reviewed {some}"
        return text

    def lead(self) -> str:
        """What the verdicts are worth."""
        n, rate = len(self.run.predictions), self.told_rate()
        learnt = f"Judged by what {learnt_from(self.card)} taught."
        if not n:
            return f"{learnt} See the errors below."
        if self.agreement.normal or self.agreement.odd:
            return f"{learnt} {self.agreement.sentence(self.rate)}"
        if self.run.record.get("drift"):
            return (
                f"{learnt} Of normal images like those, {rate} may be called anomalies. These "
                "images differ from them as a whole (see below): of normal ones among these, it "
                "may be more."
            )
        if n == 1:
            return f"{learnt} {rate} of normal images are called anomalies all the same."
        expected = _count(sum(rate * n for rate, n in self.rates.items()))
        if_normal = f"If all {n:,} were normal, about {expected} would be called anomalies all the "
        if len(self.rates) > 1:
            return f"{learnt} {if_normal}same, by the rates that they were scored at: {rate}."
        told = f" {told}" if (told := spread(self.card)) else ""
        return f"{learnt} {if_normal}same: about {rate} of normal images are.{told}"

    def figures(self) -> list[tuple[str, str, str]]:
        """(kind, number, what it counts)."""
        run, normal = self.run, self.agreement.normal
        odd = sum(p.is_anomaly for p in run.predictions)
        rate = percent(self.rate)
        alarms = ("", self.told_rate(), "of normal images may be called anomalies")
        if normal:
            kind = "alarm" if self.agreement.more_than(self.rate) else ""
            share = percent(self.agreement.false_alarms)
            n = f"{len(normal):,} normal {plural(len(normal), 'image')}{self.agreement.learnt}"
            alarms = (kind, share, f"false alarms among {n}; promised: about {rate}")
        found = [
            ("", f"{len(run.predictions):,}", plural(len(run.predictions), "image") + " scored"),
            (
                "alarm" if odd else "",
                f"{odd:,}",
                plural(odd, "called an anomaly", "called anomalies"),
            ),
            alarms,
            ("alarm" if run.errors else "", f"{len(run.errors):,}", "could not be used"),
        ]
        if self.card.get("unclear"):
            unclear = sum(p.is_unclear for p in run.predictions)
            beyond = rate if len(self.rates) == 1 else "their rate"
            most = percent(self.card["unclear"])
            what = f"unclear: as odd as {beyond} to {most} of normal images"
            found.insert(2, ("", f"{unclear:,}", what))
        words = Counter(self.said[p.path] for p in run.predictions if p.path in self.said)
        if words:
            told = ", ".join(f"{word}: {n:,}" for word, n in words.most_common())
            found.append(("", f"{words.total():,}", f"reviewed by people: {told}"))
        return found

    def _answered(self, drift: str) -> bool:
        """Whether it asks if those called anomalies are normal, and labels say that most are not.

        Labels of a few images say nothing of the others that are called so.
        """
        if IF_NORMAL not in drift:
            return False
        called = sum(p.is_anomaly for p in self.run.predictions)
        known = sum(p.is_anomaly for p in self.agreement.odd)
        broken = bool(self.agreement.normal) and self.agreement.more_than(self.rate)
        return 2 * known > called and not broken

    def warnings(self) -> list[str]:
        """What a reader must know before all else."""
        found = [str(note) for note in self.run.record.get("notes", ())]
        learnt = [p.path for p in self.run.predictions if p.learnt]
        if told := told_learnt(learnt, len(self.run.predictions)):
            found.append(f"{told[0].upper()}{told[1:]}")
        drift = str(self.run.record.get("drift") or "")
        if drift and not self._answered(drift):
            found.append(drift)
        if self.run.interrupted:
            found.append(self.run.interrupted)
        found += told_not_shown(self.tiles)
        return found


def _of_one(prediction: Prediction) -> str:
    if prediction.is_unclear:
        return "The image is unclear"
    return "The image is an anomaly" if prediction.is_anomaly else "The image looks normal"


def _count(expected: float) -> str:
    return f"{expected:.1f}" if expected < 3 else f"{expected:,.0f}"

"""How a model does over time, and what other rates of false alarms would have called."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from oneclass.conformal.calibration import threshold_rank
from oneclass.conformal.drift import drift
from oneclass.serve.api.schemas import responses
from oneclass.serve.records import summaries
from oneclass.serve.records.predictions import RECENT
from oneclass.serve.records.versions import Version
from oneclass.serve.web.asking import version_of
from oneclass.serve.web.dependencies import Reader, TheService

router = APIRouter(tags=["monitoring"])
FOR_DRIFT = 500
BINS = 48
ROUND = (
    *(0.5, 0.3, 0.2, 0.15, 0.1, 0.05, 0.03, 0.02, 0.01),
    *(0.005, 0.003, 0.002, 0.001, 0.0005, 0.0003, 0.0002, 0.0001),
)
"""Rates of false alarms that people can say, the highest first."""
Floats = NDArray[np.float64]


class CountOut(BaseModel):
    """What happened in one hour or day."""

    at: int = Field(description="When it began, in seconds since 1970.")
    images: int
    anomalies: int
    unclear: int
    false_alarms: int = Field(description="Anomalies that somebody called false alarms.")
    real: int = Field(description="Anomalies that somebody called real.")
    unsure: int = Field(description="Anomalies that somebody was unsure of.")
    missed: int = Field(description="Images called fine that somebody called real.")
    unclear_real: int = Field(description="Unclear ones that somebody called real.")
    reviews: int = Field(description="Images that somebody reviewed, with whatever verdict.")
    promised: float = Field(description="The rate that its verdicts went by, on average.")
    seconds: float = Field(description="From an image's arrival to its answer, on average.")
    slowest: float


class ObservedOut(BaseModel):
    """How many good images were called anomalies, as far as people reviewed, in all these counts.

    An anomaly counts when somebody called it real or a false alarm; what was not called one counts
    as good unless somebody called it real.
    """

    images: int = Field(description="Good ones.")
    called: int = Field(description="Those of them that were called anomalies: false alarms.")
    undecided: int = Field(description="Anomalies not reviewed, or unsure: in neither number.")
    unsure: int = Field(description="Those of the undecided that somebody was unsure of.")
    removed: int = Field(
        description="Those of the undecided whose verdicts are removed, by `--keep`: nobody can "
        "review them any more."
    )
    reviews: int = Field(description="Images that somebody reviewed, with whatever verdict.")
    promised: float | None = Field(
        description="The rate that the verdicts went by, on average; null before the first."
    )


class RateOut(BaseModel):
    """What one rate of false alarms means for the last images."""

    false_alarms: float
    threshold: float = Field(description="The score that so many held-out normal images reach.")
    called: int = Field(description="How many of the last images would have been called anomalies.")


class MonitorOut(BaseModel):
    """How a model does."""

    model: str
    version: int
    false_alarms: float
    unclear: float | None = Field(description="The rate up to which images are unclear, if any.")
    step: int = Field(description="Seconds that one count covers.")
    counts: list[CountOut]
    again: int = Field(
        description="Images that came again: the same bytes, by the same version. They count once "
        "in all other numbers, by the rate of false alarms in force when they came last."
    )
    learnt: int = Field(
        description="Images that the version which scored them had learnt from: their verdicts "
        "prove nothing, so they are in no other number."
    )
    versions: list[int] = Field(
        description="The versions whose verdicts are counted: each by the rate that it went by "
        "then, whichever is in use now."
    )
    observed: ObservedOut
    drift: str | None = Field(
        description="A warning where the last images look odd as a whole: by the verdicts as they "
        "were given, whatever the rate is now."
    )
    last: int = Field(description="Images behind the histogram and the rates.")
    why_none: summaries.WhyNone | None = Field(
        description="Why there are none of them: this version scored nothing, only what it learnt "
        "from, or its verdicts are removed, by `--keep`; null where there are some."
    )
    edges: list[float]
    normal: list[int] = Field(description="Held-out normal images between the edges.")
    scored: list[int] = Field(description="The last images between the edges.")
    rates: list[RateOut]


@router.get("/models/{name}/monitor", responses=responses(404))
def get_monitor(
    name: str, service: TheService, holder: Reader, days: int = Query(7, ge=1, le=3660)
) -> MonitorOut:
    """Counts over time, drift, and what each rate of false alarms would have called."""
    version = version_of(service, name)
    detector = service.library.detector(version)
    past = summaries.over_time(service.database, name, days)
    scores, p_values, given = summaries.last(service.database, version.id, RECENT)
    normal_scores = detector.normal_scores
    edges, normal, scored = histograms(normal_scores, scores)
    made = [CountOut(**count) for count in past.counts]
    return MonitorOut(
        model=name,
        version=version.number,
        false_alarms=version.false_alarms,
        unclear=version.unclear,
        step=past.step,
        counts=made,
        again=past.again,
        learnt=past.learnt,
        versions=past.versions,
        observed=observed(made, past.removed),
        drift=drift(p_values[:FOR_DRIFT], given[:FOR_DRIFT], len(normal_scores)),
        last=len(scores),
        why_none=None if len(scores) else summaries.why_none(service.database, version.id),
        edges=edges,
        normal=normal,
        scored=scored,
        rates=rates(normal_scores, p_values, version),
    )


def observed(counts: list[CountOut], removed: int) -> ObservedOut:
    """The share of good images that were called anomalies, both counted among the same images."""
    images = sum(count.images for count in counts)
    called = sum(count.false_alarms for count in counts)
    bad = sum(count.real + count.missed + count.unclear_real for count in counts)
    undecided = sum(count.anomalies - count.false_alarms - count.real for count in counts)
    return ObservedOut(
        images=images - bad - undecided,
        called=called,
        undecided=undecided,
        unsure=sum(count.unsure for count in counts),
        removed=removed,
        reviews=sum(count.reviews for count in counts),
        promised=sum(count.promised * count.images for count in counts) / images
        if images
        else None,
    )


def histograms(normal: Floats, scores: Floats) -> tuple[list[float], list[int], list[int]]:
    """Common edges, and how many of each lie between them; what is far out is in the last bin."""
    both = np.concatenate([normal, scores])
    low, high = float(both.min()), float(both.max())
    reach = float(np.quantile(normal, 0.99) - np.quantile(normal, 0.01)) or 1.0
    high = min(high, float(normal.max()) + 3 * reach)
    edges = np.linspace(low, max(high, low + 1e-9), BINS + 1)
    counts = [np.histogram(values.clip(low, edges[-1]), edges)[0] for values in (normal, scores)]
    return edges.tolist(), counts[0].tolist(), counts[1].tolist()


def rates(normal: Floats, p_values: Floats, version: Version) -> list[RateOut]:
    """What each rate would have called of the last images, the lowest rate first.

    Rates are round ones, as far down as the held-out images go, and the one in force. Of those by
    which the same images are called anomalies, only the lowest is there. A verdict is a p-value at
    or below the rate, so the counts are exact for images that were scored already.
    """
    n, most = len(normal), version.unclear or 1.0
    current = version.false_alarms
    by_rank = {threshold_rank(n, rate): rate for rate in ROUND if 1 / (n + 1) <= rate < most}
    by_rank[threshold_rank(n, current)] = current
    ascending, below = np.sort(normal), np.sort(p_values)
    return [
        RateOut(
            false_alarms=rate,
            threshold=line(ascending, rate),
            called=int(np.searchsorted(below, rate, side="right")),
        )
        for _, rate in sorted(by_rank.items())
    ]


def line(ascending: Floats, rate: float) -> float:
    """The score that as many held-out images reach as a rate of false alarms lets through."""
    return float(ascending[-max(1, threshold_rank(len(ascending), rate))])

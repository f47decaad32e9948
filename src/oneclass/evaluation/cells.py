"""What is kept of one category with one setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from oneclass.evaluation.pixels import Pixels
from oneclass.evaluation.ranking import Figure, Ranking


@dataclass(frozen=True)
class Rate:
    """How many of some images were called anomalies, with Clopper and Pearson's exact interval.

    Attributes:
        hits: called anomalies.
        n: of so many.
        low, high: the interval of the share, 95 %.
    """

    hits: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.hits / self.n


@dataclass(frozen=True)
class Kind:
    """One kind of defect.

    Attributes:
        name: of its folder.
        auroc: against all normal test images.
        found: called anomalies.
        pixels: None without masks.
    """

    name: str
    auroc: Figure
    found: Rate
    pixels: Pixels | None


@dataclass(frozen=True)
class Costs:
    """What it took on this machine.

    Attributes:
        fit_seconds: on the clock.
        fit_cpu_seconds: of the processor, over all threads.
        ms_an_image: on the clock, to score a test image; with its map, where there are maps.
        cpu_ms_an_image: of the processor, over all threads.
        peak_megabytes: the most memory that the process held meanwhile; None where unknown.
        model_kilobytes: of the model file.
    """

    fit_seconds: float
    fit_cpu_seconds: float
    ms_an_image: float
    cpu_ms_an_image: float
    peak_megabytes: float | None
    model_kilobytes: float


@dataclass(frozen=True)
class Cell:
    """One category with one setting.

    Attributes:
        category: its name.
        setting: the words of `oneclass fit` that make it; "defaults" without any.
        looked_at: the kind of representation and the size of the pictures, in words.
        n_train, n_good, n_odd: pictures that were used.
        promised: the share of normal images that may be called anomalies.
        ranking: of images.
        false_alarms, found: by the verdicts.
        pixels: None without masks, or where the model has no maps.
        kinds: each kind of defect.
        costs: of the fit and of scoring.
        errors: pictures that could not be used, and why.
        notes: sentences on what is not as usual.
        seed: of the fit and of the intervals.
        digest: of settings and files; empty until it is kept.
    """

    category: str
    setting: str
    looked_at: str
    n_train: int
    n_good: int
    n_odd: int
    promised: float
    ranking: Ranking
    false_alarms: Rate
    found: Rate
    pixels: Pixels | None
    kinds: tuple[Kind, ...]
    costs: Costs
    errors: tuple[str, ...]
    notes: tuple[str, ...]
    seed: int
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """From what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        told = dict(record)
        ranking = {name: Figure(**told["ranking"][name]) for name in told["ranking"]}
        kinds = tuple(
            Kind(k["name"], Figure(**k["auroc"]), Rate(**k["found"]), _pixels(k["pixels"]))
            for k in told["kinds"]
        )
        return cls(**{
            **told,
            "ranking": Ranking(**ranking),
            "false_alarms": Rate(**told["false_alarms"]),
            "found": Rate(**told["found"]),
            "pixels": _pixels(told["pixels"]),
            "kinds": kinds,
            "costs": Costs(**told["costs"]),
            "errors": tuple(told["errors"]),
            "notes": tuple(told["notes"]),
        })  # fmt: skip


def _pixels(record: Mapping[str, Any] | None) -> Pixels | None:
    if record is None:
        return None
    figures = {name: Figure(**record[name]) for name in ("auroc", "au_pro_30", "au_pro_5")}
    return Pixels(**figures, n_regions=record["n_regions"])

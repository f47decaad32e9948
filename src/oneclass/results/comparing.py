"""Ways of looking at the same images, side by side: no anomaly is needed for that."""

from __future__ import annotations

import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.detector.estimator import Detector
from oneclass.detector.origins import Folder
from oneclass.detector.predictions import Predictions
from oneclass.detector.settings import IMAGE
from oneclass.detector.views import tiles_cost
from oneclass.errors import ImageError, InputError
from oneclass.images import SUFFIXES
from oneclass.images.checking.sizes import from_json
from oneclass.images.formats.source import Header
from oneclass.images.sounding import folders_sounding_good
from oneclass.images.sources import Images, Progress, Sources, Stage, gather
from oneclass.results.splitting import Split, split
from oneclass.statistics import auroc, auroc_error, exact_interval
from oneclass.system.names import some_names
from oneclass.system.places import place


@dataclass(frozen=True)
class Compared:
    """One way of looking.

    Attributes:
        rows: of the setting: image, patches, both.
        spread: how far the middle 90 % of the held-out normal scores reach, over the distance of
            their middle from the threshold: smaller is a tighter idea of what is normal.
        false_alarms: the share of normal images, none of which was learnt, called anomalies; NaN
            where none could be scored.
        promised: of that.
        n_normal: the images that this was counted on.
        n_odd: odd images that were scored.
        found: the share of these called anomalies; None without any.
        auroc: between those and the normal ones; None without any.
        milliseconds: an image takes to be scored, on this machine, here and now.
        kilobytes: of the model file.
        seconds: of the fit.
        settings: the words of `oneclass fit` that make it.
        errors: images to test on that could not be used.
        folders: that were learnt from, and which of them look amiss.
        notes: sentences on images that were given for two purposes, and those of the fit.
        tiles_cost: how many times as long tiles of 640 pixels, which are not tried, would take,
            where patches see pictures shrunk by more than a third; None elsewhere.
        odd_folders: folder -> number of images that were given as odd.
        good_folders: those of them whose names speak of good parts, and that came as a whole, or
            within another one; no longer where images of them were named one by one, or are learnt.
    """

    rows: str
    spread: float
    false_alarms: float
    promised: float
    n_normal: int
    n_odd: int
    found: float | None
    auroc: float | None
    milliseconds: float
    kilobytes: float
    seconds: float
    settings: str
    errors: tuple[ImageError, ...] = ()
    folders: tuple[Folder, ...] = ()
    notes: tuple[str, ...] = ()
    tiles_cost: int | None = None
    odd_folders: Mapping[Path, int] = field(default_factory=dict)
    good_folders: frozenset[Path] = frozenset()

    @property
    def above(self) -> bool:
        """Whether there were more false alarms than promised, by chance or not."""
        return self.n_normal > 0 and self.false_alarms > self.promised

    @property
    def above_coin(self) -> float:
        """How many standard errors its AUROC is above that of a coin; NaN without one."""
        if self.auroc is None:
            return math.nan
        return (self.auroc - 0.5) / auroc_error(0.5, self.n_normal, self.n_odd)

    def surely_ahead(self, other: Compared) -> bool:
        """Whether its AUROC is above the other's by two standard errors of each, taken together.

        As if of other images: of the same ones less would do, so chance is not taken for more.
        """
        if self.auroc is None or other.auroc is None:
            return False
        errors = (auroc_error(a, self.n_normal, self.n_odd) for a in (self.auroc, other.auroc))
        return self.auroc - other.auroc > 2 * math.hypot(*errors)

    @property
    def too_many(self) -> bool:
        """Whether there were more false alarms than promised, beyond what is chance."""
        called = round(self.false_alarms * self.n_normal) if self.n_normal else 0
        return called > 0 and exact_interval(called, self.n_normal)[0] > self.promised

    def to_json(self) -> dict[str, Any]:
        amiss = [str(f.path) for f in self.folders if f.amiss]
        plain = asdict(
            replace(self, errors=(), folders=(), odd_folders={}, good_folders=frozenset())
        )
        for name in ("spread", "false_alarms"):  # JSON has neither infinity nor NaN
            plain[name] = plain[name] if math.isfinite(plain[name]) else None
        plain |= {"errors": [str(e) for e in self.errors], "suspect_folders": amiss}
        plain["good_folders"] = sorted(map(str, self.good_folders))
        plain["notes"] = list(self.notes)
        del plain["folders"], plain["odd_folders"]
        return plain


def compare(
    images: Images | Sources,
    *,
    views: tuple[str, ...] = ("image", "patches", "both"),
    normal: Images | None = None,
    odd: Images | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
    stage: Stage | None = None,
    before: Callable[[Split], object] | None = None,
) -> Iterator[Compared]:
    """Fit the same normal images once for each way of looking, and tell how each does.

    What was given is looked at here; each way is fitted when it is asked for.

    Args:
        images: normal ones, as for `fit`.
        views: values of the setting `rows`.
        normal: more normal images, to count false alarms on; None to hold back a fifth of `images`,
            copies and near-copies together.
        odd: images that are not normal, if there are any. What is tested on is not learnt.
        seed: of what is held back, and of the fits.
        threads: for reading images and for the network.
        progress: called with (images done, images in all) in each fit.
        stage: called with a few words where something begins that is not counted.
        before: called with what is learnt and tested on once all images were read, and before
            anything is learnt.

    Raises:
        InputError: no image of a kind that was given, fewer than ten where some must be held back,
            or fewer than two that are not tested on.
    """
    learn = _some(images, "learn from")
    good = None if normal is None else _some(normal, "test on")
    bad = None if odd is None else _some(odd, "find")
    given = [one for one in (learn, good, bad) if one is not None]
    parts = split(learn, good, bad, seed=seed, threads=threads, progress=progress, stage=stage)
    missing = (*(error for sources in given for error in sources.errors), *parts.errors)
    if before:
        before(parts)
    folders = _folders(parts.odd)
    good_folders = folders_sounding_good(folders) - _meant(odd) - _folders(parts.learn).keys()
    return (
        _one(
            view,
            parts,
            Detector(rows=view, seed=seed, threads=threads),
            progress,
            _of_view(view if len(views) == 1 else f"{view} ({number} of {len(views)})", stage),
            missing,
            good_folders,
        )
        for number, view in enumerate(views, 1)
    )


def _some(images: Images | Sources, purpose: str) -> Sources:
    """What was given, if it is something."""
    sources = gather(images)
    if not len(sources):
        empty = some_names(sources.empty)
        held = f"there is no image in {empty}, and so none" if empty else "there is no image"
        why = sources.errors[0] if sources.errors else f"{held} to {purpose}"
        raise InputError(f"{why}. Give files, or folders with some.")
    return sources


def _one(
    view: str,
    parts: Split,
    detector: Detector,
    progress: Progress | None,
    stage: Stage,
    missing: tuple[ImageError, ...],
    good_folders: frozenset[Path],
) -> Compared:
    began = time.perf_counter()
    detector.fit(parts.learn, progress=progress, stage=stage)
    seconds = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "m.oneclass")
        detector.save(file)
        kilobytes = file.stat().st_size / 1e3
    stage("scoring")
    began = time.perf_counter()
    good = detector.score(parts.normal)
    each = (time.perf_counter() - began) / max(1, len(good))
    bad: Predictions | None = None if parts.odd is None else detector.score(parts.odd)
    low, middle, high = np.quantile(detector.normal_scores, [0.05, 0.5, 0.95])
    reach = detector.score_threshold - middle
    return Compared(
        view,
        float((high - low) / reach) if reach > 0 else float("inf"),
        _called(good),
        float(detector.card["false_alarms"]),
        len(good),
        len(bad or ()),
        None if not bad else _called(bad),
        None if not bad or not len(good) else auroc(good.scores, bad.scores),
        1e3 * each,
        kilobytes,
        seconds,
        f"--rows {view}",
        _each_once(missing, detector.errors, good.errors, () if bad is None else bad.errors),
        detector.folders,
        (*parts.notes, *detector.card["fit"]["warnings"]),
        None if view == IMAGE else _tiles_cost(detector.card),
        _folders(parts.odd),
        good_folders,
    )


def _folders(sources: Sources | None) -> Counter[Path]:
    """How many images each folder has of them."""
    items = () if sources is None else sources.items
    return Counter(item.parent for item in items if isinstance(item, Path))


def _meant(odd: Images | None) -> set[Path]:
    """Folders of images that were named one by one: whoever does so knows what they are."""
    given = odd if isinstance(odd, list | tuple) else [odd]
    paths = [place(one) for one in given if isinstance(one, str | Path)]
    return {path.parent for path in paths if path.suffix.lower() in SUFFIXES and not path.is_dir()}


def _tiles_cost(card: Mapping[str, Any]) -> int | None:
    """As `tiles_cost` says, of the sizes that a model's card tells."""
    sizes = (from_json(card) or Counter()).elements()
    return tiles_cost([Header(*size, "uint8", 1, 1, "") for size in sizes])


def _each_once(*several: tuple[ImageError, ...]) -> tuple[ImageError, ...]:
    return tuple({str(error): error for errors in several for error in errors}.values())


def _of_view(view: str, stage: Stage | None) -> Stage:
    """Stages that say of which way of looking they are."""
    return lambda name: stage(f"{view}: {name}") if stage else None


def _called(predictions: Predictions) -> float:
    """The share of images called anomalies; of none, NaN."""
    called = [p.is_anomaly for p in predictions.predictions]
    return float(np.mean(called)) if called else float("nan")

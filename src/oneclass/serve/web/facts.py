"""What the pages show, out of the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import Any

from oneclass.errors import InputError
from oneclass.serve.api.learning import job_out
from oneclass.serve.api.monitor import line
from oneclass.serve.api.predictions import found, record
from oneclass.serve.records.comparisons import comparison
from oneclass.serve.records.database import Row
from oneclass.serve.records.predictions import Filter, verdict
from oneclass.serve.records.versions import RateFrom, Version
from oneclass.serve.web.asking import one_of
from oneclass.serve.web.dependencies import Shown
from oneclass.serve.web.words import OFFERED, reviewed
from oneclass.serve.work import drawing
from oneclass.serve.work.jobs import sets
from oneclass.serve.work.jobs.kinds import unlike
from oneclass.serve.work.jobs.sets import Waiting
from oneclass.serve.work.lessons import grown
from oneclass.serve.work.service import Service

TILES = 48
PATIENCE = 1.0
"""Seconds for which a page waits until false alarms are judged; it asks again for the others."""
UNSURE = 12
"""Unsure ones, the newest first, that the page Review shows again."""


def learners(service: Service, versions: list[Version]) -> set[int]:
    """The ids of those versions that can learn more."""
    return {version.id for version in versions if service.library.can_learn(version)}


def running(service: Service, kind: str, name: str | None = None) -> list[dict[str, Any]]:
    """Jobs of a kind that have not ended, of one model or of all."""
    return [
        row
        for row in reversed(service.jobs.unfinished())
        if row["kind"] == kind and name in (None, row["name"])
    ]


def last_learnt(service: Service) -> dict[str, Any] | None:
    """The newest fit that is done, where its version is there: for who comes back to see it."""
    done = (
        row
        for row in service.jobs.listed(50)
        if (row["kind"], row["state"]) == ("fit", "done")
        and service.versions.named(row["name"], row["result"]["number"])
    )
    return next(done, None)


def reports(service: Service, chosen: Version | None) -> dict[str, Any]:
    """Whether reports can be written, and those on a model: for who left the page meanwhile.

    Returns:
        `reports`: whether what draws their plots is installed; `running`: jobs that have not
        ended; `written`: the newest one that can still be downloaded, if any.
    """
    return {
        "reports": can_report(),
        "running": [] if chosen is None else running(service, "report", chosen.name),
        "written": None if chosen is None else _written(service, chosen.name),
    }


def _written(service: Service, name: str) -> dict[str, Any] | None:
    done = (
        row
        for row in service.jobs.listed(50)
        if (row["kind"], row["name"], row["state"]) == ("report", name, "done")
        and service.reports.file(row["id"]).exists()
    )
    return next(done, None)


def changes(taken: Sequence[Row]) -> list[Row]:
    """Of what was said of which version is in use, as `Versions.taken` tells it, what changed that
    or its rate: that one was kept, or taken once more in another window, changed nothing.
    """
    told = ("number", "false_alarms")
    return [
        row
        for row, before in zip_longest(taken, taken[1:])
        if before is None or any(row[key] != before[key] for key in told)
    ]


def can_report() -> bool:
    """Whether what draws a report's plots is installed; it comes with an extra of its own."""
    return find_spec("matplotlib") is not None


def job(service: Service, number: int) -> dict[str, Any]:
    """A job, with what it was asked to do."""
    row = one_of(service.jobs.one, number, "job")
    return {**job_out(row).model_dump(), "request": row["request"]}


def left(service: Service, job: dict[str, Any]) -> Waiting | None:
    """The images that a job was to learn from, where they are still to be learnt from."""
    key = Path(job["request"].get("folder", "")).name
    return next((one for one in service.waiting_sets() if one.id == key), None)


def arrived(check: dict[str, Any]) -> dict[str, Any]:
    """What names say of the images that a check looked at, of those that the set still has.

    Returns:
        what `Arrivals` has, and `given`: the names that files were sent under.
    """
    with suppress(FileNotFoundError):  # the set was used up, or removed
        folder = Path(check["request"]["folder"])
        known = sets.arrived(folder)
        return {**vars(known), "given": sets.sent_as(folder)}
    return {"missing": [], "folders": {}, "files": [], "arriving": False, "given": {}}


def asked_before(service: Service, check: dict[str, Any]) -> dict[str, Any] | None:
    """The newest fit that was to learn from what a check looked at, such as a cancelled one."""
    folder = check["request"].get("folder")
    fits = (row for row in service.jobs.listed(50) if row["kind"] == "fit")
    return next((row for row in fits if row["request"].get("folder") == folder), None)


def look_of(settings: Mapping[str, Any]) -> str:
    """Which choice on the page Learn gives a fit's settings; empty for the first of them."""
    return "tiles" if settings.get("tiles") else settings.get("rows") or ""


def newer(service: Service, versions: list[Version]) -> dict[str, list[int]]:
    """By the names of models, the numbers of versions that came after the one in use."""
    return {
        used.name: [
            one.number for one in service.versions.of(used.name) if one.number > used.number
        ][::-1]
        for used in versions
    }


def last_scored(service: Service, name: str) -> float | None:
    """When a model scored its last image, in seconds since 1970; None before the first."""
    rows = service.predictions.listed(Filter(name, limit=1))
    return rows[0]["at"] if rows else None


def rates_in_use(service: Service) -> dict[str, dict[str, Any]]:
    """By the names of models, which version is in use, by which rate of false alarms, and which it
    goes by if it is gone back to once another one has been learnt anew; and how many images it
    learnt from, and as how many pictures those count.
    """
    found = {}
    for used in service.versions.serving():
        rate, rate_from = service.versions.rate_for(used)
        found[used.name] = {
            "version": used.number,
            "rate": rate,
            "rate_from": rate_from,
            "learnt_for": used.card["false_alarms"],
            "images": used.card["fit"]["n_images"],
            "pictures": used.n_pictures,
        }
    return found


def rate_limits(service: Service, chosen: Version | None) -> dict[str, Any]:
    """How low a version's rate of false alarms can go, and what was set where it can't be had.

    Returns:
        `wanted`: the rate that was set, if this version goes by the nearest to it; `held_out`: its
        good images to measure by; `lower`: the next rate that the page Learn offers and that more
        of them would allow, if any.
    """
    if chosen is None:
        return {"wanted": None, "held_out": 0, "lower": None}
    rated = {chosen.id: service.versions.rate_for(chosen)}
    return {
        "wanted": wanted(service, chosen.name, rated),
        "held_out": chosen.card["calibration"]["n_held_out"],
        "lower": next((1 / n for n in OFFERED if 1 / n < chosen.lowest_rate), None),
    }


def wanted(
    service: Service, name: str, rated: Mapping[int, tuple[float, RateFrom]]
) -> float | None:
    """The rate that was set for a model, where one of its versions has only the nearest to it."""
    nearest = any(rate_from == "nearest" for _, rate_from in rated.values())
    return service.versions.last_set(name) if nearest else None


def deleted_names(service: Service) -> dict[str, int]:
    """Models that are deleted and can be got back, and which version would be learnt next."""
    there = set(service.versions.names())
    names = {row["name"] for row in service.deleting.deletions.all()} - there
    return {name: service.versions.next_number(name) for name in sorted(names)}


def free_name(names: list[str]) -> str:
    """A name that no model has yet."""
    candidates = ["parts", *(f"parts {i}" for i in range(2, len(names) + 3))]
    return next(name for name in candidates if name not in names)


def tiles(
    service: Service,
    chosen: Version | None,
    shown: Shown,
    *,
    before: int | None = None,
    after: int | None = None,
) -> dict[str, Any]:
    """Verdicts: the newest, those before an id, or those after one."""
    if chosen is None:
        return {
            "tiles": [],
            "next": None,
            "notes": {},
            "before": {},
            "held_out": {},
            "shown": shown,
        }
    rows = service.predictions.listed(shown.filter(chosen, before=before, after=after, limit=TILES))
    return {
        "tiles": [record(row) for row in rows],
        "notes": {row["id"]: note for row in rows if (note := _unlike(service, row))},
        "before": {
            row["id"]: said
            for row in rows
            if not row["review"] and (said := _said_before(service, row["id"]))
        },
        "next": rows[-1]["id"] if len(rows) == TILES and after is None else None,
        "held_out": service.versions.held_out({row["version_id"] for row in rows}),
        "shown": shown,
    }


def beside(service: Service, number: int, shown: Shown) -> dict[str, Any]:
    """The next newer and the next older one, in the list that a person came from."""
    version = service.versions.named(found(service, number)["name"])
    newer, older = (None, None)
    if version is not None:
        newer, older = service.predictions.beside(number, shown.filter(version))
    return {"newer": newer, "older": older, "shown": shown}


def prediction(service: Service, number: int) -> dict[str, Any]:
    """A prediction with what belongs to it."""
    row = found(service, number)
    version = service.versions.by_id(row["version_id"])
    assert version is not None, "versions are never removed"
    file = service.keeping.place(row["image"])
    boxes: list[drawing.Box] = []
    heat = False
    there = service.library.file(version).exists()
    if file.exists() and there:
        detector = service.library.detector(version)
        try:
            boxes = drawing.boxes(drawing.map_of(file, row["path"], detector), detector.heat_scale)
            heat = True
        except InputError:  # this model's layers have no map
            pass
    said = service.reviews.of(number)
    own = row["review"] and said[0]["said_of"] in (None, number)
    return {
        "one": record(row),
        "kept": file.exists() and there,
        "there": there,
        "version": version,
        "boxes": boxes,
        "heat": heat,
        "said": said,
        "before": None if own else _said_before(service, number),
        "note": _unlike(service, row),
        "line": _line(service, version, row["false_alarms"]) if there else None,
    }


def _unlike(service: Service, row: Row) -> str:
    """How an image that is still kept differs from what its model learnt from, or nothing."""
    version = service.versions.named(row["name"], row["number"]) if row["kept"] else None
    return unlike(version.kinds, service.keeping.place(row["image"])) if version else ""


def _line(service: Service, version: Version, rate: float) -> float:
    """The score from which on images are odd at a rate of false alarms."""
    return line(service.library.detector(version).normal_scores, rate)


def queue(
    service: Service, chosen: Version | None, *, before: int | None = None, at: int | None = None
) -> dict[str, Any]:
    """The one to look at, and how many wait."""
    if chosen is None:
        return {"facts": None, "waiting": 0, "skipped": False}
    waiting = service.predictions.waiting().get(chosen.name, 0)
    if at is None:
        wanted = Filter(
            chosen.name, noticed=True, review="none", before=before, limit=1, pictures=True
        )
        at = next((row["id"] for row in service.predictions.listed(wanted)), None)
    return {
        "facts": None if at is None else prediction(service, at),
        "waiting": waiting,
        "skipped": at is None and waiting > 0,
    }


def _said_before(service: Service, number: int) -> dict[str, Any] | None:
    """What somebody said of the same picture when it came before, and where."""
    row = service.reviews.same_before(number)
    if row is None:
        return None
    said = reviewed(row["review"], verdict(row["is_anomaly"], row["is_unclear"]))
    return {"id": row["id"], "said": said}


def against(service: Service, version: Version) -> dict[str, list[Row]]:
    """What speaks against taking a version into use, of pictures that somebody called really odd.

    Returns:
        `missed`: those that it would not call odd, but for such as the one in use misses, too;
        `learnt`: those that it has learnt as good. Each by the name that it came under last.

    Raises:
        ModelFileError: the file of the version is damaged.
    """
    learnt = service.taught.anomalies(version).keys()
    missed = _missed(service, version, service.versions.rate_for(version)[0]) - learnt
    used = service.versions.named(version.name)
    if used is not None:
        missed -= _missed(service, used, used.false_alarms)
    return {"missed": _named(service, version, missed), "learnt": _named(service, version, learnt)}


def _missed(service: Service, version: Version, rate: float) -> set[str]:
    """Really odd pictures that a version finds neither odd, at a rate, nor unclear."""
    return service.reviews.missed(version.id, version.unclear or rate)


def _named(service: Service, version: Version, images: Iterable[str]) -> list[Row]:
    """Pictures that a model scored, by the names that they came under last."""
    return sorted(service.reviews.newest(version.name, images).values(), key=lambda row: row["id"])


def lessons(service: Service, chosen: Version | None) -> dict[str, Any]:
    """What was reviewed, and what can be learnt from it."""
    if chosen is None:
        return {"counts": {}, "lessons": [], "odd": [], "missed": []}
    wanted, able = service.lessons(chosen.name), service.library.can_learn(chosen)
    newest = grown(service.versions, chosen)
    same = service.has_learnt(chosen, {one.image for one in wanted}) is not None
    if able and not same:
        wanted = service.judging.judge(chosen, wanted, PATIENCE)
    since = service.versions.decided(chosen.name)
    candidate = newest if newest is not None and newest.at >= since else None
    others = {one.image for one in wanted if not one.doubtful}
    odd = service.taught.anomalies(chosen)
    missed = _missed(service, chosen, chosen.false_alarms) - odd.keys()
    return {
        "counts": service.reviews.counts(chosen.name),
        "waiting_of": service.predictions.waiting(),
        "lessons": wanted,
        "odd": [said[-1] for said in odd.values()],
        "missed": _named(service, chosen, missed),
        "unsure": service.predictions.listed(
            Filter(chosen.name, review="unsure", limit=UNSURE, pictures=True)
        ),
        "able": able,
        "newest": newest,
        "same": same,
        "lost": service.reviews.lost(chosen.id),
        "unjudged": sum(not one.judged for one in wanted),
        "far_from": service.judging.far_from(chosen) if any(one.far for one in wanted) else None,
        "others_learnt": service.has_learnt(chosen, others, alone=True) is not None,
        "candidate": candidate,
        "comparison": candidate
        and comparison(
            service.reviews, service.versions, candidate, service.versions.rate_for(candidate)
        ),
        "job": next(iter(running(service, "update", chosen.name)), None),
    }

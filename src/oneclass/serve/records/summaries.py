"""Counts over time, and the last predictions as numbers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from oneclass.serve.records.database import Database, Row
from oneclass.serve.records.predictions import COUNTED

HOUR, DAY = 3600, 86_400
BY_THE_HOUR = 8
"""Days up to which counts are by the hour, beyond by the day."""
SUMMED = ("again", "learnt")
LEFT_OUT = (*SUMMED, "versions")
"""What is told of all hours together, not of each."""
WhyNone = Literal["nothing", "learnt", "removed"]
"""Why a version has no last pictures: it scored none, had learnt them all, or its are removed."""


@dataclass(frozen=True)
class OverTime:
    """What a model's versions scored.

    Attributes:
        step: seconds that one count covers.
        counts: the oldest first; each picture counts once for each version, unless that had learnt
            from it.
        again: predictions of pictures that came again, which are in no count.
        learnt: pictures that the version which scored them had learnt from, which are in none.
        versions: the numbers of the versions whose verdicts are counted.
        removed: anomalies that are counted, and that nobody had called real or a false alarm when
            their predictions were removed: nobody can any more.
    """

    step: int
    counts: list[dict[str, Any]]
    again: int
    learnt: int
    versions: list[int]
    removed: int


def over_time(database: Database, name: str, days: int) -> OverTime:
    """The counts of a model over the last days, by the hour or by the day."""
    step = HOUR if days <= BY_THE_HOUR else DAY
    first = int((time.time() - days * DAY) // HOUR)
    rows = database.rows(
        "SELECT (h.hour * 3600) / :step * :step AS at, sum(h.images) AS images, "
        "sum(h.anomalies) AS anomalies, sum(h.unclear) AS unclear, "
        "sum(h.false_alarms) AS false_alarms, sum(h.real) AS real, "
        "sum(h.promised) / sum(h.images) AS promised, "
        "sum(h.seconds) / sum(h.images) AS seconds, "
        "max(h.slowest) AS slowest, sum(h.again) AS again, sum(h.learnt) AS learnt, "
        "json_group_array(DISTINCT v.number) FILTER (WHERE h.images) AS versions "
        "FROM hour h JOIN kept_version v ON v.id = h.version_id "
        "WHERE v.name = :name AND h.hour >= :first GROUP BY 1 ORDER BY 1",
        {"step": step, "name": name, "first": first},
    )
    others = _other_reviews(database, name, step, first)
    counts = []
    for row in rows:
        if not row["images"]:
            continue
        missed, unclear_real, unsure, n = others.get(row["at"], (0, 0, 0, 0))
        reviews = row["false_alarms"] + row["real"] + n
        count = {key: row[key] for key in row.keys() if key not in LEFT_OUT}  # noqa: SIM118
        said = {"missed": missed, "unclear_real": unclear_real, "unsure": unsure}
        counts.append({**count, **said, "reviews": reviews})
    again, learnt = (sum(row[key] for row in rows) for key in SUMMED)
    versions = {number for row in rows for number in json.loads(row["versions"])}
    removed = _removed(database, name, first)
    return OverTime(step, counts, again, learnt, sorted(versions), removed)


def _removed(database: Database, name: str, first: int) -> int:
    """How many undecided anomalies of the hours have no prediction any more.

    Only hours up to that of the oldest prediction can have any, and that one alone is gone through.
    """
    oldest = database.value("SELECT min(at) FROM prediction")
    return int(
        database.value(
            "SELECT coalesce(sum(h.anomalies - h.false_alarms - h.real - ("
            "SELECT count(*) FROM prediction p INDEXED BY prediction_by_age "
            "WHERE p.at >= 3600 * h.hour AND p.at < 3600 * (h.hour + 1) "
            "AND p.version_id = h.version_id AND p.is_anomaly "
            f"AND (p.review IS NULL OR p.review = 'unsure') AND {COUNTED})), 0) "
            "FROM hour h JOIN kept_version v ON v.id = h.version_id "
            "WHERE v.name = :name AND h.hour BETWEEN :first AND :last",
            {"name": name, "first": first, "last": (oldest or time.time()) // HOUR},
        )
    )


def _other_reviews(
    database: Database, name: str, step: int, first: int
) -> dict[int, tuple[int, int, int, int]]:
    """Reviews that the hours do not count, by when their images came.

    How many that were called fine somebody called really odd since, and how many unclear ones; of
    how many that were called odd somebody was unsure; and all that are unsure, or say of one that
    was not called odd whatever.
    """
    rows = database.rows(
        "SELECT CAST(p.at AS INTEGER) / :step * :step AS at, "
        "sum(p.review = 'real' AND NOT p.is_unclear) AS missed, "
        "sum(p.review = 'real' AND p.is_unclear) AS unclear_real, "
        "sum(p.is_anomaly) AS unsure, count(*) AS n "
        "FROM prediction p INDEXED BY prediction_counted WHERE p.review IS NOT NULL "
        f"AND (p.is_anomaly = 0 OR p.review = 'unsure') AND {COUNTED} AND p.at >= 3600 * :first "
        "AND p.version_id IN (SELECT id FROM kept_version WHERE name = :name) GROUP BY 1",
        {"step": step, "name": name, "first": first},
    )
    return {
        row["at"]: (row["missed"], row["unclear_real"], row["unsure"], row["n"]) for row in rows
    }


def why_none(database: Database, version_id: int) -> WhyNone:
    """Why a version has no last pictures, as the hours tell, which stay."""
    images, learnt, there = database.rows(
        "SELECT coalesce(sum(images), 0), coalesce(sum(learnt), 0), EXISTS ("
        "SELECT 1 FROM prediction WHERE version_id = :id) FROM hour WHERE version_id = :id",
        {"id": version_id},
    )[0]
    if not images + learnt:
        return "nothing"
    return "learnt" if there and not images else "removed"


def last(
    database: Database, version_id: int, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(n,) scores, p-values and rates of false alarms of a version's last pictures, newest first.

    Each counts once, by the rate in force when it came last, and none that the version learnt from.
    """
    rows = database.rows(
        f"SELECT score, p_value, false_alarms FROM prediction WHERE version_id = ? AND {COUNTED} "
        "ORDER BY id DESC LIMIT ?",
        (version_id, most),
    )
    each = np.array([tuple(row) for row in rows], np.float64).reshape(-1, 3)
    return each[:, 0], each[:, 1], each[:, 2]


def latest(database: Database, version_id: int, most: int) -> list[Row]:
    """A version's last predictions as a report shows them, the newest first."""
    return database.rows(
        "SELECT id, at, path, image, score, p_value, is_anomaly, is_unclear, false_alarms, review, "
        "learnt FROM prediction WHERE version_id = ? ORDER BY id DESC LIMIT ?",
        (version_id, most),
    )


def failures(database: Database, version_id: int, since: float, most: int) -> list[Row]:
    """(path, reason, detail) of what a version could not score, the newest first."""
    return database.rows(
        "SELECT path, reason, detail FROM failure WHERE version_id = ? AND at >= ? "
        "ORDER BY id DESC LIMIT ?",
        (version_id, since, most),
    )

"""Counts over time, and the last predictions as numbers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.serve.records.database import Database, Row

HOUR, DAY = 3600, 86_400
BY_THE_HOUR = 8
"""Days up to which counts are by the hour, beyond by the day."""


def over_time(database: Database, name: str, days: int) -> tuple[int, list[dict[str, Any]], int]:
    """How many seconds one count covers, and the counts of a model's versions, the oldest first.

    Each picture counts once for each version; last, how many more came again.
    """
    step = HOUR if days <= BY_THE_HOUR else DAY
    first = int((time.time() - days * DAY) // HOUR)
    rows = database.rows(
        "SELECT (h.hour * 3600) / :step * :step AS at, sum(h.images) AS images, "
        "sum(h.anomalies) AS anomalies, sum(h.unclear) AS unclear, "
        "sum(h.false_alarms) AS false_alarms, sum(h.real) AS real, "
        "sum(h.promised) / sum(h.images) AS promised, "
        "sum(h.seconds) / sum(h.images) AS seconds, "
        "max(h.slowest) AS slowest, sum(h.again) AS again "
        "FROM hour h JOIN kept_version v ON v.id = h.version_id "
        "WHERE v.name = :name AND h.hour >= :first GROUP BY 1 ORDER BY 1",
        {"step": step, "name": name, "first": first},
    )
    others = _other_reviews(database, name, step, first)
    counts = []
    again = sum(row["again"] for row in rows)
    for row in rows:
        if not row["images"]:
            continue
        missed, n = others.get(row["at"], (0, 0))
        reviews = row["false_alarms"] + row["real"] + n
        count = {key: row[key] for key in row.keys() if key != "again"}  # noqa: SIM118
        counts.append({**count, "missed": missed, "reviews": reviews})
    return step, counts, again


def _other_reviews(
    database: Database, name: str, step: int, first: int
) -> dict[int, tuple[int, int]]:
    """Reviews that the hours do not count, by when their images came.

    How many that were not called odd somebody called really odd since; and those with all that are
    unsure, or say of one that was not called odd that it is good.
    """
    rows = database.rows(
        "SELECT CAST(p.at AS INTEGER) / :step * :step AS at, "
        "sum(p.review = 'real') AS missed, count(*) AS n "
        "FROM prediction p INDEXED BY prediction_counted WHERE p.review IS NOT NULL "
        "AND (p.is_anomaly = 0 OR p.review = 'unsure') AND p.again = 0 AND p.at >= 3600 * :first "
        "AND p.version_id IN (SELECT id FROM kept_version WHERE name = :name) GROUP BY 1",
        {"step": step, "name": name, "first": first},
    )
    return {row["at"]: (row["missed"], row["n"]) for row in rows}


def last(
    database: Database, version_id: int, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) scores and (n,) p-values of the last pictures of a version, the newest first.

    Each counts once, when it came first.
    """
    rows = database.rows(
        "SELECT score, p_value FROM prediction WHERE version_id = ? AND again = 0 "
        "ORDER BY id DESC LIMIT ?",
        (version_id, most),
    )
    pairs = np.array([tuple(row) for row in rows], np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def latest(database: Database, version_id: int, most: int) -> list[Row]:
    """A version's last predictions as a report shows them, the newest first."""
    return database.rows(
        "SELECT id, at, path, image, score, p_value, is_anomaly, is_unclear, false_alarms, review "
        "FROM prediction "
        "WHERE version_id = ? ORDER BY id DESC LIMIT ?",
        (version_id, most),
    )


def failures(database: Database, version_id: int, since: float, most: int) -> list[Row]:
    """(path, reason, detail) of what a version could not score, the newest first."""
    return database.rows(
        "SELECT path, reason, detail FROM failure WHERE version_id = ? AND at >= ? "
        "ORDER BY id DESC LIMIT ?",
        (version_id, since, most),
    )

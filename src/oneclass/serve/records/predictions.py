"""Every prediction and every failure, with the version that made it; counted by the hour."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from oneclass.detector.predictions import ANOMALY, FINE, UNCLEAR
from oneclass.errors import ImageError
from oneclass.serve.records.database import Database, Row

VERDICTS = ("real", "false_alarm", "unsure")
MOST = 200
"""Rows that one page of a list has at most."""
RECENT = 20_000
"""Images of a version behind what is said of its last ones."""
ALL_OF = (
    "SELECT * FROM prediction INDEXED BY prediction_same WHERE version_id = ? "
    "AND substr(image, 1, 8) = substr(?, 1, 8) AND +image = ?"
)
"""The predictions of a version on a picture's bytes.

The + keeps SQLite from putting the value into substr, which is no expression of the index then.
"""
LAST_OF = f"{ALL_OF} ORDER BY id DESC LIMIT 1"
COUNTED = "again = 0 AND learnt IS NOT 1"
"""What the numbers on a version are of: a picture once, by the rate of false alarms that was in
force when it came last, and none that it learnt."""
NOTICED = "(p.is_anomaly = 1 OR p.is_unclear = 1)"
"""What people are to look at; written like this, SQLite finds the index of the same words."""


WAITING_COPIES = (
    "SELECT v.name, count(*) AS n FROM prediction p INDEXED BY prediction_copies "
    "JOIN kept_version v ON v.id = p.version_id "
    f"WHERE {NOTICED} AND p.review IS NULL AND p.again = 1 AND EXISTS ("
    "SELECT 1 FROM prediction o INDEXED BY prediction_same "
    "WHERE substr(o.image, 1, 8) = substr(p.image, 1, 8) AND +o.image = p.image "
    "AND o.version_id = p.version_id AND (o.id > p.id AND o.again = 0 OR o.id < p.id "
    "AND (o.is_anomaly = 1 OR o.is_unclear = 1) AND o.review IS NULL)) GROUP BY v.name"
)
"""How many that wait are the same picture as an earlier one that waits, or have another verdict by
a later rate: those that came again are few, while an index that tells all pictures apart would be
as large as the rest."""
NEWER = (
    "SELECT 1 FROM prediction n INDEXED BY prediction_said WHERE n.image = p.image "
    "AND n.review IS NOT NULL AND n.review = p.review AND n.id > p.id "
    "AND n.version_id IN (SELECT id FROM kept_version WHERE name = ?) "
    "AND (? IS NULL OR n.source = ?)"
)
"""A newer prediction of a model on the same picture, of which a person said the same."""
REPLACED = (
    "SELECT 1 FROM prediction c INDEXED BY prediction_same "
    "WHERE substr(c.image, 1, 8) = substr({0}.image, 1, 8) AND +c.image = {0}.image "
    "AND c.version_id = {0}.version_id AND c.id > {0}.id AND c.again = 0"
)
"""Another verdict of the same version on the same picture, by a later rate, which counts."""
WAITING_PICTURES = (
    "SELECT count(DISTINCT p.image) FROM prediction p INDEXED BY prediction_waiting "
    "WHERE p.version_id IN (SELECT id FROM kept_version WHERE name = ?) "
    f"AND {NOTICED} AND p.review IS NULL "
    f"AND NOT (p.again = 1 AND EXISTS ({REPLACED.format('p')}))"
)
"""How many pictures wait of a model, by more than one version of it: each row is looked at."""
NEWER_WAITING = (
    "SELECT 1 FROM prediction n INDEXED BY prediction_same "
    "WHERE substr(n.image, 1, 8) = substr(p.image, 1, 8) AND +n.image = p.image "
    "AND n.version_id IN (SELECT id FROM kept_version WHERE name = ?) AND n.id > p.id "
    "AND n.review IS NULL AND (? IS NULL OR n.source = ?) "
    f"AND NOT EXISTS ({REPLACED.format('n')})"
)
"""The same of which nobody has said anything: whoever skips that one skips the picture."""


@dataclass(frozen=True)
class Made:
    """One prediction on its way into the database; `Detector.score` gave the numbers.

    Attributes:
        version_id: of the model.
        source: "page", "api" or "watch:ID".
        path: the image as the client named it.
        image: SHA-256 of the file's bytes, in hex.
        score: the anomaly score.
        p_value: in (0, 1].
        is_anomaly: whether the p-value is at most `false_alarms`.
        is_unclear: whether it lies above that, but not above the model's second rate.
        learnt: whether the version learnt from this very picture; None where its file cannot say.
        false_alarms: the rate in force.
        at: when, in seconds since 1970.
        seconds: from its arrival to its answer; in a watched folder, from its file's last change.
    """

    version_id: int
    source: str
    path: str
    image: str
    score: float
    p_value: float
    is_anomaly: bool
    false_alarms: float
    at: float
    seconds: float
    is_unclear: bool = False
    learnt: bool | None = None

    @property
    def verdict(self) -> str:
        """anomaly, unclear, or fine."""
        return verdict(self.is_anomaly, self.is_unclear)


@dataclass(frozen=True)
class Filter:
    """Which predictions to list, the newest first.

    Attributes:
        name: of a model that is not deleted.
        source: where they came from.
        only_odd: those called anomalies.
        noticed: those, and the unclear ones.
        review: a verdict of a person; "none" for those without one.
        before: only those with a lower id.
        after: only those with a higher one.
        limit: how many at most.
        at_rate: of a version's id and a rate of false alarms: which of its last `RECENT` images,
            each counted once and none that it learnt from, that rate calls anomalies.
        pictures: with a name and a review, the newest alone of those on one picture; of those
            without a review, none that another verdict has replaced since the rate was changed.
    """

    name: str | None = None
    source: str | None = None
    only_odd: bool = False
    noticed: bool = False
    review: str | None = None
    before: int | None = None
    limit: int = 60
    after: int | None = None
    at_rate: tuple[int, float] | None = None
    pictures: bool = False


def verdict(is_anomaly: bool, is_unclear: bool) -> str:
    """anomaly, unclear, or fine; by the rates that were in force."""
    return ANOMALY if is_anomaly else UNCLEAR if is_unclear else FINE


class Predictions:
    """Reads and writes them.

    Args:
        database: that holds them.
    """

    SELECT = (
        "SELECT p.*, v.name, v.number, v.digest, EXISTS (SELECT 1 FROM image i "
        "WHERE i.sha256 = p.image) AS kept FROM prediction p JOIN version v ON v.id = p.version_id"
    )

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, made: Made, connection: sqlite3.Connection) -> int:
        """Add one inside a transaction; its id.

        Where the same version has scored the same bytes before, the hour counts it as one that came
        again, and in no other way; where the version learnt from it, as such a one alone. If the
        rate of false alarms was changed since, the new verdict counts instead of the one before.
        """
        again = not _counts(made, connection)
        cursor = connection.execute(
            "INSERT INTO prediction (at, version_id, source, path, image, score, p_value, "
            "is_anomaly, is_unclear, false_alarms, seconds, again, learnt) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                made.at,
                made.version_id,
                made.source,
                made.path,
                made.image,
                made.score,
                made.p_value,
                made.is_anomaly,
                made.is_unclear,
                made.false_alarms,
                made.seconds,
                again,
                made.learnt,
            ),
        )
        counted = int(not again and not made.learnt)
        connection.execute(
            "INSERT INTO hour (version_id, hour, images, anomalies, unclear, promised, seconds, "
            "slowest, again, learnt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET images = images + excluded.images, "
            "again = again + excluded.again, learnt = learnt + excluded.learnt, "
            "anomalies = anomalies + excluded.anomalies, "
            "unclear = unclear + excluded.unclear, promised = promised + excluded.promised, "
            "seconds = seconds + excluded.seconds, slowest = max(slowest, excluded.slowest)",
            (
                made.version_id,
                int(made.at // 3600),
                counted,
                counted * made.is_anomaly,
                counted * made.is_unclear,
                counted * made.false_alarms,
                counted * made.seconds,
                counted * made.seconds,
                again,
                bool(made.learnt and not again),
            ),
        )
        if made.verdict != FINE:
            connection.execute("UPDATE image SET odd = 1 WHERE sha256 = ?", (made.image,))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def add_failure(
        self, version_id: int, source: str, error: ImageError, connection: sqlite3.Connection
    ) -> None:
        """Add an image that could not be scored, inside a transaction."""
        connection.execute(
            "INSERT INTO failure (at, version_id, source, path, reason, detail) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (time.time(), version_id, source, str(error.path), error.reason, error.detail),
        )

    def one(self, number: int) -> Row | None:
        """A prediction with its version's name, number and digest."""
        return self._database.row(f"{self.SELECT} WHERE p.id = ?", (number,))

    def of_version(self, version_id: int) -> bool:
        """Whether a version has made any."""
        query = "SELECT 1 FROM prediction WHERE version_id = ? LIMIT 1"
        return self._database.row(query, (version_id,)) is not None

    def listed(self, chosen: Filter) -> list[Row]:
        """Predictions, the newest first."""
        where, values = _conditions(chosen)
        limit = max(1, min(chosen.limit, MOST))
        query = f"{self.SELECT} WHERE {where} ORDER BY p.id DESC LIMIT ?"
        return self._database.rows(query, (*values, limit))

    def beside(self, number: int, chosen: Filter) -> tuple[int | None, int | None]:
        """The ids of the next newer and the next older one of a list; None at its ends."""
        where, values = _conditions(chosen)
        query = f"SELECT p.id FROM prediction p WHERE {where} AND p.id"
        newer = self._database.value(f"{query} > ? ORDER BY p.id LIMIT 1", (*values, number))
        older = self._database.value(f"{query} < ? ORDER BY p.id DESC LIMIT 1", (*values, number))
        return newer, older

    def waiting(self) -> dict[str, int]:
        """How many pictures called anomalies or unclear nobody has looked at, by their model.

        Each counts once, however many verdicts on it wait.
        """
        rows = self._database.rows(
            "SELECT v.name, count(*) AS n FROM prediction p INDEXED BY prediction_waiting "
            "JOIN kept_version v ON v.id = p.version_id "
            f"WHERE {NOTICED} AND p.review IS NULL GROUP BY p.version_id"
        )
        versions = Counter(row["name"] for row in rows)
        found = Counter[str]()
        for row in rows:
            found[row["name"]] += row["n"]
        for row in self._database.rows(WAITING_COPIES):
            found[row["name"]] -= row["n"]
        for name in (name for name, n in versions.items() if n > 1):
            found[name] = self._database.value(WAITING_PICTURES, (name,))
        return {name: n for name, n in found.items() if n > 0}


def _counts(made: Made, connection: sqlite3.Connection) -> bool:
    """Whether a prediction counts: its picture comes for the first time, or first at another rate.

    Then the one that counted before is one that came again, in its hour, too.
    """
    same = (made.version_id, made.image, made.image)
    last = connection.execute(LAST_OF, same).fetchone()
    if last is None:
        return True
    if last["false_alarms"] == made.false_alarms:
        return False
    row = connection.execute(f"{ALL_OF} AND again = 0 ORDER BY id LIMIT 1", same).fetchone()
    if row is not None:
        connection.execute("UPDATE prediction SET again = 1 WHERE id = ?", (row["id"],))
        counted = int(not row["learnt"])
        odd = counted * row["is_anomaly"]
        connection.execute(
            "UPDATE hour SET images = images - :counted, again = again + 1, "
            "learnt = learnt - :learnt, anomalies = anomalies - :odd, "
            "unclear = unclear - :unclear, promised = promised - :promised, "
            "seconds = seconds - :seconds, false_alarms = false_alarms - :false_alarms, "
            "real = real - :real WHERE version_id = :version_id AND hour = :hour",
            {
                "counted": counted,
                "learnt": 1 - counted,
                "odd": odd,
                "unclear": counted * row["is_unclear"],
                "promised": counted * row["false_alarms"],
                "seconds": counted * row["seconds"],
                "false_alarms": odd * (row["review"] == "false_alarm"),
                "real": odd * (row["review"] == "real"),
                "version_id": row["version_id"],
                "hour": int(row["at"] // 3600),
            },
        )
    return True


def _conditions(chosen: Filter) -> tuple[str, Sequence[object]]:
    found: list[tuple[str, Sequence[object]]] = [("1", ())]
    if chosen.name is not None:
        found.append(
            ("p.version_id IN (SELECT id FROM kept_version WHERE name = ?)", (chosen.name,))
        )
    if chosen.source is not None:
        found.append(("p.source = ?", (chosen.source,)))
    if chosen.only_odd:
        found.append(("p.is_anomaly = 1", ()))
    if chosen.noticed:
        found.append((NOTICED, ()))
    if chosen.review == "none":
        found.append(("p.review IS NULL", ()))
    elif chosen.review is not None:
        found.append(("p.review = ?", (chosen.review,)))
    if chosen.pictures:
        noticed = " AND (n.is_anomaly = 1 OR n.is_unclear = 1)" if chosen.noticed else ""
        values = (chosen.name, chosen.source, chosen.source)
        newer = NEWER_WAITING if chosen.review == "none" else NEWER
        found.append((f"NOT EXISTS ({newer}{noticed})", values))
        if chosen.review == "none":
            found.append((f"NOT EXISTS ({REPLACED.format('p')})", ()))
    if chosen.before is not None:
        found.append(("p.id < ?", (chosen.before,)))
    if chosen.after is not None:
        found.append(("p.id > ?", (chosen.after,)))
    if chosen.at_rate is not None:
        version_id, rate = chosen.at_rate
        first = (
            "p.id >= (SELECT min(id) FROM (SELECT id FROM prediction WHERE version_id = ? "
            f"AND {COUNTED} ORDER BY id DESC LIMIT {RECENT}))"
        )
        found.append((f"p.version_id = ? AND {COUNTED} AND {first}", (version_id, version_id)))
        found.append(("p.p_value <= ?", (rate,)))
    return " AND ".join(text for text, _ in found), [v for _, values in found for v in values]

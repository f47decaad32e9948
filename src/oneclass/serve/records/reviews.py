"""What people said of images, and what a new version says of the same."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from oneclass.errors import InputError
from oneclass.serve.records.database import Database, Row
from oneclass.serve.records.predictions import VERDICTS

COUNTED = {"false_alarm": "false_alarms", "real": "real"}
"""Verdicts on anomalies that the hours count, and the columns that they do so in."""
ANYTHING = "anything"
"""What a person saw, where it is not known."""

ROW = "p.id, p.version_id, p.at, p.image, p.review, p.is_anomaly, p.again, p.learnt, v.name"
SAME = (
    f"SELECT {ROW} FROM prediction p INDEXED BY prediction_same "
    "JOIN version v ON v.id = p.version_id WHERE substr(p.image, 1, 8) = substr(:image, 1, 8) "
    "AND +p.image = :image AND v.name = :name AND p.id != :id ORDER BY p.id"
)
"""Other predictions of a model on the same bytes; deleted versions may come back."""
STANDING = (
    "SELECT p.id, p.review FROM prediction p INDEXED BY prediction_said "
    "JOIN version v ON v.id = p.version_id WHERE p.image = :image AND v.name = :name "
    "AND p.review IS NOT NULL AND p.id != :id ORDER BY p.id DESC LIMIT 1"
)
"""What stands of a picture: the same of all of its predictions, but where it was taken back."""
WORDS = (
    "SELECT verdict, at, who, coalesce(said_of, prediction_id) AS origin FROM review r "
    "WHERE prediction_id IN (SELECT value FROM json_each(?)) AND (said_of IS NULL "
    "OR NOT EXISTS (SELECT 1 FROM prediction p WHERE p.id = r.said_of)) "
    "GROUP BY verdict, at, who, origin ORDER BY min(r.id)"
)
"""What was said of the predictions on a picture, in its order; also of such as are gone."""
GROWN = (
    "WITH RECURSIVE grown (id) AS ({} UNION SELECT v.parent_id FROM version v "
    "JOIN grown g ON v.id = g.id WHERE v.parent_id IS NOT NULL)"
)
"""A version, and those that it grew from, also deleted ones."""
TAUGHT = (
    "known (image, yes, newest) AS (SELECT image, yes, max(version_id) FROM ("
    "SELECT p.image, p.version_id, p.learnt AS yes FROM prediction p WHERE p.review = :verdict "
    "AND p.version_id IN (SELECT id FROM grown) AND p.learnt IS NOT NULL UNION ALL "
    "SELECT p.image, c.version_id, CASE WHEN c.learnt THEN 1 ELSE c.taught END "
    "FROM compared c JOIN prediction p ON p.id = c.prediction_id "
    "WHERE c.version_id IN (SELECT id FROM grown) AND (c.learnt OR c.taught IS NOT NULL) UNION ALL "
    "SELECT image, version_id, yes FROM taught WHERE version_id IN (SELECT id FROM grown)"
    ") GROUP BY image)"
)
"""Whether a version has learnt a picture: as the newest says that was asked, of it and those that
it grew from. Of a picture that was judged, an update says anew whether it has learnt it."""
KEPT_REAL = "p.review = 'real' AND p.version_id IN (SELECT id FROM kept_version)"
REALLY_ODD = (
    "SELECT p.image, p.p_value FROM prediction p WHERE p.version_id = :id AND p.review = 'real' "
    "UNION SELECT p.image, c.p_value FROM compared c JOIN prediction p ON p.id = c.prediction_id "
    f"WHERE c.version_id = :id AND {KEPT_REAL} "
    "UNION SELECT p.image, c.before FROM version v JOIN compared c ON c.version_id = v.id "
    f"JOIN prediction p ON p.id = c.prediction_id WHERE v.parent_id = :id AND {KEPT_REAL}"
)
"""What a version said of pictures that a person called really odd: as they came, and as it was
compared on them with the version that it grew from, or with those that grew from it."""


class Reviews:
    """Reads and writes them; no verdict is ever overwritten, the last one counts.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, prediction_id: int, verdict: str | None, *, who: str, seen: str | None = ANYTHING
    ) -> bool:
        """Record what a person says of a prediction; None takes back the last word.

        It is said of the picture: it goes for all predictions of the same model on the same bytes,
        by whatever version; `carry` gives it to those that come later. Taken back, the word before
        it holds again, of whichever of these predictions it was said.

        Args:
            prediction_id: that it is said of.
            verdict: what is said.
            who: says it.
            seen: the verdict that the person saw beside it; `ANYTHING` where that is not known.

        Returns:
            Whether it is recorded: not where somebody has said something else meanwhile.

        Raises:
            InputError: no such verdict.
        """
        if verdict is not None and verdict not in VERDICTS:
            raise InputError(f"the verdict is {verdict!r}: expected {', '.join(VERDICTS)}.")
        with self._database.write() as connection:
            row = _row(connection, prediction_id)
            if seen != ANYTHING and row["review"] not in (seen, verdict):
                return False
            if row["review"] is None and verdict is None:
                return True
            others = connection.execute(SAME, dict(row)).fetchall()
            holds = _Word(verdict, time.time(), who, prediction_id)
            _say(connection, prediction_id, holds)
            if verdict is None:
                holds = _last(connection, [row, *others]) or holds
                if holds.verdict is not None:
                    _say(connection, prediction_id, holds, said_of=holds.of)
            _let(connection, row, holds.verdict)
            for other in others:
                if holds.verdict != other["review"]:
                    _say(connection, other["id"], holds, said_of=holds.of)
                    _let(connection, other, holds.verdict)
        return True

    def of(self, prediction_id: int) -> list[Row]:
        """All that was said of a prediction, the newest first."""
        query = (
            "SELECT verdict, at, who, (SELECT p.id FROM prediction p WHERE p.id = said_of) "
            "AS said_of FROM review WHERE prediction_id = ? ORDER BY id DESC"
        )
        return self._database.rows(query, (prediction_id,))

    def reviewed(self, name: str) -> list[Row]:
        """Predictions of a model that somebody called real or a false alarm, images still kept."""
        return self._database.rows(
            "SELECT p.id, p.image, p.path, p.review, p.version_id, p.p_value, p.learnt "
            "FROM prediction p JOIN image i ON i.sha256 = p.image "
            "WHERE p.review IN ('real', 'false_alarm') "
            "AND p.version_id IN (SELECT id FROM kept_version WHERE name = ?) ORDER BY p.id",
            (name,),
        )

    def judged(self, version_id: int, verdict: str, *, taught: bool) -> list[Row]:
        """Predictions of a version's model that a verdict stands of, images still kept.

        Args:
            version_id: of the version.
            verdict: of a person.
            taught: whether the version has learnt from the pictures.

        Returns:
            Those too of which nobody has noted that, as of a file that was uploaded; `taught` is
            None in them.
        """
        return self._database.rows(
            f"{GROWN.format('SELECT :id')}, {TAUGHT} "
            "SELECT p.id, p.image, p.path, p.version_id, p.score, p.p_value, p.is_anomaly, "
            "t.yes AS taught FROM prediction p JOIN image i ON i.sha256 = p.image "
            "LEFT JOIN known t ON t.image = p.image WHERE p.review = :verdict "
            "AND t.yes IS NOT :unlike "
            "AND p.version_id IN (SELECT id FROM kept_version WHERE name = "
            "(SELECT name FROM version WHERE id = :id)) ORDER BY p.id",
            {"id": version_id, "verdict": verdict, "unlike": not taught},
        )

    def lost(self, version_id: int) -> int:
        """How many pictures were called false alarms that a version cannot learn, nor has learnt:
        their images are no longer kept.
        """
        query = (
            f"{GROWN.format('SELECT :id')}, {TAUGHT} SELECT count(DISTINCT p.image) "
            "FROM prediction p LEFT JOIN image i ON i.sha256 = p.image "
            "LEFT JOIN known t ON t.image = p.image WHERE p.review = :verdict "
            "AND i.sha256 IS NULL AND t.yes IS NOT 1 "
            "AND p.version_id IN (SELECT id FROM kept_version WHERE name = "
            "(SELECT name FROM version WHERE id = :id))"
        )
        return int(self._database.value(query, {"id": version_id, "verdict": "false_alarm"}))

    def said_by(self, version_id: int) -> dict[str, tuple[float, float]]:
        """By digests of pictures, the score and the p-value that a version gave them; of those that
        somebody reviewed, and that it judged itself or was compared on.
        """
        rows = self._database.rows(
            "SELECT image, score, p_value FROM prediction WHERE version_id = :id "
            "AND review IS NOT NULL UNION SELECT p.image, c.score, c.p_value FROM compared c "
            "JOIN prediction p ON p.id = c.prediction_id WHERE c.version_id = :id",
            {"id": version_id},
        )
        return {row["image"]: (row["score"], row["p_value"]) for row in rows}

    def note_taught(self, version_id: int, known: Iterable[tuple[str, bool]]) -> None:
        """Record whether a version that was learnt anew has learnt from pictures.

        Args:
            version_id: of the version.
            known: (digest of the picture, whether it has).
        """
        with self._database.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO taught (version_id, image, yes) VALUES (?, ?, ?)",
                ((version_id, *one) for one in known),
            )

    def called_odd(self) -> dict[str, dict[str, Any]]:
        """Pictures of which somebody said that they are really odd, by any model.

        Returns:
            By their digests: how many `bytes` each has, None where that is not known any more; and
            the `path` and the `model` of the last prediction that it stands of.
        """
        rows = self._database.rows(
            "SELECT p.image, i.bytes, p.path, v.name AS model, max(p.id) FROM prediction p "
            "JOIN kept_version v ON v.id = p.version_id "
            "LEFT JOIN image i ON i.sha256 = p.image WHERE p.review = 'real' GROUP BY p.image"
        )
        return {row["image"]: {key: row[key] for key in ("bytes", "path", "model")} for row in rows}

    def same_before(self, prediction_id: int) -> Row | None:
        """The last other prediction of a model on the same bytes that somebody reviewed."""
        return self._database.row(
            "SELECT p.id, p.review, p.is_anomaly, p.is_unclear FROM prediction q "
            "JOIN version w ON w.id = q.version_id JOIN prediction p ON p.image = q.image "
            "JOIN kept_version v ON v.id = p.version_id AND v.name = w.name "
            "WHERE q.id = ? AND p.id != q.id AND p.review IS NOT NULL ORDER BY p.id DESC LIMIT 1",
            (prediction_id,),
        )

    def missed(self, version_id: int, rate: float) -> set[str]:
        """The digests of pictures that somebody called really odd, and that a version is known not
        to call odd at a rate of false alarms.
        """
        query = f"SELECT DISTINCT image FROM ({REALLY_ODD}) WHERE p_value > :rate"
        rows = self._database.rows(query, {"id": version_id, "rate": rate})
        return {row["image"] for row in rows}

    def counts(self, name: str) -> dict[str, int]:
        """How many pictures each verdict stands of, among the predictions of a model."""
        rows = self._database.rows(
            "SELECT review, count(DISTINCT image) AS n FROM prediction WHERE review IS NOT NULL "
            "AND version_id IN (SELECT id FROM kept_version WHERE name = ?) GROUP BY review",
            (name,),
        )
        return dict.fromkeys(VERDICTS, 0) | {row["review"]: row["n"] for row in rows}

    def newest(self, name: str, images: Iterable[str]) -> dict[str, Row]:
        """By the digests of pictures, the last prediction of a model on each: its id and path."""
        rows = self._database.rows(
            "SELECT p.image, p.id, p.path FROM json_each(:images) j "
            "CROSS JOIN prediction p INDEXED BY prediction_same "
            "WHERE substr(p.image, 1, 8) = substr(j.value, 1, 8) AND +p.image = j.value "
            "AND p.version_id IN (SELECT id FROM kept_version WHERE name = :name) ORDER BY p.id",
            {"images": json.dumps(list(images)), "name": name},
        )
        return {row["image"]: row for row in rows}

    def stood(self, version_id: int, at: float) -> dict[str, tuple[str, str | None]]:
        """What stood of pictures of a model at a time, and what stands of them now.

        Args:
            version_id: of the model; pictures of versions that it grew from count where these
                are deleted, too, as they do for what was compared.
            at: in seconds since 1970.

        Returns:
            By the digests of those that somebody had reviewed by then: both verdicts.
        """
        own = GROWN.format("SELECT :id")
        rows = self._database.rows(
            f"{own} SELECT p.image, p.review, (SELECT r.verdict FROM review r "
            "WHERE r.prediction_id = p.id AND r.at <= :at "
            "ORDER BY r.at DESC, r.id DESC LIMIT 1) AS stood "
            "FROM prediction p WHERE p.id IN (SELECT prediction_id FROM review WHERE at <= :at) "
            "AND p.version_id IN (SELECT id FROM grown UNION SELECT k.id FROM kept_version k "
            "JOIN version v ON v.name = k.name WHERE v.id = :id)",
            {"id": version_id, "at": at},
        )
        return {row["image"]: (row["stood"], row["review"]) for row in rows if row["stood"]}

    def compare(
        self,
        version_id: int,
        results: Iterable[tuple[int, float, float, bool, float | None, bool | None, bool | None]],
    ) -> None:
        """Record what a version says of reviewed predictions.

        Args:
            version_id: of the version.
            results: (id, score, p-value, learnt, p-value by the version that it grew from, taught,
                taught before), where `learnt` is whether this update was to add it, and `taught`
                whether the version has learnt it at any time; `taught before`, whether the one that
                it grew from has. None where a file cannot say.
        """
        with self._database.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO compared "
                "(version_id, prediction_id, score, p_value, learnt, before, taught, before_taught)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                ((version_id, *result) for result in results),
            )

    def compared(self, version_id: int, rate: float) -> list[Row]:
        """What a version says of reviewed predictions, and the one that it grew from.

        `odd` and `before_odd` are both by one rate of false alarms; the latter is None where the
        other version was not asked. `learnt` is whether this version was to add it; `taught` and
        `before_taught`, whether this version and the other one have learnt from it at any time,
        None if unknown.
        """
        parent = "SELECT parent_id FROM version WHERE id = :id AND parent_id IS NOT NULL"
        return self._database.rows(
            f"{GROWN.format(parent)} "
            "SELECT p.id, p.image, p.path, p.review, c.learnt, "
            "CASE WHEN c.learnt THEN 1 ELSE c.taught END AS taught, c.p_value <= :rate AS odd, "
            "c.before <= :rate AS before_odd, coalesce(c.before_taught, p.image IN ("
            "SELECT l.image FROM compared e JOIN prediction l ON l.id = e.prediction_id "
            "WHERE e.learnt = 1 AND e.version_id IN (SELECT id FROM grown)) "
            "OR (c.taught AND NOT c.learnt)) AS before_taught "
            "FROM compared c JOIN prediction p ON p.id = c.prediction_id "
            "WHERE c.version_id = :id ORDER BY p.id",
            {"id": version_id, "rate": rate},
        )


def carry(prediction_id: int, connection: sqlite3.Connection) -> None:
    """Let what stands of a picture go for one more prediction on it, inside a transaction.

    Args:
        prediction_id: one that nothing is said of.
        connection: of the transaction.
    """
    row = _row(connection, prediction_id)
    found = connection.execute(STANDING, dict(row)).fetchone()
    if found is None:
        return
    said = connection.execute(
        "SELECT at, who, said_of FROM review WHERE prediction_id = ? ORDER BY id DESC LIMIT 1",
        (found["id"],),
    ).fetchone()
    word = _Word(found["review"], said["at"], said["who"], said["said_of"] or found["id"])
    _say(connection, prediction_id, word, said_of=word.of)
    _let(connection, row, word.verdict)


def _row(connection: sqlite3.Connection, prediction_id: int) -> Row:
    """A prediction as `_let` needs it, with the name of its model."""
    row: Row = connection.execute(
        f"SELECT {ROW} FROM prediction p JOIN version v ON v.id = p.version_id WHERE p.id = ?",
        (prediction_id,),
    ).fetchone()
    return row


@dataclass(frozen=True)
class _Word:
    """What somebody said, or took back.

    Attributes:
        verdict: None where it was taken back.
        at: when, in seconds since 1970.
        who: said so.
        of: the prediction that it was said of.
    """

    verdict: str | None
    at: float
    who: str
    of: int


def _say(
    connection: sqlite3.Connection, prediction_id: int, word: _Word, said_of: int | None = None
) -> None:
    """Note a word at a prediction, inside a transaction.

    Args:
        connection: of the transaction.
        prediction_id: where it is noted.
        word: what was said.
        said_of: where it is no new word, but goes for this prediction, too, or again: the
            prediction that it was said of.
    """
    connection.execute(
        "INSERT INTO review (prediction_id, verdict, at, who, said_of) VALUES (?, ?, ?, ?, ?)",
        (prediction_id, word.verdict, word.at, word.who, said_of),
    )


def _let(connection: sqlite3.Connection, row: Row, verdict: str | None) -> None:
    """Let a verdict go for a prediction, and count it in its hour if that counts its picture.

    Args:
        connection: of a transaction.
        row: the prediction as it is, of the columns `ROW`.
        verdict: that goes for it from now on.
    """
    connection.execute("UPDATE prediction SET review = ? WHERE id = ?", (verdict, row["id"]))
    for said, change in ((row["review"], -1), (verdict, 1)):
        if said in COUNTED and row["is_anomaly"] and not (row["again"] or row["learnt"]):
            column = COUNTED[said]
            connection.execute(
                f"UPDATE hour SET {column} = {column} + ? WHERE version_id = ? AND hour = ?",
                (change, row["version_id"], int(row["at"] // 3600)),
            )


def _last(connection: sqlite3.Connection, same: list[Row]) -> _Word | None:
    """The last word on a picture that was not taken back; None where none is left.

    Args:
        connection: of a transaction.
        same: all predictions on it.
    """
    words: list[_Word] = []
    numbers = json.dumps([row["id"] for row in same])
    for word in (_Word(*row) for row in connection.execute(WORDS, (numbers,))):
        if word.verdict is None:
            words = words[:-1]
        elif not words or (words[-1].verdict, words[-1].who) != (word.verdict, word.who):
            words.append(word)  # who says the same again says nothing new
    return words[-1] if words else None

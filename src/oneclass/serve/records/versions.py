"""Models and their versions: which there are, and which one serves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from oneclass.errors import InputError
from oneclass.serve.records.database import Database, Row
from oneclass.system.names import percent, percent_up


@dataclass(frozen=True)
class Version:
    """One version of a model.

    Attributes:
        id: in the database.
        name: of the model.
        number: of the version, from 1.
        digest: SHA-256 of the model file's content.
        origin: "fit", "update" or "upload".
        parent_id: of an update, the version that it grew from.
        card: as `Detector.card`.
        false_alarms: the rate that verdicts go by.
        n_learnt: of an update, how many images it learnt.
        note: what somebody wrote about it.
        at: when it came, in seconds since 1970.
        serves: whether it is the one that scores now.
        deletion_id: what deleted it; None while it is there.
        kinds: sizes and formats of the images that it learnt from, as `kinds.measured` tells them;
            empty where they are not known.
    """

    id: int
    name: str
    number: int
    digest: str
    origin: str
    parent_id: int | None
    card: dict[str, Any]
    false_alarms: float
    n_learnt: int
    note: str
    at: float
    serves: bool
    deletion_id: int | None
    kinds: dict[str, Any]

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}-{self.number}.oneclass"

    @property
    def unclear(self) -> float | None:
        """The rate up to which a verdict is unclear; None where there are two verdicts only."""
        rate: float | None = self.card.get("unclear")
        return rate

    @property
    def lowest_rate(self) -> float:
        """The lowest rate of false alarms that its held-out images support."""
        return float(self.card["calibration"]["lowest_false_alarms"])

    @property
    def n_pictures(self) -> int:
        """How many different pictures its images count as: copies and near-copies count once."""
        fit = self.card["fit"]
        return int(fit.get("n_pictures", fit["n_images"]))


RateFrom = Literal["learnt", "set", "nearest"]
"""Where a rate of false alarms comes from: the version was learnt for it, somebody set it for the
model, or it is the nearest to that which the version supports."""
SELECT = """
SELECT v.*, v.id IS (
    SELECT k.id FROM taken t JOIN kept_version k ON k.id = t.version_id
    WHERE t.name = v.name ORDER BY t.id DESC LIMIT 1
) AS serves FROM version v
"""
KEPT = "deletion_id IS NULL"
SET_RATE = "UPDATE version SET false_alarms = ? WHERE id = ?"
TAKE = (
    "INSERT INTO taken (name, version_id, at, who, false_alarms) "
    "SELECT name, id, :at, :who, false_alarms FROM version WHERE id = :id"
)


class Versions:
    """Reads and writes them.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, int | None], Version] = {}
        """Asked for with every image; one process writes them, and then forgets these."""

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All that is written in here is there afterwards, or none of it where something is raised;
        other threads see none of it before.
        """
        try:
            with self._database.write():
                yield
        finally:
            self.forget()

    def serving(self) -> list[Version]:
        """The version in use of each model, by name."""
        rows = self._database.rows(f"SELECT * FROM ({SELECT}) WHERE serves ORDER BY name")
        return [_version(row) for row in rows]

    def names(self) -> list[str]:
        """Of all models, in their order."""
        rows = self._database.rows("SELECT DISTINCT name FROM kept_version ORDER BY name")
        return [str(row["name"]) for row in rows]

    def last_used(self) -> str | None:
        """The model whose newest version was made last, or that scored last; None without any."""
        row = self._database.row(
            "SELECT v.name FROM kept_version v ORDER BY max(v.at, coalesce(("
            "SELECT p.at FROM prediction p WHERE p.version_id = v.id ORDER BY p.id DESC LIMIT 1"
            "), 0)) DESC, v.id DESC LIMIT 1"
        )
        return None if row is None else str(row["name"])

    def of(self, name: str) -> list[Version]:
        """All versions of a model, the newest first."""
        rows = self._database.rows(
            f"{SELECT} WHERE name = ? AND {KEPT} ORDER BY number DESC", (name,)
        )
        return [_version(row) for row in rows]

    def named(self, name: str, number: int | None = None) -> Version | None:
        """A version of a model; without a number the one that serves."""
        asked = self._known  # what is forgotten while it is read is not remembered
        known = asked.get((name, number))
        if known is not None:
            return known
        if number is None:
            where, values = "WHERE name = ? AND serves", (name,)
            row = self._database.row(f"SELECT * FROM ({SELECT}) {where}", values)
        else:
            row = self._database.row(
                f"{SELECT} WHERE name = ? AND number = ? AND {KEPT}", (name, number)
            )
        if row is None:
            return None
        return asked.setdefault((name, number), _version(row))

    def by_id(self, number: int) -> Version | None:
        """A version by its id; also one that was deleted."""
        row = self._database.row(f"{SELECT} WHERE id = ?", (number,))
        return None if row is None else _version(row)

    def deleted(self, deletion_id: int) -> list[Version]:
        """Those that went with a deletion."""
        rows = self._database.rows(f"{SELECT} WHERE deletion_id = ?", (deletion_id,))
        return [_version(row) for row in rows]

    def forget(self) -> None:
        """Read anew what is asked for with every image: another part has changed it."""
        self._known = {}

    def held_out(self, ids: set[int]) -> dict[int, int]:
        """How many held-out normal images are behind the p-values of versions, by their numbers."""
        marks = ", ".join("?" * len(ids))
        rows = self._database.rows(
            "SELECT number, json_extract(card, '$.calibration.n_held_out') AS n FROM version "
            f"WHERE id IN ({marks})",
            tuple(ids),
        )
        return {row["number"]: row["n"] for row in rows}

    def next_number(self, name: str) -> int:
        """The number that a new version would get; that of a deleted one is not given again."""
        query = "SELECT coalesce(max(number), 0) + 1 FROM version WHERE name = ?"
        return int(self._database.value(query, (name,)))

    def add(
        self,
        name: str,
        number: int,
        digest: str,
        card: dict[str, Any],
        *,
        origin: str,
        parent_id: int | None = None,
        n_learnt: int = 0,
        kinds: dict[str, Any] | None = None,
    ) -> int:
        """Record a version whose file is in its place; its id."""
        values = (
            name,
            number,
            digest,
            origin,
            parent_id,
            json.dumps(card),
            card["false_alarms"],
            n_learnt,
            time.time(),
            json.dumps(kinds or {}),
        )
        with self._database.write() as connection:
            cursor = connection.execute(
                "INSERT INTO version (name, number, digest, origin, parent_id, card, false_alarms, "
                "n_learnt, at, kinds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        self.forget()
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def rate_for(self, version: Version) -> tuple[float, RateFrom]:
        """The rate that a version goes by once it comes into use, and where that comes from.

        A rate that somebody set is the model's and stays in force, as near as the version's
        calibration supports it; else each version goes by the one that it was learnt for.
        """
        return self.rates_for(version.name, [version])[version.id]

    def rates_for(self, name: str, versions: list[Version]) -> dict[int, tuple[float, RateFrom]]:
        """The same for each of some versions of a model, by their ids, asked for at once."""
        serving, wanted = self.named(name), self.last_set(name)
        return {version.id: _rate(version, serving, wanted) for version in versions}

    def last_set(self, name: str) -> float | None:
        """The rate that somebody set last; None where none was since a version was learnt anew,
        which is asked for a rate of its own.
        """
        row = self._database.row(
            "WITH history AS (SELECT id, who, version_id, false_alarms, "
            "lag(version_id) OVER earlier AS version_before, "
            "lag(false_alarms) OVER earlier AS rate_before "
            "FROM taken WHERE name = ? WINDOW earlier AS (ORDER BY id)) "
            "SELECT false_alarms FROM history "
            "WHERE version_id = version_before AND false_alarms != rate_before "
            "AND id > (SELECT coalesce(max(id), 0) FROM history "
            "WHERE who = 'learning' AND version_id IS NOT version_before) "
            "ORDER BY id DESC LIMIT 1",
            (name,),
        )
        return None if row is None else float(row["false_alarms"])

    def take(self, version: Version, *, who: str, rate: float | None = None) -> None:
        """From now on this version scores.

        Args:
            version: to take.
            who: says so.
            rate: of false alarms that it goes by from now on; None for the one that it has.
        """
        with self._database.write() as connection:
            if rate is not None:
                connection.execute(SET_RATE, (rate, version.id))
            connection.execute(TAKE, {"who": who, "at": time.time(), "id": version.id})
        self.forget()

    def taken(self, name: str) -> list[Row]:
        """When which version was taken, or got another rate, and by whom; the newest first."""
        return self._database.rows(
            "SELECT t.at, t.who, t.false_alarms, v.number FROM taken t "
            "JOIN version v ON v.id = t.version_id WHERE t.name = ? ORDER BY t.id DESC LIMIT 50",
            (name,),
        )

    def decided(self, name: str) -> float:
        """When somebody said last which version is in use; other rates are no such decision."""
        rows = self.taken(name)
        for row, before in pairwise(rows):
            same = row["number"] == before["number"]
            if not (same and row["false_alarms"] != before["false_alarms"]):
                return float(row["at"])
        return float(rows[-1]["at"])

    def set_rate(self, version: Version, rate: float, *, who: str) -> None:
        """Let verdicts go by another rate of false alarms from now on.

        Raises:
            InputError: a rate that its held-out images cannot support, or at which none is unclear.
        """
        if version.unclear is not None and rate >= version.unclear:
            raise InputError(
                f"the rate of false alarms is {rate:g}, but images up to {version.unclear:g} are "
                "unclear by this model: expected a lower one. Give a lower rate, or upload the "
                "model with another rate of unclear ones."
            )
        lowest = version.lowest_rate
        if not lowest <= rate < 1:
            raise InputError(
                f"the rate of false alarms is {percent(rate)}: this model's held-out images "
                f"support {percent_up(lowest)} to below 100 %. Give such a rate, or learn from "
                "more images."
            )
        with self._database.write() as connection:
            connection.execute(SET_RATE, (rate, version.id))
            if version.serves and rate != version.false_alarms:
                connection.execute(TAKE, {"who": who, "at": time.time(), "id": version.id})
        self.forget()


def _rate(
    version: Version, serving: Version | None, wanted: float | None
) -> tuple[float, RateFrom]:
    """As `Versions.rate_for` tells it.

    Args:
        version: that comes into use.
        serving: the one in use now, if one is.
        wanted: the rate that somebody set last, if anybody did.
    """
    if serving and wanted and _nearest(serving, wanted) == serving.false_alarms:
        rate = _nearest(version, wanted)
        return rate, "set" if rate == wanted else "nearest"
    learnt_for = float(version.card["false_alarms"])
    goes_on = serving is None or serving.id == version.id
    rate = version.false_alarms if goes_on else learnt_for
    return rate, "learnt" if rate == learnt_for else "set"


def _nearest(version: Version, rate: float) -> float:
    """The rate of false alarms nearest to one that was set that a version supports."""
    if version.unclear is not None and rate >= version.unclear:
        return float(version.card["false_alarms"])
    return max(rate, version.lowest_rate)


def _version(row: Row) -> Version:
    values = dict(row)
    return Version(
        **{
            **values,
            "card": json.loads(values["card"]),
            "kinds": json.loads(values["kinds"] or "{}"),
            "serves": bool(values["serves"]),
        }
    )

"""Watched folders, the files seen in them, and what is still to be told to whom."""

from __future__ import annotations

import secrets
import sqlite3
import time

from oneclass.detector.predictions import ANOMALY, UNCLEAR
from oneclass.serve.records.database import Database, Row

ON, PAUSED, ENDED = "on", "paused", "ended"
"""One that has ended is kept for its table and the files that it has seen; it may begin again."""
NAMED = 20
"""The files of a watch that could not be used, the newest of them, are told with the reason."""
TRIES = 12
FIRST_WAIT = 2.0
"""Seconds before a failed delivery is tried again; doubled each time, two hours at the end."""


class Watches:
    """Reads and writes them.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, folder: str, name: str, *, webhook: str | None, only_odd: bool) -> int:
        """Watch a folder with a model; its id, that of before where it was watched once."""
        secret = secrets.token_hex(24)
        before = self.ended_like(folder, name)
        with self._database.write() as connection:
            if before is not None:
                connection.execute(
                    "UPDATE watch SET state = ?, webhook = ?, secret = ?, only_odd = ? "
                    "WHERE id = ?",
                    (ON, webhook, secret, only_odd, before["id"]),
                )
                return int(before["id"])
            cursor = connection.execute(
                "INSERT INTO watch (folder, name, state, webhook, secret, only_odd, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (folder, name, ON, webhook, secret, only_odd, time.time()),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def ended_like(self, folder: str, name: str) -> Row | None:
        """The watch of this folder with this model that ended last, or None."""
        return self._database.row(
            "SELECT id FROM watch WHERE folder = ? AND name = ? AND state = ? ORDER BY id DESC",
            (folder, name, ENDED),
        )

    def all(self) -> list[Row]:
        """Every watch that has not ended, with its counts."""
        return self._database.rows("SELECT * FROM watch WHERE state != ? ORDER BY id", (ENDED,))

    def like(self, folder: str, name: str, webhook: str | None) -> Row | None:
        """The watch of this folder with this model that tells the same program, or None."""
        return self._database.row(
            "SELECT * FROM watch WHERE folder = ? AND name = ? AND webhook IS ? AND state != ?",
            (folder, name, webhook, ENDED),
        )

    def one(self, number: int) -> Row | None:
        """A watch that has not ended."""
        return self._database.row(
            "SELECT * FROM watch WHERE id = ? AND state != ?", (number, ENDED)
        )

    def ended(self) -> list[Row]:
        """Those that have ended, the newest first."""
        query = "SELECT * FROM watch WHERE state = ? ORDER BY id DESC"
        return self._database.rows(query, (ENDED,))

    def set_state(self, number: int, state: str) -> None:
        """Pause one, or let it go on."""
        with self._database.write() as connection:
            connection.execute("UPDATE watch SET state = ? WHERE id = ?", (state, number))

    def remove(self, number: int) -> None:
        """Watch no longer, and tell nobody; what was found and the files that were seen stay."""
        with self._database.write() as connection:
            connection.execute("UPDATE watch SET state = ? WHERE id = ?", (ENDED, number))
            connection.execute("DELETE FROM delivery WHERE watch_id = ?", (number,))

    def seen(self, number: int) -> dict[str, tuple[int, int]]:
        """Path -> (bytes, nanoseconds of its last change) of all files that were dealt with.

        A file that an earlier release called missing, and for good, is none of them.
        """
        query = (
            "SELECT path, bytes, changed FROM seen WHERE watch_id = ? AND path NOT IN "
            "(SELECT path FROM failure WHERE source = ? AND reason = 'missing')"
        )
        return {
            row["path"]: (row["bytes"], row["changed"])
            for row in self._database.each(query, (number, f"watch:{number}"))
        }

    def dealt_with(
        self,
        number: int,
        file: tuple[str, int, int],
        verdict: str | None,
        connection: sqlite3.Connection,
    ) -> None:
        """Count a file, (path, bytes, nanoseconds), and remember it, inside a transaction.

        That a file could not be used is forgotten once there is another one in its place.

        Args:
            number: of the watch.
            file: what was seen.
            verdict: anomaly, unclear or fine; None if it could not be scored.
            connection: of the transaction.
        """
        before = connection.execute(
            "SELECT 1 FROM seen WHERE watch_id = ? AND path = ?", (number, file[0])
        ).fetchone()
        replaced = self._replaced(number, file[0], verdict, connection) if before else 0
        connection.execute(
            "INSERT OR REPLACE INTO seen SELECT id, ?, ?, ? FROM watch WHERE id = ?",
            (*file, number),
        )
        connection.execute(
            "UPDATE watch SET images = images + ?, anomalies = anomalies + ?, "
            "unclear = unclear + ?, failures = max(0, failures + ?), "
            "last = coalesce(?, last) WHERE id = ?",
            (
                verdict is not None,
                verdict == ANOMALY,
                verdict == UNCLEAR,
                (verdict is None) - replaced,
                None if verdict is None else time.time(),
                number,
            ),
        )

    def _replaced(
        self, number: int, path: str, verdict: str | None, connection: sqlite3.Connection
    ) -> int:
        """Forget what was wrong with the file that had this path before; how often it was told."""
        newest = (
            ""
            if verdict
            else (" AND id < (SELECT max(id) FROM failure WHERE source = :source AND path = :path)")
        )
        return connection.execute(
            f"DELETE FROM failure WHERE source = :source AND path = :path{newest}",
            {"source": f"watch:{number}", "path": path},
        ).rowcount

    def unusable(self, number: int) -> list[Row]:
        """(path, reason, detail) of the last files that could not be scored, the newest first."""
        return self._database.rows(
            "SELECT path, reason, detail FROM failure WHERE source = ? ORDER BY id DESC LIMIT ?",
            (f"watch:{number}", NAMED),
        )

    def tell(self, number: int, body: str, connection: sqlite3.Connection) -> None:
        """Queue a delivery to the webhook of a watch, inside a transaction."""
        connection.execute(
            "INSERT INTO delivery (watch_id, body, next) SELECT id, ?, ? FROM watch "
            "WHERE id = ? AND webhook IS NOT NULL AND state != ?",
            (body, time.time(), number, ENDED),
        )

    def due(self, now: float, limit: int = 20) -> list[Row]:
        """Deliveries whose time has come, with their watch's address and secret."""
        return self._database.rows(
            "SELECT d.*, w.webhook, w.secret FROM delivery d JOIN watch w ON w.id = d.watch_id "
            "WHERE d.next IS NOT NULL AND d.next <= ? ORDER BY d.next LIMIT ?",
            (now, limit),
        )

    def delivered(self, number: int) -> None:
        """A delivery arrived."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE delivery SET done = ?, next = NULL, tries = tries + 1, error = NULL "
                "WHERE id = ?",
                (time.time(), number),
            )

    def failed(self, number: int, tries: int, error: str) -> None:
        """A delivery did not arrive: try again later, or give up after `TRIES`."""
        again = None if tries + 1 >= TRIES else time.time() + FIRST_WAIT * 2**tries
        with self._database.write() as connection:
            connection.execute(
                "UPDATE delivery SET tries = tries + 1, next = ?, error = ? WHERE id = ?",
                (again, error, number),
            )

    def deliveries(self, number: int) -> Row | None:
        """How many deliveries of a watch arrived, wait, and were given up; the last error."""
        return self._database.row(
            "SELECT count(done) AS arrived, count(next) AS waiting, "
            "count(*) - count(done) - count(next) AS given_up, "
            "(SELECT error FROM delivery WHERE watch_id = :id AND error IS NOT NULL "
            "ORDER BY id DESC LIMIT 1) AS error FROM delivery WHERE watch_id = :id",
            {"id": number},
        )

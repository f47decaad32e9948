"""Jobs that take a while: looking at images, learning, updating."""

from __future__ import annotations

import json
import time
from typing import Any

from oneclass.serve.records.database import Database, Row

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"


class Jobs:
    """Reads and writes them.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, kind: str, name: str, request: dict[str, Any]) -> int:
        """Queue one; its id."""
        with self._database.write() as connection:
            cursor = connection.execute(
                "INSERT INTO job (kind, name, request, state, at) VALUES (?, ?, ?, ?, ?)",
                (kind, name, json.dumps(request), QUEUED, time.time()),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def one(self, number: int) -> dict[str, Any] | None:
        """A job with its request and result as they were given."""
        row = self._database.row("SELECT * FROM job WHERE id = ?", (number,))
        return None if row is None else _job(row)

    def listed(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest jobs first."""
        rows = self._database.rows("SELECT * FROM job ORDER BY id DESC LIMIT ?", (limit,))
        return [_job(row) for row in rows]

    def unfinished(self) -> list[dict[str, Any]]:
        """Those that wait or run, the oldest first."""
        rows = self._database.rows(
            "SELECT * FROM job WHERE state IN (?, ?) ORDER BY id", (QUEUED, RUNNING)
        )
        return [_job(row) for row in rows]

    def waiting(self) -> int:
        """How many have not begun."""
        return int(self._database.value("SELECT count(*) FROM job WHERE state = ?", (QUEUED,)))

    def next(self) -> dict[str, Any] | None:
        """Take the oldest one that waits, and mark it as running."""
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT * FROM job WHERE state = ? ORDER BY id LIMIT 1", (QUEUED,)
            ).fetchone()
            if row is not None:
                connection.execute(
                    "UPDATE job SET state = ?, started = ?, done = 0, stage = NULL WHERE id = ?",
                    (RUNNING, time.time(), row["id"]),
                )
        return None if row is None else _job(row)

    def progress(self, number: int, done: int, total: int) -> None:
        """Record how far one is."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE job SET done = ?, total = ?, stage = NULL WHERE id = ?",
                (done, total, number),
            )

    def stage(self, number: int, words: str) -> None:
        """Record what one does that has no count."""
        with self._database.write() as connection:
            connection.execute("UPDATE job SET stage = ? WHERE id = ?", (words, number))

    def end(self, number: int, state: str, *, result: Any = None, error: str | None = None) -> bool:
        """Record how one ended; False if it had ended before. What is done is done whole."""
        with self._database.write() as connection:
            cursor = connection.execute(
                "UPDATE job SET state = ?, ended = ?, result = ?, error = ?, stage = NULL, "
                "done = CASE WHEN ? THEN total ELSE done END WHERE id = ? AND state IN (?, ?)",
                (
                    *(state, time.time(), json.dumps(result), error, state == DONE, number),
                    *(QUEUED, RUNNING),
                ),
            )
        return cursor.rowcount == 1

    def begin_again(self) -> None:
        """Queue again what was running when the server last ended."""
        with self._database.write() as connection:
            connection.execute("UPDATE job SET state = ? WHERE state = ?", (QUEUED, RUNNING))


def _job(row: Row) -> dict[str, Any]:
    values = dict(row)
    return {
        **values,
        "request": json.loads(values["request"]),
        "result": json.loads(values["result"] or "null"),
    }

"""Models and versions that were deleted: by whom and when, and until when they can be got back."""

from __future__ import annotations

import time

from oneclass.serve.records.database import Database, Row
from oneclass.serve.records.versions import KEPT as THERE
from oneclass.serve.records.versions import SELECT as SERVING

KEPT = 30 * 86_400.0
"""Seconds for which the files of a deleted model are kept."""
SELECT = (
    "SELECT d.*, (SELECT json_group_array(number) FROM (SELECT v.number FROM version v "
    "WHERE v.deletion_id = d.id ORDER BY v.number)) AS numbers "
    "FROM deletion d WHERE d.back IS NULL AND d.gone IS NULL"
)

UNUSED = f"FROM ({SERVING}) WHERE name = ? AND number = ? AND {THERE} AND NOT serves"


class Deletions:
    """Reads and writes them; what was deleted stays in the records, and marked there.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, *, who: str, number: int | None = None) -> int | None:
        """Versions of a model are deleted from now on; the deletion's id.

        Args:
            name: of the model.
            who: deletes them.
            number: of the only one; None for all.

        Returns:
            None where the one that is asked for is in use, or is none that is there.
        """
        now = time.time()
        with self._database.write() as connection:
            if number is not None:
                found = connection.execute(f"SELECT 1 {UNUSED}", (name, number)).fetchone()
                if found is None:
                    return None
            cursor = connection.execute(
                "INSERT INTO deletion (name, at, who, until) VALUES (?, ?, ?, ?)",
                (name, now, who, now + KEPT),
            )
            connection.execute(
                "UPDATE version SET deletion_id = ? WHERE name = ? AND deletion_id IS NULL "
                "AND number = coalesce(?, number)",
                (cursor.lastrowid, name, number),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def take_back(self, number: int, *, who: str) -> None:
        """The versions that went with a deletion are there again."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE deletion SET back = ?, back_who = ? WHERE id = ?",
                (time.time(), who, number),
            )
            connection.execute(
                "UPDATE version SET deletion_id = NULL WHERE deletion_id = ?", (number,)
            )

    def end(self, number: int) -> None:
        """The files are gone: nothing can be got back any more."""
        with self._database.write() as connection:
            connection.execute("UPDATE deletion SET gone = ? WHERE id = ?", (time.time(), number))

    def all(self) -> list[Row]:
        """Those that can be taken back, the newest first."""
        return self._database.rows(f"{SELECT} ORDER BY d.id DESC")

    def one(self, number: int) -> Row | None:
        """One that can be taken back."""
        return self._database.row(f"{SELECT} AND d.id = ?", (number,))

    def of(self, name: str, number: int | None = None) -> Row | None:
        """The last one of a model, or of a version of it, that can be taken back, or None."""
        return self._database.row(
            f"{SELECT} AND d.name = ? AND (? IS NULL OR EXISTS (SELECT 1 FROM version v "
            "WHERE v.deletion_id = d.id AND v.number = ?)) ORDER BY d.id DESC LIMIT 1",
            (name, number, number),
        )

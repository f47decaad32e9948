"""What is kept for how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from oneclass.serve.records.database import Database

AT_A_TIME = 2000
ORPHAN = 3600.0
"""Seconds after which an image file that no prediction came of is removed."""


def forget_predictions(database: Database, older_than: float) -> int:
    """Remove predictions, with their reviews, from before a time; how many.

    With them go images of which none is left: of these the database knows no more, and
    `forget_orphans` removes the files, but not of one that is just coming again. They go in small
    steps, so that nobody waits for long.
    """
    gone = 0
    while True:
        with database.write() as connection:
            n = connection.execute(
                "DELETE FROM prediction WHERE id IN "
                "(SELECT id FROM prediction WHERE at < ? ORDER BY at LIMIT ?)",
                (older_than, AT_A_TIME),
            ).rowcount
            # An image is as old as the last prediction on it.
            images = connection.execute(
                "DELETE FROM image WHERE sha256 IN "
                "(SELECT sha256 FROM image WHERE odd IN (0, 1) AND at < ? LIMIT ?)",
                (older_than, AT_A_TIME),
            ).rowcount
            connection.execute("DELETE FROM failure WHERE at < ?", (older_than,))
        gone += n
        if max(n, images) < AT_A_TIME:
            return gone


def images_bytes(database: Database) -> int:
    """How many bytes all images have that are kept."""
    return int(database.value("SELECT coalesce(sum(bytes), 0) FROM image"))


def forget_images(database: Database, place: Callable[[str], Path], keep_bytes: float) -> int:
    """Remove image files until they take no more than so many bytes; how many went.

    The oldest normal ones go first, then the oldest anomalies. Predictions stay.
    """
    gone = 0
    while True:
        total = images_bytes(database)
        if total <= keep_bytes:
            return gone
        with database.write() as connection:
            rows = connection.execute(
                "SELECT sha256, bytes FROM image ORDER BY odd, at LIMIT ?", (AT_A_TIME,)
            ).fetchall()
            for row in rows:
                if total <= keep_bytes:
                    break
                connection.execute("DELETE FROM image WHERE sha256 = ?", (row["sha256"],))
                place(row["sha256"]).unlink(missing_ok=True)
                total -= row["bytes"]
                gone += 1


def forget_orphans(database: Database, folder: Path) -> int:
    """Remove image files that the database does not know, unless they just came; how many."""
    gone = 0
    for file in folder.glob("[0-9a-f][0-9a-f]/*"):
        known = database.row(
            "SELECT 1 FROM image WHERE sha256 = ?", (file.parent.name + file.name,)
        )
        if known is None and time.time() - file.stat().st_ctime > ORPHAN:
            file.unlink(missing_ok=True)
            gone += 1
    return gone

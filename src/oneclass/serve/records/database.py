"""The SQLite file: brought up to date, read by many threads, written by one at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from oneclass.errors import InputError, StorageError
from oneclass.images.folders import first_picture
from oneclass.serve.records.migrations import MIGRATIONS
from oneclass.system.files import UnwritableError, make_folder
from oneclass.system.names import plain

FILE = "oneclass.sqlite3"
LOCK = "server.lock"
PATIENCE = 10.0
"""Seconds to wait for another process that is writing."""
Values = Sequence[Any] | Mapping[str, Any]
Row = sqlite3.Row


@contextmanager
def only_server(folder: Path) -> Iterator[None]:
    """Hold a folder for one server: two would do each job and score each watched file twice.

    What is held is a lock of SQLite's on a file of its own, so it ends with the process, however
    that ends, and on every system.

    Args:
        folder: that holds the database, or will.

    Raises:
        InputError: another server holds it, or it cannot be made.
        StorageError: the disk is full or failing.
    """
    file = folder / LOCK
    _take_folder(folder)
    with translated(file):
        connection = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise StorageError(f"cannot lock {file}: {error}. Give another --data.") from error
            raise InputError(
                f"--data is {folder}: another server keeps its things there. Use that one, end it "
                "first, or give another --data, which begins empty. One that was told to end lets "
                "go once its work is done: wait, and try again."
            ) from error
        yield
    finally:
        connection.close()


def _take_folder(folder: Path) -> None:
    """Make the folder of all that a server keeps, if it is not there.

    Raises:
        InputError: it cannot be made there; or it would be among somebody's pictures.
        StorageError: the disk is full or failing.
    """
    if not (folder / FILE).exists() and (name := first_picture(folder)):
        raise InputError(
            f"--data is {folder}: there are pictures in it, such as {plain(name)}, and it is to "
            "hold what the server keeps. Give a folder that is empty or not there yet. To learn "
            "from those pictures, choose them on the page Learn; --folder names a folder whose "
            "pictures may be scored."
        )
    make_folder(folder)


class Database:
    """Connections to one file, one for each thread; what `write` returned from is on the disk.

    Args:
        folder: that holds the file, or will.

    Raises:
        InputError: the file is no database of this program, or a newer version's; or the folder
            cannot be made.
        StorageError: the disk is full or failing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._writing = threading.RLock()
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        _take_folder(folder)
        with translated(self.path):
            self._migrate()

    def rows(self, query: str, values: Values = ()) -> list[Row]:
        """All rows that a query finds."""
        with translated(self.path):
            return self._connection().execute(query, values).fetchall()

    def row(self, query: str, values: Values = ()) -> Row | None:
        """The first row that a query finds, or None."""
        with translated(self.path):
            found: Row | None = self._connection().execute(query, values).fetchone()
        return found

    def value(self, query: str, values: Values = ()) -> Any:
        """The first value of the first row, or None."""
        found = self.row(query, values)
        return None if found is None else found[0]

    def each(self, query: str, values: Values = ()) -> Iterator[Row]:
        """Rows one at a time, by a connection of their own, however many there are."""
        with translated(self.path):
            connection = self._open()
            try:
                yield from connection.execute(query, values)
            finally:
                connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on the disk afterwards, or none of it."""
        with translated(self.path), self._writing:
            connection = self._connection()
            if connection.in_transaction:  # inside another one: that one commits
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close all connections; the last one tidies the file up."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open()
            self._all.append(connection)
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit outlives a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _migrate(self) -> None:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        at = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if at > len(MIGRATIONS):
            connection.execute("ROLLBACK")
            raise InputError(
                f"{self.path}: was written by a newer oneclass (its tables are of version {at}, "
                f"this one knows {len(MIGRATIONS)}). Install that version, or use another --data."
            )
        for number, script in enumerate(MIGRATIONS[at:], at + 1):
            for statement in script.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's refusals into errors that say what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        # The rest of the number tells kinds of one kind.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            refused = f"cannot use {path}: {error}."
            raise UnwritableError(
                f"{refused} See whether it is a file, and whether it and its folder may be written "
                "to, without which it cannot be read either; or give another --data.",
                refused,
            ) from error
        # A table that is not there is an error of operation, too, but no full disk.
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
            raise StorageError(
                f"cannot use {path}: {error}. Nothing was left half-written: free some space, or "
                "see whether another program holds the file, and try again."
            ) from error
        raise InputError(
            f"{path}: is no database of oneclass, or damaged ({error}). Give another --data, or "
            "put a copy back."
        ) from error

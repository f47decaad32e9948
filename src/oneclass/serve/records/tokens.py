"""Tokens: who may do what. Only their digests are kept."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from oneclass.errors import InputError
from oneclass.serve.records.database import Database, Row
from oneclass.serve.settings import Settings
from oneclass.system.host.portable import as_typed

SCOPES = ("read", "score", "review", "learn")
"""To look; to score; to review; to learn, take versions, watch folders and change settings."""
BEGINNING = "oneclass_"
SESSION_SECONDS = 12 * 3600.0


@dataclass(frozen=True)
class Holder:
    """Who a request comes from.

    Attributes:
        name: of the token, or "this machine".
        scopes: what it may do.
        by_cookie: whether the browser sends it by itself, so that forgery must be ruled out.
    """

    name: str
    scopes: frozenset[str]
    by_cookie: bool = False


THIS_MACHINE = Holder("this machine", frozenset(SCOPES))


def check_name(name: str) -> None:
    """Refuse a token that nobody could tell from others.

    Raises:
        InputError: the name is blank.
    """
    if not name.strip():
        raise InputError(f"a token named {name!r}: expected a name, such as line-1.")


def no_token(settings: Settings) -> InputError:
    """That others would reach a server, and no token keeps them out."""
    words = ["serve", "token", "add", "NAME", "--data", str(settings.data)]
    return InputError(
        f"others can reach {settings.url or settings.host}, and there is no token yet. "
        f"Listen at 127.0.0.1 without --url, or make one first: oneclass {as_typed(words)}"
    )


class Tokens:
    """Makes, finds and removes them.

    Args:
        database: that holds their digests.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, name: str, scopes: Sequence[str], seconds: float | None = None) -> str:
        """A new token, shown this once.

        Args:
            name: whose it is; each has one name.
            scopes: of `SCOPES`.
            seconds: that it is good for; None for ever.

        Raises:
            InputError: an unknown scope, or a name that is blank or in use.
        """
        if not scopes or not set(scopes) <= set(SCOPES):
            raise InputError(
                f"scopes {', '.join(scopes) or 'none'}: expected some of {', '.join(SCOPES)}."
            )
        check_name(name)
        if self._database.row("SELECT 1 FROM token WHERE name = ?", (name,)):
            raise InputError(
                f"a token named {name!r} is there. Remove it first with 'oneclass serve token "
                "remove', or use another name."
            )
        token = BEGINNING + secrets.token_urlsafe(32)
        until = None if seconds is None else time.time() + seconds
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO token (name, sha256, scopes, at, until) VALUES (?, ?, ?, ?, ?)",
                (name, digest(token), " ".join(sorted(set(scopes))), time.time(), until),
            )
        return token

    def all(self) -> list[Row]:
        """Every token without its digest."""
        return self._database.rows(
            "SELECT id, name, scopes, at, until, used FROM token ORDER BY id"
        )

    def remove(self, name: str) -> None:
        """Make a token worthless, and end the sessions that it began.

        Raises:
            InputError: there is none of this name.
        """
        with self._database.write() as connection:
            if not connection.execute("DELETE FROM token WHERE name = ?", (name,)).rowcount:
                known = ", ".join(row["name"] for row in self.all()) or "none"
                raise InputError(f"there is no token named {name!r}; there are: {known}.")

    def holder(self, token: str) -> Holder | None:
        """Whose token it is; None if nobody's any more."""
        row = self._database.row("SELECT * FROM token WHERE sha256 = ?", (digest(token),))
        return self._holder(row, by_cookie=False)

    def begin_session(self, token: str) -> str | None:
        """A session for a browser in exchange for a token; None if the token is worth nothing."""
        row = self._database.row("SELECT * FROM token WHERE sha256 = ?", (digest(token),))
        if row is None or self._holder(row, by_cookie=True) is None:
            return None
        session = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute("DELETE FROM session WHERE until < ?", (time.time(),))
            connection.execute(
                "INSERT INTO session VALUES (?, ?, ?)",
                (digest(session), row["id"], time.time() + SESSION_SECONDS),
            )
        return session

    def of_session(self, session: str) -> Holder | None:
        """Who began a session; None if it is over."""
        row = self._database.row(
            "SELECT t.* FROM session s JOIN token t ON t.id = s.token_id "
            "WHERE s.sha256 = ? AND s.until > ?",
            (digest(session), time.time()),
        )
        return self._holder(row, by_cookie=True)

    def end_session(self, session: str) -> None:
        """End a session."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM session WHERE sha256 = ?", (digest(session),))

    def _holder(self, row: Row | None, *, by_cookie: bool) -> Holder | None:
        now = time.time()
        if row is None or (row["until"] is not None and row["until"] <= now):
            return None
        if row["used"] is None or now - row["used"] > 60:
            with self._database.write() as connection:
                connection.execute("UPDATE token SET used = ? WHERE id = ?", (now, row["id"]))
        return Holder(row["name"], frozenset(row["scopes"].split()), by_cookie)


def digest(secret: str) -> str:
    """SHA-256 suffices where secrets are random and long."""
    return hashlib.sha256(secret.encode()).hexdigest()

"""Telling other programs: signed, and tried again until it arrives."""

from __future__ import annotations

import hashlib
import hmac
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit

from oneclass.errors import InputError
from oneclass.serve.records.database import Row
from oneclass.serve.records.watches import Watches
from oneclass.serve.work.rounds import Rounds
from oneclass.system.texts import why

EVERY = 1.0
PATIENCE = 10.0
SIGNATURE, TIMESTAMP, DELIVERY = (
    "X-Oneclass-Signature",
    "X-Oneclass-Timestamp",
    "X-Oneclass-Delivery",
)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A webhook is what it was set to be, and nothing that its answer names."""

    def redirect_request(self, *_: object) -> None:
        return None


class Webhooks:
    """One thread delivers what is due.

    Args:
        watches: whose webhooks they are.
        say: called with why nothing can be delivered, such as a full disk.
    """

    def __init__(self, watches: Watches, say: Callable[[str], None]) -> None:
        self._watches = watches
        self._open = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({})).open
        self._rounds = Rounds("webhooks", EVERY, self._deliver_due, say)

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def stop(self) -> None:
        """End; what is not delivered will be after the next start."""
        self._rounds.stop(PATIENCE + 1)

    def _deliver_due(self) -> None:
        for delivery in self._watches.due(time.time()):
            if self._rounds.stopping:
                return
            self.deliver(delivery)

    def deliver(self, delivery: Row) -> None:
        """Try one delivery, and record what came of it."""
        body = delivery["body"].encode()
        stamp = str(int(time.time()))
        request = urllib.request.Request(
            delivery["webhook"],
            data=body,
            method="POST",
            headers={
                "Content-Type": "application/json",
                "User-Agent": "oneclass",
                SIGNATURE: signature(delivery["secret"], stamp, body),
                TIMESTAMP: stamp,
                DELIVERY: str(delivery["id"]),
            },
        )
        try:
            with self._open(request, timeout=PATIENCE) as answer:
                status = answer.status
            problem = None if 200 <= status < 300 else f"it answered {status}"
        except HTTPError as error:
            problem = f"it answered {error.code}"
        except (OSError, ValueError, HTTPException) as error:  # the last: it speaks no HTTP
            reason = getattr(error, "reason", error)
            problem = why(reason) if isinstance(reason, Exception) else str(reason)
        if problem is None:
            self._watches.delivered(delivery["id"])
        else:
            self._watches.failed(delivery["id"], delivery["tries"], problem)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA-256 of the time, a point, and the body, by the watch's secret, in hex."""
    signed = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={signed.hexdigest()}"


def check_address(address: str) -> str:
    """A webhook's address.

    Raises:
        InputError: it is none.
    """
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or len(address) > 2000 or not address.isprintable() or " " in address:
        raise InputError(
            f"the webhook {address[:100]!r}: expected an address such as https://mes.example/odd."
        )
    return address

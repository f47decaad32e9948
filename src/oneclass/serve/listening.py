"""The socket, which is there before anything is made that a refused one would leave behind."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from oneclass.errors import InputError
from oneclass.serve.settings import Settings

RESERVED = 1024
"""Ports below it are not for everybody on Linux and macOS."""


@contextmanager
def bound(settings: Settings) -> Iterator[socket.socket]:
    """A socket at the address of the settings; who comes before the server runs waits.

    Raises:
        InputError: it cannot be had; another server may have it.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((settings.host, settings.port))
            made.listen(2 * settings.limits.connections + 128)
        except OSError as error:
            raise InputError(
                f"cannot listen at {settings.host}, port {settings.port}: {error.strerror}. "
                + _advice(error, settings.port)
            ) from error
        yield made
    finally:
        made.close()


def _advice(error: OSError, port: int) -> str:
    if error.errno == errno.EACCES and 0 < port < RESERVED:
        return f"Give a --port of {RESERVED} or more."
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        return "Does it run already? Give another --port."
    return "Give another --host."

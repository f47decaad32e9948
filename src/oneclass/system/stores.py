"""Questions to the stores behind addresses: packages, patience, and errors as a disk has them."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from oneclass.errors import InputError, MissingDependencyError, OneclassError

T = TypeVar("T")
EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "azure"),
    **dict.fromkeys(("http", "https"), "http"),
}
"""The extra of oneclass that brings what reads a kind of address."""
PAUSES = (0.5, 1.0, 2.0)
"""Seconds before the next try where an answer fails to come."""
NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "ClientAuthenticationError",
        "DefaultCredentialsError",
        "RefreshError",
    }
)
"""Errors that a package raises where it has no key or a wrong one."""
TALKATIVE = ("gcsfs", "azure")
"""Packages that log what they raise, too: without a handler that would stand on the terminal."""

_SILENT = logging.NullHandler()


def scheme_of(address: str) -> str:
    """What stands before ://, in small letters."""
    return address.partition("://")[0].lower()


def asked(address: str, question: Callable[[Any, str], T]) -> T:
    """What a store answers, tried again where an answer fails to come.

    Raises:
        OSError: FileNotFoundError, PermissionError, or one that says what went wrong.
        MissingDependencyError: a package is not installed.
        InputError: nobody knows this kind of address.
    """
    files, path = _store_of(address)
    for pause in (*PAUSES, None):
        try:
            return question(files, path)
        except OneclassError:
            raise
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "there is nothing", address) from None
        except (IsADirectoryError, NotADirectoryError) as error:
            raise type(error)(error.errno, "it is a folder, or below a file", address) from None
        except Exception as error:  # each store has errors of its own
            if _is_refusal(error):
                told = f"access is refused: {_told(error)}"
                raise PermissionError(errno.EACCES, told, address) from error
            if pause is None or _is_final(error):
                tries = f" in {len(PAUSES) + 1} tries" if pause is None else ""
                raise OSError(errno.ECONNABORTED, f"{_told(error)}{tries}", address) from error
            time.sleep(pause)
    raise AssertionError


def _is_refusal(error: Exception) -> bool:
    if _status(error) in (401, 403) or isinstance(error, PermissionError):
        return True
    if type(error) is OSError and str(error).startswith("Forbidden: "):  # of gcsfs
        return True
    return not NO_CREDENTIALS.isdisjoint(kind.__name__ for kind in type(error).__mro__)


def _is_final(error: Exception) -> bool:
    """Whether the asker is at fault, by the status of HTTP."""
    status = _status(error)
    return status is not None and 400 <= status < 500 and status not in (408, 425, 429)


def _status(error: Exception) -> int | None:
    """The status of HTTP, by the name that each package has for it."""
    for name in ("status", "status_code", "code"):
        with suppress(TypeError, ValueError):
            return int(getattr(error, name, None))  # type: ignore[arg-type]
    return None


def _told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _store_of(address: str) -> tuple[Any, str]:
    scheme = scheme_of(address)
    extra = EXTRAS.get(scheme)
    try:
        from fsspec.core import url_to_fs

        for name in TALKATIVE:
            logging.getLogger(name).addHandler(_SILENT)
        found: tuple[Any, str] = url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        from oneclass.system.host.machine import pip_install

        advice = pip_install(extra) if extra else f"fsspec says: {error}"
        raise MissingDependencyError(
            f"{address}: {scheme}:// needs a package that is not installed. {advice}"
        ) from error
    except ValueError as error:
        if extra:  # the package is there, and has not been told who asks
            told = f"access is refused: {_told(error)}"
            raise PermissionError(errno.EACCES, told, address) from error
        known = ", ".join(f"{name}://" for name in EXTRAS)
        raise InputError(
            f"{address}: expected an address of a kind that is known, such as {known} ({error})."
        ) from error
    return found

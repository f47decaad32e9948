"""Questions to the stores behind addresses: packages, patience, and errors as a disk has them."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
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
    {"NoCredentialsError", "PartialCredentialsError", "ClientAuthenticationError"}
)


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
    refused = getattr(error, "status", None) in (401, 403)
    return refused or isinstance(error, PermissionError) or type(error).__name__ in NO_CREDENTIALS


def _is_final(error: Exception) -> bool:
    """Whether the asker is at fault, by the status of HTTP."""
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in (408, 425, 429)


def _told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _store_of(address: str) -> tuple[Any, str]:
    scheme = scheme_of(address)
    extra = EXTRAS.get(scheme)
    try:
        from fsspec.core import url_to_fs

        found: tuple[Any, str] = url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        from oneclass.system.host.machine import pip_install

        advice = pip_install(extra) if extra else f"fsspec says: {error}"
        raise MissingDependencyError(
            f"{address}: {scheme}:// needs a package that is not installed. {advice}"
        ) from error
    except ValueError as error:
        known = ", ".join(f"{name}://" for name in EXTRAS)
        raise InputError(
            f"{address}: expected an address of a kind that is known, such as {known} ({error})."
        ) from error
    return found

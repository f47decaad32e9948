"""Files from the network: taken up again where they broke off, and checked before they count."""

from __future__ import annotations

import hashlib
import http
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from oneclass.errors import DownloadError
from oneclass.system.files import translated_errors
from oneclass.system.host import portable

ATTEMPTS, PAUSE = 4, 1.0
"""How often a broken connection is taken up again, and after how many seconds."""
PIECE, TIMEOUT = 1 << 18, 30.0
BROKEN = (http.client.HTTPException, TimeoutError, ConnectionError, urllib.error.URLError)
GONE_FOR_GOOD = range(400, 500)
"""HTTP statuses that another attempt does not change."""


def user_folder(kind: str) -> Path:
    """Where downloads of a kind are kept for this user, such as `~/.cache/oneclass/<kind>`."""
    return portable.user_caches() / "oneclass" / kind


def download(
    url: str, file: Path, md5: str, *, progress: Callable[[int, int], None] | None = None
) -> None:
    """Fetch `url` into `file`; the name appears only when the content is right.

    What has come stays in `<file>.part`; another call, in another process or after days, goes on
    from there. A file that is there and right is not fetched again.

    Args:
        url: http, https or file.
        file: to write; its folder is made if need be.
        md5: of the content, in hex.
        progress: called with (bytes there, bytes in all or 0 where the server does not say).

    Raises:
        DownloadError: no connection, no such file, another content, or another process is at it.
        InputError: the place cannot be written to.
        StorageError: the disk is full.
    """
    if file.is_file() and _md5(file) == md5:
        return
    part = file.with_name(file.name + ".part")
    with translated_errors(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    with _alone(part) as out:
        resumed = out.seek(0, os.SEEK_END) > 0
        _fetch(url, out, progress)
        if resumed and _md5(part) != md5:  # what lay there was of another file: once more, afresh
            out.truncate(0)
            _fetch(url, out, progress)
        found = _md5(part)
        if found != md5:
            portable.release(out)
            part.unlink()
            raise DownloadError(
                f"{url}: what came has MD5 {found}, expected {md5}. It was thrown away: the file "
                "there is another one or was changed on the way. Try another source."
            )
        with translated_errors(file):
            out.flush()
            os.fsync(out.fileno())
            portable.release(out)
            portable.replace(part, file)


@contextmanager
def _alone(part: Path) -> Iterator[IO[bytes]]:
    """Open the file that grows, for this process alone."""
    with translated_errors(part):
        out = part.open("ab")
    with out:
        if not portable.lock(out):
            raise DownloadError(
                f"{part}: another process is downloading it. Wait for that one, or end it."
            )
        yield out


def _fetch(url: str, out: IO[bytes], progress: Callable[[int, int], None] | None) -> None:
    """Append what is missing, taking up broken connections again."""
    for attempt in range(1, ATTEMPTS + 1):
        before = out.seek(0, os.SEEK_END)
        try:
            _fetch_once(url, out, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in GONE_FOR_GOOD or attempt == ATTEMPTS:
                raise DownloadError(
                    f"{url}: the server answers {error.code} {error.reason}. Check the address, or "
                    "fetch the file by other means."
                ) from error
        except BROKEN as error:
            if attempt == ATTEMPTS:
                there = out.seek(0, os.SEEK_END)
                kept = f" The {there:,} bytes that came are kept: run it again to go on."
                raise DownloadError(
                    f"{url}: {_why(error)}.{kept if there else ''} Is there a network, and a "
                    "proxy to be named in https_proxy or http_proxy?"
                ) from error
        except ValueError as error:
            raise DownloadError(f"{url}: no address ({error}). Expected http://... .") from error
        if out.seek(0, os.SEEK_END) == before:  # nothing came: give the other side some time
            time.sleep(PAUSE)


def _fetch_once(url: str, out: IO[bytes], progress: Callable[[int, int], None] | None) -> None:
    there = out.seek(0, os.SEEK_END)
    request = urllib.request.Request(url, headers={"User-Agent": "oneclass"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        error.close()
        return  # all of it is there, or more than that: the digest will tell
    with answer:
        there, total = _place(answer, there)
        with translated_errors(Path(out.name)):
            out.truncate(there)
        while piece := answer.read(PIECE):
            with translated_errors(Path(out.name)):
                out.write(piece)
                out.flush()
            there += len(piece)
            if progress:
                progress(there, total)
        if there < total:
            raise ConnectionError(f"the connection broke off after {there:,} of {total:,} bytes")


def _place(answer: Any, there: int) -> tuple[int, int]:
    """At which byte the answer begins, and how many there are in all."""
    length = int(answer.headers.get("Content-Length") or 0)
    if getattr(answer, "status", None) != http.HTTPStatus.PARTIAL_CONTENT:
        return 0, length  # a server that knows no ranges sends the whole
    told = re.match(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range") or "")
    if not told or int(told[1]) != there:
        raise http.client.HTTPException("the server sends another part than was asked for")
    return there, int(told[2])


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(error).__name__


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

"""Image files, kept under the digest of their bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from oneclass.errors import ImageError, StorageError
from oneclass.images import probe
from oneclass.images.reading import A_LIST
from oneclass.serve.settings import Limits
from oneclass.system.files import translated_errors

CHUNK = 1 << 16
ROOM_SECONDS = 0.1
"""For which there is room on the disk, once there was some; to ask costs a call of the system."""
TOLD_SECONDS = 60.0
"""For which it holds what fills the disk: every image that comes meanwhile is told."""


@dataclass(frozen=True)
class Kept:
    """An image in its place.

    Attributes:
        name: what the client calls it.
        sha256: of the file's bytes, in hex.
        bytes: of the file.
        pixels: of the picture.
        file: where it lies.
    """

    name: str
    sha256: str
    bytes: int
    pixels: int
    file: Path


class Keeping:
    """The folder of images.

    Args:
        folder: for the images.
        limits: what is taken.
        images_bytes: how many bytes all of them have, as the database knows.
    """

    def __init__(self, folder: Path, limits: Limits, images_bytes: Callable[[], int]) -> None:
        self.folder, self._limits, self._images_bytes = folder, limits, images_bytes
        self._told = -TOLD_SECONDS, ""
        self._arriving, self._numbers = folder / "arriving", count()
        self._room_until = 0.0
        with translated_errors(folder):
            shutil.rmtree(self._arriving, ignore_errors=True)  # of a server that was killed
            self._arriving.mkdir(parents=True)

    def place(self, sha256: str) -> Path:
        """Where an image lies, if it is kept."""
        return self.folder / sha256[:2] / sha256[2:]

    @contextmanager
    def arriving(self) -> Iterator[BinaryIO]:
        """A file for bytes that come; gone afterwards unless it was moved.

        Raises:
            StorageError: the disk is full.
            UnwritableError: it cannot be written.
        """
        place = self._free_place()
        with translated_errors(self._arriving):
            try:
                with place.open("xb") as file:  # which knows its own name
                    yield file
            finally:
                place.unlink(missing_ok=True)

    def _free_place(self) -> Path:
        self.check_room()
        return self._arriving / str(next(self._numbers))

    def check_room(self) -> None:
        """Refuse what would fill the disk to its brim.

        Raises:
            StorageError: too little room is left.
        """
        if time.monotonic() < self._room_until:
            return
        free = shutil.disk_usage(self.folder).free
        if free < self._limits.disk_bytes:
            most = self._limits.disk_bytes
            raise StorageError(
                f"the disk is full: {free / 1e6:.0f} MB are free, and {most / 1e6:.0f} MB must "
                f"stay so. {self._told_room()}"
            )
        self._room_until = time.monotonic() + ROOM_SECONDS

    def _told_room(self) -> str:
        """What fills the disk, and what frees it; counted anew once a minute."""
        if time.monotonic() > self._told[0] + TOLD_SECONDS:
            self._told = time.monotonic(), _told_room(self.folder.parent, self._images_bytes())
        return self._told[1]

    def check_writable(self) -> None:
        """Write an empty file, and remove it: permissions alone do not tell of all drives.

        Raises:
            StorageError: the disk is full.
            UnwritableError: images cannot be written.
        """
        with self.arriving():
            pass

    def keep(self, file: Path, name: str) -> Kept:
        """Move a file that has arrived to its place, if it is an image that can be scored.

        The database hears of it together with its prediction.

        Args:
            file: to move.
            name: what the client calls it.

        Raises:
            ImageError: it is no image, or too large to be decoded here.
        """
        pixels = self.check_image(file, name)
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
            size = os.fstat(opened.fileno()).st_size
        return self._placed(file, Kept(name, sha256, size, pixels, self.place(sha256)))

    def _placed(self, file: Path, kept: Kept) -> Kept:
        place = kept.file
        with translated_errors(place):
            try:
                file.replace(place)
            except FileNotFoundError:  # the first one of its folder
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)
        return kept

    def check_image(self, file: Path, name: str, content: bytes | None = None) -> int:
        """The number of pixels; refuse what is no image, by its first bytes and its header alone.

        Args:
            file: where it lies.
            name: what the client calls it.
            content: all of its bytes, where they are at hand; then no file is opened.

        Raises:
            ImageError: called `name`.
        """
        try:
            header = probe(file, content)
        except ImageError as error:
            # A list can be given to a command, and to no server.
            raise ImageError(name, error.reason, error.detail.removesuffix(A_LIST)) from None
        if header.pixels > self._limits.pixels:
            raise ImageError(
                name,
                "too_large",
                f"it has {header.width} x {header.height} pixels, more than the "
                f"{self._limits.pixels / 1e6:g} million that this server decodes; scale it down, "
                "or start the server with a larger --max-pixels",
            )
        return header.pixels

    def keep_bytes(self, content: bytes, name: str) -> Kept:
        """Keep an image whose file's bytes are in memory.

        Raises:
            ImageError: it is no image, or too large to be decoded here.
        """
        pixels = self.check_image(self._arriving / "bytes", name, content)
        sha256 = hashlib.sha256(content).hexdigest()
        kept = Kept(name, sha256, len(content), pixels, self.place(sha256))
        file = self._free_place()
        try:
            with translated_errors(file):
                file.write_bytes(content)
            return self._placed(file, kept)
        except BaseException:
            with suppress(OSError):  # as where nothing may be written, nor removed
                file.unlink(missing_ok=True)
            raise

    def copy(self, opened: BinaryIO, name: str) -> Kept:
        """Keep a copy of an open file's bytes.

        Raises:
            ImageError: it is no image, too large, or changed meanwhile.
        """
        with self.arriving() as file:
            left = self._limits.image_bytes
            while piece := opened.read(CHUNK):
                left -= len(piece)
                if left < 0:
                    raise too_many_bytes(name, self._limits.image_bytes)
                file.write(piece)
            file.close()
            return self.keep(Path(str(file.name)), name)


def too_many_bytes(name: str, limit: int) -> ImageError:
    """Why an image file of so many bytes is not taken."""
    return ImageError(
        name, "too_large", f"the file has more than {limit / 1e6:g} MB; scale it down or cut it up"
    )


def _told_room(data: Path, images: int) -> str:
    """What of a data folder fills the disk, and what frees it.

    Args:
        data: the folder of all that the server keeps.
        images: bytes of the images.
    """
    taken = Counter[str]()
    for file in (data / "models").glob("**/*"):
        is_gone, is_rows = file.parent.name == "deleted", file.suffix == ".rows"
        with suppress(FileNotFoundError):  # a job had it on its way
            n = file.stat().st_size if file.is_file() else 0
            taken["deleted" if is_gone else "rows" if is_rows else "models"] += n
    models, rows, deleted = (_mb(taken[kind]) for kind in ("models", "rows", "deleted"))
    return (
        f"In {data}, images take {_mb(images)} (--keep-images lets fewer be kept), models "
        f"{models}, what they need to learn more {rows} (models/*.rows: those of old versions can "
        "be removed by hand; these score as before, and learn no more), and deleted models "
        f"{deleted} (models/deleted: their files go 30 days after; to have the room at once, stop "
        "the server and remove them by hand). Free some of this, or other space of the disk."
    )


def _mb(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n < 10e6 else f"{n / 1e6:,.0f} MB"

"""What every format module shares: the header it finds, and the way it refuses a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Depth: TypeAlias = Literal["uint8", "uint16", "float32"]
Pixels: TypeAlias = NDArray[Any]

MAX_BYTES = 2**29
"""512 MiB: the most bytes one file may hold, and the most that its pixels may decode to."""

MAX_BLOCKS = 100_000
"""The most chunks, segments or blocks that one file may be cut into: walking them takes time."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its picture before any pixel is decoded.

    Attributes:
        width: pixels across, once the EXIF orientation is obeyed.
        height: pixels down, once the EXIF orientation is obeyed.
        depth: the dtype that ``read`` returns: ``"uint8"``, ``"uint16"`` or ``"float32"``.
        channels: 1 (grey) or 3 (RGB), as ``read`` returns them.
        frames: 1 for a still picture; more for an animation or several pages.
        format: ``"PNG"``, ``"JPEG"``, ``"TIFF"``, ``"BMP"``, ``"WebP"``, ``"PNM"``, ``"GIF"``,
            ``"AVIF"``, ``"HEIC"`` or ``"DICOM"``.
    """

    width: int
    height: int
    depth: Depth
    channels: int
    frames: int
    format: str

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def nbytes(self) -> int:
        """Bytes of the array that ``read`` would return."""
        return self.pixels * self.channels * np.dtype(self.depth).itemsize


@dataclass(frozen=True, slots=True)
class Source:
    """A picture that was looked at but not decoded; ``header`` is as stored, not yet turned.

    ``reduced``, where the format has it, decodes at 1/2, 1/4 or 1/8 of the size, rounded up.
    """

    header: Header
    decode: Callable[[], Pixels]
    orientation: int = 1
    reduced: Callable[[int], Pixels] | None = None


class RefusedError(Exception):
    """A format module's word for a file that it cannot use; becomes an ``ImageError``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


MORE_MEMORY = (
    "use fewer threads (--threads 1, in Python threads=1), a machine or container with more "
    "memory, or scale it down"
)


def no_memory(to: str) -> RefusedError:
    """The refusal of a file for which there was not enough memory `to` ..."""
    return RefusedError("too_large", f"there was not enough memory to {to} it; {MORE_MEMORY}")


def too_large(what: str) -> RefusedError:
    """The refusal of a file that would take more than is read of any."""
    return RefusedError("too_large", f"{what}; scale it down or cut it up")


def exactly(file: BinaryIO, count: int, what: str) -> bytes:
    """The next ``count`` bytes, or a refusal that names what was cut off."""
    data = file.read(count)
    if len(data) < count:
        raise truncated(what)
    return data


def jump(file: BinaryIO, at: int, what: str) -> None:
    """Go to an offset that the file itself names; it may name any."""
    if at > file.seek(0, 2):
        raise truncated(what)
    file.seek(at)


def truncated(what: str) -> RefusedError:
    """The refusal of a file that ends too early."""
    return RefusedError(
        "truncated", f"the file ends inside its {what}: it was not copied or saved whole; "
        "fetch it again from where it came from"
    )  # fmt: skip


def damaged(what: str) -> RefusedError:
    """The refusal of a file that contradicts itself."""
    return RefusedError("damaged", f"{what}: the file is damaged; fetch or export it again")


def unsupported(what: str, remedy: str = "export it as PNG or plain TIFF") -> RefusedError:
    """The refusal of a whole file in a form that is not read."""
    return RefusedError("unsupported", f"{what} cannot be read; {remedy}")

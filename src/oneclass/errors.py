"""Every error that oneclass raises on purpose.

    OneclassError
    ├── InputError             a wrong argument, or data that cannot be learnt from   exit code 2
    ├── MissingDependencyError an optional package is not installed                   exit code 2
    ├── ImageError             one file that is no readable image                     exit code 3
    ├── ModelFileError         a model or backbone file is missing parts or damaged   exit code 4
    ├── StorageError           the disk or the memory is full                         exit code 5
    ├── DownloadError          something could not be fetched from the network        exit code 6
    └── ClusterError           the cluster is gone, or its machines differ            exit code 7

A message names the thing, the value it got, what was expected, and what to do next.
Anything else that escapes is a bug of ours (exit code 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class OneclassError(Exception):
    """The root of the tree: catch this one to catch them all."""

    exit_code: ClassVar[int] = 1


class InputError(OneclassError, ValueError):
    """A wrong argument or data that cannot be used; the message says what to give instead."""

    exit_code = 2


class MissingDependencyError(OneclassError, ImportError):
    """An optional package is needed; the message gives the line that installs it."""

    exit_code = 2


class ImageError(OneclassError):
    """One file could not be used as an image.

    Attributes:
        path: the file as it was asked for.
        name: the same as a text, also where it is an address such as s3://bucket/a.png.
        reason: one short word out of a closed set (``"truncated"``, ``"not_an_image"``, ...).
        detail: a sentence for people: what was found and what to do.
    """

    exit_code = 3

    def __init__(self, path: str | Path, reason: str, detail: str) -> None:
        super().__init__(f"{path}: {detail} [{reason}]")
        self.name, self.path = str(path), path if isinstance(path, Path) else Path(path)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str, str]]:
        """Copies and pickles are made from the three parts, not from the sentence."""
        return type(self), (self.name, self.reason, self.detail)


class ModelFileError(OneclassError):
    """A model or backbone file was refused; the message says what was wrong with it."""

    exit_code = 4


class StorageError(OneclassError, OSError):
    """The disk or the memory did not suffice; the message says for what and how to need less."""

    exit_code = 5


class DownloadError(OneclassError):
    """Something could not be fetched, or was not what was expected; the message says what to do."""

    exit_code = 6


class ClusterError(OneclassError):
    """A cluster does not answer, or a machine of it is refused; the message says what to do."""

    exit_code = 7

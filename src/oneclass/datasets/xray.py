"""Freight containers under X-ray, empty and not, at the paper's 9 x 32 pixels."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from oneclass.datasets import DataSet
from oneclass.datasets.folders_of import two_folders
from oneclass.errors import InputError

SIZE = (9, 32)
CLASSES = ("empty", "non-empty")
STAND_IN = "other images of freight containers than the paper's 5,120"


def load_xray(place: Path) -> DataSet:
    """A folder with `empty/` and `non-empty/`, or one .npz with arrays of these names.

    Args:
        place: the folder; or the .npz with `empty` and `non-empty`, each (n, 9, 32) uint8.

    Raises:
        InputError: neither of these.
    """
    if place.suffix != ".npz":
        images, labels, found = two_folders(
            place, CLASSES, SIZE, or_else="one .npz of both (its name ends in .npz)"
        )
        return DataSet("X-RAY", images, labels, f"X-ray: {found}", STAND_IN)
    parts = _arrays(place)
    for name, part in zip(CLASSES, parts, strict=True):
        if part.shape[1:] != SIZE or part.dtype != np.uint8:
            raise InputError(
                f"{place}: {name} is {part.dtype} of shape {part.shape}; expected uint8 of "
                "N x 9 x 32. Resize the images and make them uint8, or give a folder of them."
            )
    labels = np.repeat(CLASSES, [len(part) for part in parts])
    counts = ", ".join(f"{len(p):,} {n}" for p, n in zip(parts, CLASSES, strict=True))
    return DataSet("X-RAY", np.concatenate(parts), labels, f"X-ray: {counts} in {place}.", STAND_IN)


def _arrays(place: Path) -> list[NDArray[Any]]:
    """The two arrays in an .npz; numpy's own words on a wrong one would mislead."""
    try:
        with place.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return [arrays[name] for name in CLASSES]
    except (OSError, KeyError) as error:
        why = str(error)
    except (ValueError, TypeError, EOFError, BadZipFile, zlib.error):
        why = "it is damaged, or no .npz of numbers"
    raise InputError(
        f"{place}: cannot be read ({why}). Expected a .npz with the arrays "
        f"{' and '.join(CLASSES)}, each N x 9 x 32 of uint8."
    )

"""Faces by sex, at the paper's 100 x 100 grey pixels."""

from __future__ import annotations

from pathlib import Path

from oneclass.datasets import DataSet
from oneclass.datasets.folders_of import two_folders

SIZE = (100, 100)
CLASSES = ("male", "female")


def load_faces(folder: Path) -> DataSet:
    """A folder with `male/<identity>/*` and `female/<identity>/*`.

    Raises:
        InputError: it is none.
    """
    images, labels, found = two_folders(folder, CLASSES, SIZE)
    stand_in = "other faces than the augmented CASIA-WebFace's 988,828"
    return DataSet("CASIA", images, labels, f"faces: {found}", stand_in)

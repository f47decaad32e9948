"""A small category in the layout of MVTec AD: stripes, some with a dot, some lying."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from conftest import stripes, write_images


def make_category(folder: Path, *, seed: int = 0) -> Path:
    """12 normal pictures to learn from, 5 to test; 4 with a dot and its mask, 3 lying ones."""
    write_images(folder / "train/good", stripes(12, 10 * seed + 1))
    write_images(folder / "test/good", stripes(5, 10 * seed + 2))
    dotted = stripes(4, 10 * seed + 3)
    dotted[:, 5:10, 6:14] = 255
    write_images(folder / "test/dot", dotted)
    write_images(folder / "test/lying", stripes(3, 10 * seed + 4, upright=False))
    mask = np.zeros((24, 24), np.uint8)
    mask[5:10, 6:14] = 255
    (folder / "ground_truth/dot").mkdir(parents=True)
    for i in range(4):
        Image.fromarray(mask).save(folder / f"ground_truth/dot/{i:03}_mask.png")
    return folder

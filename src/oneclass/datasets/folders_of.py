"""Grey images of one size out of folders, many files at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass import folders, images
from oneclass.backbones import Preprocessing
from oneclass.errors import ImageError, InputError
from oneclass.pixels import choose_scale, prepare


def read_grey(
    files: Sequence[Path], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.intp], list[ImageError]]:
    """Read files as grey images of one size, by area-aware bilinear resizing.

    Returns:
        (n, height, width) uint8 of the readable ones, their indices, and the errors.
    """
    as_bytes = Preprocessing(size, "bilinear", (0.0,), (1 / 255,))

    def one(file: Path) -> NDArray[np.uint8] | ImageError:
        try:
            pixels = images.read(file)
        except ImageError as error:
            return error
        scale = choose_scale(str(pixels.dtype), float(pixels.min()), float(pixels.max()))
        values = np.rint(prepare(pixels, scale, as_bytes)[0]).clip(0, 255)
        return np.asarray(values, np.uint8)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(one, files))
    kept = [i for i, item in enumerate(found) if not isinstance(item, ImageError)]
    errors = [item for item in found if isinstance(item, ImageError)]
    planes = [item for item in found if not isinstance(item, ImageError)]
    stacked = np.stack(planes) if planes else np.zeros((0, *size), np.uint8)
    return stacked, np.array(kept, np.intp), errors


def two_folders(
    folder: Path, names: tuple[str, str], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.str_], str]:
    """The images of FOLDER/<name>/, in depth, for two names; labels; and a sentence on them.

    Raises:
        InputError: one of the folders is missing or holds no readable image.
    """
    parts, labels, errors = [], [], []
    for name in names:
        listing = folders.expand(folder / name)
        pixels, _, failed = read_grey(listing.paths, size)
        errors += [*listing.errors, *failed]
        if not len(pixels):
            why = f" The first problem: {errors[0]}" if errors else ""
            raise InputError(
                f"{folder / name}: no readable image. Expected the folders {names[0]}/ and "
                f"{names[1]}/ in {folder}.{why}"
            )
        parts.append(pixels)
        labels += [name] * len(pixels)
    counts = ", ".join(f"{len(p):,} {name}" for p, name in zip(parts, names, strict=True))
    lost = f"; {len(errors)} files could not be read" if errors else ""
    return np.concatenate(parts), np.array(labels), f"{counts} in {folder}{lost}."

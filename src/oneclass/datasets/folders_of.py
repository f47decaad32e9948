"""Grey images of one size out of folders, many files at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass import images
from oneclass.backbones import Preprocessing
from oneclass.errors import ImageError, InputError
from oneclass.images import folders
from oneclass.images.scale import choose_scale
from oneclass.representations.preparation import prepare
from oneclass.system.host.workers import ordered_map, worker_count
from oneclass.system.names import count


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

    found = list(ordered_map(one, files, worker_count()))
    kept = [i for i, item in enumerate(found) if not isinstance(item, ImageError)]
    errors = [item for item in found if isinstance(item, ImageError)]
    planes = [item for item in found if not isinstance(item, ImageError)]
    stacked = np.stack(planes) if planes else np.zeros((0, *size), np.uint8)
    return stacked, np.array(kept, np.intp), errors


def two_folders(
    folder: Path, names: tuple[str, str], size: tuple[int, int], *, or_else: str
) -> tuple[NDArray[np.uint8], NDArray[np.str_], str]:
    """The images of FOLDER/<name>/, in depth, for two names; labels; and a sentence on them.

    Args:
        folder: that holds the two.
        names: of theirs, and of the classes.
        size: (height, width) to resize to.
        or_else: what else may be given; the end of a sentence on what is expected.

    Raises:
        InputError: one of the folders is missing or holds no readable image.
    """
    expected = f"Expected the folders {names[0]}/ and {names[1]}/ in it, or {or_else}"
    _check_folder(folder, expected)
    listings = {name: folders.expand(folder / name) for name in names}
    errors = [error for listing in listings.values() for error in listing.errors]
    files = {name: listing.paths for name, listing in listings.items()}
    return read_classes(folder, files, size, errors, expected)


def read_classes(
    folder: Path,
    files: Mapping[str, Sequence[Path]],
    size: tuple[int, int],
    errors: Sequence[ImageError],
    expected: str,
) -> tuple[NDArray[np.uint8], NDArray[np.str_], str]:
    """The images of some classes, their labels, and a sentence on them.

    Args:
        folder: that they come from.
        files: of each class.
        size: (height, width) to resize to.
        errors: of looking for the files.
        expected: the beginning of a sentence on what should be in the folder.

    Raises:
        InputError: a class has no readable image.
    """
    _check_folder(folder, expected)
    parts, labels, lost = [], [], list(errors)
    for name, paths in files.items():
        pixels, _, failed = read_grey(paths, size)
        lost += failed
        if not len(pixels):
            why = f" The first problem: {lost[0]}." if lost else ""
            raise InputError(f"{folder}: no readable image of class {name}. {expected}.{why}")
        parts.append(pixels)
        labels += [name] * len(pixels)
    counts = ", ".join(f"{len(p):,} {name}" for p, name in zip(parts, files, strict=True))
    unread = f"; {count(len(lost), 'file')} could not be read, the first: {lost[0]}" if lost else ""
    return np.concatenate(parts), np.array(labels), f"{counts} in {folder}{unread}."


def _check_folder(folder: Path, expected: str) -> None:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}. {expected}.")

"""Folders in the layout of MVTec AD, as it is also used for VisA and many others.

    CATEGORY/train/good/*            normal pictures to learn from
    CATEGORY/test/good/*             normal pictures
    CATEGORY/test/KIND/*             odd pictures, a folder for each kind of defect
    CATEGORY/ground_truth/KIND/*     masks: NAME_mask.png or NAME.png of the picture NAME;
                                     anything but 0 belongs to the defect

Masks may be missing, for all pictures or for some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oneclass import images
from oneclass.errors import ImageError, InputError
from oneclass.images import folders
from oneclass.system.arrays import Mask
from oneclass.system.names import count, some_names

GOOD, MASK_END = "good", "_mask"
EXPECTED = (
    "Expected the layout of MVTec AD: train/good/, test/good/, test/KIND/ and, if there are masks, "
    "ground_truth/KIND/NAME_mask.png"
)


@dataclass(frozen=True)
class Picture:
    """One picture to be tested.

    Attributes:
        file: the picture.
        kind: of defect; "good" for normal ones.
        mask: its mask, where there is one.
    """

    file: Path
    kind: str
    mask: Path | None = None

    @property
    def is_odd(self) -> bool:
        return self.kind != GOOD

    def read_mask(self) -> Mask:
        """(H, W) bool: what belongs to the defect.

        Raises:
            ImageError: it cannot be read.
        """
        assert self.mask is not None, "asked of pictures with a mask alone"
        pixels = images.read(self.mask)
        return np.asarray(pixels.any(axis=2) if pixels.ndim == 3 else pixels != 0)


@dataclass(frozen=True)
class Category:
    """What is learnt and tested together.

    Attributes:
        name: of its folder.
        folder: that it lies in.
        train: normal pictures to learn from.
        test: pictures to be tested, the normal ones first.
    """

    name: str
    folder: Path
    train: tuple[Path, ...]
    test: tuple[Picture, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of defect, in the order of their folders."""
        return tuple(dict.fromkeys(one.kind for one in self.test if one.is_odd))

    @property
    def files(self) -> Iterator[Path]:
        """All files: pictures and masks."""
        yield from self.train
        for one in self.test:
            yield one.file
            if one.mask is not None:
                yield one.mask


def find(given: Sequence[str | Path]) -> dict[str, Path]:
    """The folders of categories, by name: those given, and those inside of others that were given.

    Raises:
        InputError: a folder is missing, or neither is a category nor holds one.
    """
    found: list[Path] = []
    for folder in map(Path, given):
        if not folder.is_dir():
            what = "it is a file" if folder.exists() else "there is no such folder"
            raise InputError(f"{folder}: {what}. {EXPECTED}; or a folder of such folders.")
        inner = [folder] if _is_category(folder) else _categories_in(folder)
        if not inner:
            raise InputError(
                f"{folder}: neither it nor a folder in it has train/ or test/. {EXPECTED}; or a "
                "folder of such folders. Where good and odd pictures lie otherwise: "
                "'oneclass compare GOOD --test-odd ODD'."
            )
        found += [one.resolve() for one in inner]
    found = list(dict.fromkeys(found))
    times = Counter(one.name for one in found)
    return {one.name if times[one.name] == 1 else str(one): one for one in found}


def _is_category(folder: Path) -> bool:
    return (folder / "train").is_dir() or (folder / "test").is_dir()


def _categories_in(folder: Path) -> list[Path]:
    inner = (one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    return sorted(one for one in inner if _is_category(one))


def read_category(name: str, folder: Path) -> Category:
    """Look at the folders of a category, and refuse what would be measured wrongly.

    No picture is decoded; the sizes of those with masks are read.

    Raises:
        InputError: something is missing, or masks and pictures do not belong together.
    """
    train = _pictures(folder / "train" / GOOD, "normal pictures to learn from")
    good = _pictures(folder / "test" / GOOD, "normal pictures to test on")
    kinds = [one.name for one in sorted((folder / "test").iterdir()) if _is_kind(one)]
    if not kinds:
        raise InputError(
            f"{folder / 'test'}: no folder but good/, so there is nothing odd to find. {EXPECTED}."
        )
    test = [Picture(file, GOOD) for file in good]
    for kind, files in _of_kinds(folder / "test", kinds).items():
        test += _with_masks(files, kind, folder / "ground_truth" / kind)
    truth = folder / "ground_truth"
    strange = sorted(one.name for one in truth.iterdir() if _is_kind(one)) if truth.is_dir() else []
    if lost := set(strange) - set(kinds):
        raise InputError(
            f"{truth / min(lost)}: masks of a kind of defect without pictures: {folder / 'test'} "
            f"has no folder {min(lost)}. Add the pictures, or take the masks away."
        )
    return Category(name, folder, train, tuple(test))


def _is_kind(folder: Path) -> bool:
    return folder.is_dir() and folder.name != GOOD and not folder.name.startswith(".")


def _pictures(folder: Path, what: str) -> tuple[Path, ...]:
    """The pictures of a folder that must have some.

    Raises:
        InputError: it is not there, or has none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, and so no {what}. {EXPECTED}.")
    found = folders.expand(folder)
    if not found.paths:
        raise InputError(f"{folder}: {_held(found)}. Put {what} there.")
    return tuple(found.paths)


def _of_kinds(folder: Path, kinds: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """The pictures of each kind of defect.

    Raises:
        InputError: a kind has none.
    """
    found = {kind: folders.expand(folder / kind) for kind in kinds}
    empty = [kind for kind, listing in found.items() if not listing.paths]
    if empty:
        first, *others = empty
        more = f", nor is there a picture in {some_names(others)}" if others else ""
        raise InputError(
            f"{folder / first}: {_held(found[first])}{more}. A folder in {folder} is a kind of "
            "defect: put pictures of that kind into it, or take it away."
        )
    return {kind: tuple(listing.paths) for kind, listing in found.items()}


def _held(listing: folders.Listing) -> str:
    """What there is in a folder without a picture."""
    others = sum(listing.ignored.values())
    return f"no picture in it, but {count(others, 'other file')}" if others else "it is empty"


def _with_masks(files: Sequence[Path], kind: str, place: Path) -> list[Picture]:
    """The pictures of a kind with their masks, where there are any.

    Raises:
        InputError: a mask without its picture, or of another size.
    """
    masks = {}
    for mask in folders.expand(place).paths if place.is_dir() else ():
        masks[mask.relative_to(place).with_name(mask.stem.removesuffix(MASK_END))] = mask
    folder = place.parents[1] / "test" / kind
    found = [
        Picture(f, kind, masks.pop(f.relative_to(folder).with_suffix(""), None)) for f in files
    ]
    if masks:
        raise InputError(
            f"{next(iter(masks.values()))}: a mask of no picture in {folder} ({len(masks)} such). "
            "Expected NAME_mask.png or NAME.png for the picture NAME, and one mask a picture. Add "
            "the pictures, or take the masks away."
        )
    for one in found:
        _check_size(one)
    return found


def _check_size(one: Picture) -> None:
    if one.mask is None:
        return
    try:
        mask, header = images.probe(one.mask), images.probe(one.file)
    except ImageError:
        return  # told when it is read
    if (mask.height, mask.width) != (header.height, header.width):
        raise InputError(
            f"{one.mask}: a mask of {mask.width} x {mask.height} pixels (width x height) for a "
            f"picture of {header.width} x {header.height}, {one.file}. Expected the same size: a "
            "resized mask would mark other pixels. Give the mask that was drawn on this picture."
        )

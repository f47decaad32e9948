"""Folders and files whose names speak of defects: what is in them is hardly normal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath
from typing import TypeVar

Named = TypeVar("Named", bound=PurePath)
BAD = re.compile(
    r"(?i)(?<![a-z])(anomal\w*|bad|broken|crack\w*|damage\w*|defect\w*|fail\w*|fault\w*|"
    r"ground_?truth|masks?|ng|nok|not_?ok|odd|reject\w*|scrap|scratch\w*)(?![a-z])"
)
"""Names of folders, and of files, that do not sound like good parts."""
FEWEST = 10
"""Files of a folder that show how parts are called there."""


def folders_sounding_bad(folders: Collection[Path]) -> frozenset[Path]:
    """Those whose names speak of defects, masks or the like.

    Args:
        folders: that hold images. What all their paths share says nothing of one of them, but for
            the last folder's own name.
    """
    common = _common(folders)
    return frozenset(f for f in folders if any(BAD.search(part) for part in f.parts[common:]))


def files_sounding_bad(
    files: Iterable[Named], given: Iterable[Named] | None = None
) -> tuple[Named, ...]:
    """Those whose names speak of defects, unless most of their folder are called so.

    What most of a folder are called is the name of the part, or of the place: crack_test_rig_001.
    Fewer than `FEWEST` files show no such habit: three of four that are called bad_01 are told.

    Args:
        files: that are asked about.
        given: all that are taken of their folders, among which most may be called so, such as those
            that were learnt before; None where that is `files`.

    Returns:
        Them in their order.
    """
    asked = list(files)
    paths = asked if given is None else list(given)
    n, n_odd = Counter[PurePath](), Counter[PurePath]()
    for file in paths:
        n[file.parent] += 1
        n_odd[file.parent] += bool(BAD.search(file.stem))
    habit = {folder for folder in n if n[folder] >= FEWEST and 2 * n_odd[folder] > n[folder]}
    return tuple(file for file in asked if file.parent not in habit and BAD.search(file.stem))


def _common(folders: Collection[Path]) -> int:
    """How many parts all the paths share, the last folder's own name not counted."""
    shared = 0
    for parts in zip(*(folder.parts[:-1] for folder in folders), strict=False):
        if len(set(parts)) > 1:
            break
        shared += 1
    return shared

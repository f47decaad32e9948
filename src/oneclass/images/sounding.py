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


def sounding_bad(folders: Collection[Path]) -> frozenset[Path]:
    """Those whose names speak of defects, masks or the like.

    Args:
        folders: that hold images. What all their paths share says nothing of one of them, but for
            the last folder's own name.
    """
    common = _common(folders)
    return frozenset(f for f in folders if any(BAD.search(part) for part in f.parts[common:]))


def files_sounding_bad(files: Iterable[Named]) -> tuple[Named, ...]:
    """Those whose names speak of defects, where at most half of their folder's are called so.

    What most of a folder are called is the name of the part, or of the place: crack_test_rig_001.

    Args:
        files: all that are taken of their folders.

    Returns:
        Them in their order.
    """
    paths = list(files)
    odd = [file for file in paths if BAD.search(file.stem)]
    n, n_odd = (Counter(file.parent for file in some) for some in (paths, odd))
    return tuple(file for file in odd if 2 * n_odd[file.parent] <= n[file.parent])


def _common(folders: Collection[Path]) -> int:
    """How many parts all the paths share, the last folder's own name not counted."""
    shared = 0
    for parts in zip(*(folder.parts[:-1] for folder in folders), strict=False):
        if len(set(parts)) > 1:
            break
        shared += 1
    return shared

"""Folders whose names speak of defects: what is in them is hardly normal."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

BAD = re.compile(
    r"(?i)(?<![a-z])(anomal\w*|bad|broken|crack\w*|damage\w*|defect\w*|fail\w*|fault\w*|"
    r"ground_?truth|masks?|ng|nok|not_?ok|odd|reject\w*|scrap|scratch\w*)(?![a-z])"
)
"""Names of folders that do not sound like good parts."""


def sounding_bad(folders: Collection[Path]) -> frozenset[Path]:
    """Those whose names speak of defects, masks or the like.

    Args:
        folders: that hold images. What all their paths share says nothing of one of them, but for
            the last folder's own name.
    """
    common = _common(folders)
    return frozenset(f for f in folders if any(BAD.search(part) for part in f.parts[common:]))


def _common(folders: Collection[Path]) -> int:
    """How many parts all the paths share, the last folder's own name not counted."""
    shared = 0
    for parts in zip(*(folder.parts[:-1] for folder in folders), strict=False):
        if len(set(parts)) > 1:
            break
        shared += 1
    return shared

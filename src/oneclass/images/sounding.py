"""Folders and files whose names speak of defects: what is in them is hardly normal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePath
from typing import TypeVar

from oneclass.system.names import plural, some_names, some_of

Named = TypeVar("Named", bound=PurePath)
BAD = re.compile(
    r"(?i)(?<![a-z])(anomal\w*|ausschuss|bad|broken|crack\w*|damage\w*|def(e[ck]t|aut)\w*|fail\w*|"
    r"fault\w*|fehler(?!frei)\w*|ground_?truth|masks?|mauvais\w*|n\.?i\.?o|ng|nicht.?(gut|ok)|nok|"
    r"non?.conforme|no[nt]?.?(fine|good|normal|ok)|odd|reject\w*|schlecht\w*|scrap|scratch\w*)(?![a-z])"
)
"""Names of folders, and of files, that do not sound like good parts."""
GOOD = re.compile(
    r"(?i)(?<![a-z])(bon|fehlerfrei|fine|good|gut|i\.?o|normal|ok|pass(ed)?)(?![a-z])"
)
"""Names beside which that of a defect is no name of the part."""
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


def folders_sounding_good(folders: Collection[Path]) -> frozenset[Path]:
    """Those whose names speak of good parts, and not of defects, too.

    Args:
        folders: that hold images which are said to be odd. What all their paths share says nothing
            of one of them, but for the last folder's own name.
    """
    common = _common(folders)
    bad = folders_sounding_bad(folders)
    good = (f for f in folders if any(GOOD.search(part) for part in f.parts[common:]))
    return frozenset(f for f in good if f not in bad)


def told_as_good(folders: Mapping[Path, int], good: Collection[Path]) -> str | None:
    """A sentence without its end on odd images in folders whose names speak of good parts.

    Args:
        folders: of images that are said to be odd -> how many each has.
        good: those of them to tell, as `folders_sounding_good` finds them.

    Returns:
        None where there are no such folders.
    """
    found = {folder: n for folder, n in folders.items() if folder in good}
    if not found:
        return None
    each = some_names([f"{n} in {folder}" for folder, n in found.items()])
    n = sum(found.values())
    which, lie = some_of(n, sum(folders.values()), "odd image"), plural(n, "lies", "lie")
    they = plural(len(found), "a folder whose name speaks", "folders whose names speak")
    return (
        f"{which} {lie} in {they} of good parts ({each}), and {plural(n, 'counts', 'count')} as odd"
    )


def files_sounding_bad(
    files: Iterable[Named], given: Iterable[Named] | None = None
) -> tuple[Named, ...]:
    """Those whose names speak of defects, unless most of their folder are called so.

    What most of a folder are called is the name of the part, or of the place: crack_test_rig_001.
    Fewer than `FEWEST` files show no such habit: three of four that are called bad_01 are told. Nor
    is there one where others are called good: NG_01 beside OK_02.

    Args:
        files: that are asked about.
        given: all that are taken of their folders, among which most may be called so, such as those
            that were learnt before; None where that is `files`.

    Returns:
        Them in their order.
    """
    asked = list(files)
    paths = asked if given is None else list(given)
    n, n_odd, told_apart = Counter[PurePath](), Counter[PurePath](), set[PurePath]()
    for file in paths:
        n[file.parent] += 1
        if BAD.search(file.stem):
            n_odd[file.parent] += 1
        elif GOOD.search(file.stem):
            told_apart.add(file.parent)
    many = {folder for folder in n if n[folder] >= FEWEST and 2 * n_odd[folder] > n[folder]}
    habit = many - told_apart
    return tuple(file for file in asked if file.parent not in habit and BAD.search(file.stem))


def _common(folders: Collection[Path]) -> int:
    """How many parts all the paths share, the last folder's own name not counted."""
    shared = 0
    for parts in zip(*(folder.parts[:-1] for folder in folders), strict=False):
        if len(set(parts)) > 1:
            break
        shared += 1
    return shared

"""Where the normal images came from: folders that look unlike the rest, images that look alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.images.sounding import files_sounding_bad, folders_sounding_bad
from oneclass.images.sources import Sources
from oneclass.rows import RowSource
from oneclass.rows.near_copies import distances, folded
from oneclass.system.names import natural_key
from oneclass.system.places import place

FEWEST_IMAGES, FEWEST_OTHERS = 3, 10
MOST_COMPARED = 2000
FAR = 0.95
"""Half of a folder's images lie further from the others than this share of the others do."""
LEARNT_BEFORE = "(learnt before)"
"""In place of a name, of images whose rows alone are there."""


@dataclass(frozen=True)
class Folder:
    """Where normal images came from.

    Attributes:
        path: of the folder.
        n_images: learnt from it.
        sounds_bad: whether its name speaks of defects, masks or the like.
        unlike: whether its images look unlike those of the other folders.
        odd_names: names of its images that speak of defects, where the folder's does not and most
            of its images are not called so, or they are too few to tell.
    """

    path: Path
    n_images: int
    sounds_bad: bool
    unlike: bool
    odd_names: tuple[str, ...] = ()

    @property
    def amiss(self) -> str:
        """Why the folder had better be looked at, in words; empty where nothing is amiss."""
        marks = ["its name speaks of defects"] * self.sounds_bad
        return " and ".join([*marks, *["looks unlike the rest"] * self.unlike])


def origins(sources: Sources, indices: Sequence[int], rows: RowSource) -> tuple[Folder, ...]:
    """The folders of the images that were learnt, those with the most images first.

    Args:
        sources: files or arrays.
        indices: (n,) of the images that were learnt, in the order of the rows.
        rows: (n, d) or (n, p, d).
    """
    files = [item for i in indices if isinstance(item := sources.items[i], Path)]
    if not files:
        return ()
    names, of = np.unique(np.array([str(file.parent) for file in files]), return_inverse=True)
    unlike = unlike_the_rest(rows, of) if len(names) > 1 else np.zeros(1, bool)
    return by_name(files, {place(str(name)) for name in names[unlike]})


def near_copies(
    name_of: Callable[[int], str | None], pictures: NDArray[np.int64]
) -> tuple[tuple[str, ...], ...]:
    """The groups of images that show about the same picture, those with the most images first.

    Args:
        name_of: an image's name by its number; None where it is not known. Only copies are asked
            for, since there may be millions of others.
        pictures: (n,) a number for each picture.

    Returns:
        The names of each group, in their natural order; groups without a name are left out, and
        names that are not known are `LEARNT_BEFORE`.
    """
    groups: dict[int, list[str]] = {}
    shared = np.bincount(pictures)[pictures] > 1
    for i in map(int, np.flatnonzero(shared)):
        groups.setdefault(int(pictures[i]), []).append(name_of(i) or LEARNT_BEFORE)
    known = [group for group in groups.values() if set(group) != {LEARNT_BEFORE}]
    named = [tuple(sorted(group, key=_known_first)) for group in known]
    return tuple(sorted(named, key=lambda group: (-len(group), natural_key(group[0]))))


def _known_first(name: str) -> tuple[Any, ...]:
    return name == LEARNT_BEFORE, natural_key(name)


def by_name(
    files: Sequence[Path], unlike: Collection[Path] = (), given: Sequence[Path] | None = None
) -> tuple[Folder, ...]:
    """Folders with how many images each has, and what their names say; most images first.

    Args:
        files: the images.
        unlike: those of them whose images look unlike the others'.
        given: `files`, and others of the same folders beside which they are seen.
    """
    counts = Counter(sorted(file.parent for file in files))
    bad = folders_sounding_bad(list(counts))
    odd: dict[Path, list[str]] = {}
    asked = [file for file in files if file.parent not in bad]
    for file in files_sounding_bad(asked, given):
        odd.setdefault(file.parent, []).append(file.name)
    found = [
        Folder(
            path, n, path in bad, path in unlike, tuple(sorted(odd.get(path, ()), key=natural_key))
        )
        for path, n in counts.items()
    ]
    return tuple(sorted(found, key=lambda folder: -folder.n_images))


def unlike_the_rest(rows: RowSource, of: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which groups of images lie apart from all the others.

    A group does where half of its images are further from their nearest neighbour among the others
    than nearly all others are from theirs. Where that holds of the greater part, these are simply
    the kinds that there are, and none is named.

    Args:
        rows: (n, d) or (n, p, d).
        of: (n,) the group of each, 0, 1, ...
    """
    chosen = np.arange(len(of))
    if len(chosen) > MOST_COMPARED:
        chosen = np.sort(np.random.default_rng(0).choice(len(of), MOST_COMPARED, replace=False))
    some, group = folded(rows, chosen), of[chosen]
    far = distances(some)
    np.fill_diagonal(far, np.inf)
    apart = np.zeros(int(of.max()) + 1, bool)
    for number in range(len(apart)):
        mine, others = np.flatnonzero(group == number), np.flatnonzero(group != number)
        if len(mine) >= FEWEST_IMAGES and len(others) >= FEWEST_OTHERS:
            usual = far[np.ix_(others, others)].min(axis=1)
            away = far[np.ix_(mine, others)].min(axis=1)
            apart[number] = np.median(away) > np.quantile(usual, FAR)
    return apart if 2 * apart[of].sum() < len(of) else np.zeros_like(apart)

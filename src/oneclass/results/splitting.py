"""Which images are learnt and which are tested on: none is both, whatever its file is called."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from oneclass.detector.collecting import check_enough
from oneclass.errors import ImageError, InputError
from oneclass.images.alike import NEVER, alike, fingerprint
from oneclass.images.sources import Progress, Sources, Stage, content_digest
from oneclass.rows.near_copies import MANY, SURELY
from oneclass.system.host.workers import ordered_map, worker_count
from oneclass.system.names import count, plural, some_names, some_of

HELD_BACK = 0.2
FEWEST = 10
FEWEST_LEARNT = 2


@dataclass(frozen=True)
class Split:
    """Images by what is done with them.

    Attributes:
        learn: to learn from.
        normal: normal ones to test on.
        odd: others to test on; None where none were given.
        notes: sentences on images that were given for two purposes.
        errors: images that could not be read, which are in none of these.
    """

    learn: Sources
    normal: Sources
    odd: Sources | None
    notes: tuple[str, ...]
    errors: tuple[ImageError, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """What is kept of an image: its content's digest, and its small picture."""

    digest: bytes
    small: NDArray[np.float16]


class _Looked:
    """What was seen of the images of one input.

    Attributes:
        seen: of each image that could be read.
        errors: why the others could not.
    """

    def __init__(self, given: Sources) -> None:
        self._given = given
        self._indices: list[int] = []
        self.seen: list[_Seen] = []
        self.errors: list[ImageError] = []

    def add(self, index: int, seen: _Seen | ImageError) -> None:
        if isinstance(seen, ImageError):
            self.errors.append(seen)
        else:
            self._indices.append(index)
            self.seen.append(seen)

    @property
    def sources(self) -> Sources:
        """The images that could be read."""
        return _only(self._given, self._indices) if self.errors else self._given


def split(
    images: Sources,
    normal: Sources | None,
    odd: Sources | None,
    *,
    seed: int,
    threads: int | None,
    progress: Progress | None,
    stage: Stage | None,
) -> Split:
    """Leave out of learning what is tested on, and hold back a fifth where nothing else is normal.

    Images of the same pixels are the same. What is odd is neither learnt nor counted as normal.
    Copies and near-copies of one picture are all held back or none: a test on them would show what
    was learnt, not what new pictures will show.

    Args:
        images: normal ones to learn from.
        normal: others to test on; None to hold back a fifth of `images`.
        odd: images that are not normal, if there are any.
        seed: of what is held back.
        threads: for reading images.
        progress: called with (images done, images in all).
        stage: called with a few words where the looking begins.

    Raises:
        InputError: too few images are left to learn from or to hold back, or none to test on.
    """
    if stage:
        stage("looking for copies")
    given = [images, *(part for part in (normal, odd) if part is not None)]
    looked = _look_at_all(given, threads, progress)
    check_enough(len(looked[0].seen), images, looked[0].errors)
    errors = tuple(error for one in looked for error in one.errors)
    more = looked[1:]
    good = None if normal is None else more.pop(0)
    return replace(_parted(looked[0], good, more[0] if more else None, seed), errors=errors)


def can_hold_back(n_images: int, n_pictures: int) -> bool:
    """Whether `split` has enough to hold some back, of so many images of so many pictures."""
    return n_images >= FEWEST and n_pictures * HELD_BACK >= 1


def _parted(images: _Looked, normal: _Looked | None, odd: _Looked | None, seed: int) -> Split:
    """What `split` does with the images that could be read.

    Raises:
        InputError: as `split` does.
    """
    learnt, good = images.seen, normal.seen if normal else []
    bad = {one.digest for one in odd.seen} if odd else set()
    kept = _unlike(good, bad)
    notes = []
    if n_both := len(good) - len(kept):
        if not kept:
            raise InputError(
                f"all {count(n_both, 'normal image')} to test on are also given as odd, so nothing "
                "tells false alarms. Give other normal images, or no --test-normal: a fifth of "
                "those to learn from is held back then."
            )
        notes.append(
            f"{count(n_both, 'normal image')} to test on {plural(n_both, 'is', 'are')} also given "
            f"as odd: {plural(n_both, 'it counts', 'they count')} as odd alone."
        )
    left = _unlike(learnt, bad | {one.digest for one in good})
    n_out = len(learnt) - len(left)
    if n_out:
        _refuse_few(len(left), len(learnt), drawn=normal is None)
        notes.append(
            f"{count(n_out, 'image')} to learn from {plural(n_out, 'is', 'are')} also given to "
            f"test on: {plural(n_out, 'it was', 'they were')} left out of learning."
        )
    bad_ones = odd.sources if odd else None
    if normal is None:
        held = _drawn([learnt[i] for i in left], n_out, len(images.errors), seed)
        held = [left[i] for i in held]
        left = sorted(set(left) - set(held))
        parts = (_only(images.sources, left), _only(images.sources, held))
        return Split(*parts, bad_ones, tuple(notes))
    good_alone = _only(normal.sources, kept) if n_both else normal.sources
    near = _near_learnt([learnt[i] for i in left], [good[i] for i in kept])
    if near:
        n, named = len(near), some_names([good_alone.names[i] for i in near])
        notes.append(
            f"{n} of {count(len(kept), 'normal image')} to test on {plural(n, 'is', 'are')} nearly "
            f"the same as {plural(n, 'one that is learnt', 'ones that are learnt')}, told by small "
            f"pictures ({named}). If the same parts are on them, they show what was learnt, not "
            "what new pictures will, and false alarms will be more than these: test on others."
        )
    return Split(_only(images.sources, left), good_alone, bad_ones, tuple(notes))


def _look_at_all(
    parts: Sequence[Sources], threads: int | None, progress: Progress | None
) -> list[_Looked]:
    """What was seen of the images of each part."""
    found = []
    n, done = sum(map(len, parts)), 0
    for sources in parts:
        workers = sources.threads(worker_count(threads))
        one = _Looked(sources)
        for index, seen in enumerate(
            ordered_map(partial(_look, sources), range(len(sources)), workers)
        ):
            one.add(index, seen)
            done += 1
            if progress:
                progress(done, n)
        found.append(one)
    return found


def _look(sources: Sources, index: int) -> _Seen | ImageError:
    try:
        with sources.room(index):
            pixels = sources.pixels(index)
            return _Seen(content_digest(pixels), fingerprint(pixels))
    except ImageError as error:
        return error


def _unlike(seen: list[_Seen], digests: Collection[bytes]) -> list[int]:
    """The indices of the images whose content is not among these."""
    return [i for i, one in enumerate(seen) if one.digest not in digests]


def _only(sources: Sources, indices: list[int]) -> Sources:
    """Some of the images; what else was given is told once, by who gathered it."""
    items, names = sources.items, sources.names
    return Sources([items[i] for i in indices], [names[i] for i in indices])


def _near_learnt(learnt: list[_Seen], tested: list[_Seen]) -> list[int]:
    """The indices of those tested on that are near-copies of some that are learnt.

    What is joined only where many have copies may differ, and it is said of pictures that somebody
    has chosen; but none is thrown away for it, so the usual certainty will do.
    """
    taught = {one.digest for one in learnt}
    near: set[bytes] = set()
    for group in map(set, _alike([*learnt, *tested])):
        if group & taught:
            near |= group - taught
    return [i for i, one in enumerate(tested) if one.digest in near]


def _refuse_few(n_left: int, n: int, *, drawn: bool) -> None:
    """Refuse to learn from what little is not tested on.

    Raises:
        InputError: it is too little.
    """
    if n_left >= FEWEST_LEARNT:
        return
    which = some_of(n - n_left, n, "image")
    advice = (
        "Give normal images that are not among the odd ones."
        if drawn
        else "Give others to test on, or no --test-normal: a fifth of those to learn from is held "
        "back then."
    )
    raise InputError(
        f"{which} to learn from {plural(n - n_left, 'is', 'are')} also given to test on, and what "
        "is tested on is not learnt: "
        f"{n_left} {plural(n_left, 'is', 'are')} left, and {FEWEST_LEARNT} at least are needed. "
        f"{advice}"
    )


def _drawn(seen: list[_Seen], n_out: int, n_unread: int, seed: int) -> list[int]:
    """The indices of about a fifth of some images, those alike together.

    Args:
        seen: of the images.
        n_out: more of them that were left out before.
        n_unread: more of them that could not be read.

    Raises:
        InputError: too few, or too few that differ.
    """
    n = len(seen)
    if n < FEWEST:
        left = [
            f"{n_out} that {plural(n_out, 'is', 'are')} also odd" if n_out else "",
            f"{n_unread} that cannot be read" if n_unread else "",
        ]
        told = " and ".join(filter(None, left))
        besides = f" (without {told})" if told else ""
        raise InputError(
            f"too few normal images to hold some back: {n}{besides}, and {FEWEST} are needed. "
            "Give more, or others to test on (--test-normal)."
        )
    groups = _together(seen)
    most = max(2, round(HELD_BACK * n))
    if not can_hold_back(n, len(groups)):
        raise InputError(
            f"too few different pictures to hold some back: {n} images show about {len(groups)}, "
            "the others are copies or near-copies. Give more, or others to test on (--test-normal)."
        )
    held: list[int] = []
    for number in np.random.default_rng(seed).permutation(len(groups)):
        if len(held) + len(groups[number]) <= most:
            held += groups[number]
    return sorted(held)


def _together(seen: list[_Seen]) -> list[list[int]]:
    """The indices of all images, those of about the same picture in one list."""
    same: dict[bytes, list[int]] = {}
    for i, one in enumerate(seen):
        same.setdefault(one.digest, []).append(i)
    for first, *others in _alike(seen, many=MANY):
        for other in others:
            same[first] += same.pop(other)
    return sorted(map(sorted, same.values()))


def _alike(seen: Sequence[_Seen], *, many: float = NEVER) -> list[list[bytes]]:
    """Groups of near-copies by their contents, with the certainty that `fit` asks for."""
    # Pictures of one single colour look the same small, and may differ.
    known = [one for one in seen if one.small.any()]
    prints, contents = [one.small for one in known], [one.digest for one in known]
    groups = alike(prints, contents, many=many, surely=SURELY)
    return [[contents[i] for i in group] for group in groups]

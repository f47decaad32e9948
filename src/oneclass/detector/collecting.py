"""What fitting needs besides the half-spaces: a representation that suits, rows, sane data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from oneclass.detector.files.training_rows import RowCollector, TrainingRows
from oneclass.errors import ImageError, InputError
from oneclass.images import SUFFIXES, Header
from oneclass.images.scale import (
    Colour,
    PixelRange,
    PixelScale,
    choose_common_scale,
    choose_scale,
    faint,
)
from oneclass.images.sources import Progress, Sources, check_depth, led_nowhere
from oneclass.representations import (
    Representation,
)
from oneclass.representations.extraction import Workers, extract
from oneclass.rows.store import RowStore
from oneclass.system.arrays import Rows
from oneclass.system.host.workers import ordered_map
from oneclass.system.names import count, plural, some_names

ALIKE = 1e-6
AT_ONCE = 1 << 20
FOREIGN = 0.1
"""Up to so large a share of images may be strangers; of more, sizes differ as they do."""
OF_TWO = 0.25
"""The same where there are two kinds alone: pictures of one camera or product among another's."""
T = TypeVar("T")


@dataclass(frozen=True)
class Collected:
    """The normal images' rows, in an order that their content decides.

    Attributes:
        training: the rows.
        indices: n of the images among the sources.
        errors: of the images that could not be used.
        one_colour: the colours of those that are one single colour, by their names.
    """

    training: TrainingRows
    indices: list[int]
    errors: list[ImageError]
    one_colour: dict[str, Colour]


def read_headers(sources: Sources, *, workers: Workers) -> dict[int, Header]:
    """The headers of all images that have a readable one: sizes and bit depths, no pixels.

    Returns:
        By the images' numbers among the sources, in their order.

    Raises:
        InputError: fewer than two have.
    """
    return _of_readable(Sources.header, sources, workers)


def foreign_note(headers: list[Header]) -> tuple[str, ...]:
    """A sentence on images of another size or format than nearly all, where there are some."""
    kinds = Counter((header.height, header.width, header.format) for header in headers)
    few = len(headers) - kinds.most_common(1)[0][1]
    if not 0 < few <= (FOREIGN if len(kinds) > 2 else OF_TWO) * len(headers):
        return ()
    return (
        f"{count(few, 'image is', 'images are')} of another size or format than the other "
        f"{len(headers) - few}: {'does it' if few == 1 else 'do they'} show the same thing, taken "
        "the same way? 'oneclass check' tells sizes and formats; leave out what does not belong.",
    )


def of_one_depth(headers: list[Header]) -> list[Header]:
    """Those of the bit depth that most images have; the others are not learnt."""
    depth = Counter(header.depth for header in headers).most_common(1)[0][0]
    return [header for header in headers if header.depth == depth]


def choose_pixel_scale(
    sources: Sources, headers: list[Header], *, workers: Workers, cache: Path | None = None
) -> tuple[PixelScale, tuple[str, ...]]:
    """The rule for intensities, for the bit depth that most images have.

    For 16-bit and float images every pixel is read once for the range; 8-bit needs none.

    Args:
        sources: the images.
        headers: of those that are readable.
        workers: threads that read, or a cluster's, which keep no ranges.
        cache: a folder in which the range of each image is kept, or None.

    Returns:
        The rule, and sentences about images whose extreme values it leaves out, and about those
        that it hides, if any.

    Raises:
        InputError: as many images of one depth as of another; float images all of one value.
    """
    counts = Counter(header.depth for header in headers).most_common()
    depth, most = counts[0]
    if len(counts) > 1 and counts[1][1] == most:
        raise InputError(
            f"{most} images are {depth} and {most} are {counts[1][0]}: a model is for one bit "
            "depth. Put them in separate folders; 'oneclass check' lists them."
        )
    if depth == "uint8":
        return choose_scale(depth, 0, 255), ()

    store = None
    if cache is not None and isinstance(workers, int):
        store = RowStore(cache, {"kind": "ranges of pixels but for marks", "depth": depth})
    found = _of_readable(partial(_measured, depth=depth, store=store), sources, workers)
    if store is not None:
        store.flush()
    ranges = [one for _, one in found.values()]
    scale, far = choose_common_scale(depth, ranges)
    names = [name for name, _ in found.values()]
    notes = ((_far_note, far), (_faint_note, faint(scale, ranges)))
    return scale, tuple(told([names[i] for i in few], scale) for told, few in notes if few)


def _faint_note(names: list[str], scale: PixelScale) -> str:
    """Whom the scale hides."""
    return (
        f"{count(len(names), 'image spans', 'images span')} less than a sixteenth of the scale, "
        f"{scale.low:g} to {scale.high:g}, which hides most of them: {some_names(names)}. "
        "Bring all to one range of values, or fit a model for each kind."
    )


def _far_note(names: list[str], scale: PixelScale) -> str:
    """Whose values set no scale."""
    return (
        f"{count(len(names), 'image holds', 'images hold')} pixel values far from all others, "
        f"such as stand for no data: {some_names(names)}. The scale, {scale.low:g} to "
        f"{scale.high:g}, goes without them. Look at what is named, and leave out what is wrong."
    )


def collect_rows(
    sources: Sources,
    representation: Representation,
    scale: PixelScale,
    *,
    workers: Workers,
    progress: Progress | None,
    store: RowStore | None = None,
) -> Collected:
    """The rows of all readable images; arguments as for `extract`.

    Raises:
        InputError: fewer than two images can be read, or nothing tells them apart.
        StorageError: the rows fit neither into memory nor on the disk.
    """
    collected: RowCollector | None = None
    seen = _Seen()
    indices, one_colour = list[int](), dict[str, Colour]()
    errors = list(sources.errors)
    results = extract(sources, representation, scale, workers=workers, store=store)
    for result in results:
        if isinstance(result, ImageError):
            errors.append(result)
        else:
            if collected is None:
                shape, dtype = result.row.shape, result.row.dtype
                collected = RowCollector(len(sources), shape, dtype, representation.layout)
            collected.add(result.digest, result.row)
            seen.add(result.row)
            indices.append(result.index)
            if result.one_colour:
                one_colour[result.name] = result.one_colour
        if progress:
            progress(len(indices) + len(errors) - len(sources.errors), len(sources))
    check_enough(len(indices), sources, errors)
    assert collected is not None, "there are rows"
    if not seen.differ:
        raise InputError(
            f"all {len(indices)} normal images look the same once they are prepared: what is "
            "normal cannot be learnt from one picture. Give images that differ as normal ones do."
        )
    training, order = collected.finish()
    return Collected(training, [indices[i] for i in order], errors, one_colour)


def one_colour_note(names: Collection[str]) -> tuple[str, ...]:
    """A sentence on images of one single colour, where there are some."""
    if not names:
        return ()
    return (
        f"{count(len(names), 'image is', 'images are')} one single colour, as behind a covered "
        f"lens or in an empty export, and will pass as normal: {some_names(list(names))}. "
        f"Unless {plural(len(names), 'it is', 'they are')} good, leave "
        f"{plural(len(names), 'it', 'them')} out.",
    )


class _Seen:
    """Whether rows differ. Once they do, no row is looked at any more.

    Attributes:
        differ: whether any did, by more than rounding.
    """

    def __init__(self) -> None:
        self.differ = False
        self._range: tuple[Rows, Rows] | None = None

    def add(self, row: Rows) -> None:
        if self.differ:
            return
        flat = row.reshape(-1)
        low, high = self._range or (flat.copy(), flat.copy())
        apart = largest = 0.0
        for start in range(0, len(flat), AT_ONCE):  # float32 of a whole row may be 200 MB
            part = slice(start, start + AT_ONCE)
            given, least, most = (one[part].astype(np.float32) for one in (flat, low, high))
            least, most = np.minimum(least, given), np.maximum(most, given)
            low[part], high[part] = least, most
            apart = max(apart, float((most - least).max()))
            largest = max(largest, float(most.max()), -float(least.min()))
        self.differ = apart > ALIKE * largest
        self._range = None if self.differ else (low, high)


def check_enough(readable: int, sources: Sources, errors: Sequence[ImageError]) -> None:
    """Raise InputError unless at least two images can be used; say what is the matter."""
    if readable >= 2:
        return
    given = len(sources)
    if errors and not given:
        raise InputError(led_nowhere(errors))
    if errors:
        counts = Counter(error.reason for error in errors)
        why = ", ".join(f"{n} x {reason}" for reason, n in counts.most_common())
        raise InputError(
            f"only {readable} of {given} images can be used ({why}). The first: {errors[0]}. "
            "At least 2 normal images are needed; 100 or more are advisable."
        )
    # Where one was found, the way to the others is known; else a kind of file may be the reason.
    endings = ".png, .jpg, .tif and others" if readable else ", ".join(sorted(SUFFIXES))
    hollow = some_names(sources.empty)
    where = hollow and (f", and none in {hollow}" if readable else f" in {hollow}")
    if again := len(sources.repeated):
        where += f", which was named {again + 1} times: a file counts once"
    raise InputError(
        f"found {readable or 'no'} {plural(readable, 'image')}{where}. Give at least 2 "
        "normal images (100 or more are advisable): a folder of them, files, a glob, or a "
        "list.txt. "
        f"In a folder, files count whose names end like an image's: {endings}."
    )


def _of_readable(
    function: Callable[[Sources, int], T], sources: Sources, workers: Workers
) -> dict[int, T]:
    """`function` of every image that raises no ImageError, by its number, many threads at once.

    Raises:
        InputError: fewer than two are left.
    """
    caught = partial(_caught, function)
    if isinstance(workers, int):
        threads = sources.threads(workers)
        results = list(ordered_map(partial(caught, sources), range(len(sources)), threads))
    else:
        results = list(workers.each(caught, sources))
    # Numbered here: on a cluster, who reads an image knows its place among a few alone.
    found = {i: result for i, result in enumerate(results) if not isinstance(result, ImageError)}
    unreadable = [result for result in results if isinstance(result, ImageError)]
    check_enough(len(found), sources, [*sources.errors, *unreadable])
    return found


def _caught(function: Callable[[Sources, int], T], sources: Sources, index: int) -> T | ImageError:
    try:
        return function(sources, index)
    except ImageError as error:
        return error


def _measured(
    sources: Sources, index: int, *, depth: str, store: RowStore | None
) -> tuple[str, PixelRange]:
    """An image's name and the range of its pixels, from the store where it knows it."""
    name = sources.names[index]
    key = None if store is None else sources.key(index)
    if store is None or key is None:
        return name, _range_of(sources, index, depth)
    if found := store.get(key):
        return name, PixelRange(*map(float, found[0]))
    one = _range_of(sources, index, depth)
    if sources.key(index) == key:
        store.put(key, np.array([one.lowest, one.low, one.high, one.highest]), key)
    return name, one


def _range_of(sources: Sources, index: int, depth: str) -> PixelRange:
    with sources.room(index):
        pixels = sources.pixels(index)
        check_depth(pixels, depth, sources.names[index])
        return PixelRange.of(pixels)

"""What is in a set of image files before a model learns from it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import ImageError, InputError
from oneclass.images import folders, reading, special
from oneclass.images.alike import alike, fingerprint
from oneclass.images.checking.report import CheckReport
from oneclass.images.formats.arithmetic import noticing
from oneclass.images.formats.source import Header
from oneclass.images.scale import PixelRange, choose_common_scale, faint, one_colour
from oneclass.images.sounding import files_sounding_bad, folders_sounding_bad
from oneclass.images.sources import BYTES_A_BYTE, NO_MEMORY
from oneclass.system.host.memory import ROOM
from oneclass.system.host.workers import ordered_map, worker_count
from oneclass.system.places import held

T = TypeVar("T")
Progress = Callable[[int, int], None]
Files = dict[str, tuple[Path, ...]]


def check(
    inputs: str | Path | Iterable[str | Path],
    *,
    stdin: IO[bytes] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Decode every image once and say what there is.

    Args:
        inputs: files, folders, globs, lists or ``-``, as ``folders.expand`` takes them.
        stdin: where ``-`` reads from; the process's own standard input if None.
        threads: that decode; None for all cores.
        progress: called with (files done, files in all) after each file, in this thread.

    Only one picture per thread is in memory at a time.
    """
    listing = folders.expand(inputs, stdin=stdin)
    facts: list[_Facts] = []
    errors = list(listing.errors)
    workers = threads or worker_count()
    for done, seen in enumerate(ordered_map(_look, listing.paths, workers), start=1):
        if isinstance(seen, ImageError):
            errors.append(seen)
        else:
            facts.append(seen)
        if progress is not None:
            progress(done, len(listing.paths))
    groups: dict[bytes, list[Path]] = {}
    for fact in facts:
        groups.setdefault(fact.digest, []).append(fact.path)
    headers = [fact.header for fact in facts]
    outside, hidden = _far_and_faint(facts)
    depths, colours = _kinds(facts, lambda h: h.depth), _kinds(facts, _colour)
    return CheckReport(
        images=len(facts),
        errors=tuple(errors),
        sizes=_tally((h.width, h.height) for h in headers),
        formats=_tally(h.format for h in headers),
        depths=_tally(h.depth for h in headers),
        colours=_tally(map(_colour, headers)),
        duplicates=tuple(tuple(group) for group in groups.values() if len(group) > 1),
        near=_near(facts),
        rarer=depths[0] | colours[0],
        tied=depths[1] | colours[1],
        constant=tuple(fact.path for fact in facts if fact.constant),
        far=outside,
        faint=hidden,
        transparent=tuple(fact.path for fact in facts if fact.transparent),
        special=special.lines(Counter(h.format for h in headers), errors),
        ignored=listing.ignored,
        folders=Counter(fact.path.parent for fact in facts),
        suspect=(suspect := _suspect(facts)),
        suspect_files=files_sounding_bad(f.path for f in facts if f.path.parent not in suspect),
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is kept of one image once its pixels are gone."""

    path: Path
    header: Header
    digest: bytes
    print: NDArray[np.float16]
    constant: bool
    range: PixelRange | None
    transparent: bool


def _look(path: Path) -> _Facts | ImageError:
    try:
        with held(path):
            header = reading.probe(path)
            with ROOM.of(BYTES_A_BYTE * header.nbytes):
                return _facts(path, header)
    except ImageError as error:
        return error
    except MemoryError:
        return ImageError(path, "too_large", NO_MEMORY)


def _facts(path: Path, header: Header) -> _Facts:
    with noticing() as noticed:
        pixels = reading.read(path)
    shape = f"{pixels.dtype.str} {pixels.shape}".encode()
    digest = hashlib.blake2b(pixels.data, digest_size=16, person=b"pixels", key=shape).digest()
    constant = one_colour(pixels) is not None
    deep = None if pixels.dtype == np.uint8 else PixelRange.of(pixels)
    return _Facts(path, header, digest, fingerprint(pixels), constant, deep, noticed.transparent)


def _colour(header: Header) -> str:
    return "grey" if header.channels == 1 else "RGB"


def _kinds(facts: list[_Facts], kind: Callable[[Header], str]) -> tuple[Files, Files]:
    """The files of every kind that is rarer than another; and of those of which none is rarer."""
    of: dict[str, list[Path]] = {}
    for fact in facts:
        of.setdefault(kind(fact.header), []).append(fact.path)
    most = max(map(len, of.values()), default=0)
    rarer = {name: tuple(paths) for name, paths in of.items() if len(paths) < most}
    usual = {name: tuple(paths) for name, paths in of.items() if len(paths) == most}
    return rarer, usual if len(usual) > 1 else {}


def _near(facts: list[_Facts]) -> tuple[tuple[Path, ...], ...]:
    """Groups of files that show nearly the same, but for those of one single colour."""
    some = [fact for fact in facts if not fact.constant]
    groups = alike([fact.print for fact in some], [fact.digest for fact in some])
    return tuple(tuple(some[i].path for i in group) for group in groups)


def _far_and_faint(facts: list[_Facts]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Files whose values set no scale, and those that it hides; in the order of the inputs."""
    outside: set[Path] = set()
    hidden: set[Path] = set()
    for depth in {fact.header.depth for fact in facts}:
        deep = [(fact.path, fact.range) for fact in facts if fact.header.depth == depth]
        some = [(path, one) for path, one in deep if one is not None]
        ranges = [one for _, one in some]
        with suppress(InputError):  # all of one value
            if ranges:
                scale, far = choose_common_scale(depth, ranges)
                outside |= {some[i][0] for i in far}
                hidden |= {some[i][0] for i in faint(scale, ranges)}
    return (
        tuple(fact.path for fact in facts if fact.path in outside),
        tuple(fact.path for fact in facts if fact.path in hidden),
    )


def _suspect(facts: list[_Facts]) -> dict[Path, int]:
    """Folders whose names speak of defects, with how many images each has."""
    folders = _tally(fact.path.parent for fact in facts)
    bad = folders_sounding_bad(folders)
    return {folder: n for folder, n in folders.items() if folder in bad}


def _tally(values: Iterable[T]) -> dict[T, int]:
    return dict(Counter(values).most_common())

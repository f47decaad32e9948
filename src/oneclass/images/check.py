"""What is in a set of image files before a model learns from it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import ImageError, InputError
from oneclass.images import folders, reading, special
from oneclass.images.alike import alike, fingerprint
from oneclass.images.formats.source import Header
from oneclass.images.scale import PixelRange, choose_common_scale, faint
from oneclass.images.sounding import files_sounding_bad, folders_sounding_bad
from oneclass.images.sources import BYTES_A_BYTE, NO_MEMORY
from oneclass.system.host.memory import ROOM
from oneclass.system.host.workers import ordered_map, worker_count
from oneclass.system.names import count, plain, plural, some_names
from oneclass.system.places import held

FEW = 19
"""Below this many images no threshold can promise a false-alarm rate of 5 %."""

SHOWN = 5
ROWS = 8
"""The most names, and rows of a table, that the text shows unless it is to show all."""
ALL = " (--all names them all)"

T = TypeVar("T")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What ``check`` found. All tables are ordered: the most frequent first.

    Attributes:
        images: number of files that were read whole.
        errors: one per file or input that cannot be used.
        sizes: (width, height) -> number of images, the EXIF orientation obeyed.
        formats: ``"PNG"``, ``"JPEG"``, ... -> number of images.
        depths: ``"uint8"``, ``"uint16"``, ``"float32"`` -> number of images.
        colours: ``"grey"``, ``"RGB"`` -> number of images.
        duplicates: groups of files with the same pixels (same shape, depth and values; the format
            and the bytes of the files may differ), each group in the order of the inputs.
        near: groups of files that show nearly the same: compressed, brightened or shifted anew,
            or of one part once more.
        rarer: files of another depth or colour than most, by what they are: ``"RGB"``, ...
        constant: files in which every pixel has one and the same value.
        far: 16-bit and float files with values far from all others', such as mean "no data".
        faint: those that span next to nothing of the scale that a model of all would have.
        special: what is said of formats that need a package which may not be there, a line each.
        ignored: suffix -> number of files in folders that were not taken for images.
        suspect: folders whose names speak of defects -> number of images.
        suspect_files: files of other folders whose names do, unless most of a folder's are
            called so.
    """

    images: int
    errors: tuple[ImageError, ...]
    sizes: Mapping[tuple[int, int], int]
    formats: Mapping[str, int]
    depths: Mapping[str, int]
    colours: Mapping[str, int]
    duplicates: tuple[tuple[Path, ...], ...]
    near: tuple[tuple[Path, ...], ...]
    rarer: Mapping[str, tuple[Path, ...]]
    constant: tuple[Path, ...]
    far: tuple[Path, ...]
    faint: tuple[Path, ...]
    special: tuple[str, ...]
    ignored: Mapping[str, int]
    suspect: Mapping[Path, int]
    suspect_files: tuple[Path, ...]

    @property
    def copies(self) -> int:
        """Images that could go without losing a picture."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def absent(self) -> int:
        """Paths that lead nowhere; they are among the errors."""
        return sum(error.reason == "missing" for error in self.errors)

    def advice(self) -> tuple[str, ...]:
        """What to do before training, in plain language; empty when nothing is amiss."""
        absent, bad = self.absent, len(self.errors) - self.absent
        total = self.images + bad
        found = (
            (not self.images and (total or not absent), "There is no readable image here."),
            (
                absent,
                f"{count(absent, 'path leads', 'paths lead')} nowhere: check the spelling.",
            ),
            (
                bad,
                f"{bad} of {total} files cannot be read: fix or remove "
                f"{plural(bad, 'it', 'them')}.",
            ),
            (
                self.suspect,
                f"{count(sum(self.suspect.values()), 'image')} in folders whose names speak of "
                f"defects ({some_names(list(map(str, self.suspect)), SHOWN)}"
                "): a model that learns them calls such images normal. If they are not, give the "
                "folder of the good ones alone.",
            ),
            (
                self.suspect_files,
                f"{count(len(self.suspect_files), 'image')} whose "
                f"{plural(len(self.suspect_files), 'name speaks', 'names speak')} of defects "
                f"({some_names(list(map(str, self.suspect_files)), SHOWN)}"
                "): a model that learns them calls such images normal. If they are not, leave them "
                "out.",
            ),
            (
                len(self.depths) > 1,
                f"{len(self.depths)} bit depths ({', '.join(self.depths)}): a model needs one. "
                "Convert the rarer ones or train one model each (--all names them all).",
            ),
            (
                len(self.colours) > 1,
                "Grey and colour images are mixed: if the colour means nothing, save all as grey.",
            ),
            (
                len(self.sizes) > 1,
                f"{len(self.sizes)} sizes, from {_size(self.sizes, min)} to "
                f"{_size(self.sizes, max)} (width x height): all are resized to one, so "
                "a part looks larger in a small picture than in a large one. Crop alike, or take "
                "one camera.",
            ),
            (
                "JPEG" in self.formats and len(self.formats) > 1,
                f"JPEG is mixed with {', '.join(f for f in self.formats if f != 'JPEG')}: the "
                "traces of its compression may count as odd. Keep to one format.",
            ),
            (
                self.copies,
                f"{_images(self.copies)} {plural(self.copies, 'an exact copy', 'exact copies')} of "
                "another: copies count once in what is promised, and teach nothing new.",
            ),
            (
                self.near,
                f"{sum(map(len, self.near))} of the images look like only "
                f"{count(len(self.near), 'picture')}: compressed, brightened or shifted anew, or "
                "of the same part once more, a picture is no further evidence. They count once "
                "where they are learnt. (This compares reduced pictures; 'oneclass fit' "
                "compares what its network sees, and may find more or fewer.) Give more "
                "different parts rather than more pictures of the same ones.",
            ),
            (
                self.constant,
                f"{_images(len(self.constant))} one single colour: likely a covered lens or an "
                "empty export.",
            ),
            (
                self.far,
                f"{count(len(self.far), 'image holds', 'images hold')} values far "
                "from all others: marks of missing data, or dead pixels? The scale of a model goes "
                "without them; leave them out if they are wrong.",
            ),
            (
                self.faint,
                f"{count(len(self.faint), 'image spans', 'images span')} less than a sixteenth of "
                "the scale that a model of all of these would have, which hides most of them. "
                "Bring all to one range of values, or train one model for each kind.",
            ),
            (
                0 < self.images < FEW,
                f"{_images(self.images)} few: below {FEW}, no threshold can promise as few as 5 % "
                "false alarms.",
            ),
        )
        return tuple(sentence for holds, sentence in found if holds)

    def to_json(self) -> dict[str, Any]:
        """The whole report as plain lists, dicts, strings and numbers."""
        return {
            "images": self.images,
            "errors": [
                {"path": str(e.path), "reason": e.reason, "detail": e.detail} for e in self.errors
            ],
            "sizes": [{"width": w, "height": h, "images": n} for (w, h), n in self.sizes.items()],
            "formats": dict(self.formats),
            "depths": dict(self.depths),
            "colours": dict(self.colours),
            "duplicates": [[str(path) for path in group] for group in self.duplicates],
            "near_copies": [[str(path) for path in group] for group in self.near],
            "rarer": {kind: list(map(str, paths)) for kind, paths in self.rarer.items()},
            "constant": [str(path) for path in self.constant],
            "far": [str(path) for path in self.far],
            "faint": [str(path) for path in self.faint],
            "special_formats": list(self.special),
            "ignored": dict(self.ignored),
            "suspect_folders": {str(folder): n for folder, n in self.suspect.items()},
            "suspect_files": [str(path) for path in self.suspect_files],
            "advice": list(self.advice()),
        }

    def text(self, *, every: bool = False) -> str:
        """The report for a terminal; ends without a newline.

        Args:
            every: whether to name every file, and to show every row of a table.
        """
        most = max(self.images + len(self.errors), SHOWN) if every else SHOWN
        lines = [f"{count(self.images, 'image')}, {len(self.errors) - self.absent} unreadable"]
        tables: dict[str, Mapping[str, int]] = {
            "size": {f"{w} x {h}": n for (w, h), n in self.sizes.items()},
            "format": self.formats,
            "depth": self.depths,
            "colour": self.colours,
        }
        lines += [""] if self.images else []
        for name, table in tables.items():
            lines += _table(name, table, every)
        lines += ["", *(f"  {line}" for line in self.special)] if self.special else []
        if self.ignored:
            names = {suffix or "none": n for suffix, n in self.ignored.items()}
            lines += ["", "Not taken for images:", *_table("ending", names, every)]
        for kind, paths in self.rarer.items():
            lines += ["", f"Of the rarer kind, {kind}:", *_names(paths, most)]
        for group in self.duplicates[:most]:
            lines += ["", f"Same pixels, {len(group)} files:", *_names(group, most)]
        copies = (f"group of copies{ALL}", f"groups of copies{ALL}")
        lines += _more(len(self.duplicates), *copies, shown=most)
        for group in self.near[:most]:
            lines += ["", f"Nearly the same picture, {len(group)} files:", *_names(group, most)]
        near = (f"group of near-copies{ALL}", f"groups of near-copies{ALL}")
        lines += _more(len(self.near), *near, shown=most)
        if self.constant:
            lines += ["", "One single colour:", *_names(self.constant, most)]
        if self.far:
            lines += ["", "Values far from all others:", *_names(self.far, most)]
        if self.faint:
            lines += ["", "A sliver of the common scale:", *_names(self.faint, most)]
        for reason in dict.fromkeys(e.reason for e in self.errors):
            same = [e for e in self.errors if e.reason == reason]
            heading = "Leading nowhere" if reason == "missing" else f"Unreadable, {reason}"
            lines += ["", f"{heading} ({len(same)}):"]
            lines += _names((f"{e.path}: {e.detail}" for e in same), most)
        advice = self.advice() or ("Nothing is amiss.",)
        return "\n".join([*lines, "", *(f"* {sentence}" for sentence in advice)])


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
    return CheckReport(
        images=len(facts),
        errors=tuple(errors),
        sizes=_tally((h.width, h.height) for h in headers),
        formats=_tally(h.format for h in headers),
        depths=_tally(h.depth for h in headers),
        colours=_tally(map(_colour, headers)),
        duplicates=tuple(tuple(group) for group in groups.values() if len(group) > 1),
        near=_near(facts),
        rarer={**_rarer(facts, lambda h: h.depth), **_rarer(facts, _colour)},
        constant=tuple(fact.path for fact in facts if fact.constant),
        far=outside,
        faint=hidden,
        special=special.lines(Counter(h.format for h in headers), errors),
        ignored=listing.ignored,
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
    pixels = reading.read(path)
    shape = f"{pixels.dtype.str} {pixels.shape}".encode()
    digest = hashlib.blake2b(pixels.data, digest_size=16, person=b"pixels", key=shape).digest()
    constant = bool((pixels == pixels[0, 0]).all())
    deep = None if pixels.dtype == np.uint8 else PixelRange.of(pixels)
    return _Facts(path, header, digest, fingerprint(pixels), constant, deep)


def _colour(header: Header) -> str:
    return "grey" if header.channels == 1 else "RGB"


def _rarer(facts: list[_Facts], kind: Callable[[Header], str]) -> dict[str, tuple[Path, ...]]:
    """The files of every kind but the most frequent one."""
    of: dict[str, list[Path]] = {}
    for fact in facts:
        of.setdefault(kind(fact.header), []).append(fact.path)
    usual = max(of.values(), key=len, default=[])
    return {name: tuple(paths) for name, paths in of.items() if paths is not usual}


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


def _table(name: str, table: Mapping[str, int], every: bool) -> list[str]:
    shown = len(table) if every else ROWS
    rows = [f"  {'':8}{key:<14}{n:>7}" for key, n in list(table.items())[:shown]]
    if rows:
        rows[0] = f"  {name:<8}" + rows[0][10:]
    return rows + [f"        {line}" for line in _more(len(table), name, shown=shown)]


def _names(names: Iterable[object], most: int) -> list[str]:
    shown = [f"    {plain(str(name))}" for name in names]
    return shown[:most] + _more(len(shown), "file", shown=most)


def _more(n: int, one: str, many: str | None = None, *, shown: int) -> list[str]:
    return [f"  ... and {count(n - shown, f'more {one}', many and f'more {many}')}"] * (n > shown)


def _images(n: int) -> str:
    return count(n, "image is", "images are")


def _size(sizes: Iterable[tuple[int, int]], end: Callable[..., tuple[int, int]]) -> str:
    """The smallest or the largest size, by area; 0 x 0 where there is none."""
    width, height = end(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return f"{width} x {height}"

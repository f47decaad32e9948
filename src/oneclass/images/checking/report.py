"""The report on a set of image files: what there is, as tables, names and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneclass.errors import ImageError
from oneclass.images.checking.shown import ALL, SHOWN, more, names, table, width_of
from oneclass.system.names import count, plain, plural, some_names

LEAST = 2
"""Pictures that differ, without which there is no fit."""
FEW = 19
"""Below this many images no threshold can promise a false-alarm rate of 5 %."""

Advice = tuple[object, str]
"""Whether a sentence holds, and the sentence."""


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
        tied: files of the most frequent depths or colours, where several are as frequent.
        constant: files in which every pixel has one and the same value.
        far: 16-bit and float files with values far from all others', such as mean "no data".
        faint: those that span next to nothing of the scale that a model of all would have.
        transparent: files with pixels that are not opaque.
        special: what is said of formats that need a package which may not be there, a line each.
        ignored: suffix -> number of files in folders that were not taken for images.
        folders: folder -> number of images, in the order of the inputs.
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
    tied: Mapping[str, tuple[Path, ...]]
    constant: tuple[Path, ...]
    far: tuple[Path, ...]
    faint: tuple[Path, ...]
    transparent: tuple[Path, ...]
    special: tuple[str, ...]
    ignored: Mapping[str, int]
    folders: Mapping[Path, int]
    suspect: Mapping[Path, int]
    suspect_files: tuple[Path, ...]

    @property
    def copies(self) -> int:
        """Images that could go without losing a picture."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def pictures(self) -> int:
        """Different pictures, copies and near-copies counted once."""
        return self.images - self.copies - sum(len(group) - 1 for group in self.near)

    @property
    def absent(self) -> int:
        """Paths that lead nowhere; they are among the errors."""
        return sum(error.reason == "missing" for error in self.errors)

    def advice(self) -> tuple[str, ...]:
        """What to do before training, in plain language; empty when nothing is amiss."""
        found = (*self._of_files(), *self._of_kinds(), *self._of_pictures())
        return tuple(sentence for holds, sentence in found if holds)

    def _of_files(self) -> Iterator[Advice]:
        """On files that are not there, cannot be read, or are called oddly."""
        absent, bad = self.absent, len(self.errors) - self.absent
        total = self.images + bad
        unread = f"{bad} of {total} files"
        if not self.images:
            unread = f"There is no readable image here: {count(bad, 'file')}"
        yield from (
            (not total and not absent, "There is no readable image here."),
            (
                absent,
                f"{count(absent, 'path leads', 'paths lead')} nowhere: check the spelling.",
            ),
            (
                bad,
                f"{unread} cannot be read{':' if self.images else ';'} fix or remove "
                f"{plural(bad, 'it', 'them')}.",
            ),
            (
                self.suspect,
                f"{count(sum(self.suspect.values()), 'image')} in folders whose names speak of "
                f"defects ({some_names(list(map(str, self.suspect)), SHOWN)}"
                "): whatever a model learns is normal to it. If they are not, give the folder of "
                "the good ones alone.",
            ),
            (
                self.suspect_files,
                f"{count(len(self.suspect_files), 'image')} whose "
                f"{plural(len(self.suspect_files), 'name speaks', 'names speak')} of defects "
                f"({some_names(list(map(str, self.suspect_files)), SHOWN)}"
                "): whatever a model learns is normal to it. Leave out what is not normal.",
            ),
        )

    def _of_kinds(self) -> Iterator[Advice]:
        """On images of several depths, colours, sizes or formats."""
        which = "those of one kind" if self.tied.keys() & self.depths.keys() else "the rarer ones"
        yield from (
            (
                len(products := [folder for folder in self.folders if folder not in self.suspect])
                > 1,
                f"Images of {len(products)} folders "
                f"({some_names(list(map(str, products)), SHOWN)}): one model is for one product, "
                "seen one way, for what is odd in one is usual in another. Where these are "
                "several, fit a model to each.",
            ),
            (
                len(self.depths) > 1,
                f"{len(self.depths)} bit depths ({', '.join(self.depths)}): a model needs one. "
                f"Convert {which} or train one model each.",
            ),
            (
                len(self.colours) > 1,
                "Grey and colour images are mixed: if the colour means nothing, save all as grey.",
            ),
            (
                self._upright and self._lying,
                f"{self._upright} stand upright and {self._lying} lie on their side: all are "
                "resized to one shape, which squeezes some. Turn or crop them alike, or train one "
                "model each.",
            ),
            (
                len({tuple(sorted(size)) for size in self.sizes}) > 1,
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
        )

    @property
    def _upright(self) -> int:
        """How many images are higher than wide, by more than a tenth."""
        return sum(n for (width, height), n in self.sizes.items() if 10 * height > 11 * width)

    @property
    def _lying(self) -> int:
        return sum(n for (width, height), n in self.sizes.items() if 10 * width > 11 * height)

    def _of_pictures(self) -> Iterator[Advice]:
        """On what is in the pictures, and how many there are."""
        shown = "image" if self.pictures == self.images else "different picture"
        yield from (
            (
                self.copies,
                f"{_images(self.copies)} {plural(self.copies, 'an exact copy', 'exact copies')} of "
                "another: copies count once in what is promised, and teach nothing new.",
            ),
            (
                self.near,
                f"{sum(map(len, self.near))} of the images look like only "
                f"{count(len(self.near), 'picture')} when they are made small: see whether they "
                "are. A picture that was compressed, brightened or shifted anew, or shows the "
                "same part again, is no further evidence; different parts that only look alike "
                "are: keep those. 'oneclass fit' compares what its network sees, may find more or "
                "fewer, counts those that it finds once, and says how many pictures it counts; "
                "where it says no number, it found none, and counts each image as a picture of its "
                "own. "
                f"Where that is about {count(self.pictures, 'picture')}, as here, or fewer, "
                "nothing need be taken out. Where it is far more, believe the smaller number, and "
                "keep one picture of each: copies that count as pictures break what fit promises. "
                "More pictures of the same parts help little, more parts do.",
            ),
            (
                self.constant,
                f"{_images(len(self.constant))} one single colour: likely a covered lens or an "
                "empty export. A model that learns such an image calls others of that colour "
                "normal; of one that it did not learn it judges none. Leave out what shows no "
                "part.",
            ),
            (
                self.far,
                f"{count(len(self.far), 'image holds', 'images hold')} values far "
                "from all others: marks of missing data, or dead pixels? The scale of a model goes "
                "without them. Leave out what is wrong.",
            ),
            (
                self.faint,
                f"{count(len(self.faint), 'image spans', 'images span')} less than a sixteenth of "
                "the scale that a model of all of these would have, which hides most of them. "
                "Bring all to one range of values, or train one model for each kind.",
            ),
            (
                self.transparent,
                f"{count(len(self.transparent), 'image has', 'images have')} transparent parts, "
                "which are taken for white, here and wherever images are read. Where that is not "
                "what a camera would show, or other images have a background of their own, save "
                f"{plural(len(self.transparent), 'it', 'them')} without transparency.",
            ),
            (
                self.images and self.images - self.copies < LEAST,
                f"{count(self.images, 'image is too few', 'images show one picture alone')}: "
                f"'oneclass fit' refuses fewer than {LEAST} that differ; 100 or more are "
                "advisable.",
            ),
            (
                self.images - self.copies >= LEAST and self.pictures < FEW,
                f"{count(self.pictures, f'{shown} is', f'{shown}s are')} few: below {FEW}, no "
                "threshold can promise as few as 5 % false alarms.",
            ),
        )

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
            "tied": {kind: list(map(str, paths)) for kind, paths in self.tied.items()},
            "constant": [str(path) for path in self.constant],
            "far": [str(path) for path in self.far],
            "faint": [str(path) for path in self.faint],
            "transparent": [str(path) for path in self.transparent],
            "special_formats": list(self.special),
            "ignored": dict(self.ignored),
            "folders": {str(folder): n for folder, n in self.folders.items()},
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
        ignored = {plain(suffix) or "none": n for suffix, n in self.ignored.items()}
        lines += [""] if self.images else []
        width = width_of([*tables.values(), ignored])
        for name, rows in tables.items():
            lines += table(name, rows, width, every)
        lines += ["", *(f"  {line}" for line in self.special)] if self.special else []
        if ignored:
            lines += ["", "Not taken for images:", *table("ending", ignored, width, every)]
        for kind, paths in self.rarer.items():
            lines += ["", f"Of the rarer kind, {kind}:", *names(paths, most)]
        for kind, paths in self.tied.items():
            lines += ["", f"As many as of another kind, {kind}:", *names(paths, most)]
        for group in self.duplicates[:most]:
            lines += ["", f"Same pixels, {len(group)} files:", *names(group, most)]
        copies = (f"group of copies{ALL}", f"groups of copies{ALL}")
        lines += more(len(self.duplicates), *copies, shown=most)
        for group in self.near[:most]:
            lines += ["", f"Nearly the same picture, {len(group)} files:", *names(group, most)]
        near = (f"group of near-copies{ALL}", f"groups of near-copies{ALL}")
        lines += more(len(self.near), *near, shown=most)
        if every and self.suspect:
            lines += ["", "Folders whose names speak of defects:", *names(self.suspect, most)]
        if every and self.suspect_files:
            lines += ["", "Names that speak of defects:", *names(self.suspect_files, most)]
        if self.constant:
            lines += ["", "One single colour:", *names(self.constant, most)]
        if self.far:
            lines += ["", "Values far from all others:", *names(self.far, most)]
        if self.faint:
            lines += ["", "A sliver of the common scale:", *names(self.faint, most)]
        if self.transparent:
            lines += ["", "With transparent parts:", *names(self.transparent, most)]
        for reason in dict.fromkeys(e.reason for e in self.errors):
            same = [e for e in self.errors if e.reason == reason]
            heading = "Leading nowhere" if reason == "missing" else f"Unreadable, {reason}"
            lines += ["", f"{heading} ({len(same)}):"]
            lines += names((f"{e.path}: {e.detail}" for e in same), most)
        advice = self.advice() or ("Nothing is amiss.",)
        return "\n".join([*lines, "", *(f"* {sentence}" for sentence in advice)])


def _images(n: int) -> str:
    return count(n, "image is", "images are")


def _size(sizes: Iterable[tuple[int, int]], end: Callable[..., tuple[int, int]]) -> str:
    """The smallest or the largest size, by area; 0 x 0 where there is none."""
    width, height = end(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return f"{width} x {height}"

"""Model files in the data folder, and the detectors that were loaded from them."""

from __future__ import annotations

import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from oneclass.backbones import is_here
from oneclass.detector.estimator import Detector
from oneclass.detector.files import modelfile
from oneclass.detector.files.loading import load
from oneclass.errors import ImageError, InputError, ModelFileError
from oneclass.images.reading import probe
from oneclass.serve.records.versions import Version, Versions
from oneclass.system.files import translated_errors

MOST_LOADED = 4
ROWS = ".rows"
_MAGIC = re.compile(r"""it begins with b(?:'.*?'|".*?"), not b'\w+', so """)
"""What errors on a model file say to those who know bytes."""


class Library:
    """Finds detectors, and takes new model files in.

    Args:
        folder: of model files.
        versions: which there are.
        threads: of each detector; None for all cores.
    """

    def __init__(self, folder: Path, versions: Versions, threads: int | None) -> None:
        self.folder, self._versions, self._threads = folder, versions, threads
        self.deleted = folder / "deleted"
        self.making = folder / "making"  # apart from models, which may be called "job"
        self._loaded: OrderedDict[tuple[str, float], Detector] = OrderedDict()
        self._lock = threading.Lock()
        with translated_errors(folder):
            for needed in (self.deleted, self.making):
                needed.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove what programs that were stopped had on its way; none writes now."""
        for file in (*self.making.iterdir(), *self.folder.glob(".oneclass-*.part")):
            with suppress(OSError):
                file.unlink()

    def file(self, version: Version) -> Path:
        """The model file of a version; among the deleted ones, where it is one of them."""
        place = self.folder / version.file
        return place if place.exists() else self.deleted / version.file

    def detector(self, version: Version) -> Detector:
        """The detector of a version, loaded at most once while it is in use.

        Raises:
            ModelFileError: its file is damaged, or no longer the one that was recorded.
        """
        key = (version.digest, version.false_alarms)
        with self._lock:
            detector = self._loaded.get(key)
            if detector is None:
                detector = self._loaded[key] = self._load(version)
            self._loaded.move_to_end(key)
            while len(self._loaded) > MOST_LOADED:
                self._loaded.popitem(last=False)
        return detector

    def _load(self, version: Version) -> Detector:
        own = version.false_alarms == version.card["false_alarms"]
        rate = None if own else version.false_alarms
        detector = load(self.file(version), threads=self._threads, false_alarms=rate)
        if detector.digest != version.digest:
            raise ModelFileError(
                f"model {self.file(version)}: its SHA-256 is {detector.digest}, but "
                f"{version.digest} was recorded. Put the right file back."
            )
        return detector

    def _load_new(self, file: Path) -> Detector:
        """A model that came; errors don't tell where it lies while it is looked at."""
        try:
            _refuse_a_picture(file)
            network = modelfile.read(file)[0]["representation"].get("backbone")
            if network is not None and not is_here(network):
                raise ModelFileError(
                    f"the model needs its own network, {network['name']!r}, and a server has the "
                    "embedded and the published ones alone: upload a model with one of these. "
                    "'oneclass score' judges with any."
                )
            return load(file, threads=self._threads)
        except ModelFileError as error:
            told = _MAGIC.sub("", str(error).replace(f"model {file}", "the model"))
            raise ModelFileError(told) from error

    def can_learn(self, version: Version) -> bool:
        """Whether the rows that an update needs lie beside the model file."""
        file = self.file(version)
        return file.with_name(file.name + ROWS).exists()

    def set_aside(self, version: Version) -> None:
        """Move the files of a version to those of deleted ones."""
        self._move(version, self.folder, self.deleted)

    def bring_back(self, version: Version) -> None:
        """Move the files of a version back."""
        self._move(version, self.deleted, self.folder)

    def remove(self, version: Version) -> None:
        """Remove the files of a deleted version, wherever they lie."""
        for folder in (self.folder, self.deleted):
            for suffix in ("", ROWS):
                with translated_errors(folder):
                    (folder / (version.file + suffix)).unlink(missing_ok=True)

    def _move(self, version: Version, start: Path, end: Path) -> None:
        for suffix in ("", ROWS):
            with translated_errors(end), suppress(FileNotFoundError):
                (start / (version.file + suffix)).replace(end / (version.file + suffix))

    def take_in(
        self,
        file: Path,
        name: str,
        *,
        origin: str,
        parent_id: int | None = None,
        n_learnt: int = 0,
        kinds: dict[str, Any] | None = None,
        along: Callable[[Version], None] | None = None,
    ) -> Version:
        """Move a model file, and the rows beside it, to where the name's versions lie.

        An uploaded one that is a version of this name already is not taken twice: it is that
        version.

        Args:
            file: of the model.
            name: of the model.
            origin: as in `Version`, like `parent_id`, `n_learnt` and `kinds`.
            along: writes what must be in the records together with the version, which it is called
                with; where it raises, there is no version, and the files stay where they were.

        Raises:
            ModelFileError: it is no model file, or a damaged one.
            InputError: since its name was checked, a model came that is told from it by capitals
                alone.
        """
        detector = self._load_new(file)
        assert detector.digest is not None, "loaded detectors have a digest"
        with self._lock, self._versions.whole():
            check_name(name, self._versions.names())
            same = (one for one in self._versions.of(name) if one.digest == detector.digest)
            if origin == "upload" and (known := next(same, None)):
                return known
            number = self._versions.next_number(name)
            added = self._versions.add(
                name,
                number,
                detector.digest,
                detector.card,
                origin=origin,
                parent_id=parent_id,
                n_learnt=n_learnt,
                kinds=kinds,
            )
            if along is not None:
                along(self._added(added))
            self._place(file, self.folder / f"{name}-{number}.oneclass")
        return self._added(added)

    def _added(self, number: int) -> Version:
        version = self._versions.by_id(number)
        assert version is not None, "it was added"
        return version

    def _place(self, file: Path, place: Path) -> None:
        """Move a model file and its rows; what a server that was killed left there goes."""
        rows, place_of_rows = (one.with_name(one.name + ROWS) for one in (file, place))
        with translated_errors(place):
            if rows.exists():
                shutil.move(rows, place_of_rows)
            else:
                place_of_rows.unlink(missing_ok=True)
            shutil.move(file, place)


def _refuse_a_picture(file: Path) -> None:
    """Raise ModelFileError for an image, which is easily taken for a model in a file dialog."""
    with suppress(ImageError):
        header = probe(file)
        raise ModelFileError(
            f"the file is a picture ({header.format}), not a model file. Give a file that "
            "'oneclass fit' wrote, or that was downloaded from the page of a model."
        )


def check_name(name: str, known: Iterable[str]) -> str:
    """A model's name as it may stand in an address and in a file's name.

    Args:
        name: to check.
        known: names of models that there are; people don't tell apart two that differ only in
            capitals.

    Raises:
        InputError: it may not.
    """
    allowed = all(c.isalnum() or c in "-_ ." for c in name) and name.isascii()
    if not allowed or not 1 <= len(name) <= 60 or name != name.strip(" ."):
        raise InputError(
            f"the name {name!r}: expected 1 to 60 of the letters a to z (without accents), digits, "
            "spaces, points, - and _, with no space or point at its ends."
        )
    alike = {one.lower(): one for one in known} if name not in known else {}
    if name.lower() in alike:
        other = alike[name.lower()]
        raise InputError(
            f"the name {name!r}: there is a model {other!r}, which differs only in capitals. Give "
            f"{other!r} for a new version of it, or another name."
        )
    return name

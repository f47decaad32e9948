"""Finished cells on disk: the same pictures with the same settings are not measured again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from oneclass import __version__
from oneclass.detector.settings import Settings
from oneclass.errors import InputError
from oneclass.evaluation.cells import Cell
from oneclass.evaluation.layout import Category
from oneclass.evaluation.measuring import words
from oneclass.results.folders import check_tables, refuse_file_name, refuse_pictures
from oneclass.system.files import make_folder, whole_file
from oneclass.system.texts import why

FOLDER = "cells"
TABLES = {
    "table.md": b"# Evaluation\n",
    "table.html": b'<p class="eyebrow">oneclass evaluate</p>',
    "results.json": b'\n "published": [',
}
"""What the tables of an evaluation hold, by which they are known as its own."""


def digest_of_files(category: Category) -> str:
    """SHA-256 of the names and the content of all pictures and masks.

    Raises:
        InputError: one of them cannot be read.
    """
    digest = hashlib.sha256()
    for file in sorted(category.files):
        try:
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise InputError(
                f"{file}: it cannot be read ({why(error)}). Make it readable, or take it away."
            ) from error
        digest.update(json.dumps([str(file.relative_to(category.folder)), content]).encode())
    return digest.hexdigest()


def digest_of_cell(category: Category, files: str, settings: Settings) -> str:
    """SHA-256 of all that a cell comes from: files, settings, network, this version.

    Args:
        category: whose name is part of it.
        files: from `digest_of_files`.
        settings: of the detector.
    """
    network = Path(str(settings.backbone))
    content = hashlib.sha256(network.read_bytes()).hexdigest() if network.is_file() else ""
    parts = [__version__, category.name, files, words(settings), content]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class KeptCells:
    """A folder with a file for each finished cell.

    Args:
        folder: of the evaluation; it is made.

    Raises:
        InputError: it cannot be made or is called like a file; or pictures lie there, and no
            evaluation; or a table that is none of one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        if not self._folder.exists():
            refuse_file_name(folder, "-o", "table.md")
            refuse_pictures(folder, "evaluation")
        check_tables(folder, TABLES, "table of 'oneclass evaluate -o'")
        make_folder(self._folder)

    @property
    def is_empty(self) -> bool:
        """Whether no cell is finished."""
        return not any(self._folder.glob("*.json"))

    def get(self, digest: str) -> Cell | None:
        """The cell of that digest; None where there is none, or its file is damaged."""
        try:
            text = (self._folder / f"{digest}.json").read_text(encoding="utf-8")
            cell = Cell.from_json(json.loads(text))
        except (OSError, KeyError, TypeError, ValueError):
            return None
        return cell if cell.digest == digest else None

    def put(self, cell: Cell, digest: str) -> Cell:
        """Keep a cell, whole or not at all; the cell with its digest.

        Raises:
            InputError, StorageError: it cannot be written.
        """
        kept = replace(cell, digest=digest)
        with whole_file(self._folder / f"{digest}.json") as file:
            file.write(json.dumps(kept.to_json(), indent=1).encode())
        return kept

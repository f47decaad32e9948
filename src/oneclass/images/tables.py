"""Tables that say something of image files, a row a file, such as what each of them shows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oneclass.errors import InputError
from oneclass.images.folders import SUFFIXES
from oneclass.system.texts import read_table, why

PATHS = (
    *("path", "filepath", "file_path", "image_path", "file", "filename", "file_name"),
    *("image", "picture", "name"),
)
"""What a column is called that names the files; the first of these that is there does."""
SAID = 100
"""Letters of a header that a message repeats."""


@dataclass(frozen=True)
class LabelTable:
    """A table of files and what is said of each.

    Attributes:
        columns: all, in small letters.
        column: of these the one with the labels.
        rows: of each the number of its line, the path, and the label as it stands there.
    """

    columns: list[str]
    column: str
    rows: list[tuple[int, str, str]]


def read_labels(file: Path, names: Sequence[str]) -> LabelTable:
    """A table with a header that has a column of paths and one of labels.

    Args:
        file: the table.
        names: what the column of labels may be called, in small letters; the first that is there
            is taken.

    Raises:
        InputError: it cannot be read, or lacks one of the two columns.
    """
    expected = f"Expected a CSV file with the columns path and {names[0]}."
    try:
        columns, rows = read_table(file)
    except (OSError, ValueError) as error:
        raise InputError(f"labels {file}: cannot be read ({why(error)}). {expected}") from error
    path = next((name for name in PATHS if name in columns), None)
    label = next((name for name in names if name in columns), None)
    if path is None or label is None:
        raise InputError(f"labels {file}: {_amiss(columns, names, path, label)}")
    found = [(number, row[path], row[label]) for number, row in rows]
    return LabelTable(columns, label, found)


def _amiss(columns: list[str], names: Sequence[str], path: str | None, label: str | None) -> str:
    """What a header lacks, and what to do."""
    if not columns:
        return "found no rows. Expected a header, and one row an image."
    found = ", ".join(columns)[:SAID]
    if any(os.path.splitext(cell)[1] in SUFFIXES for cell in columns):  # noqa: PTH122
        return (
            f"its first line ({found}) names an image, and so is no header. Put the line "
            f"path,{names[0]} above it, or the names of its columns in their order."
        )
    labels, paths = ", ".join(names[1:]), ", ".join(PATHS[1:])
    if path is not None:
        return (
            f"of its columns ({found}), {path} names the images, and none says what they are. Call "
            f"that one {names[0]} (or {labels})."
        )
    if label is not None:
        return (
            f"of its columns ({found}), {label} says what the images are, and none names them. "
            f"Call that one path (or {paths})."
        )
    return f"found {found}. Expected a header with path (or {paths}) and {names[0]} (or {labels})."


def from_windows(path: str) -> str:
    """A path that was written on Windows as it is written here; others as they are."""
    return path.replace("\\", os.sep) if os.sep == "/" else path

"""Folders that results go to: what somebody else has there is neither lost nor mixed up with them.

A file is known as one of ours by how it begins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from oneclass.errors import InputError
from oneclass.images.folders import first_picture
from oneclass.rows.cache import KIND
from oneclass.system.files import check_replaces, has_content, would_be_lost
from oneclass.system.places import Remote

INDEX, REGIONS, RECORD = "index.csv", "regions.jsonl", "run.json"
PREDICTIONS = {
    "predictions.csv": b"path,score,p_value,is_anomaly",
    "predictions.jsonl": b'{"path": ',
    "errors.csv": b"path,reason,detail",
}
HEATMAPS = {INDEX: b"path,score,offset", REGIONS: b'{"path": '}
ELSEWHERE = "Give another folder"
OF_FILES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".md", ".html", ".parquet", ".xlsx", ".png")
"""Endings that nobody gives to a folder."""


def check_run_folder(folder: Path) -> None:
    """Refuse a folder for a scoring run where files of somebody else are; stores keep versions.

    Raises:
        InputError: one of them has the name of one of a run's; or pictures lie there, and no run;
            or the folder is called like a file.
    """
    if isinstance(folder, Remote):
        return
    refuse_file_name(folder, "-o", "predictions.csv")
    _refuse_strangers(folder, PREDICTIONS, "table of 'oneclass score -o'")
    record = folder / RECORD
    if has_content(record) and not _is_record(record):
        raise would_be_lost(record, "record of 'oneclass score -o'", ELSEWHERE)
    if not record.exists():
        refuse_pictures(folder, "run")


def check_tables(folder: Path, own: Mapping[str, bytes], kind: str) -> None:
    """Refuse a folder for tables where files of somebody else have their names.

    Args:
        folder: of the option -o.
        own: what each of ours holds, by its name.
        kind: what they are, such as "table of 'oneclass evaluate -o'".

    Raises:
        InputError: one of them holds no such thing.
    """
    for name, holds in own.items():
        check_replaces(folder / name, kind, b"", holds=holds, instead=ELSEWHERE)


def refuse_file_name(folder: Path, option: str, table: str) -> None:
    """Refuse a name that was meant for a file where a folder would be made of it.

    Args:
        folder: that was asked for.
        option: with which.
        table: of the files that will be in it, one.

    Raises:
        InputError: it is called so, and is no folder yet.
    """
    if folder.suffix.lower() in OF_FILES and not folder.is_dir():
        own = folder.with_suffix("")
        raise InputError(
            f"{option} is {folder}: expected a folder, and that is the name of a file. Give a "
            f"folder, as {own}; {own / table} will be in it."
        )


def refuse_pictures(folder: Path, own: str, *, what: str = "tables") -> None:
    """Refuse a folder for tables, or a page, in which pictures lie.

    Args:
        folder: of the option -o.
        own: what a folder in it may be called.
        what: would be among the pictures.

    Raises:
        InputError: pictures lie there.
    """
    if (name := first_picture(folder)) is not None:
        raise InputError(
            f"-o is {folder}: {name} lies there, and {what} would be among the pictures. Give a "
            f"folder of its own, as {folder / own}."
        )


def check_cache_folder(folder: Path) -> None:
    """Refuse a folder for a cache of rows in which pictures lie, and no cache.

    Raises:
        InputError: pictures lie there.
    """
    if (name := first_picture(folder)) is None or any(
        KIND.fullmatch(entry.name) for entry in folder.iterdir()
    ):
        return
    raise InputError(
        f"--cache is {folder}: {name} lies there, and rows would be among the pictures. Give a "
        f"folder of their own, as {folder / 'cache'}; 'none' goes without."
    )


def check_apart(folder: Path, inputs: Sequence[str]) -> None:
    """Refuse a folder for a scoring run that is itself one of those that are scored.

    Pictures may lie in its sub-folders alone. Where a run lies there already, so be it.

    Raises:
        InputError: it is one of them.
    """
    if first_picture(folder) is not None:
        return  # `check_run_folder` names it
    real = os.path.realpath(str(folder))
    within = any(os.path.realpath(given) == real for given in inputs if given != "-")
    if within and not isinstance(folder, Remote) and not (folder / RECORD).exists():
        raise InputError(
            f"-o is {folder}: its pictures are scored, and tables would be among the pictures. "
            f"Give a folder of their own, as {folder / 'run'}."
        )


def check_heatmap_folder(folder: Path) -> None:
    """Refuse a folder for heatmaps where files of somebody else are.

    Raises:
        InputError: one of them has the name of one of ours; or somebody's pictures lie there, and
            no index of heatmaps: who gives them by name, as a shell's *.png does, would learn
            heatmaps among them; or the folder is called like a file.
    """
    refuse_file_name(folder, "--heatmaps", INDEX)
    _refuse_strangers(folder, HEATMAPS, "table of 'oneclass score --heatmaps'")
    if not (folder / INDEX).exists() and (name := first_picture(folder)) is not None:
        raise InputError(
            f"--heatmaps is {folder}: {name} lies there, and is no heatmap. Heatmaps would be "
            f"mixed up with pictures. Give a folder of their own, as {folder / 'heatmaps'}."
        )


def _refuse_strangers(folder: Path, beginnings: dict[str, bytes], kind: str) -> None:
    for name, beginning in beginnings.items():
        check_replaces(folder / name, kind, beginning, instead=ELSEWHERE)


def _is_record(file: Path) -> bool:
    try:
        return "scored" in json.loads(file.read_bytes())
    except (OSError, TypeError, ValueError):
        return False

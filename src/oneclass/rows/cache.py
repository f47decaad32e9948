"""The cache as a whole: what is in it, and making it smaller."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneclass.errors import InputError
from oneclass.rows.layers import Layers
from oneclass.rows.shards import NAME, Shard, manifests, read_manifest
from oneclass.rows.store import RECORD, folder_name, remove_shard
from oneclass.system.files import translated_errors

KIND, TEMPORARY = re.compile(r"[0-9a-f]{64}"), re.compile(r"\.oneclass-.*\.part")
"""Names that we give; what is called otherwise is not ours and is left alone."""
IN_THE_MAKING = 3600.0
"""Seconds; a file without a manifest that is older was left by a writer that was killed."""


@dataclass(frozen=True)
class Kind:
    """The rows of one network, layer and preprocessing.

    Attributes:
        folder: of its shards.
        record: what its rows depend on; empty where that cannot be read.
        shards: the whole ones.
        damaged: manifests that cannot be read.
    """

    folder: Path
    record: dict[str, Any]
    shards: tuple[Shard, ...]
    damaged: tuple[Path, ...]

    @property
    def rows(self) -> int:
        """How many images it has rows of."""
        return len({key for shard in self.shards for key in shard.keys})

    @property
    def bytes(self) -> int:
        """All that its files take."""
        return sum(_size(path) for path in self.folder.iterdir())

    @property
    def name(self) -> str:
        """What the rows are, in a few words."""
        what = self.record.get("representation", self.record)
        layers = str(Layers.from_json(what.get("layers", [])))
        parts = [what.get("kind", "unknown"), what.get("backbone", {}).get("name"), layers]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Pruned:
    """What was removed.

    Attributes:
        shards: how many.
        leftovers: how many files of killed writers.
        bytes: that this gave back.
    """

    shards: int
    leftovers: int
    bytes: int


def kinds(cache: Path) -> list[Kind]:
    """What is in a cache, by name.

    Raises:
        InputError: there is no such folder.
    """
    if cache.exists() and not cache.is_dir():
        raise InputError(f"cache {cache}: it is no folder. Give the folder that --cache names.")
    if not cache.is_dir():
        raise InputError(
            f"cache {cache}: no such folder. Give the one that a command got with --cache."
        )
    found = (p for p in cache.iterdir() if KIND.fullmatch(p.name) and not p.is_symlink())
    return sorted(
        (_kind(p) for p in found if p.is_dir()), key=lambda kind: (kind.name, kind.folder)
    )


def prune(
    cache: Path,
    *,
    unused_for: float | None = None,
    most_bytes: int | None = None,
    damaged: bool = False,
) -> Pruned:
    """Remove what killed writers left, and as many rows as asked.

    Other processes may use the cache meanwhile: a row that they miss they compute again.

    Args:
        cache: the folder.
        unused_for: remove shards that no fit has used for so many seconds.
        most_bytes: remove the shards that were used longest ago until the rest takes no more.
        damaged: read every shard, and remove those that are not as they were written.

    Raises:
        InputError: there is no such folder, or it may not be written to.
    """
    now = time.time()
    found = kinds(cache)
    with translated_errors(cache):
        left = [_remove(path) for kind in found for path in _leftovers(kind, now)]
        gone = [remove_shard(path) for kind in found for path in kind.damaged]
        used = sorted((_used(s), s.manifest, s) for kind in found for s in kind.shards)
        total = sum(_bytes(shard) for _, _, shard in used)
        for when, manifest, shard in used:
            old = unused_for is not None and now - when > unused_for
            large = most_bytes is not None and total > most_bytes
            if old or large or (damaged and not _is_sound(shard)):
                total -= _bytes(shard)
                gone.append(remove_shard(manifest))
        for kind in found:
            _remove_if_empty(kind.folder)
    return Pruned(len(gone), len(left), sum(left) + sum(gone))


def _kind(folder: Path) -> Kind:
    record: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        told = json.loads((folder / RECORD).read_bytes())
        if isinstance(told, dict) and folder_name(told) == folder.name:
            record = told
    shards, damaged = [], []
    for path in manifests(folder):
        try:
            shards.append(read_manifest(path))
        except ValueError:
            damaged.append(path)
        except OSError:
            continue
    return Kind(folder, record, tuple(shards), tuple(damaged))


def _leftovers(kind: Kind, now: float) -> Iterator[Path]:
    described = {shard.file for shard in kind.shards}
    for path in kind.folder.iterdir():
        ours = TEMPORARY.fullmatch(path.name) or NAME.fullmatch(path.name)
        alone = path.suffix != ".json" and path not in described
        with suppress(FileNotFoundError):
            if ours and alone and now - path.lstat().st_mtime > IN_THE_MAKING:
                yield path


def _remove(path: Path) -> int:
    size = _size(path)
    path.unlink(missing_ok=True)
    return size


def _remove_if_empty(folder: Path) -> None:
    if [path.name for path in folder.iterdir()] in ([], [RECORD]):
        (folder / RECORD).unlink(missing_ok=True)
        with suppress(OSError):  # a writer came in between
            folder.rmdir()


def _is_sound(shard: Shard) -> bool:
    try:
        return shard.is_sound()
    except OSError:
        return False


def _used(shard: Shard) -> float:
    try:
        return shard.manifest.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _bytes(shard: Shard) -> int:
    return _size(shard.manifest) + _size(shard.file)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0

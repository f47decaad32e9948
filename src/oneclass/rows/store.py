"""The row store: rows on the disk, so that no image passes a network twice.

    DIR/<SHA-256 of the record>/record.json     what the rows are: network, layers, preprocessing
                                <random>.npy    rows
                                <random>.json   whose they are, and the digests

Writers never touch each other's shards, and readers take the union: any number of both may use one
folder. What is lost, damaged or in the making is computed again; no result depends on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from oneclass.errors import InputError, OneclassError
from oneclass.rows.shards import Item, Shard, manifests, read_manifest, write_shard
from oneclass.system.files import FULL, whole_file

RECORD = "record.json"
SHARD_BYTES, SHARD_SECONDS = 8 << 20, 30.0
"""A killed writer loses what it has not written: at most this much, or this long."""


@dataclass(frozen=True)
class CacheUse:
    """What a store was good for.

    Attributes:
        found: images whose row was there.
        computed: images whose row was made.
        damaged: shards whose bytes were not those that were written; they were thrown away.
        stopped: why no more rows were written, or None.
    """

    found: int
    computed: int
    damaged: int
    stopped: str | None


class RowStore:
    """The rows of one kind: of one network, layer and preprocessing. Threads may share it."""

    def __init__(self, cache: Path, record: Mapping[str, Any]) -> None:
        """Find out which rows there are.

        Args:
            cache: the folder of all kinds; it is made if need be.
            record: all that a row depends on besides its image, as JSON.

        Raises:
            InputError: there can be no such folder.
        """
        self.folder = cache / folder_name(record)
        self.cache, self._record = cache, dict(record)
        self._lock = threading.Lock()
        self._places: dict[bytes, tuple[Shard, int]] = {}
        self._sound: set[Path] = set()
        self._pending: dict[bytes, Item] = {}
        self._written = time.monotonic()
        self._found = self._computed = self._damaged = 0
        self._stopped: str | None = None
        self._make_cache()
        self._read_manifests()

    def add_use(self, use: CacheUse) -> None:
        """Count what stores of other processes in the same cache were good for."""
        with self._lock:
            self._found += use.found
            self._computed += use.computed
            self._damaged += use.damaged
            self._stopped = self._stopped or use.stopped

    @property
    def use(self) -> CacheUse:
        """What it was good for until now."""
        return CacheUse(self._found, self._computed, self._damaged, self._stopped)

    def get(self, key: bytes) -> tuple[NDArray[Any], bytes] | None:
        """The row and the pixels' digest of an image, or None where they must be made.

        Args:
            key: 32 bytes that name the image's content.
        """
        with self._lock:
            found = self._read(key)
            self._found += found is not None
            return found

    def put(self, key: bytes, row: NDArray[Any], digest: bytes) -> None:
        """Keep a row; when enough have come together they are written.

        Args:
            key: as for `get`.
            row: float16, float32 or float64, of the same shape for all images.
            digest: SHA-256 of the image's pixels.
        """
        with self._lock:
            self._computed += 1
            if self._stopped or key in self._places:
                return
            self._pending[key] = (key, digest, row)
            late = time.monotonic() - self._written > SHARD_SECONDS
            if late or row.nbytes * len(self._pending) >= SHARD_BYTES:
                self._write()

    def flush(self) -> None:
        """Write what has not been written yet."""
        with self._lock:
            self._write()

    def _make_cache(self) -> None:
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno not in FULL:
                there = self.cache.exists()
                wrong = "it is no folder" if there else f"cannot be made: {error.strerror}"
                raise InputError(
                    f"cache {self.cache}: {wrong}. Give a folder that "
                    "exists or can be made, or 'none'."
                ) from error
            self._stop(error)

    def _read_manifests(self) -> None:
        for path in manifests(self.folder):
            try:
                shard = read_manifest(path)
            except ValueError:
                self._throw_away(path)
                continue
            except OSError:  # pruned meanwhile, or not ours to read
                continue
            self._places |= {key: (shard, i) for i, key in enumerate(shard.keys)}

    def _read(self, key: bytes) -> tuple[NDArray[Any], bytes] | None:
        if key not in self._places:
            return None
        shard, number = self._places[key]
        try:
            if shard.manifest not in self._sound:
                if not shard.is_sound():
                    raise ValueError("its digest is another one")
                self._sound.add(shard.manifest)
                with suppress(OSError):
                    os.utime(shard.manifest)  # prune goes by when it was last used
            return shard.row(number), shard.digests[number]
        except (ValueError, FileNotFoundError):  # a manifest without rows misleads for ever
            self._throw_away(shard.manifest)
        except OSError:  # a disk that fails, or a folder that we may not read
            pass
        self._places = {k: place for k, place in self._places.items() if place[0] is not shard}
        return None

    def _throw_away(self, manifest: Path) -> None:
        self._damaged += 1
        with suppress(OSError):  # a folder that we may not write to
            remove_shard(manifest)

    def _write(self) -> None:
        if not self._pending or self._stopped:
            return
        items = list(self._pending.values())
        self._pending.clear()
        try:
            self._make_folder()
            shard = write_shard(self.folder, items)
        except OneclassError as error:  # before OSError, which a StorageError is, too
            self._stop(error.__cause__ or error)
        except OSError as error:
            self._stop(error)
        else:
            self._sound.add(shard.manifest)
            self._places |= {key: (shard, i) for i, key in enumerate(shard.keys)}
        self._written = time.monotonic()

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        record = self.folder / RECORD
        if not record.exists():
            with whole_file(record) as file:
                file.write(json.dumps(self._record, indent=1, sort_keys=True).encode())

    def _stop(self, error: BaseException) -> None:
        reason = error.strerror if isinstance(error, OSError) else None
        self._stopped = f"cannot write {self.cache}: {reason or error}"
        self._pending.clear()


def folder_name(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record, in hex: the name of the folder of its rows."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def remove_shard(manifest: Path) -> int:
    """Remove a shard, the manifest first, since rows without one count for nothing.

    Returns:
        How many bytes that gave back.

    Raises:
        OSError: it may not be removed.
    """
    freed = 0
    for path in (manifest, manifest.with_suffix(".npy")):
        with suppress(FileNotFoundError):
            freed += path.stat().st_size
            path.unlink()
    return freed

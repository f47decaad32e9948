"""Shards of the row store: an .npy file of rows, and a manifest that says whose they are.

A shard is written once and never changed. Its manifest is written after its rows, so a manifest
vouches for rows that are whole on the disk; a writer that is killed leaves rows without one, or a
temporary file, and nobody reads those.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from oneclass.system.files import whole_file

DTYPES = ("<f2", "<f4", "<f8")
DIGEST_BYTES = 32
NAME = re.compile(r"[0-9a-f]{32}\.(json|npy)")
"""What is called otherwise is not ours."""
Item = tuple[bytes, bytes, NDArray[Any]]
"""An image's key, the digest of its pixels, and its row."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some rows on the disk.

    Attributes:
        manifest: the file that describes them; the rows are beside it, in an .npy file.
        keys: one for each row: what the image is found by.
        digests: one for each row: SHA-256 of the image's pixels.
        dtype: of the rows.
        shape: (n, d), or (n, p, d) for patches.
        sha256: of the .npy file, in hex.
    """

    manifest: Path
    keys: Sequence[bytes]
    digests: Sequence[bytes]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    sha256: str

    @property
    def file(self) -> Path:
        """The .npy file."""
        return self.manifest.with_suffix(".npy")

    def is_sound(self) -> bool:
        """Whether the file has the bytes that were written.

        Raises:
            OSError: it cannot be read.
        """
        if not self.file.is_file():  # to open a pipe would wait for ever
            raise FileNotFoundError(self.file)
        with self.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256

    def row(self, number: int) -> NDArray[Any]:
        """Read one row; of a sound shard it is the one that was written.

        It is read, not mapped: a file that shrinks under a map would kill the process.

        Raises:
            OSError, ValueError: the file has gone, or has become shorter.
        """
        count = math.prod(self.shape[1:])
        size = count * self.dtype.itemsize
        with self.file.open("rb", buffering=0) as file:
            head = file.seek(0, io.SEEK_END) - self.shape[0] * size
            file.seek(head + number * size)
            return np.frombuffer(file.read(size), self.dtype, count).reshape(self.shape[1:])


def write_shard(folder: Path, items: Sequence[Item]) -> Shard:
    """Write rows, and then the manifest that makes them count.

    Args:
        folder: of one kind of rows.
        items: at least one; rows of one shape and dtype.

    Raises:
        InputError: the folder cannot be written to.
        StorageError: the disk is full.
    """
    keys, digests, some = zip(*items, strict=True)
    rows = np.stack(some)
    rows = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
    content = io.BytesIO()
    np.save(content, rows, allow_pickle=False)
    shard = Shard(
        folder / f"{uuid4().hex}.json",
        keys,
        digests,
        rows.dtype,
        rows.shape,
        hashlib.sha256(content.getbuffer()).hexdigest(),
    )
    with whole_file(shard.file) as file:
        file.write(content.getbuffer())
    with whole_file(shard.manifest) as file:
        file.write(_to_json(shard))
    return shard


def manifests(folder: Path) -> list[Path]:
    """The files in a folder that are called like manifests, by name."""
    found = (p for p in folder.glob("*.json") if NAME.fullmatch(p.name))
    return sorted(path for path in found if path.is_file())


def read_manifest(path: Path) -> Shard:
    """Read what `write_shard` wrote; the rows themselves are not looked at.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not as it was written.
    """
    try:
        record = json.loads(path.read_bytes())
        told = record.pop("manifest_sha256")
        if told != _digest(record):
            raise ValueError("its digest is another one")
        shape = tuple(int(n) for n in record["shape"])
        keys, digests = (_parts(record[name]) for name in ("keys", "pixels"))
        if len(shape) < 2 or min(shape) < 1 or not len(keys) == len(digests) == shape[0]:
            raise ValueError(f"shape {shape} for {len(keys)} keys and {len(digests)} digests")
        if record["dtype"] not in DTYPES:
            raise ValueError(f"dtype {record['dtype']!r}")
        return Shard(path, keys, digests, np.dtype(record["dtype"]), shape, record["npy_sha256"])
    except (AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from error


def _to_json(shard: Shard) -> bytes:
    record = {
        "dtype": shard.dtype.str,
        "shape": list(shard.shape),
        "keys": b"".join(shard.keys).hex(),
        "pixels": b"".join(shard.digests).hex(),
        "npy_sha256": shard.sha256,
    }
    return json.dumps({**record, "manifest_sha256": _digest(record)}).encode()


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _parts(text: str) -> list[bytes]:
    joined = bytes.fromhex(text)
    return [joined[i : i + DIGEST_BYTES] for i in range(0, len(joined), DIGEST_BYTES)]

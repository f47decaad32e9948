"""The model file: JSON and arrays in one file, every byte under a digest, no pickle.

    offset  bytes
    0       8       the letters ONECLASS
    8       4       format version (unsigned, little-endian like all that follows)
    12      8       length J of the JSON text
    20      J       JSON, UTF-8: {"arrays": [{name, dtype, shape, offset}, ...], "card": {...}}
    ...             zeros up to a multiple of 64; from there the arrays, in C order, each at its
                    offset from here, a multiple of 64
    end-32  32      SHA-256 of everything before it

Reading it takes numpy and nothing else. The same content gives the same bytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import ModelFileError
from oneclass.system.files import whole_file

MAGIC = b"ONECLASS"
VERSION = 3
HEAD = struct.Struct("<8sIQ")
DIGEST_BYTES = 32
ALIGNMENT = 64
PIECE_BYTES = 8 << 20
DTYPES = ("<f2", "<f4", "<f8", "<i8")


def write(path: Path, card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Write a model file, whole or not at all.

    Args:
        path: of the file.
        card: anything that JSON can say.
        arrays: by name; float16, float32, float64 or int64.

    Returns:
        The hex SHA-256 that the file ends with.

    Raises:
        InputError: `path` cannot be written to.
        StorageError: the disk is full.
    """
    digest = hashlib.sha256()
    with whole_file(path) as file:
        for piece in _pieces(card, arrays):
            digest.update(piece)
            file.write(piece)
        file.write(digest.digest())
    return digest.hexdigest()


def _pieces(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Iterator[bytes]:
    """The bytes before the digest, in pieces, since rows may take more than the memory."""
    entries, end = [], 0
    for name, array in sorted(arrays.items()):
        end += -end % ALIGNMENT
        dtype = array.dtype.newbyteorder("<").str
        entries.append({"name": name, "dtype": dtype, "shape": list(array.shape), "offset": end})
        end += array.nbytes
    text = json.dumps(
        {"arrays": entries, "card": card}, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()
    head = HEAD.pack(MAGIC, VERSION, len(text)) + text
    yield head + _padding(len(head))
    end = 0
    for _, array in sorted(arrays.items()):
        yield _padding(end)
        end += -end % ALIGNMENT + array.nbytes
        lines = np.atleast_1d(array)
        step = max(1, PIECE_BYTES // max(1, lines[:1].nbytes))
        for start in range(0, len(lines), step):
            piece = lines[start : start + step]
            yield piece.astype(piece.dtype.newbyteorder("<"), copy=False).tobytes()


def _padding(length: int) -> bytes:
    return bytes(-length % ALIGNMENT)


def read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
    """Read and check a model file.

    Returns:
        The card, the arrays by name (read-only), and the hex SHA-256 of the content.

    Raises:
        ModelFileError: there is no such file, it is no model, or one byte of it is not as written.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is no regular file")
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"model {path}: cannot be read: {error.strerror}. Check the path."
        ) from error
    refuse = f"model {path}: refused: "
    if len(content) < HEAD.size + DIGEST_BYTES:
        raise ModelFileError(
            f"{refuse}only {len(content)} bytes, so it is cut short or no model file. "
            "Copy it again, or fit again."
        )
    magic, version, length = HEAD.unpack_from(content)
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    intact = hashlib.sha256(body).digest() == digest
    if not intact and magic != MAGIC:
        raise ModelFileError(
            f"{refuse}it begins with {magic!r}, not {MAGIC!r}, so it is no oneclass model or its "
            "first bytes are damaged. Give a file made by 'oneclass fit'."
        )
    if not intact:
        raise ModelFileError(
            f"{refuse}its content has SHA-256 {hashlib.sha256(body).hexdigest()[:16]}..., the file "
            f"says {digest.hex()[:16]}...: it is damaged or cut short. Copy it again, or fit again."
        )
    if magic != MAGIC or version != VERSION:
        raise ModelFileError(
            f"{refuse}format version {version}; this oneclass reads version {VERSION}. "
            "Use the oneclass that wrote it, or fit again."
        )
    try:
        head = json.loads(content[HEAD.size : HEAD.size + length])
        start = HEAD.size + length + -(HEAD.size + length) % ALIGNMENT
        arrays = {entry["name"]: _array(body[start:], entry) for entry in head["arrays"]}
        return dict(head["card"]), arrays, digest.hex()
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        # The digest holds, so this was never a model of ours.
        raise ModelFileError(
            f"{refuse}its content is no oneclass model ({error}). Fit again."
        ) from error


def _array(body: bytes, entry: Mapping[str, Any]) -> NDArray[Any]:
    if entry["dtype"] not in DTYPES:
        raise ValueError(f"array {entry['name']!r} has dtype {entry['dtype']!r}")
    shape = tuple(int(n) for n in entry["shape"])
    if min(shape, default=0) < 0 or int(entry["offset"]) < 0:
        raise ValueError(f"array {entry['name']!r} has a negative shape or offset")
    count = int(np.prod(shape, dtype=np.int64))
    flat = np.frombuffer(body, np.dtype(entry["dtype"]), count, int(entry["offset"]))
    return flat.reshape(shape)

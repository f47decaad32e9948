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
import io
import json
import math
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError, ModelFileError
from oneclass.images.folders import SUFFIXES
from oneclass.rows import ArrayRows, FileRows, RowSource
from oneclass.system.files import check_replaces, check_writable, whole_file
from oneclass.system.host import portable
from oneclass.system.names import near_path
from oneclass.system.places import Remote

MAGIC = b"ONECLASS"
VERSION, READABLE = 4, (3, 4)
HEAD = struct.Struct("<8sIQ")
DIGEST_BYTES = 32
ALIGNMENT = 64
PIECE_BYTES = 8 << 20
DTYPES = ("<f2", "<f4", "<f8", "<i8")
Stored = NDArray[Any] | RowSource


def write(path: Path, card: Mapping[str, Any], arrays: Mapping[str, Stored]) -> str:
    """Write a model file, whole or not at all.

    Args:
        path: of the file.
        card: anything that JSON can say.
        arrays: by name; float16, float32, float64 or int64; rows may lie in a file.

    Returns:
        The hex SHA-256 that the file ends with.

    Raises:
        InputError: `path` cannot be written to.
        StorageError: the disk is full.
    """
    with whole_file(path) as file:
        return write_to(file, card, arrays)


def write_to(file: BinaryIO, card: Mapping[str, Any], arrays: Mapping[str, Stored]) -> str:
    """As `write`, to an open file."""
    digest = hashlib.sha256()
    for piece in _pieces(card, arrays):
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())
    return digest.hexdigest()


def _pieces(card: Mapping[str, Any], arrays: Mapping[str, Stored]) -> Iterator[bytes]:
    """The bytes before the digest, in pieces, since rows may take more than the memory."""
    entries, end = [], 0
    for name, array in sorted(arrays.items()):
        end += -end % ALIGNMENT
        dtype = _dtype(array)
        shape = list(array.shape)
        entries.append({"name": name, "dtype": dtype.str, "shape": shape, "offset": end})
        end += math.prod(shape) * dtype.itemsize
    text = json.dumps(
        {"arrays": entries, "card": card}, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()
    head = HEAD.pack(MAGIC, VERSION, len(text)) + text
    yield head + _padding(len(head))
    end = 0
    for _, array in sorted(arrays.items()):
        yield _padding(end)
        dtype = _dtype(array)
        end += -end % ALIGNMENT + math.prod(array.shape) * dtype.itemsize
        rows = ArrayRows(np.atleast_1d(array)) if isinstance(array, np.ndarray) else array
        step = max(1, PIECE_BYTES // max(1, rows.n_columns * dtype.itemsize))
        for start in range(0, rows.n_rows, step):
            piece = rows.take(range(start, min(start + step, rows.n_rows)))
            yield piece.astype(dtype, copy=False).tobytes()


def _dtype(array: Stored) -> np.dtype[Any]:
    kept = array.dtype if isinstance(array, np.ndarray) else array.stored
    return kept.newbyteorder("<")


def _padding(length: int) -> bytes:
    return bytes(-length % ALIGNMENT)


@dataclass(frozen=True)
class Entry:
    """Where an array lies.

    Attributes:
        dtype: of its numbers.
        shape: of the array.
        start: its first byte in the file.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int


def check_model_place(path: Path) -> None:
    """Find out before hours of work whether a model can be written, and nothing else be lost.

    Raises:
        InputError: it cannot, another kind of file is there, or its name is that of an image.
    """
    check_writable(path, ".oneclass")
    check_replaces(path, "model", MAGIC)
    if path.suffix.lower() in SUFFIXES:
        raise InputError(
            f"{path}: a model is to be written, and its name ends as an image's, so it would be "
            f"taken for one. Give another name, such as {path.with_suffix('.oneclass')}."
        )


def is_model(path: Path) -> bool:
    """Whether a file begins as model files do."""
    try:
        if not path.is_file():  # to open a pipe waits for who writes into it
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
    """Read and check a model file.

    Returns:
        The card, the arrays by name (read-only), and the hex SHA-256 of the content.

    Raises:
        ModelFileError: there is no such file, it is no model, or one byte of it is not as written.
    """
    with _opened(path) as file:
        try:
            content = file.read()
        except MemoryError:
            raise ModelFileError(
                f"model {path}: refused: it does not fit into memory. Give a file made by "
                "'oneclass fit', which is seldom larger than some MB."
            ) from None
    card, entries, digest = _checked(path, io.BytesIO(content))
    if "images_sha256" in card:  # as `TrainingRows.write` marks them
        model = path.with_name(path.name.removesuffix(".rows"))
        # The file may be called otherwise, as one that was sent to a server.
        beside = f": {model}" if model != path else ", whose name is the same without .rows."
        raise ModelFileError(
            f"model {path}: refused: it is no model, but the rows of a model's images, which "
            f"'oneclass update' reads by itself. Give the model beside it{beside}"
        )
    return card, {name: _view(content, entry) for name, entry in entries.items()}, digest


def open_rows(path: Path) -> tuple[dict[str, Any], dict[str, FileRows]]:
    """Check a file like `read`, and leave its arrays, of two dimensions or more, where they are.

    Returns:
        The card, and the arrays by name.

    Raises:
        ModelFileError: as for `read`.
    """
    with _opened(path) as file:
        card, entries, _ = _checked(path, file)
        return card, {name: _kept(file, entry) for name, entry in entries.items()}


def _kept(file: IO[bytes], entry: Entry) -> FileRows:
    """An array that stays readable when another file takes the name."""
    length = math.prod(entry.shape) * entry.dtype.itemsize
    own, start = portable.kept_open(file, entry.start, length)
    return FileRows(own, entry.shape, entry.dtype, start)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        if path.is_dir():
            raise OSError(errno.EISDIR, "it is a folder")
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is no regular file")
        with path.open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        near = "" if isinstance(path, Remote) or path.exists() else near_path(path)
        there = f" Did you mean {near}?" if near else ""
        order = ""
        if error.errno == errno.EISDIR:
            order = " On the command line the model stands before the images."
        raise ModelFileError(
            f"model {path}: cannot be read: {error.strerror}.{there} Give the path of a file that "
            f"'oneclass fit' or Detector.save wrote.{order}"
        ) from error


def _checked(path: Path, file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Entry], str]:
    """The card, the places of the arrays, and the digest of a file without a fault."""
    refuse = f"model {path}: refused: "
    size = file.seek(0, io.SEEK_END)
    if size < HEAD.size + DIGEST_BYTES:
        raise ModelFileError(
            f"{refuse}only {size} bytes, so it is cut short or no model file. "
            "Copy it again, or fit again."
        )
    file.seek(0)
    magic, version, length = HEAD.unpack(file.read(HEAD.size))
    found, told = _digests(file, size - DIGEST_BYTES)
    if found != told and magic != MAGIC:
        if path.suffix == ".onnx":
            raise ModelFileError(
                f"{refuse}an ONNX file is a network, or what 'oneclass export' made of a model. "
                "Give the model itself: a file that 'oneclass fit' wrote."
            )
        raise ModelFileError(
            f"{refuse}it begins with {magic!r}, not {MAGIC!r}, so it is no oneclass model or its "
            "first bytes are damaged. Give a file made by 'oneclass fit'."
        )
    if found != told:
        raise ModelFileError(
            f"{refuse}its content has SHA-256 {found.hex()[:16]}..., the file "
            f"says {told.hex()[:16]}...: it is damaged or cut short. Copy it again, or fit again."
        )
    if magic != MAGIC or version not in READABLE:
        raise ModelFileError(
            f"{refuse}format version {version}; this oneclass reads versions 3 and 4. "
            "Use the oneclass that wrote it, or fit again."
        )
    try:
        file.seek(HEAD.size)
        head = json.loads(file.read(length))
        start = HEAD.size + length + -(HEAD.size + length) % ALIGNMENT
        room = size - DIGEST_BYTES - start
        entries = {entry["name"]: _entry(entry, start, room) for entry in head["arrays"]}
        return dict(head["card"]), entries, told.hex()
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        # The digest holds, so this was never a model of ours.
        raise ModelFileError(
            f"{refuse}its content is no oneclass model ({error}). Fit again."
        ) from error


def _digests(file: IO[bytes], length: int) -> tuple[bytes, bytes]:
    """SHA-256 of the first bytes, read in pieces, and the digest that stands behind them."""
    digest = hashlib.sha256()
    file.seek(0)
    while length > 0 and (piece := file.read(min(length, PIECE_BYTES))):
        digest.update(piece)
        length -= len(piece)
    return digest.digest(), file.read(DIGEST_BYTES)


def _entry(entry: Mapping[str, Any], start: int, room: int) -> Entry:
    name = entry["name"]
    if entry["dtype"] not in DTYPES:
        raise ValueError(f"array {name!r} has dtype {entry['dtype']!r}")
    dtype, shape = np.dtype(entry["dtype"]), tuple(int(n) for n in entry["shape"])
    offset = int(entry["offset"])
    if min(shape, default=0) < 0 or offset < 0:
        raise ValueError(f"array {name!r} has a negative shape or offset")
    if offset + math.prod(shape) * dtype.itemsize > room:
        raise ValueError(f"array {name!r} is longer than the file")
    return Entry(dtype, shape, start + offset)


def _view(content: bytes, entry: Entry) -> NDArray[Any]:
    """An array without a copy: all arrays of a file share its bytes."""
    flat = np.frombuffer(content, entry.dtype, math.prod(entry.shape), entry.start)
    return flat.reshape(entry.shape)

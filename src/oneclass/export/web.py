"""An exported model as a page that judges images in the browser: a folder for any static server.

What computes is onnxruntime-web, 14 MB of WebAssembly. It is not part of oneclass, since few need
it: the user gives the package as npm has it, and two of its files are copied.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from importlib import resources
from operator import methodcaller
from pathlib import Path
from typing import Any

from oneclass.errors import InputError
from oneclass.export.running import WEB_MODEL
from oneclass.system.files import (
    check_replaces,
    has_content,
    translated_errors,
    would_be_lost,
    write_together,
)
from oneclass.system.texts import why

VERSION = "1.30.0"
"""Of onnxruntime-web: the one that the page was tried with."""
RUNTIME = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
"""The SHA-256 of its files, as published."""
PAGE = ("index.html", "page.js", "files.js", "style.css")
RECORD = "model.json"
LICENCES = "LICENSES.txt"
LICENCES_START = "page.js, "
"""How this file begins, by which a folder is known as a page of ours."""
MOST_BYTES = 64 << 20
"""Of one file of the runtime."""
_KIND, _ELSEWHERE = "part of an exported page", "Give another folder"

NAMES = (*PAGE, *RUNTIME, LICENCES, RECORD, WEB_MODEL)
"""Of all files in the folder."""

MIT = """\
MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def read_runtime(given: Path) -> dict[str, bytes]:
    """The two files of onnxruntime-web that the page needs.

    Args:
        given: the package's archive, as `npm pack` fetches it, or a folder that holds its files.

    Raises:
        InputError: they are not there, or not as they were published.
    """
    found = {name: _one(given, name) for name in RUNTIME}
    for name, content in found.items():
        digest = hashlib.sha256(content).hexdigest()
        if digest != RUNTIME[name]:
            raise InputError(
                f"{given}: its {name} has SHA-256 {digest}, and that of onnxruntime-web {VERSION} "
                f"has {RUNTIME[name]}: it is damaged or of another version. {_advice()}"
            )
    return found


def check_page_folder(folder: Path) -> None:
    """Refuse a folder for a page where files of somebody else have the names of a page's.

    Raises:
        InputError: one of them is there, and what says that a page of ours is not.
    """
    check_replaces(folder / LICENCES, _KIND, LICENCES_START.encode(), instead=_ELSEWHERE)
    if has_content(folder / LICENCES):
        return
    for name in NAMES:
        if has_content(folder / name):
            raise would_be_lost(folder / name, _KIND, _ELSEWHERE)


def write_page(
    folder: Path, model: bytes, record: dict[str, Any], runtime: dict[str, bytes]
) -> int:
    """Write the folder; a file that is there already is replaced.

    Args:
        folder: made where it is not.
        model: from `onnx_model`.
        record: the model's own, from its metadata.
        runtime: from `read_runtime`.

    Returns:
        Bytes written.

    Raises:
        InputError: a model for images that no browser reads, or a place that cannot be written to.
        StorageError: the disk is full.
    """
    if record["input"]["type"] != "uint8":
        raise InputError(
            f"the model is for images of type {record['input']['type']}, and a browser reads all "
            "images as 8-bit ones. Export it as onnx, or fit a model to 8-bit images."
        )
    with translated_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    own = resources.files("oneclass.export") / "page"
    contents = {
        LICENCES: _licences(record).encode(),  # the first to be there, since it tells whose it is
        **{name: (own / name).read_bytes() for name in PAGE},
        **runtime,
        RECORD: json.dumps(record, sort_keys=True).encode(),
        WEB_MODEL: model,
    }
    assert contents.keys() == {*NAMES}, "what is there under these names is looked at before"
    write_together({folder / name: methodcaller("write", c) for name, c in contents.items()})
    return sum(map(len, contents.values()))


def _one(given: Path, name: str) -> bytes:
    """One file out of an archive or a folder."""
    try:
        if given.is_dir():
            places = (given / name, given / "dist" / name, given / "package" / "dist" / name)
            return next(place for place in places if place.is_file()).read_bytes()
        with tarfile.open(given) as tar:
            member = tar.extractfile(f"package/dist/{name}")
            assert member is not None, "it is a file, or getting it has failed"
            return member.read(MOST_BYTES)
    except StopIteration:
        raise InputError(f"{given}: holds no {name}. {_advice()}") from None
    except (KeyError, OSError, tarfile.TarError, EOFError) as error:
        told = why(error) if isinstance(error, OSError) else "it is no such archive"
        raise InputError(
            f"{given}: cannot be read as onnxruntime-web ({told}). {_advice()}"
        ) from error


def _advice() -> str:
    return (
        f"Give what 'npm pack onnxruntime-web@{VERSION}' fetches, or the folder that it unpacks to."
    )


def _licences(record: dict[str, Any]) -> str:
    files = "\n".join(f"    {name}, SHA-256 {digest}" for name, digest in RUNTIME.items())
    network = record["licence"] or "none is stated"
    return (
        f"{LICENCES_START}files.js, style.css, index.html: oneclass, Apache-2.0.\n\n"
        f"model.onnx: made by oneclass {record['oneclass']} from the model of SHA-256 "
        f"{record['model_sha256']}. Licence of its network: {network}.\n\n"
        f"onnxruntime-web {VERSION}, MIT:\n{files}\n\n{MIT}"
    )

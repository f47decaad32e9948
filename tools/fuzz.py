"""Feed a reader what a coverage-guided fuzzer makes up: nothing but its own errors may come out.

    pip install atheris
    python tools/fuzz.py TARGET CORPUS_FOLDER [-max_total_time=180 -timeout=2 ...]

TARGET is one of image, model, mat, list, labels; the options are libFuzzer's. What breaks it is
written to the working folder as crash-*, timeout-* or oom-*.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["oneclass", "PIL"]):
    from oneclass.backbones.matconvnet.matfile import read_mat
    from oneclass.detector.files import modelfile
    from oneclass.detector.predictions import Prediction
    from oneclass.errors import ImageError, InputError, ModelFileError
    from oneclass.images import reading
    from oneclass.images.lists import entries, is_everything
    from oneclass.report.labels import from_csv

PLACE = Path(tempfile.mkdtemp(prefix="oneclass-fuzz-")) / "input"


def image(data: bytes) -> None:
    PLACE.write_bytes(data)
    try:
        reading.read(PLACE, max_pixels=2**22)
    except ImageError as refused:
        if refused.reason not in reading.REASONS:
            raise


def model(data: bytes) -> None:
    PLACE.write_bytes(data + sha256(data).digest())  # else nothing gets past the digest
    try:
        modelfile.read(PLACE)
    except ModelFileError:
        return


def mat(data: bytes) -> None:
    PLACE.write_bytes(data)
    try:
        read_mat(PLACE)
    except ValueError:
        return


def paths(data: bytes) -> None:
    try:
        found, _ = entries(data, PLACE.parent, comments=True)
    except ValueError:
        return
    assert all(entry and (is_everything(entry) or entry.strip("./\\*? \t")) for entry in found)


def labels(data: bytes) -> None:
    PLACE.write_bytes(data)
    try:
        from_csv([Prediction(str(PLACE.parent / "a.png"), 0.0, 0.5, False)], PLACE)
    except InputError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {
    "image": image,
    "model": model,
    "mat": mat,
    "list": paths,
    "labels": labels,
}

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()

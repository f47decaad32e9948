"""Feed a reader what a coverage-guided fuzzer makes up: nothing but its own errors may come out.

    pip install atheris
    python tools/fuzz.py TARGET CORPUS_FOLDER [-max_total_time=180 -timeout=2 ...]

TARGET is one of image, model, card, mat, list, labels; the options are libFuzzer's. What breaks it
is written to the working folder as crash-*, timeout-* or oom-*.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["oneclass", "PIL"]):
    from oneclass.backbones.matconvnet.matfile import read_mat
    from oneclass.detector.files import modelfile
    from oneclass.detector.files.loading import load
    from oneclass.detector.predictions import Prediction
    from oneclass.errors import ImageError, InputError, ModelFileError, OneclassError
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
    """The bytes of a file, or, where they begin like JSON, its text before 4 KB of numbers."""
    if data.startswith(b"{"):  # else nothing gets past the length of the text
        head = modelfile.HEAD.pack(modelfile.MAGIC, modelfile.VERSION, len(data)) + data
        data = head + bytes(-len(head) % modelfile.ALIGNMENT + 4096)
    PLACE.write_bytes(data + sha256(data).digest())  # else nothing gets past the digest
    try:
        modelfile.read(PLACE)
    except ModelFileError:
        return


def card(data: bytes) -> None:
    """A model that can be loaded (`ONECLASS_FUZZ_MODEL`), of which some values are others."""
    told, arrays, _ = modelfile.read(Path(os.environ["ONECLASS_FUZZ_MODEL"]))
    choose = atheris.FuzzedDataProvider(data)
    for _ in range(choose.ConsumeIntInRange(1, 3)):
        _change(told, choose)
    arrays = {name: _changed(array, choose) for name, array in arrays.items()}
    modelfile.write(PLACE, told, arrays)
    try:
        load(PLACE)
    except OneclassError:
        return


def _change(told: Any, choose: atheris.FuzzedDataProvider) -> None:
    """Put another value somewhere into a tree of dictionaries and lists, or take one out."""
    while True:
        keys = list(told) if isinstance(told, dict) else list(range(len(told)))
        key = keys[choose.ConsumeIntInRange(0, len(keys) - 1)]
        inside = told[key]
        if not (isinstance(inside, dict | list) and inside and choose.ConsumeProbability() < 0.8):
            break
        told = inside
    if choose.ConsumeProbability() < 0.2:
        del told[key]
    else:
        told[key] = _value(choose)


def _value(choose: atheris.FuzzedDataProvider) -> Any:
    return choose.PickValueInList(
        [
            None,
            True,
            0,
            -1,
            choose.ConsumeInt(8),
            10**400,
            1e308,
            choose.ConsumeRegularFloat(),
            "",
            choose.ConsumeUnicodeNoSurrogates(8),
            [],
            [[]],
            {},
            {"name": "x"},
        ]
    )


def _changed(array: Any, choose: atheris.FuzzedDataProvider) -> Any:
    """An array as it is, of another shape, or with a number that is none."""
    how = choose.ConsumeIntInRange(0, 20)
    if how == 1:
        return array[:-1]
    if how == 2:
        return array.ravel()
    if how == 3:
        return array[:0]
    if how == 4 and array.dtype.kind == "f":
        return np.full_like(array, np.nan)
    if how == 5:
        return array[None]
    if how == 6:
        return array.astype("i8" if array.dtype.kind == "f" else "f8")
    return array


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
    "card": card,
    "mat": mat,
    "list": paths,
    "labels": labels,
}

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()

"""An exported model in OpenVINO's own form: an .xml file and a .bin file beside it."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from oneclass.errors import InputError, MissingDependencyError
from oneclass.export.assembly import METADATA_KEY
from oneclass.system import offline
from oneclass.system.files import write_together
from oneclass.system.host.machine import pip_install

ENDING = ".xml"


def convert(model: bytes) -> Any:
    """An exported model, as `onnx_model` wrote it, in OpenVINO's form in memory.

    Raises:
        MissingDependencyError: OpenVINO is not installed.
    """
    return _package().convert_model(io.BytesIO(model))


def write_openvino(file: Path, converted: Any, record: dict[str, Any]) -> int:
    """Write a converted model; float32 weights stay so.

    Args:
        file: ends in .xml; its weights go to a file of the same name that ends in .bin.
        converted: from `convert`.
        record: what the exported model's metadata says.

    Returns:
        Bytes written.

    Raises:
        InputError: a name that OpenVINO does not take, or a place that cannot be written to.
        MissingDependencyError: OpenVINO is not installed.
        StorageError: the disk is full.
    """
    check_name(file)
    ov = _package()
    converted.set_rt_info(json.dumps(record, sort_keys=True), [METADATA_KEY])
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / file.name
        ov.save_model(converted, made, compress_to_fp16=False)
        weights = made.with_suffix(".bin")
        # The .xml last: it is what is opened.
        copies = {file.with_suffix(one.suffix): partial(_copy, one) for one in (weights, made)}
        write_together(copies)
        return sum(one.stat().st_size for one in (weights, made))


def _copy(source: Path, target: BinaryIO) -> None:
    with source.open("rb") as content:
        shutil.copyfileobj(content, target)


def check_name(file: Path) -> None:
    """Refuse a name that OpenVINO does not take.

    Raises:
        InputError: it does not end in .xml.
    """
    if file.suffix != ENDING:
        raise InputError(
            f"{file}: OpenVINO reads models from files that end in {ENDING}. Give such a name, as "
            f"{file.with_suffix(ENDING)}."
        )


def _package() -> Any:
    try:
        return offline.openvino()
    except ImportError as error:
        raise MissingDependencyError(
            f"--format openvino: the package openvino cannot be imported ({error}): "
            f"{pip_install('openvino')}"
        ) from error

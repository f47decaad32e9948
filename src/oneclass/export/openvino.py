"""An exported model in OpenVINO's own form: an .xml file and a .bin file beside it."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from oneclass.errors import InputError, MissingDependencyError
from oneclass.export.assembly import METADATA_KEY
from oneclass.system import offline
from oneclass.system.files import whole_file
from oneclass.system.host.machine import pip_install

ENDING = ".xml"


def write_openvino(file: Path, model: bytes, record: str) -> int:
    """Convert an exported model; weights stay float32.

    Args:
        file: ends in .xml; its weights go to a file of the same name that ends in .bin.
        model: from `onnx_model`.
        record: the model's own, as the JSON text of its metadata.

    Returns:
        Bytes written.

    Raises:
        InputError: a name that OpenVINO does not take, or a place that cannot be written to.
        MissingDependencyError: OpenVINO is not installed.
        StorageError: the disk is full.
    """
    if file.suffix != ENDING:
        raise InputError(f"{file}: OpenVINO reads models from files that end in {ENDING}.")
    ov = _package()
    converted = ov.convert_model(io.BytesIO(model))
    converted.set_rt_info(record, [METADATA_KEY])
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / file.name
        ov.save_model(converted, made, compress_to_fp16=False)
        size = 0
        for one in (made.with_suffix(".bin"), made):  # the .xml last: it is what is opened
            with one.open("rb") as source, whole_file(file.with_suffix(one.suffix)) as target:
                shutil.copyfileobj(source, target)
            size += one.stat().st_size
    return size


def _package() -> Any:
    try:
        return offline.openvino()
    except ImportError as error:
        raise MissingDependencyError(
            f"--format openvino: the package openvino cannot be imported ({error}): "
            f"{pip_install('openvino')}"
        ) from error

"""Run an exported model here, to compare it with the model that it was made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import refused_as
from oneclass.backbones.onnx_file import ONNX_START
from oneclass.errors import InputError, MissingDependencyError, ModelFileError
from oneclass.export.assembly import INPUT, METADATA_KEY
from oneclass.system import offline
from oneclass.system.files import check_replaces, has_content, would_be_lost
from oneclass.system.host.machine import pip_install

OPENVINO_ENDINGS = (".xml",)
EXPORTED = "exported model"
_KEY_IN_ONNX = b"\x0a%c%b\x12" % (len(METADATA_KEY), METADATA_KEY.encode())
"""The entry of the metadata as protobuf has it: a text that names the key has other bytes there."""
_KEY_IN_OPENVINO = f"<{METADATA_KEY} value=".encode()
WEB_MODEL = "model.onnx"
"""The graph's name in a folder with a page."""

Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Exported:
    """An exported model that is ready to run.

    Attributes:
        record: what its metadata says; see `onnx_model`.
        compute: a batch of images, in the layout that the record names, to the outputs.
    """

    record: dict[str, Any]
    compute: Callable[[NDArray[Any]], Outputs]

    def __call__(self, pixels: NDArray[Any]) -> Outputs:
        """The outputs for one image, (H, W) grey or (H, W, 3) RGB, without their first axis."""
        image = pixels[..., None] if pixels.ndim == 2 else pixels
        if self.record["input"]["layout"] == "NCHW":
            image = np.ascontiguousarray(image.transpose(2, 0, 1))
        return {name: values[0] for name, values in self.compute(image[None]).items()}


def open_exported(place: Path) -> Exported:
    """Make an exported model ready: an ONNX file, OpenVINO's .xml, or a folder with a page.

    Raises:
        InputError: there is no such file or folder.
        MissingDependencyError: OpenVINO is needed and not installed.
        ModelFileError: it cannot be run, or oneclass did not make it.
    """
    file = place / WEB_MODEL if place.is_dir() else place
    if not file.is_file():
        raise InputError(f"{file}: there is no such file. Give what 'oneclass export' wrote.")
    with refused_as(
        lambda said: ModelFileError(
            f"{file}: cannot be run as an exported model ({said}). Give what 'oneclass export' "
            "wrote, or export again."
        )
    ):
        open_it = _openvino if file.suffix in OPENVINO_ENDINGS else _onnxruntime
        text, compute = open_it(file)
        record = json.loads(text)
        record["input"]["layout"], record["model_sha256"]
    return Exported(record, compute)


def check_replaces_export(place: Path) -> None:
    """Refuse to write an exported model over a file that is none, such as a backbone's.

    Args:
        place: an ONNX file or OpenVINO's .xml, with which a .bin goes.

    Raises:
        InputError: oneclass did not export what is there.
    """
    if place.suffix not in OPENVINO_ENDINGS:
        check_replaces(place, EXPORTED, ONNX_START, holds=_KEY_IN_ONNX)
        return
    check_replaces(place, EXPORTED, b"<", holds=_KEY_IN_OPENVINO)
    weights = place.with_suffix(".bin")
    if has_content(weights) and not has_content(place):  # an own .xml answers for both
        raise would_be_lost(weights, EXPORTED)


def _onnxruntime(file: Path) -> tuple[str, Callable[[NDArray[Any]], Outputs]]:
    ort = offline.onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def compute(images: NDArray[Any]) -> Outputs:
        return dict(zip(names, session.run(names, {INPUT: images}), strict=True))

    told = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in told:
        raise ValueError("it does not name the model that it was made from")
    return told[METADATA_KEY], compute


def _openvino(file: Path) -> tuple[str, Callable[[NDArray[Any]], Outputs]]:
    try:
        ov = offline.openvino()
    except ImportError as error:
        raise MissingDependencyError(
            f"{file}: the package openvino cannot be imported ({error}): {pip_install('openvino')}"
        ) from error
    model = ov.Core().read_model(file)
    text = str(model.get_rt_info([METADATA_KEY]).value)
    return text, on_openvino(model, list(json.loads(text)["outputs"]))


def on_openvino(model: Any, names: Sequence[str]) -> Callable[[NDArray[Any]], Outputs]:
    """What computes OpenVINO's form of an exported model, in float32 where it is not int8.

    Args:
        model: read or converted.
        names: of its outputs.
    """
    core = offline.openvino().Core()
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def compute(images: NDArray[Any]) -> Outputs:
        found = compiled({INPUT: images})
        return {name: np.array(found[name]) for name in names}

    return compute

"""An exported model's networks in int8: calibrated, and measured, on a user's own normal images.

Only networks are quantised. Resizing, rows, half-spaces and p-values stay as they are, and so does
the threshold: what int8 moves is told, and must stay within a limit.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones.onnx_file import cut
from oneclass.detector.estimator import Detector
from oneclass.errors import ImageError, InputError, MissingDependencyError
from oneclass.export.assembly import passes
from oneclass.export.running import Exported, on_openvino
from oneclass.export.verifying import Difference, compare
from oneclass.images.sources import Progress, Sources
from oneclass.representations.layers import NetworkLayers
from oneclass.system import offline
from oneclass.system.host.machine import pip_install
from oneclass.system.names import count

LEAST, MOST = 10, 100
"""Images to calibrate on, and as many others to measure on."""
SHARE = 0.9
DEFAULT_LIMIT = 0.25
"""Of a score, in standard deviations of the normal images' scores, for `SHARE` of the images."""
FLOAT_CONVOLUTIONS = 5
"""The first ones stay in float32: docs/export.md says how much further scores move otherwise."""
CONVOLUTIONS = ("Convolution", "GroupConvolution")


@dataclass(frozen=True, slots=True)
class Moved:
    """How far int8 moved what the model says of normal images that it was not calibrated on.

    Attributes:
        calibrated_on, measured_on: images.
        median, nine_in_ten, largest: differences of scores, in standard deviations of the normal
            images' scores; nine images in ten moved by at most `nine_in_ten`.
        verdicts: that differ.
        alarms, own_alarms: anomalies among the images, by int8 and by the model.
    """

    calibrated_on: int
    measured_on: int
    median: float
    nine_in_ten: float
    largest: float
    verdicts: int
    alarms: int
    own_alarms: int

    def __str__(self) -> str:
        return (
            f"int8, calibrated on {self.calibrated_on} images, moved the scores of "
            f"{self.measured_on} others by {self.median:.2g} standard deviations in the median, "
            f"{self.nine_in_ten:.2g} for nine in ten and {self.largest:.2g} at most; "
            f"other verdicts: {self.verdicts} (anomalies: {self.own_alarms} before, {self.alarms} "
            "now)."
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def quantise(
    converted: Any,
    record: dict[str, Any],
    detector: Detector,
    sources: Sources,
    *,
    progress: Progress | None = None,
) -> tuple[Moved, tuple[ImageError, ...]]:
    """Replace the networks of a converted model by int8 ones.

    Every second image is calibrated on, the others are judged by both models.

    Args:
        converted: OpenVINO's form of an exported model, changed in place.
        record: what the exported model's metadata says.
        detector: the model that it was made from.
        sources: normal images.
        progress: called with (images judged, images in all).

    Returns:
        What int8 moved, and the images that could not be read.

    Raises:
        InputError: the model has no network, or there are too few images.
        MissingDependencyError: the package nncf is not installed.
    """
    nncf = _package()
    networks = [
        (f"network_{i}/", seen[0])
        for i, seen in enumerate(passes(detector.model))
        if isinstance(seen[0], NetworkLayers)
    ]
    if not networks:
        raise InputError("--int8: the model looks at grey values and has no network. Leave it out.")
    to_calibrate, to_measure = _halves(sources)
    readable, errors = _readable(to_calibrate)
    if not readable:  # nothing to calibrate on
        raise _too_few(0, [*sources.errors, *errors])
    for prefix, part in networks:
        images = [_prepared(detector, part, pixels) for pixels in readable]
        _splice(converted, _int8(nncf, part, images), prefix)
    exported = Exported(record, on_openvino(converted, list(record["outputs"])))
    judged = list(compare(exported, detector, to_measure, progress=progress))
    errors += [found for found in judged if isinstance(found, ImageError)]
    found = [found for found in judged if isinstance(found, Difference)]
    if min(len(readable), len(found)) < LEAST:
        raise _too_few(len(readable) + len(found), [*sources.errors, *errors])
    return _moved(len(readable), found), tuple(errors)


def _too_few(n: int, errors: Sequence[ImageError]) -> InputError:
    why = f" The first that cannot: {errors[0]}." if errors else ""
    return InputError(
        f"--int8: {count(n, 'image')} can be read; expected {2 * LEAST} or more, of normal "
        f"things: half to calibrate on, half to measure on. Give more.{why}"
    )


def _moved(calibrated_on: int, found: Sequence[Difference]) -> Moved:
    # Where only one score is a number, nothing could be further apart.
    apart = np.nan_to_num(np.abs([d.score for d in found]), nan=np.inf)
    verdicts = np.array([d.verdicts for d in found])
    return Moved(
        calibrated_on,
        len(found),
        float(np.median(apart)),
        float(np.quantile(apart, SHARE, method="inverted_cdf")),
        float(apart.max()),
        int((verdicts[:, 0] != verdicts[:, 1]).sum()),
        int(verdicts[:, 0].sum()),
        int(verdicts[:, 1].sum()),
    )


def _halves(sources: Sources) -> tuple[Sources, Sources]:
    """Evenly chosen images, in turns for the one and for the other."""
    n = min(len(sources), 2 * MOST)
    chosen = np.linspace(0, len(sources) - 1, n).astype(int) if n else np.empty(0, int)
    first, second = (
        Sources([sources.items[i] for i in half], [sources.names[i] for i in half])
        for half in (chosen[::2], chosen[1::2])
    )
    return first, second


def _readable(sources: Sources) -> tuple[list[NDArray[Any]], list[ImageError]]:
    found, errors = [], []
    for index in range(len(sources)):
        try:
            found.append(sources.pixels(index))
        except ImageError as error:
            errors.append(error)
    return found, errors


def _prepared(detector: Detector, part: NetworkLayers, pixels: NDArray[Any]) -> NDArray[Any]:
    """(1, channels, height, width) float32."""
    return part.prepare(pixels, detector.model.scale)[None]


def _int8(nncf: Any, part: NetworkLayers, images: Sequence[NDArray[Any]]) -> Any:
    """A network, cut at its layers, with int8 weights and activations."""
    ov = offline.openvino()
    network = ov.convert_model(io.BytesIO(cut(part.backbone.model, part.session.layers)))
    convolutions = [
        operation.get_friendly_name()
        for operation in network.get_ordered_ops()
        if operation.get_type_name() in CONVOLUTIONS
    ]
    with redirect_stdout(io.StringIO()):  # its bars would be in the way of what is printed
        return nncf.quantize(
            network,
            nncf.Dataset(images),
            subset_size=len(images),
            preset=nncf.QuantizationPreset.MIXED,  # rectified values have no sign, others do
            ignored_scope=nncf.IgnoredScope(names=convolutions[:FLOAT_CONVOLUTIONS]),
        )


def _splice(whole: Any, network: Any, prefix: str) -> None:
    """Put a network in the place of the one whose tensors have this prefix."""
    (entry,) = network.inputs
    source = _tensor(whole, {prefix + name for name in entry.get_names()})
    for reader in list(entry.get_target_inputs()):
        reader.replace_source_output(source)
    for result in network.outputs:
        made = result.get_node().input_value(0)
        old = _tensor(whole, {prefix + name for name in result.get_names()})
        for reader in list(old.get_target_inputs()):
            reader.replace_source_output(made)


def _tensor(model: Any, names: set[str]) -> Any:
    return next(output for output in _outputs(model) if names & output.get_names())


def _outputs(model: Any) -> Iterator[Any]:
    for operation in model.get_ordered_ops():
        yield from operation.outputs()


def _package() -> Any:
    try:
        package = offline.nncf()
    except ImportError as error:
        raise MissingDependencyError(
            f"--int8: the package nncf cannot be imported ({error}): {pip_install('int8')}"
        ) from error
    package.set_log_level(logging.ERROR)
    return package

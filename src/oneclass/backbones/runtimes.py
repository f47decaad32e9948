"""What runs a network: ONNX Runtime, or OpenVINO, in float32 or bfloat16.

Both compute an image on one core and many images side by side. On a processor this is faster than
to share out one image (no core waits for another), and leaves the cores that prepare images alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from importlib import metadata
from threading import Lock
from typing import Any, Protocol

import numpy as np

from oneclass.backbones.expected import Input
from oneclass.errors import InputError, MissingDependencyError
from oneclass.system import offline
from oneclass.system.arrays import Planes
from oneclass.system.host.cuda import CUDA, cuda_session
from oneclass.system.host.machine import pip_install

AUTO = "auto"
ONNXRUNTIME, OPENVINO = "onnxruntime", "openvino"
FP32, BF16 = "fp32", "bf16"
RUNTIMES, PRECISIONS = (ONNXRUNTIME, OPENVINO), (FP32, BF16)
WEIGHTS_PER_IMAGE = 16 << 20
"""The weights are read once for each call, so a network with many gets more images a call."""
MOST_TOGETHER, TOGETHER_OPENVINO, TOGETHER_CUDA = 16, 4, 32


@dataclass(frozen=True, slots=True)
class Runtime:
    """What computes a network. Rows of one precision are not comparable with those of another.

    Attributes:
        name: one of `RUNTIMES`.
        precision: one of `PRECISIONS`.
    """

    name: str = ONNXRUNTIME
    precision: str = FP32

    @classmethod
    def from_json(cls, data: dict[str, Any] | None) -> Runtime:
        """Read a model's record; models from before there was a choice have none.

        Raises:
            ValueError, TypeError: the record makes no sense.
        """
        runtime = DEFAULT_RUNTIME if data is None else cls(**data)
        if runtime.name not in RUNTIMES or runtime.precision not in PRECISIONS:
            raise ValueError(f"a runtime of {runtime}")
        return runtime

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


DEFAULT_RUNTIME = Runtime()


class Engine(Protocol):
    """A network that is ready to run; threads may share it.

    Attributes:
        together: how many images a call should have at best.
        version: of what computes; the last bits may depend on it.
        inputs: what the network takes.
    """

    together: int
    version: str
    inputs: tuple[Input, ...]

    def run(self, images: Planes) -> list[Planes]:
        """(n, channels, height, width) to one array for each output."""


def choose_runtime(name: str, precision: str) -> Runtime:
    """The runtime for a fit: ONNX Runtime in float32 unless something else is asked for.

    Args:
        name: one of `RUNTIMES`, or "auto".
        precision: one of `PRECISIONS`, or "auto": with OpenVINO bf16 where the processor has it.

    Raises:
        InputError: unknown words, or a precision that the runtime or the processor lacks.
        MissingDependencyError: OpenVINO is asked for and not installed.
    """
    _check_words(name, precision)
    if name == AUTO:
        name = OPENVINO if precision == BF16 else ONNXRUNTIME
    if name == ONNXRUNTIME:
        if precision == BF16:
            raise InputError(
                "precision bf16 needs runtime openvino, and the runtime is onnxruntime. Leave one "
                "of the two on auto."
            )
        return DEFAULT_RUNTIME
    has = _has_bf16()
    if precision == BF16 and not has:
        raise InputError("precision bf16: this processor has no bf16 arithmetic. Use fp32.")
    return Runtime(OPENVINO, FP32 if precision == FP32 or not has else BF16)


def runtime_as_fitted(fitted: Runtime, name: str, precision: str) -> Runtime:
    """The runtime for scoring: as fitted, or another one of the same precision.

    Another precision moves every score while the threshold stays where it was; another runtime of
    the same precision moves scores in their last digits alone (docs/speed.md has the figures).

    Args:
        fitted: what the model's rows were computed with.
        name: one of `RUNTIMES`, or "auto" for the fitted one.
        precision: one of `PRECISIONS`, or "auto" for the fitted one.

    Raises:
        InputError: another precision, or one that the runtime or the processor lacks.
        MissingDependencyError: OpenVINO is needed and not installed.
    """
    _check_words(name, precision)
    if precision not in (AUTO, fitted.precision):
        raise InputError(
            f"precision {precision}: the model was fitted in {fitted.precision}, and its threshold "
            f"holds for that alone. Leave the precision out, or fit again in {precision}."
        )
    return choose_runtime(fitted.name if name == AUTO else name, fitted.precision)


def start(model: bytes, runtime: Runtime, threads: int) -> Engine:
    """Make a network ready.

    Args:
        model: the bytes of an ONNX file.
        runtime: of `choose_runtime`.
        threads: how many images are computed side by side.

    Raises:
        MissingDependencyError: OpenVINO is needed and not installed.
        Exception: what the runtime raises for a network that it cannot run.
    """
    if runtime.name == OPENVINO:
        return _OpenVino(model, runtime.precision, threads)
    return _OnnxRuntime(model)


class _OnnxRuntime:
    def __init__(self, model: bytes) -> None:
        ort = offline.onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self._session = cuda_session(ort, model, options) or ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self.inputs = tuple(
            Input(one.name, _plain_type(one.type), _sides(one.shape))
            for one in self._session.get_inputs()
        )
        self._input = self.inputs[0].name if self.inputs else ""
        provider = self._session.get_providers()[0]
        self.version = f"{provider} {ort.__version__}"
        together = TOGETHER_CUDA if provider == CUDA else _together(model, 1)
        one = any(one.shape[:1] == (1,) for one in self.inputs)
        self.together = 1 if one else together

    def run(self, images: Planes) -> list[Planes]:
        outputs: list[Planes] = self._session.run(None, {self._input: images})
        return outputs


class _OpenVino:
    """Requests in flight side by side, one for each thread that asks.

    OpenVINO's own queue of requests is not used: where one fails, its callback never comes.
    """

    def __init__(self, model: bytes, precision: str, threads: int) -> None:
        self._core = _openvino().Core()
        self._model, self._lock = model, Lock()
        self._settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == BF16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads,
        }
        self._compiled: dict[tuple[int, ...], tuple[Any, deque[Any]]] = {}
        self.version = f"openvino {metadata.version(OPENVINO)}"
        read = self._core.read_model(model)
        self.inputs = tuple(
            Input(i.any_name, i.element_type.to_dtype().name, _sides_of(i.partial_shape))
            for i in read.inputs
        )
        one = any(i.shape[:1] == (1,) for i in self.inputs)
        self.together = 1 if one else _together(model, TOGETHER_OPENVINO)

    def run(self, images: Planes) -> list[Planes]:
        if len(images) not in (1, self.together):  # two sizes are compiled, no more
            ones = [self.run(images[i : i + 1]) for i in range(len(images))]
            return [np.concatenate(parts) for parts in zip(*ones, strict=True)]
        compiled, idle = self._ready(images.shape)
        try:
            request = idle.pop()
        except IndexError:
            request = compiled.create_infer_request()
        outputs = request.infer([images], share_inputs=True)
        copies = [np.array(outputs[output], np.float32) for output in compiled.outputs]
        idle.append(request)
        return copies

    def _ready(self, shape: tuple[int, ...]) -> tuple[Any, deque[Any]]:
        """The network compiled for one shape, which is faster than for any, and idle requests."""
        with self._lock:
            if shape not in self._compiled:
                model = self._core.read_model(self._model)
                model.reshape(list(shape))
                compiled = self._core.compile_model(model, "CPU", self._settings)
                self._compiled[shape] = compiled, deque()
            return self._compiled[shape]


def _plain_type(told: str) -> str:
    """`tensor(float)` in numpy's words."""
    name = told.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(name, name)


def _sides(shape: Any) -> tuple[int | None, ...]:
    return tuple(side if isinstance(side, int) and side > 0 else None for side in shape or ())


def _sides_of(shape: Any) -> tuple[int | None, ...]:
    if shape.rank.is_dynamic:
        return (None,) * 4
    return tuple(side.get_length() if side.is_static else None for side in shape)


def _together(model: bytes, least: int) -> int:
    return max(least, min(MOST_TOGETHER, len(model) // WEIGHTS_PER_IMAGE))


def _check_words(name: str, precision: str) -> None:
    for what, value, known in (
        ("runtime", name, RUNTIMES),
        ("precision", precision, PRECISIONS),
    ):
        if value not in (AUTO, *known):
            raise InputError(f"{what} is {value!r}: expected auto, {' or '.join(known)}.")


def _has_bf16() -> bool:
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _openvino() -> Any:
    try:
        return offline.openvino()
    except ImportError as error:
        raise MissingDependencyError(
            f"runtime openvino: the package openvino cannot be imported ({error}). "
            f"{pip_install('openvino')}; models fitted in fp32 run on onnxruntime, too."
        ) from error

"""MatConvNet's SimpleNN networks, old and new layouts, as records.

Early versions kept `filters` and `biases` in a layer and `normalization` and `classes` beside the
layers; later ones have `weights` and `meta`. Facts of the layouts are those of MatConvNet's manual
(Vedaldi and Lenc, 2015) and of its vl_simplenn_tidy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones.matconvnet.matfile import read_mat
from oneclass.errors import InputError, ModelFileError

INTERPOLATIONS = {
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "nearest": "nearest",
    "lanczos3": "lanczos",
}
"""By the names of MATLAB's imresize."""
OTHER = (
    "Export it from MatConvNet as a SimpleNN network, off the GPU, with save(..., '-v7'), or give "
    "it as ONNX."
)
AGAIN = "Get it again, or export it again from MatConvNet with save(..., '-v7')."


@dataclass(frozen=True)
class Layer:
    """One layer as MatConvNet has it.

    Attributes:
        name: its own, or its type and number.
        kind: MatConvNet's type: "conv", "pool", "relu", ...
        weights: float32 arrays in MatConvNet's axes: filters (height, width, inputs, outputs).
        settings: stride, pad, pool, method, param, leak and what else it has.
    """

    name: str
    kind: str
    weights: tuple[NDArray[np.float32], ...]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SimpleNN:
    """A chain of layers and what it expects of an image.

    Attributes:
        layers: from the input to the output.
        size: (height, width) of the input.
        channels: of the input: 3 for RGB, 1 for grey.
        mean: float32, in units of [0, 255]: (channels,), or (height, width, channels).
        interpolation: "bilinear", "bicubic" or "nearest".
        border: (height, width) that an image is resized larger by, to be cut off afterwards.
        classes: names, in the order of the outputs; may be empty.
    """

    layers: tuple[Layer, ...]
    size: tuple[int, int]
    channels: int
    mean: NDArray[np.float32]
    interpolation: str
    border: tuple[int, int]
    classes: tuple[str, ...]


def read_simplenn(file: Path) -> SimpleNN:
    """Read a network from a `.mat` file.

    Raises:
        InputError: there is no such file.
        ModelFileError: it is damaged, or no SimpleNN network.
    """
    try:
        variables = read_mat(file)
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror or error}). Check the path."
        ) from error
    except (ValueError, OverflowError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{file}: no readable MAT file: {error}. {AGAIN}") from error
    try:
        return _network(variables)
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"{file}: no MatConvNet SimpleNN network: {error}. {OTHER}") from error


def _network(variables: dict[str, Any]) -> SimpleNN:
    inner = variables.get("net")
    net = inner if isinstance(inner, dict) else variables
    if "vars" in net and "params" in net:
        raise ValueError("it is a DagNN; only SimpleNN networks, chains of layers, can be imported")
    if not isinstance(net.get("layers"), list):
        there = ", ".join(sorted(net)) or "nothing"
        raise ValueError(f"it has no cell array 'layers' (it holds {there})")
    layers = tuple(_layer(item, number) for number, item in enumerate(net["layers"], 1))
    meta = net["meta"] if isinstance(net.get("meta"), dict) else net
    normalization = meta.get("normalization")
    if not isinstance(normalization, dict):
        raise ValueError("it has no normalization, neither beside the layers nor in meta")
    size = _numbers(normalization, "imageSize", None)
    if len(size) not in (2, 3) or min(size) < 1:
        raise ValueError(f"normalization.imageSize is {size}, expected height, width, channels")
    height, width, channels = (*map(int, size), 3)[:3]
    border = _numbers(normalization, "border", (0.0, 0.0))
    return SimpleNN(
        layers,
        (height, width),
        channels,
        _mean(normalization.get("averageImage"), (height, width, channels)),
        _interpolation(normalization.get("interpolation")),
        (int(border[0]), int(border[-1])),
        _classes(meta.get("classes")),
    )


def _layer(item: Any, number: int) -> Layer:
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise ValueError(f"layer {number} is no struct with a type")
    kind = item["type"]
    name = item.get("name")
    if not isinstance(name, str) or not name:
        name = f"{kind}_{number}"
    if "weights" in item and isinstance(item["weights"], list):
        weights = item["weights"]
    else:
        weights = [item[key] for key in ("filters", "biases", "moments") if key in item]
    for weight in weights:
        if not isinstance(weight, np.ndarray):
            raise ValueError(
                f"layer {number}, {name}: its weights are no plain arrays (still on a GPU?)"
            )
        if not np.isfinite(weight).all():
            raise ValueError(f"layer {number}, {name}: some weights are NaN or infinite")
    stored = ("type", "name", "weights", "filters", "biases", "moments")
    settings = {key: value for key, value in item.items() if key not in stored}
    return Layer(name, kind, tuple(np.asarray(w, np.float32) for w in weights), settings)


def _numbers(record: dict[str, Any], key: str, default: Sequence[float] | None) -> list[float]:
    """The numbers under a key; a missing or empty one is the default."""
    value = record.get(key)
    if isinstance(value, np.ndarray) and value.size:
        return [float(n) for n in value.ravel(order="F")]
    if default is None:
        raise ValueError(f"normalization.{key} is missing")
    return list(default)


def settings_of(layer: Layer, key: str, default: Sequence[int]) -> list[int]:
    """Whole numbers of a layer's setting, such as pad or stride; one number stands for all.

    Raises:
        ValueError: they are none, or not as many as there should be.
    """
    value = layer.settings.get(key)
    if not isinstance(value, np.ndarray) or not value.size:
        return list(default)
    given = value.ravel().tolist()
    found = [int(n) for n in given] * (len(default) if len(given) == 1 else 1)
    if len(found) != len(default) or any(n != int(n) for n in given):
        raise ValueError(
            f"layer {layer.name}: {key} is {given}, expected one whole number or {len(default)}"
        )
    return found


def _mean(value: Any, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    if not isinstance(value, np.ndarray) or not value.size:
        return np.zeros(shape[2], np.float32)
    mean = value.astype(np.float32)
    if not np.isfinite(mean).all():
        raise ValueError("normalization.averageImage has values that are NaN or infinite")
    if mean.size in (1, shape[2]):
        return np.broadcast_to(mean.ravel(), (shape[2],)).copy()
    if mean.ndim == 2:
        mean = mean[..., None]
    if mean.shape != shape:
        raise ValueError(f"normalization.averageImage has shape {mean.shape}, imageSize is {shape}")
    return mean


def _interpolation(value: Any) -> str:
    name = value if isinstance(value, str) and value else "bilinear"
    if name not in INTERPOLATIONS:
        known = ", ".join(INTERPOLATIONS)
        raise ValueError(f"normalization.interpolation is {name!r}, expected one of {known}")
    return INTERPOLATIONS[name]


def _classes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, dict):
        return ()
    names = value.get("description") or value.get("name")
    if not isinstance(names, list):
        return ()
    return tuple(name if isinstance(name, str) else "" for name in names)

"""MatConvNet networks for tests: written by scipy in both layouts, and computed by plain numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Record = dict[str, Any]


def conv(
    rng: np.random.Generator,
    shape: tuple[int, int, int, int],
    *,
    name: str,
    pad: Any = 0,
    stride: Any = 1,
    bias: bool = True,
    **more: Any,
) -> Record:
    """(height, width, inputs, outputs) filters of He's spread."""
    weights = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
    biases = rng.standard_normal((1, shape[3])) * 0.1 if bias else np.zeros((0, 0))
    weights, biases = weights.astype(np.float32), biases.astype(np.float32)
    given = {"pad": np.array(pad, float), "stride": np.array(stride, float)}
    return {"type": "conv", "name": name, "weights": [weights, biases], **given, **more}


def pool(size: Any, *, name: str, pad: Any = 0, stride: Any = 1, method: str = "max") -> Record:
    numbers = {"pool": size, "pad": pad, "stride": stride}
    return {
        "type": "pool",
        "name": name,
        "method": method,
        **{key: np.array(value, float) for key, value in numbers.items()},
    }


def plain(kind: str, name: str, **more: Any) -> Record:
    return {"type": kind, "name": name, **more}


def bnorm(rng: np.random.Generator, channels: int, *, name: str) -> Record:
    gain, bias = rng.uniform(0.5, 2, (channels, 1)), rng.standard_normal((channels, 1))
    moments = np.column_stack([rng.standard_normal(channels), rng.uniform(0.5, 2, channels)])
    weights = [array.astype(np.float32) for array in (gain, bias, moments)]
    return {"type": "bnorm", "name": name, "weights": weights}


def vgg_f(rng: np.random.Generator, *, scale: int = 1, n_classes: int = 1000) -> list[Record]:
    """VGG-F as published, with widths divided by `scale`."""
    a, b, c = 64 // scale, 256 // scale, 4096 // scale
    half = {"pad": [0, 1, 0, 1], "stride": 2}
    return [
        conv(rng, (11, 11, 3, a), name="conv1", stride=4),
        plain("relu", "relu1"),
        pool([3, 3], name="pool1", **half),
        conv(rng, (5, 5, a, b), name="conv2", pad=2),
        plain("relu", "relu2"),
        pool([3, 3], name="pool2", **half),
        conv(rng, (3, 3, b, b), name="conv3", pad=1),
        plain("relu", "relu3"),
        conv(rng, (3, 3, b, b), name="conv4", pad=1),
        plain("relu", "relu4"),
        conv(rng, (3, 3, b, b), name="conv5", pad=1),
        plain("relu", "relu5"),
        pool([3, 3], name="pool5", **half),
        conv(rng, (6, 6, b, c), name="fc6"),
        plain("relu", "relu6"),
        plain("dropout", "dropout6", rate=0.5),
        conv(rng, (1, 1, c, c), name="fc7"),
        plain("relu", "relu7"),
        plain("dropout", "dropout7", rate=0.5),
        conv(rng, (1, 1, c, n_classes), name="fc8"),
        plain("softmax", "prob"),
    ]


def normalization(size: tuple[int, int, int], mean: Any, **more: Any) -> Record:
    return {
        "imageSize": np.array(size, float),
        "averageImage": np.array(mean, np.float32),
        "interpolation": "bilinear",
        "border": np.array([4.0, 6.0]),
        **more,
    }


def write(
    file: Path,
    layers: list[Record],
    normal: Record,
    *,
    old: bool = False,
    compressed: bool = True,
    classes: tuple[str, ...] = ("cat", "dog"),
) -> Path:
    """A `.mat` file in the layout of late versions, or in that of the first ones."""
    named = {"name": _cells(classes), "description": _cells([f"a {c}" for c in classes])}
    shown = [_old(layer) if old else {**layer, **_weights(layer)} for layer in layers]
    variables: Record = {"layers": _cells(shown)}
    if old:
        variables |= {"classes": named, "normalization": normal}
    else:
        variables["meta"] = {"classes": named, "normalization": normal}
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file


def forward(layers: list[Record], images: Floats) -> list[Floats]:
    """What each layer gives, from MatConvNet's formulas, in loops over windows.

    Args:
        layers: of the network.
        images: (height, width, channels, n), MatConvNet's axes.
    """
    x = images.astype(np.float64)
    found = []
    for layer in layers:
        x = _STEPS[layer["type"]](layer, x)
        found.append(x)
    return found


def _weights(layer: Record) -> Record:
    return {"weights": _cells(layer["weights"])} if "weights" in layer else {}


def _old(layer: Record) -> Record:
    names = ("filters", "biases", "moments")
    weights = dict(zip(names, layer.get("weights", ()), strict=False))
    return {**{k: v for k, v in layer.items() if k not in ("weights", "name")}, **weights}


def _cells(items: Any) -> NDArray[Any]:
    cells = np.empty((1, len(items)), object)
    for i, item in enumerate(items):
        cells[0, i] = item
    return cells


def _windows(x: Floats, layer: Record, size: tuple[int, int], fill: float) -> Any:
    """Yield (row, column, window) for every place of a window."""
    pads = np.broadcast_to(np.ravel(layer["pad"]), 4).astype(int)
    down, across = np.broadcast_to(np.ravel(layer["stride"]), 2).astype(int)
    padded = np.pad(
        x, ((pads[0], pads[1]), (pads[2], pads[3]), (0, 0), (0, 0)), constant_values=fill
    )
    for i in range((padded.shape[0] - size[0]) // down + 1):
        for j in range((padded.shape[1] - size[1]) // across + 1):
            top, left = i * down, j * across
            yield i, j, padded[top : top + size[0], left : left + size[1]]


def _collect(places: Any) -> Floats:
    found = {(i, j): value for i, j, value in places}
    height, width = (max(place[axis] for place in found) + 1 for axis in (0, 1))
    return np.stack([np.stack([found[i, j] for j in range(width)]) for i in range(height)])


def _conv(layer: Record, x: Floats) -> Floats:
    filters, biases = (w.astype(np.float64) for w in layer["weights"])
    height, width, inputs, outputs = filters.shape
    groups = x.shape[2] // inputs
    each = outputs // groups
    dilate = int(np.ravel(layer.get("dilate", 1))[0])
    size = ((height - 1) * dilate + 1, (width - 1) * dilate + 1)

    def at(window: Floats) -> Floats:
        parts = [
            np.einsum(
                "hwcn,hwck->kn",
                window[::dilate, ::dilate, g * inputs : (g + 1) * inputs],
                filters[..., g * each : (g + 1) * each],
            )
            for g in range(groups)
        ]
        return np.concatenate(parts) + (biases.reshape(-1, 1) if biases.size else 0)

    return _collect((i, j, at(w)) for i, j, w in _windows(x, layer, size, 0.0))


def _pool(layer: Record, x: Floats) -> Floats:
    size = tuple(np.broadcast_to(np.ravel(layer["pool"]), 2).astype(int))
    reduce = np.nanmax if layer["method"] == "max" else np.nanmean
    windows = _windows(x, layer, size, np.nan)
    return _collect((i, j, reduce(w, axis=(0, 1))) for i, j, w in windows)


def _lrn(layer: Record, x: Floats) -> Floats:
    n, kappa, alpha, beta = np.ravel(layer["param"])
    out = np.empty_like(x)
    for k in range(x.shape[2]):
        near = [j for j in range(x.shape[2]) if -((n - 1) // 2) <= j - k <= np.ceil((n - 1) / 2)]
        out[:, :, k] = x[:, :, k] / (kappa + alpha * (x[:, :, near] ** 2).sum(2)) ** beta
    return out


def _bnorm(layer: Record, x: Floats) -> Floats:
    gain, bias, moments = (w.astype(np.float64) for w in layer["weights"])
    by_channel = (1, 1, -1, 1)
    mean, deviation = moments[:, 0].reshape(by_channel), moments[:, 1].reshape(by_channel)
    return gain.reshape(by_channel) * (x - mean) / deviation + bias.reshape(by_channel)


def _softmax(layer: Record, x: Floats) -> Floats:
    raised = np.exp(x - x.max(axis=2, keepdims=True))
    return raised / raised.sum(axis=2, keepdims=True)


def _relu(layer: Record, x: Floats) -> Floats:
    return np.where(x > 0, x, x * float(layer.get("leak", 0)))


_STEPS = {
    "conv": _conv,
    "pool": _pool,
    "relu": _relu,
    "sigmoid": lambda layer, x: 1 / (1 + np.exp(-x)),
    "lrn": _lrn,
    "normalize": _lrn,
    "bnorm": _bnorm,
    "softmax": _softmax,
    "softmaxloss": _softmax,
    "dropout": lambda layer, x: x,
}

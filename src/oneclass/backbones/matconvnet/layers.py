"""What each of MatConvNet's layers computes, as ONNX nodes.

The formulas are those of the manual's section "Computational blocks" (Vedaldi and Lenc, 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones.matconvnet.records import Layer, settings_of
from oneclass.backbones.onnx_graph import Graph

Shape = tuple[int, int, int]
"""(channels, height, width) of a map; behind a fully connected layer (units, 1, 1)."""


@dataclass(frozen=True)
class Tensor:
    """A value on its way through the network.

    Attributes:
        name: in the graph.
        shape: for an image of the network's own size.
        flat: whether its axes are (batch, units), and not those of a map.
    """

    name: str
    shape: Shape
    flat: bool = False


Step = Callable[[Graph, Layer, Tensor, str], Tensor]


def covers(layer: Layer, x: Tensor) -> bool:
    """Whether a convolution's filters cover the whole map: a fully connected layer."""
    pads = settings_of(layer, "pad", (0, 0, 0, 0))
    filters = _filters(layer)
    return filters.shape[:3] == (*x.shape[1:], x.shape[0]) and not any(pads)


def conv(graph: Graph, layer: Layer, x: Tensor, name: str) -> Tensor:
    """y = filters * x + biases, a correlation; in groups where a filter has fewer channels."""
    filters = _filters(layer)
    height, width, inputs, outputs = filters.shape
    channels = x.shape[0]
    if channels % inputs or outputs % (channels // inputs):
        raise ValueError(
            f"layer {layer.name}: {outputs} filters of {inputs} channels for {channels} channels"
        )
    weights = np.transpose(filters, (3, 2, 0, 1))
    if covers(layer, x):
        return _fully_connected(graph, layer, x, name, weights.reshape(outputs, -1))
    x = _as_map(graph, x, name)
    stride, pads = settings_of(layer, "stride", (1, 1)), settings_of(layer, "pad", (0, 0, 0, 0))
    dilate = settings_of(layer, "dilate", (1, 1))
    spans = [(n - 1) * d + 1 for n, d in zip((height, width), dilate, strict=True)]
    inputs_of_node = [x.name, graph.constant(f"{name}.filters", weights)]
    if (biases := _biases(layer, outputs)) is not None:
        inputs_of_node.append(graph.constant(f"{name}.biases", biases))
    graph.add(
        "Conv",
        inputs_of_node,
        name,
        kernel_shape=[height, width],
        strides=stride,
        pads=_onnx_pads(pads),
        dilations=dilate,
        group=channels // inputs,
    )
    return Tensor(name, (outputs, *_sides(layer, x.shape, spans, stride, pads)))


def pool(graph: Graph, layer: Layer, x: Tensor, name: str) -> Tensor:
    """The largest value of a window, or the mean of those in it that are not padding."""
    method = layer.settings.get("method", "max")
    if method not in ("max", "avg"):
        raise ValueError(f"layer {layer.name}: method is {method!r}, expected max or avg")
    x = _as_map(graph, x, name)
    window = settings_of(layer, "pool", (1, 1))
    stride, pads = settings_of(layer, "stride", (1, 1)), settings_of(layer, "pad", (0, 0, 0, 0))
    if max(pads[:2]) >= window[0] or max(pads[2:]) >= window[1]:
        raise ValueError(f"layer {layer.name}: pad {pads} is not smaller than the pool {window}")
    graph.add(
        "MaxPool" if method == "max" else "AveragePool",
        [x.name],
        name,
        kernel_shape=window,
        strides=stride,
        pads=_onnx_pads(pads),
    )
    return Tensor(name, (x.shape[0], *_sides(layer, x.shape, window, stride, pads)))


def relu(graph: Graph, layer: Layer, x: Tensor, name: str) -> Tensor:
    """max(0, x), or x times `leak` below zero."""
    leak = layer.settings.get("leak")
    slope = float(leak.ravel()[0]) if isinstance(leak, np.ndarray) and leak.size else 0.0
    if slope:
        graph.add("LeakyRelu", [x.name], name, alpha=slope)
    else:
        graph.add("Relu", [x.name], name)
    return Tensor(name, x.shape, x.flat)


def sigmoid(graph: Graph, layer: Layer, x: Tensor, name: str) -> Tensor:
    """1 / (1 + exp(-x))."""
    return Tensor(graph.add("Sigmoid", [x.name], name), x.shape, x.flat)


def lrn(graph: Graph, layer: Layer, x: Tensor, name: str) -> Tensor:
    """y_k = x_k / (kappa + alpha * sum of x_j^2 over N neighbouring channels)^beta.

    The sum is a convolution with a band matrix: a third of the time of ONNX Runtime's own LRN.
    """
    param = layer.settings.get("param")
    if not isinstance(param, np.ndarray) or param.size != 4:
        raise ValueError(f"layer {layer.name}: param should be N, kappa, alpha, beta")
    x = _as_map(graph, x, name)
    n, kappa, alpha, beta = (float(value) for value in param.ravel())
    before, behind = (int(n) - 1) // 2, int(n) // 2
    distance = np.arange(x.shape[0])[None] - np.arange(x.shape[0])[:, None]
    band = np.where((distance >= -before) & (distance <= behind), alpha, 0).astype(np.float32)
    squares = graph.add("Mul", [x.name, x.name], f"{name}.squares")
    weights = graph.constant(f"{name}.band", band[:, :, None, None])
    offset = graph.constant(f"{name}.kappa", np.full(x.shape[0], kappa, np.float32))
    sums = graph.add("Conv", [squares, weights, offset], f"{name}.sums", kernel_shape=[1, 1])
    power = _power(graph, sums, beta, name)
    return Tensor(graph.add("Div", [x.name, power], name), x.shape)


def bnorm(graph: Graph, layer: Layer, x: Tensor, name: str) -> Tensor:
    """y = multiplier * (x - mean) / deviation + bias, with the moments found in training."""
    if len(layer.weights) < 3 or layer.weights[2].size != 2 * x.shape[0]:
        raise ValueError(
            f"layer {layer.name}: it has no moments for {x.shape[0]} channels, so it would depend "
            "on the other images of a batch"
        )
    gain, bias = (weight.ravel().astype(np.float64) for weight in layer.weights[:2])
    mean, deviation = layer.weights[2].reshape(-1, 2, order="F").T.astype(np.float64)
    if len(gain) != x.shape[0] or len(bias) != x.shape[0] or not (deviation > 0).all():
        raise ValueError(f"layer {layer.name}: its weights do not fit {x.shape[0]} channels")
    axes = (1, -1) if x.flat else (1, -1, 1, 1)
    scale = (gain / deviation).reshape(axes).astype(np.float32)
    shift = (bias - gain * mean / deviation).reshape(axes).astype(np.float32)
    scaled = graph.add("Mul", [x.name, graph.constant(f"{name}.scale", scale)], f"{name}.scaled")
    graph.add("Add", [scaled, graph.constant(f"{name}.shift", shift)], name)
    return Tensor(name, x.shape, x.flat)


def softmax(graph: Graph, layer: Layer, x: Tensor, name: str) -> Tensor:
    """Over the channels."""
    return Tensor(graph.add("Softmax", [x.name], name, axis=1), x.shape, x.flat)


def dropout(graph: Graph, layer: Layer, x: Tensor, name: str) -> Tensor:
    """Nothing, outside training."""
    return x


KINDS: dict[str, Step] = {
    "conv": conv,
    "pool": pool,
    "relu": relu,
    "sigmoid": sigmoid,
    "lrn": lrn,
    "normalize": lrn,
    "bnorm": bnorm,
    "softmax": softmax,
    "softmaxloss": softmax,  # at the end of a network that was saved as it was trained
    "dropout": dropout,
}


def _filters(layer: Layer) -> NDArray[np.float32]:
    """(height, width, inputs, outputs); MATLAB drops axes of one element at the end."""
    if not layer.weights or not layer.weights[0].size or layer.weights[0].ndim > 4:
        raise ValueError(f"layer {layer.name}: it has no filters of four axes")
    filters = layer.weights[0]
    return filters.reshape(filters.shape + (1,) * (4 - filters.ndim))


def _biases(layer: Layer, outputs: int) -> NDArray[np.float32] | None:
    if len(layer.weights) < 2 or not layer.weights[1].size:
        return None
    biases = layer.weights[1].ravel()
    if len(biases) != outputs:
        raise ValueError(f"layer {layer.name}: {len(biases)} biases for {outputs} filters")
    return biases


def _fully_connected(
    graph: Graph, layer: Layer, x: Tensor, name: str, weights: NDArray[np.float32]
) -> Tensor:
    flat = x.name if x.flat else graph.add("Flatten", [x.name], f"{name}.flat")
    inputs = [flat, graph.constant(f"{name}.weights", weights)]
    if (biases := _biases(layer, len(weights))) is not None:
        inputs.append(graph.constant(f"{name}.biases", biases))
    graph.add("Gemm", inputs, name, transB=1)
    return Tensor(name, (len(weights), 1, 1), flat=True)


def _as_map(graph: Graph, x: Tensor, name: str) -> Tensor:
    if not x.flat:
        return x
    shape = graph.constant(f"{name}.shape", np.array([0, *x.shape], np.int64))
    return Tensor(graph.add("Reshape", [x.name, shape], f"{name}.map"), x.shape)


def _power(graph: Graph, base: str, exponent: float, name: str) -> str:
    """base ** exponent; AlexNet's 3/4 is two square roots and a product, ten times as fast."""
    if exponent != 0.75:
        beta = graph.constant(f"{name}.beta", np.array(exponent, np.float32))
        return graph.add("Pow", [base, beta], f"{name}.power")
    half = graph.add("Sqrt", [base], f"{name}.half")
    quarter = graph.add("Sqrt", [half], f"{name}.quarter")
    return graph.add("Mul", [half, quarter], f"{name}.power")


def _onnx_pads(pads: list[int]) -> list[int]:
    """Top, bottom, left, right in ONNX's order: the beginnings, then the ends."""
    top, bottom, left, right = pads
    return [top, left, bottom, right]


def _sides(
    layer: Layer, shape: Shape, spans: list[int], stride: list[int], pads: list[int]
) -> tuple[int, int]:
    height, width = (
        (n + before + behind - span) // step + 1
        for n, before, behind, span, step in zip(
            shape[1:], pads[::2], pads[1::2], spans, stride, strict=True
        )
    )
    if min(height, width) < 1:
        raise ValueError(f"layer {layer.name}: nothing is left of a map of {shape[1]} x {shape[2]}")
    return height, width

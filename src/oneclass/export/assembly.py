"""A detector as one ONNX graph: from pixels to score, p-value, verdict and map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneclass import __version__
from oneclass.backbones import FP32
from oneclass.backbones.tokens import CLASS, MAP
from oneclass.detector.estimator import Detector
from oneclass.detector.model import FittedModel
from oneclass.errors import InputError
from oneclass.export.graph import IR_VERSION, OPSET, Graph, require_onnx
from oneclass.export.network import Network
from oneclass.export.outputs import write_outputs
from oneclass.export.pixels import LAYOUTS, prepare
from oneclass.export.resizing import may_begin_vertically
from oneclass.export.rows import write_rows
from oneclass.representations import (
    Greyscale,
    PatchLayers,
    PretrainedLayers,
    Representation,
    TiledPatches,
    WholeAndPatches,
)
from oneclass.representations.layers import NetworkLayers

INPUT = "images"
KEPT = (Greyscale, PretrainedLayers, PatchLayers, WholeAndPatches)
METADATA_KEY = "oneclass_model"
MEANINGS = {
    "score": "anomaly score, (n,): larger is odder; above 0 the image lies outside every "
    "half-space; not a number where a layer is zero everywhere",
    "p_value": "(n,) in (0, 1]: the share of normal images that look at least this odd",
    "is_anomaly": "(n,): whether the p-value is at most the rate of false alarms",
    "anomaly_map": "(n, h, w) in units of the score: where the image is odder than normal images "
    "are; in heatmaps, colour begins at half of heat_scale and is full at twice",
}
"""Of the graph's outputs."""


@dataclass(frozen=True, slots=True)
class Input:
    """What an exported graph takes.

    Attributes:
        layout: "NHWC" or "NCHW".
        size: (height, width) of every image; None for any.
        resized: whether images come in the network's own size, so that the graph leaves them so.
    """

    layout: str = LAYOUTS[0]
    size: tuple[int, int] | None = None
    resized: bool = False

    def shape(self, batch: int | str, own: tuple[int, int]) -> list[int | str]:
        """The shape that the graph declares; `own` is the network's size."""
        height, width = own if self.resized else self.size or ("height", "width")
        if self.layout == "NHWC":
            return [batch, height, width, "channels"]
        return [batch, "channels", height, width]


def onnx_model(detector: Detector, takes: Input | None = None) -> bytes:
    """Write a detector as an ONNX file.

    Args:
        detector: fitted or loaded.
        takes: what the graph's input is like; None for images of any size, NHWC.

    Returns:
        The file's bytes. Its one input, `images`, are n images of the type that the detector was
        fitted to, with 1 channel (grey) or 3 (RGB). Its outputs are those of `MEANINGS`: float32,
        the verdict bool; there is no map where a layer has none. Its metadata has one entry,
        `METADATA_KEY`, a JSON text: card, digest, licence, and what input and outputs mean.

    Raises:
        InputError: not fitted, or the model has something that such a graph cannot keep.
        MissingDependencyError: the package onnx is not installed.
    """
    takes = takes or Input()
    model = detector.model
    representation = model.representation
    _refuse(representation, takes)
    g = Graph()
    rows, networks = [], []
    for i, seen in enumerate(passes(model)):
        network = _network(seen[0], f"network_{i}")
        rows += _rows(g, model, seen, takes, network)
        networks += [network] if network else []
    outputs = write_outputs(g, model, rows)
    batch: int | str = 1 if any(network.one_image for network in networks) else "batch"
    shape = takes.shape(batch, representation.preprocessing.size)
    backbone = representation.backbone
    record = {
        "oneclass": __version__,
        "card": model.card,
        "model_sha256": detector.digest,
        "licence": None if backbone is None else backbone.spec.licence,
        "input": {"name": INPUT, "type": model.scale.depth, "layout": takes.layout, "shape": shape},
        "outputs": {name: MEANINGS[name] for name in outputs},
        "resized": takes.resized,
        "tall_vertically_first": None if takes.resized else may_begin_vertically(),
        "size": list(representation.preprocessing.size) if takes.resized else takes.size,
        "heat_scale": float(model.heat.heat_scale[0]) if "anomaly_map" in outputs else None,
        "false_alarms": model.false_alarms,
        "unclear": model.unclear,
        "pixel_threshold": _pixel_threshold(model) if "anomaly_map" in outputs else None,
    }
    opset = max([OPSET, *(network.opset for network in networks)])
    return _file(g, model.scale.depth, shape, outputs, opset, record)


def passes(model: FittedModel) -> list[list[Representation]]:
    """What makes the rows, for each pass through a network: of both, one pass or two."""
    one = model.representation
    if not isinstance(one, WholeAndPatches):
        return [[one]]
    return [[one.whole, one.patches]] if one.one_pass else [[one.whole], [one.patches]]


def _pixel_threshold(model: FittedModel) -> float | None:
    """None for a model that was fitted before there were such thresholds."""
    return model.pixel_threshold if len(model.heat.normal_peaks) else None


def _layers(representation: Representation) -> list[str]:
    """The names of the network's layers in a representation, or in both of two."""
    parts = (getattr(representation, name, None) for name in ("whole", "patches"))
    found = [part for part in (representation, *parts) if isinstance(part, NetworkLayers)]
    return [name for part in found for name in part.layers.names]


def _network(representation: Representation, name: str) -> Network | None:
    """The network up to all layers that the representation's session computes, if there is one."""
    if not isinstance(representation, NetworkLayers):
        return None
    return Network(representation.backbone, representation.session.layers, name)


def _rows(
    g: Graph,
    model: FittedModel,
    seen: Sequence[Representation],
    takes: Input,
    network: Network | None,
) -> list[str]:
    """From the input to the rows of each representation that one pass makes."""
    entry = prepare(
        g,
        INPUT,
        model.scale,
        seen[0].preprocessing,
        layout=takes.layout,
        resized=takes.resized,
        name=network.entry if network else None,
    )
    if network is None:
        return [write_rows(g, one, (entry,)) for one in seen]
    network.join(g)
    return [
        write_rows(g, one, [network.layers[one.session.layers.index(n)] for n in one.layers.names])
        for one in seen
        if isinstance(one, NetworkLayers)
    ]


def _refuse(representation: Representation, takes: Input) -> None:
    """Raise InputError for what such a graph cannot keep, by name."""
    if takes.layout not in LAYOUTS:
        raise InputError(f"layout is {takes.layout!r}: expected {' or '.join(LAYOUTS)}.")
    if takes.resized and takes.size is not None:
        own, given = (
            "x".join(map(str, size)) for size in (representation.preprocessing.size, takes.size)
        )
        raise InputError(
            f"size {given}: without resizing, images have the network's own size, {own}. "
            "Leave the size out, or let the graph resize."
        )
    if isinstance(getattr(representation, "patches", representation), TiledPatches):
        raise InputError(
            "tiles: an exported graph sees a picture whole, and this model sees it in tiles. Fit "
            "one without tiles; patches then see pictures up to 640 pixels on the shorter side."
        )
    if views := [name for name in _layers(representation) if name.endswith((MAP, CLASS))]:
        raise InputError(
            f"layer {views[0]!r}: an exported graph cannot keep views of tokens. Fit with the "
            "layer's own name, whose tokens are then one row."
        )
    if not isinstance(representation, KEPT):
        raise InputError(
            f"representation {representation.kind}: an exported graph cannot keep it, only "
            f"{', '.join(kind.kind for kind in KEPT)}. Fit a model of one of these."
        )
    if (
        takes.resized
        and isinstance(representation, WholeAndPatches)
        and not representation.one_pass
    ):
        raise InputError(
            "without resizing: the model looks at whole images and at patches, each in a size of "
            "its own, so the graph has to resize. Export it with resizing, or fit a model of one."
        )
    precision = representation.runtime.precision if representation.runtime else FP32
    if precision != FP32:
        raise InputError(
            f"precision {precision}: the model was fitted in {precision}, an exported graph "
            "computes in fp32, and the threshold would not hold. Fit again in fp32 ('oneclass fit' "
            "with --precision fp32, in Python precision='fp32')."
        )


def _file(
    g: Graph,
    depth: str,
    shape: list[int | str],
    outputs: dict[str, list[int]],
    opset: int,
    record: dict[str, Any],
) -> bytes:
    onnx = require_onnx()
    helper, kinds = onnx.helper, onnx.TensorProto
    taken = helper.make_tensor_value_info(
        INPUT, helper.np_dtype_to_tensor_dtype(np.dtype(depth)), shape
    )
    batch = next(side for side in shape if side in (1, "batch"))
    declared = [
        helper.make_tensor_value_info(
            name, kinds.BOOL if name == "is_anomaly" else kinds.FLOAT, [batch, *sides]
        )
        for name, sides in outputs.items()
    ]
    model = helper.make_model(
        helper.make_graph(g.nodes, "oneclass", [taken], declared, g.constants),
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="oneclass",
        producer_version=__version__,
    )
    model.ir_version = IR_VERSION
    helper.set_model_props(model, {METADATA_KEY: json.dumps(record, sort_keys=True)})
    content: bytes = model.SerializeToString(deterministic=True)
    return content

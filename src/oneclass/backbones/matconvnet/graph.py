"""A MatConvNet network as a backbone's ONNX file, its layers named as in the paper.

    C1 ... C5       the convolutions, behind their batch normalisation and rectifier
    P1 ... P5       the pools, by the convolution before them
    FC6 ... FC8     the fully connected layers, behind their rectifier

Everything in between keeps the file's own name and can be asked for by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from oneclass.backbones.matconvnet.layers import KINDS, Tensor, covers
from oneclass.backbones.matconvnet.records import Layer, SimpleNN
from oneclass.backbones.onnx_file import with_metadata
from oneclass.backbones.onnx_graph import INPUT, Graph
from oneclass.backbones.session import METADATA_KEY
from oneclass.backbones.spec import Preprocessing

OF_THE_PAPER = re.compile(r"(C|P|FC)[0-9]+")
BELONGS_TO_ITS_CONVOLUTION = ("bnorm", "relu", "sigmoid")


def to_onnx(network: SimpleNN, record: dict[str, Any], *, crop: bool) -> bytes:
    """The file's bytes, with `record` and the preprocessing in its metadata.

    Args:
        network: as read.
        record: name, licence, source and what else should be known.
        crop: resize images larger by the network's border and cut that off, as MatConvNet's
            examples do; without it the whole image is resized to the network's input.

    Raises:
        ValueError: a layer of an unknown kind, or one that does not fit the one before.
        MissingDependencyError: the package onnx is not installed.
    """
    graph = Graph(network.channels)
    x = _centred(graph, network, crop=crop)
    ends = _ends(network.layers)
    names = {INPUT, x.name}
    outputs: dict[str, Tensor] = {}
    n_convolutions, kind = 0, "C"
    for index, layer in enumerate(network.layers):
        if layer.kind not in KINDS:
            raise ValueError(
                f"layer {index + 1}, {layer.name}, is of type {layer.kind!r}; known are "
                f"{', '.join(KINDS)}"
            )
        if layer.kind == "conv":
            n_convolutions += 1
            kind = "FC" if covers(layer, x) else "C"
        if layer.kind == "pool":
            name = f"P{n_convolutions}"
        elif index in ends:
            name = f"{kind}{n_convolutions}"
        else:  # a name of the paper's form is left for the layer that it belongs to
            name = layer.name + "_" * bool(OF_THE_PAPER.fullmatch(layer.name))
        while name in names:
            name += "_"
        names.add(name)
        x = KINDS[layer.kind](graph, layer, x, name)
        if OF_THE_PAPER.fullmatch(x.name):
            outputs[x.name] = x
    outputs[x.name] = x
    content = graph.build({y.name: 2 if y.flat else 4 for y in outputs.values()})
    preprocessing = _preprocessing(network, crop=crop)
    told = {
        **record,
        "classes": list(network.classes),
        "mean_image": network.mean.ndim == 3,
        "preprocessing": preprocessing.to_json(),
    }
    return with_metadata(content, METADATA_KEY, json.dumps(told, sort_keys=True))


def _ends(layers: Sequence[Layer]) -> set[int]:
    """The indices of the layers that end a convolution's block."""
    ends: set[int] = set()
    last = None
    for index, layer in enumerate(layers):
        if layer.kind == "conv" or (last is not None and layer.kind in BELONGS_TO_ITS_CONVOLUTION):
            if layer.kind != "conv":
                ends.discard(last)
            ends.add(index)
            last = index
        elif layer.kind != "dropout":
            last = None
    return ends


def _centred(graph: Graph, network: SimpleNN, *, crop: bool) -> Tensor:
    """The input, cropped if asked, less the mean image where there is a whole one."""
    height, width = network.size
    x = Tensor(INPUT, (network.channels, height, width))
    if crop and any(network.border):
        starts = [n // 2 for n in network.border]
        corners = {
            "starts": starts,
            "ends": [s + n for s, n in zip(starts, network.size, strict=True)],
            "axes": [2, 3],
        }
        given = [graph.constant(f"crop.{k}", np.array(v, np.int64)) for k, v in corners.items()]
        x = Tensor(graph.add("Slice", [INPUT, *given], "cropped"), x.shape)
    if network.mean.ndim == 3:
        mean = graph.constant("mean_image", network.mean.transpose(2, 0, 1)[None])
        x = Tensor(graph.add("Sub", [x.name, mean], "centred"), x.shape)
    return x


def _preprocessing(network: SimpleNN, *, crop: bool) -> Preprocessing:
    """MatConvNet's images have values from 0 to 255; ours are divided by that."""
    height, width = (
        n + (more if crop else 0) for n, more in zip(network.size, network.border, strict=True)
    )
    whole = network.mean.ndim == 3  # subtracted inside the network
    mean = [0.0] * network.channels if whole else (network.mean.astype(float) / 255).tolist()
    std = (1 / 255,) * network.channels
    return Preprocessing((height, width), network.interpolation, tuple(mean), std)

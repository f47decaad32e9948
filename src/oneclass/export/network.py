"""The frozen network inside an exported graph: cut at its layers, under names of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oneclass.backbones import Backbone, first_line
from oneclass.backbones.onnx_file import cut
from oneclass.errors import InputError
from oneclass.export.graph import NEWEST_OPSET, OPSET, Graph, require_onnx


class Network:
    """A network that can be joined to a graph.

    Attributes:
        entry: the name under which it looks for its input.
        layers: the names of the wanted layers.
        opset: of the graph that it is joined to.
        one_image: whether it takes one image at a time, no more.
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str], name: str = "network") -> None:
        """Cut a network and put its name before all names in it.

        Raises:
            InputError: it is of an opset that cannot be joined with ours.
            MissingDependencyError: the package onnx is not installed.
        """
        onnx = require_onnx()
        model = onnx.load_model_from_string(cut(backbone.model, layers))
        opset = _opset(model, backbone.spec.name)
        if opset < OPSET:
            try:
                model = onnx.version_converter.convert_version(model, OPSET)
            except Exception as error:  # onnx raises RuntimeError and others of its own
                raise InputError(
                    f"backbone {backbone.spec.name}: is of opset {opset}, and onnx cannot raise it "
                    f"to {OPSET} ({first_line(error)}). Export the network again, as opset "
                    f"{OPSET} or newer, and fit with that."
                ) from error
        model = onnx.compose.add_prefix(model, f"{name}/")
        self._graph = model.graph
        stored = {tensor.name for tensor in model.graph.initializer}
        entry = next(value for value in model.graph.input if value.name not in stored)
        batch = entry.type.tensor_type.shape.dim[0]
        self.entry: str = entry.name
        self.layers = tuple(f"{name}/{layer}" for layer in layers)
        self.opset, self.one_image = max(opset, OPSET), bool(batch.dim_value == 1)

    def join(self, g: Graph) -> None:
        """Add the network's nodes behind what the graph has already, and weights that it lacks."""
        nodes = list(self._graph.node)
        shared = {}
        if not any(attribute.HasField("g") for node in nodes for attribute in node.attribute):
            shared = {tensor.name: g.shared(tensor) for tensor in self._graph.initializer}
        g.constants.extend(
            tensor
            for tensor in self._graph.initializer
            if shared.get(tensor.name, tensor.name) == tensor.name
        )
        for node in nodes:
            names = [shared.get(name, name) for name in node.input]
            del node.input[:]
            node.input.extend(names)
        g.nodes.extend(nodes)


def _opset(model: Any, name: str) -> int:
    found = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    others = sorted(set(found) - {"ai.onnx"})
    if others:
        raise InputError(
            f"backbone {name}: has operators that are not ONNX's own ({', '.join(others)}), and "
            "an exported model must run anywhere. Export the network again without them, and fit "
            "with that."
        )
    opset = int(found["ai.onnx"])
    if opset > NEWEST_OPSET:
        raise InputError(
            f"backbone {name}: is of opset {opset}, and models are exported up to {NEWEST_OPSET}. "
            f"Export the network again, as opset {OPSET} to {NEWEST_OPSET}, and fit with that."
        )
    return opset

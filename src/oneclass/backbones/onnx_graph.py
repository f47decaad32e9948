"""Write an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import MissingDependencyError
from oneclass.system.host.machine import pip_install

OPSET, IR_VERSION = 17, 8
INPUT = "images"


def require_onnx(what: str) -> Any:
    """The package onnx.

    Raises:
        MissingDependencyError: it is not installed; `what` needs it.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            f"{what} needs the package onnx, which is not installed: {pip_install('matconvnet')}"
        ) from error
    return onnx


class Graph:
    """A graph of one image input, `images`, of shape (batch, channels, height, width)."""

    def __init__(self, channels: int) -> None:
        self._onnx = require_onnx("writing a network")
        self._channels = channels
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add numbers under a name; returns the name."""
        array = np.ascontiguousarray(values)
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node whose one output has that name; returns the name."""
        self._nodes.append(self._onnx.helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def build(self, outputs: dict[str, int]) -> bytes:
        """The file's bytes.

        Args:
            outputs: name and number of axes of each tensor that is declared an output.
        """
        helper, real = self._onnx.helper, self._onnx.TensorProto.FLOAT
        shape = ["batch", self._channels, "height", "width"]
        declared = [
            helper.make_tensor_value_info(name, real, ["batch", *[None] * (axes - 1)])
            for name, axes in outputs.items()
        ]
        images = helper.make_tensor_value_info(INPUT, real, shape)
        graph = helper.make_graph(self._nodes, "network", [images], declared, self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="oneclass")
        model.ir_version = IR_VERSION
        content: bytes = model.SerializeToString(deterministic=True)
        return content

"""Run a piece of a graph on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper

from oneclass.export.graph import IR_VERSION, OPSET, Graph
from oneclass.system import offline

Write = Callable[..., str | tuple[str, ...]]


def ready(
    write: Write, like: Mapping[str, np.ndarray], *, opset: int = OPSET, free: bool = True
) -> Callable[[Mapping[str, np.ndarray]], Any]:
    """What a function writes, as a function that ONNX Runtime computes.

    Args:
        write: gets a graph and the inputs' names; returns the outputs' names.
        like: inputs of the right types and numbers of axes, by name.
        opset: of the graph.
        free: whether the graph must not know the inputs' shapes.
    """
    g = Graph()
    names = write(g, *like)
    outputs = (names,) if isinstance(names, str) else names
    declared = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(values.dtype),
            [f"{name}_{i}" for i in range(values.ndim)] if free else values.shape,
        )
        for name, values in like.items()
    ]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    made = helper.make_graph(g.nodes, "piece", declared, results, g.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = IR_VERSION
    session = session_of(model.SerializeToString())

    def compute(inputs: Mapping[str, np.ndarray]) -> Any:
        found = session.run(None, dict(inputs))
        return found[0] if isinstance(names, str) else found

    return compute


def run(write: Write, inputs: Mapping[str, np.ndarray], **how: Any) -> Any:
    """What a function writes, computed for some inputs; `how` is as for `ready`."""
    return ready(write, inputs, **how)(inputs)


def session_of(model: bytes) -> Any:
    """An ONNX file, ready to run, on one thread and without warnings."""
    ort = offline.onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return ort.InferenceSession(model, options)

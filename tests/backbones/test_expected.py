"""ONNX files that do not take our images: each wrong has its own sentence, and its advice works."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, InputError, ModelFileError, load
from oneclass.backbones.importing import ImportOptions, import_network
from oneclass.backbones.session import Backbone

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


IN_RGB = ImportOptions(size=(32, 32), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
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
        ({}, ("--size", "64", *RGB[2:]), "takes 32 x 32 pixels"),
        ({"shape": ("n", 1, 32, 32)}, RGB, "give --mean and --std 1 number each"),
    ],
    ids=["NHWC", "batch", "four", "uint8", "half", "inputs", "size", "grey"],
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


@pytest.mark.parametrize(
    ("channels", "mean", "std"),
    [(1, "0.5", "0.2"), (3, "0.5", "0.2"), (3, "0.5", "0.2,0.2,0.2"), (3, "0.5,0.5,0.5", "0.2")],
)
def test_one_number_is_for_all_channels(tmp_path: Path, channels: int, mean: str, std: str) -> None:
    network(tmp_path / "net.onnx", ("n", channels, 32, 32))
    out, given = tmp_path / "b.onnx", ("--size", "32", "--mean", mean, "--std", std)
    done = oneclass("backbone", "import", tmp_path / "net.onnx", "-o", out, *given)
    assert done.returncode == 0, done.stderr
    found = Backbone.open(out).spec.preprocessing
    assert (found.mean, found.std) == ((0.5,) * channels, (0.2,) * channels)


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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_images(tmp_path / "normal", stripes(8, seed=1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_without_preprocessing_becomes_a_backbone_by_import(folder: Path) -> None:
    """`fit` names the command that knows how; what it writes can be fitted with."""
    network(folder / "net.onnx")
    with pytest.raises(ModelFileError, match="'oneclass backbone import', given --size, --mean"):
        Backbone.open("net.onnx")
    imported = import_network(Path("net.onnx"), Path("own.onnx"), IN_RGB)
    assert Detector(backbone="own.onnx", layer="y", rows="image", threads=1).fit("normal")
    assert imported.layers == ("y",)


def test_weights_in_another_file_are_told_by_whoever_opens_it(folder: Path) -> None:
    """They would be found in the working folder, and the digest would not stand for them."""
    network(folder / "net.onnx")
    import_network(Path("net.onnx"), Path("own.onnx"), IN_RGB)
    apart = {"save_as_external_data": True, "size_threshold": 0, "location": "weights.bin"}
    onnx.save(onnx.load("own.onnx"), "apart.onnx", **apart)
    detector = Detector(backbone="apart.onnx", layer="y", rows="image", threads=1)
    with pytest.raises(ModelFileError, match=r"onnx\.save\(onnx\.load\(\.\.\.\), \.\.\.\)"):
        detector.fit("normal")
    onnx.save(onnx.load("apart.onnx"), "apart.onnx")
    detector.fit("normal")


def test_a_network_without_maps_says_so_rather_than_nothing(folder: Path) -> None:
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    weights = np.random.default_rng(0).normal(size=(3 * 32 * 32, 5)).astype(np.float32)
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", FLOAT, ("n", 3, 32, 32))],
        [helper.make_tensor_value_info("y", FLOAT, ("n", 5))],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), "flat.onnx")
    import_network(Path("flat.onnx"), Path("own.onnx"), IN_RGB)
    patches = Detector(backbone="own.onnx", layer="y", rows="patches", threads=1)
    with pytest.raises(InputError, match=r"with a map: none is named; .* learn from whole images"):
        patches.fit("normal")
    Detector(backbone="own.onnx", layer="y", rows="image", threads=1).fit("normal")


def test_metadata_that_is_no_json_is_told_apart_from_a_damaged_file(folder: Path) -> None:
    network(folder / "net.onnx")
    model = onnx.load("net.onnx")
    model.metadata_props.add(key="oneclass", value="{bad")
    onnx.save(model, "bad.onnx")
    with pytest.raises(ModelFileError, match=r"metadata is no JSON object .* without that entry"):
        import_network(Path("bad.onnx"), Path("own.onnx"), IN_RGB)
    del model.metadata_props[:]
    onnx.save(model, "bad.onnx")
    import_network(Path("bad.onnx"), Path("own.onnx"), IN_RGB)


def test_a_backbone_given_for_an_embedded_one_is_to_be_left_out(folder: Path) -> None:
    network(folder / "net.onnx")
    import_network(Path("net.onnx"), Path("own.onnx"), IN_RGB)
    own = Detector(layer="block_2@2", size=(32, 32), rows="image", threads=1)
    own.fit("normal").save("m.oneclass")
    with pytest.raises(ModelFileError, match="Leave it out: that one is embedded"):
        load("m.oneclass", backbone="own.onnx")
    load("m.oneclass")

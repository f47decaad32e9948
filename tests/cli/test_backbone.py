"""`oneclass backbone` as a user runs it: list, show, pull from a server, import, and use."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import matconvnet_files as mcn
from oneclass.backbones import Backbone, catalogue
from oneclass.backbones.anatomy import shorthand, take_apart
from oneclass.backbones.importing import ImportOptions, import_network
from oneclass.cli import cli
from oneclass.cli.talk.console import run
from oneclass.errors import ModelFileError

SIZE = (33, 33, 3)


def tiny() -> list[Any]:
    rng = np.random.default_rng(0)
    return [
        mcn.conv(rng, (5, 5, 3, 8), name="conv1", stride=2),
        mcn.plain("relu", "relu1"),
        mcn.plain("lrn", "norm1", param=np.array([5, 2, 1e-4, 0.75])),
        mcn.pool([3, 3], name="pool1", pad=[0, 1, 0, 1], stride=2),
        mcn.conv(rng, (7, 7, 8, 6), name="fc2"),
        mcn.plain("softmax", "prob"),
    ]


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    mean = np.full((1, 1, 3), 120.0)
    return mcn.write(tmp_path / "net.mat", tiny(), mcn.normalization(SIZE, mean))


@pytest.fixture
def oneclass(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line: exit code, stdout, stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["oneclass", *map(str, words)])
        code = run(cli)
        out, err = capfd.readouterr()
        return code, out, err

    return call


Call = Callable[..., tuple[int, str, str]]


def test_list_names_what_is_here_and_what_could_be(
    oneclass: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, out, _ = oneclass("backbone", "list")
    assert code == 0
    assert all(name in out for name in ("efficientnet-lite0", "vgg-f", "vgg-m", "vgg-f-lrn"))
    assert "not here; pull gets 240 MB" in out
    (entries,) = (json.loads(oneclass("backbone", "list", "--json")[1]),)
    assert {e["name"]: e.get("md5") for e in entries}["vgg-f"] == "b359b6ad071155eafa35c84a78f397c7"


def test_import_then_fit_and_score(
    oneclass: Call, mat: Path, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    code, _, err = oneclass("backbone", "import", mat, "-o", tmp_path / "net.onnx")
    assert code == 0
    assert "4 layers, C1, P1, FC2, prob" in err
    assert "--layer P1" in err
    good = image_folder("good", 30, 1)
    model = tmp_path / "m.oneclass"
    words = ("fit", good, "-o", model, "--backbone", tmp_path / "net.onnx", "--layer", "P1@2")
    assert oneclass(*words)[0] == 0
    code, out, _ = oneclass("score", model, image_folder("odd", 5, 2, upright=False))
    assert code == 0
    assert len(out.splitlines()) >= 5


def test_show_tells_shapes_costs_and_shorthand(oneclass: Call, mat: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    oneclass("backbone", "import", mat, "-o", file, "--licence", "MIT", "--name", "mine")
    code, out, _ = oneclass("backbone", "show", file)
    assert code == 0
    assert "I(33, 33, 3)-C_1(8, 5, 2, 0)-P_1(3, 2, 0 0 1 1)-FC_2(6)" in out
    facts = json.loads(oneclass("backbone", "show", file, "--json")[1])
    assert facts["name"] == "mine"
    assert facts["licence"] == "MIT"
    layers = {layer["name"]: layer for layer in facts["layers"]}
    assert layers["C1"]["shape"] == [8, 15, 15]
    assert layers["C1"]["parameters"] == 5 * 5 * 3 * 8 + 8
    assert layers["C1"]["multiply_adds"] == 8 * 15 * 15 * 5 * 5 * 3
    assert layers["FC2"]["parameters"] == 7 * 7 * 8 * 6 + 6
    assert layers["FC2"]["multiply_adds"] == 7 * 7 * 8 * 6
    assert facts["classes"] == 2


def test_costs_of_the_embedded_network() -> None:
    """Worked out by hand from the architecture, for two layers of different kinds."""
    facts = {fact.name: fact for fact in take_apart(Backbone.open("efficientnet-lite0"))}
    assert facts["stem"].multiply_adds == 32 * 112**2 * 27
    depthwise, pointwise = 32 * 112**2 * 9, 32 * 16 * 112**2
    assert facts["block_0"].multiply_adds == depthwise + pointwise
    assert facts["logits"].parameters == 1280 * 1000 + 1000
    assert shorthand(Backbone.open("efficientnet-lite0"), facts.values()) == ""


def test_vgg_f_is_table_2_but_for_its_pools(tmp_path: Path) -> None:
    from oneclass.backbones.importing import ImportOptions, import_network
    from oneclass.backbones.table_2 import TABLE_2

    layers = mcn.vgg_f(np.random.default_rng(0), scale=1)
    layers = layers[:13]  # up to pool5: the rest is 200 MB
    file = mcn.write(
        tmp_path / "f.mat", layers, mcn.normalization((224, 224, 3), np.zeros((1, 1, 3)))
    )
    backbone = import_network(file, tmp_path / "f.onnx", ImportOptions(name="vgg-f"))
    ours = shorthand(backbone, take_apart(backbone))
    printed = TABLE_2["vgg-f"].removeprefix("GS-").partition("-FC_6")[0]
    assert ours.replace("(3, 2, 0 0 1 1)", "(2, 2, 0)") == printed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server of a folder."""
    folder = tmp_path / "www"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()
        thread.join()


@pytest.fixture
def published(
    server: tuple[str, Path], mat: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[str, Path]:
    """The catalogue's vgg-f is our small network, on our server."""
    url, folder = server
    content = mat.read_bytes()
    (folder / "f.mat").write_bytes(content)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    entry = catalogue.Published(f"{url}/f.mat", digest, "a small network", 1)
    monkeypatch.setitem(catalogue.PUBLISHED, "vgg-f", entry)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return url, folder


def test_pull_then_use_by_name(oneclass: Call, published: tuple[str, Path], tmp_path: Path) -> None:
    code, _, err = oneclass("backbone", "show", "vgg-f")
    assert code == 2
    assert "'oneclass backbone pull vgg-f'" in err
    code, _, err = oneclass("backbone", "pull", "vgg-f")
    assert code == 0
    assert "licence: none is stated" in err
    kept = tmp_path / "cache/oneclass/backbones"
    assert [p.name for p in kept.iterdir()] == ["vgg-f.onnx"]
    code, out, _ = oneclass("backbone", "show", "vgg-f")
    assert code == 0
    assert "in the paper:   GS-I(224, 224, 3)-C_1(64, 11, 4, 0)" in out
    (published[1] / "f.mat").unlink()
    assert oneclass("backbone", "pull", "vgg-f")[0] == 0, "nothing is fetched twice"


def test_a_model_finds_its_pulled_network_again(
    oneclass: Call,
    published: tuple[str, Path],
    tmp_path: Path,
    image_folder: Callable[..., Path],
) -> None:
    oneclass("backbone", "pull", "vgg-f")
    model = tmp_path / "m.oneclass"
    words = ("fit", image_folder("good", 20, 1), "-o", model, "--backbone", "vgg-f")
    assert oneclass(*words, "--layer", "P1@2")[0] == 0
    assert oneclass("score", model, image_folder("new", 3, 2))[0] == 0


def test_another_file_under_the_address_is_thrown_away(
    oneclass: Call, published: tuple[str, Path], tmp_path: Path
) -> None:
    (published[1] / "f.mat").write_bytes(b"something else")
    code, _, err = oneclass("backbone", "pull", "vgg-f")
    assert code == 6
    assert "expected" in err
    assert not list((tmp_path / "cache").rglob("*.mat*"))
    assert not list((tmp_path / "cache").rglob("*.onnx"))


def test_a_conversion_that_fails_keeps_the_download(
    oneclass: Call,
    published: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from oneclass.backbones import importing
    from oneclass.errors import StorageError

    def full(*args: object, **more: object) -> None:
        raise StorageError("cannot write: the disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(importing, "whole_file", full)
        assert oneclass("backbone", "pull", "vgg-f")[0] == 5
    assert [p.name for p in (tmp_path / "cache/oneclass/backbones").iterdir()] == ["vgg-f.mat"]
    (published[1] / "f.mat").unlink()
    assert oneclass("backbone", "pull", "vgg-f")[0] == 0


def test_an_unknown_name_lists_the_known(oneclass: Call) -> None:
    code, _, err = oneclass("backbone", "pull", "vgg-x")
    assert code == 2
    assert "which are vgg-f, vgg-m" in err


@pytest.fixture
def bare_onnx(tmp_path: Path) -> Path:
    """An ONNX file as others write it: no record of ours."""
    weights = onnx.numpy_helper.from_array(
        np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32), "w"
    )
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["inner"]),
        onnx.helper.make_node("Relu", ["inner"], ["last"]),
    ]
    real = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("x", real, ["n", 3, "h", "w"])],
        [onnx.helper.make_tensor_value_info("last", real, ["n", 4, None, None])],
        [weights],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "bare.onnx")
    return tmp_path / "bare.onnx"


GIVEN = ("--size", "16", "--mean", "0.5,0.4,0.3", "--std", "0.2,0.2,0.2")
BY_255 = "they are --mean 0.4824,0.4549,0.4039 --std 0.2275,0.2235,0.2235."


def test_any_onnx_file_with_its_preprocessing_given(
    oneclass: Call, bare_onnx: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine.onnx"
    assert oneclass("backbone", "import", bare_onnx, "-o", out, *GIVEN)[0] == 0
    backbone = Backbone.open(out)
    assert backbone.spec.name == "mine"
    assert backbone.spec.preprocessing.mean == (0.5, 0.4, 0.3)
    assert backbone.layers == ("last",)
    words = ("backbone", "import", out, "-o", tmp_path / "cut.onnx", "--layer", "inner")
    assert oneclass(*words, "--std", "1,1,1")[0] == 0
    again = Backbone.open(tmp_path / "cut.onnx")
    assert again.layers == ("inner",)
    assert again.spec.preprocessing.std == (1, 1, 1), "what is given goes before what is told"
    assert again.spec.preprocessing.size == (16, 16)
    onnx.checker.check_model(onnx.load(out))


def test_a_network_that_is_written_over_is_kept(
    oneclass: Call, bare_onnx: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "mine.onnx", tmp_path / "mine.onnx.previous"
    out.write_bytes(bare_onnx.read_bytes())
    words = ("backbone", "import", bare_onnx, "-o", out, *GIVEN)
    code, _, said = oneclass(*words)
    assert code == 0, said
    assert f"what was in {out} before is kept as {kept}.\n" in said
    assert kept.read_bytes() == bare_onnx.read_bytes() != out.read_bytes()
    assert "is kept" not in oneclass(*words)[2], "it is the same"
    assert kept.read_bytes() == bare_onnx.read_bytes()
    code, _, said = oneclass("backbone", "import", bare_onnx, "-o", out, *GIVEN[:2])
    assert code == 2
    assert "is kept" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"bare.onnx", out.name, kept.name}


def test_a_network_is_not_imported_over_itself(
    oneclass: Call, bare_onnx: Path, tmp_path: Path
) -> None:
    before, link = bare_onnx.read_bytes(), tmp_path / "link.onnx"
    link.symlink_to(bare_onnx)
    for out in (bare_onnx, link):
        code, _, said = oneclass("backbone", "import", bare_onnx, "-o", out, *GIVEN)
        assert code == 2
        assert f"-o {out}: that is the file to import, which would be lost." in said
    assert bare_onnx.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "size and mean and std not given"),
        (("--size", "16", "--mean", "0,0", "--std", "1,1,1"), "mean and std need 3 values"),
        (("--size", "16", "--mean", "123,116,103", "--std", "58,57,57"), BY_255),
        (("--size", "16", "--mean", "0", "--std", "255"), "they are --mean 0 --std 1."),
        (("--size", "16", "--mean", "a", "--std", "1"), "expected numbers with commas"),
        ((*GIVEN, "--layer", "nowhere"), "layer 'nowhere'.*Its outputs are: last"),
        ((*GIVEN, "--layer", "last", "--layer", "last"), "name each once"),
        ((*GIVEN, "--crop"), "an ONNX file has no border"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    oneclass: Call, bare_onnx: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    import re

    code, _, err = oneclass("backbone", "import", bare_onnx, "-o", tmp_path / "x.onnx", *words)
    assert code == 2
    assert re.search(message, " ".join(err.split())), err
    assert not (tmp_path / "x.onnx").exists()


def test_a_mat_file_says_its_preprocessing_itself(
    oneclass: Call, mat: Path, tmp_path: Path
) -> None:
    code, _, err = oneclass("backbone", "import", mat, "-o", tmp_path / "x.onnx", "--mean", "0")
    assert code == 2
    assert "mean: a MatConvNet file says itself" in err


@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_with_a_fixed_batch(
    oneclass: Call, bare_onnx: Path, tmp_path: Path, batch: int
) -> None:
    free, fixed = tmp_path / "free.onnx", tmp_path / "fixed.onnx"
    oneclass("backbone", "import", bare_onnx, "-o", free, *GIVEN)
    model = onnx.load(bare_onnx)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save(model, bare_onnx)
    code, _, err = oneclass("backbone", "import", bare_onnx, "-o", fixed, *GIVEN)
    if batch > 1:
        assert code == 4
        assert "takes 3 images at a time" in err
        return
    assert code == 0
    images = np.random.default_rng(0).standard_normal((5, 3, 16, 16)).astype(np.float32)
    rows = [Backbone.open(file).session(["last"])(images)[0] for file in (free, fixed)]
    np.testing.assert_array_equal(rows[0], rows[1])


def test_weights_in_a_second_file_are_refused(
    oneclass: Call, bare_onnx: Path, tmp_path: Path
) -> None:
    model = onnx.load(bare_onnx)
    apart = tmp_path / "apart.onnx"
    onnx.save(model, apart, save_as_external_data=True, location="apart.data", size_threshold=0)
    code, _, err = oneclass("backbone", "import", apart, "-o", tmp_path / "x.onnx", *GIVEN)
    assert code == 4
    assert "weights are in another file" in err


@pytest.mark.parametrize("name", ["x.mat", "x.onnx"])
def test_junk_is_refused(oneclass: Call, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"junk" * 100)
    code, _, err = oneclass(
        "backbone",
        "import",
        tmp_path / name,
        "-o",
        tmp_path / "y.onnx",
        *(GIVEN if name == "x.onnx" else ()),
    )
    assert code == 4
    assert name in err


@pytest.mark.parametrize(
    ("start", "kind", "advice"),
    [
        (b"PK\3\4archive/data.pkl", "PyTorch and Keras", "torch.onnx.export"),
        (b"\x80\2\x8a\nl\xfc", "a pickle", "torch.onnx.export"),
        (b'\x3c\0\0\0\0\0\0\0{"a":{}}', "safetensors", "torch.onnx.export"),
        (b"\x1c\0\0\0TFL3" + bytes(9), "TensorFlow Lite", "tf2onnx"),
        (b"\x89HDF\r\n\x1a\n" + bytes(9), "Keras", "tf2onnx"),
        (b"GGUF" + bytes(9), "a language model", "for images"),
        (b"ptrt" + bytes(9), "TensorRT", "was made from"),
        (b"<?xml version='1.0'?><net>", "OpenVINO", "was made from"),
        (b"<!DOCTYPE html><html>", "a web page", "fetch the file again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
        (b"ONECLASS" + bytes(9), "a model of oneclass", "oneclass score"),
    ],
)
def test_a_network_of_another_kind_is_named(
    tmp_path: Path, start: bytes, kind: str, advice: str
) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(start)
    with pytest.raises(ModelFileError) as imported:
        import_network(file, tmp_path / "out.onnx", ImportOptions())
    with pytest.raises(ModelFileError) as opened:
        Backbone(start, file="net.onnx")
    for refused in (imported, opened):
        assert kind in str(refused.value)
        assert advice in str(refused.value)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([("ReduceMean", ["x"], {"keepdims": 0})], "one number for all images"),
        ([("Sub", ["x", "x"], {}), ("Div", ["t0", "t0"], {})], "not finite"),
    ],
)
def test_networks_whose_rows_mean_nothing_are_refused(
    tmp_path: Path, nodes: list[Any], said: str
) -> None:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    last = len(nodes) - 1
    made = [
        helper.make_node(op, inputs, ["r" if i == last else f"t{i}"], **settings)
        for i, (op, inputs, settings) in enumerate(nodes)
    ]
    images = helper.make_tensor_value_info("x", kind, ["n", 3, 32, 32])
    rows = helper.make_tensor_value_info("r", kind, None)
    graph = helper.make_graph(made, "g", [images], [rows])
    versions = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), tmp_path / "n.onnx")
    options = ImportOptions(size=(32, 32), mean=(0.5,) * 3, std=(1.0,) * 3)
    with pytest.raises(ModelFileError, match=said):
        import_network(tmp_path / "n.onnx", tmp_path / "o.onnx", options)
    assert not (tmp_path / "o.onnx").exists()

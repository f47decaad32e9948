"""`oneclass export` on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from commands import oneclass
from conftest import stripes
from graphs import session_of
from oneclass import Detector, load
from oneclass.backbones.onnx_file import with_metadata
from oneclass.cli.verify import _write
from oneclass.export.verifying import Difference


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "parts.oneclass"
    Detector(size=(64, 64)).fit(stripes(30, seed=1)).save(file)
    return file


def test_a_file_that_runs_elsewhere(model: Path, tmp_path: Path) -> None:
    done = oneclass("export", model, "-o", tmp_path / "parts.onnx", "--layout", "nchw")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "parts.onnx" in done.stderr
    new = stripes(5, seed=2)
    session = session_of((tmp_path / "parts.onnx").read_bytes())
    found = session.run(["score"], {"images": new[:, None]})[0]
    np.testing.assert_allclose(found, load(model).score(new).scores, atol=1e-6)


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left(
    model: Path, tmp_path: Path
) -> None:
    done = oneclass("export", model, "-o", tmp_path / "missing" / "parts.onnx")
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    done = oneclass("export", model, "-o", tmp_path / "a.onnx", "--size", "9", "--without-resize")
    assert done.returncode == 2
    assert "Leave the size out" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_export_over_another_says_so(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "parts.onnx"
    assert "before" not in oneclass("export", model, "-o", file).stderr
    again = oneclass("export", model, "-o", file).stderr
    assert f"what was in {file} before, an exported model, was replaced." in again


def test_no_backbone_is_lost_to_an_export(model: Path, tmp_path: Path) -> None:
    """Not even one whose metadata name the key of an exported model's."""
    network = tmp_path / "mine.onnx"
    own = resources.files("oneclass.backbones") / "data" / "efficientnet-lite0.onnx"
    before = with_metadata(own.read_bytes(), "told", "oneclass_model")
    network.write_bytes(before)
    done = oneclass("export", model, "-o", network)
    assert done.returncode == 2
    assert f"cannot write {network}: what is there already is no exported model" in done.stderr
    assert network.read_bytes() == before


@pytest.mark.parametrize("lost", ["parts.xml", "parts.bin"])
def test_no_file_of_somebody_else_is_lost_to_openvino(
    model: Path, tmp_path: Path, lost: str
) -> None:
    (tmp_path / lost).write_text("<page>\n")
    done = oneclass("export", model, "-o", tmp_path / "parts.xml", "--format", "openvino")
    assert done.returncode == 2
    assert f"cannot write {tmp_path / lost}: what is there already is no exported" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [lost]
    assert (tmp_path / lost).read_text() == "<page>\n"


@pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
def test_openvino_is_written_over_its_like(model: Path, tmp_path: Path) -> None:
    words = ("export", model, "-o", tmp_path / "parts.xml", "--format", "openvino")
    told = [oneclass(*words) for _ in range(2)]
    assert [done.returncode for done in told] == [0, 0]
    assert ["was replaced" in done.stderr for done in told] == [False, True]


@pytest.mark.parametrize(
    ("kind", "name", "right"),
    [
        ("onnx", "m.oneclass", "called as a model is. Give a name that ends in .onnx."),
        ("openvino", "m.onnx", "called as an ONNX file is. Give a name that ends in .xml."),
        ("web", "m.onnx", "called as an ONNX file is. Give the name of a folder."),
    ],
)
def test_an_export_is_called_as_what_it_is(
    model: Path, tmp_path: Path, kind: str, name: str, right: str
) -> None:
    done = oneclass("export", model, "-o", tmp_path / name, "--format", kind)
    assert done.returncode == 2
    assert right in done.stderr


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    file = model.with_suffix(".onnx")
    assert oneclass("export", model, "-o", file).returncode == 0
    return file


def test_verify_finds_no_difference_on_a_users_own_images(
    model: Path, exported: Path, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = image_folder("new", 6, seed=2)
    (folder / "broken.png").write_bytes(b"no image")
    done = oneclass("verify", exported, model, folder, "--csv", tmp_path / "all.csv")
    assert done.returncode == 3, done.stderr
    assert "6 images: 0 verdicts differ (0 of them within" in done.stdout
    assert "broken.png" in done.stderr
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert lines[0] == (
        "path,score_difference,p_value_difference,exported_is_anomaly,is_anomaly,"
        "anomaly_map_difference"
    )
    assert len(lines) == 7


def test_no_table_of_labels_is_lost_to_one_of_differences(
    model: Path, exported: Path, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\na.png,good\n")
    done = oneclass("verify", exported, model, image_folder("new", 3, seed=2), "--csv", table)
    assert done.returncode == 2
    assert "what is there already is no table of differences" in done.stderr
    assert table.read_text() == "path,label\na.png,good\n"


def test_a_table_of_differences_says_true_as_predictions_do(tmp_path: Path) -> None:
    one = Difference("a.png", 0.5, 0.0, (True, False), near=False, anomaly_map=None)
    _write(tmp_path / "all.csv", [one])
    assert (tmp_path / "all.csv").read_text().splitlines()[1] == "a.png,0.5,0.0,true,false,"


def test_verify_tells_a_changed_graph_by_its_exit_code(
    model: Path, exported: Path, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    changed = onnx.load_model(exported)
    for node in changed.graph.node:
        if node.output[0] == "score":
            node.output[0] = "true_score"
    one = onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [], [1.0])
    changed.graph.initializer.append(one)
    changed.graph.node.append(onnx.helper.make_node("Add", ["true_score", "one"], ["score"]))
    onnx.save_model(changed, tmp_path / "changed.onnx")
    done = oneclass("verify", tmp_path / "changed.onnx", model, image_folder("new", 3, seed=2))
    assert done.returncode == 11
    assert "3 beyond the tolerance of 0.1" in done.stdout


def test_verify_refuses_what_was_made_from_another_model(
    exported: Path, model: Path, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = image_folder("new", 2, seed=2)
    Detector(size=(64, 64)).fit(stripes(30, seed=9)).save(tmp_path / "other.oneclass")
    done = oneclass("verify", exported, tmp_path / "other.oneclass", folder)
    assert done.returncode == 2
    assert "made from a model of SHA-256" in done.stderr
    (tmp_path / "cut.onnx").write_bytes(exported.read_bytes()[:1000])
    for file, code in ((tmp_path / "cut.onnx", 4), (tmp_path / "none.onnx", 2)):
        done = oneclass("verify", file, model, folder)
        assert done.returncode == code, done.stderr
        assert "oneclass export" in done.stderr


def test_verify_resizes_itself_where_the_graph_does_not(
    model: Path, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "parts.onnx"
    assert oneclass("export", model, "-o", file, "--without-resize").returncode == 0
    done = oneclass("verify", file, model, image_folder("new", 5, seed=2), "--tolerance", "1e-3")
    assert done.returncode == 0, done.stdout

    assert oneclass("export", model, "-o", file, "--size", "30x28").returncode == 0
    done = oneclass("verify", file, model, image_folder("new", 5, seed=2))
    assert done.returncode == 2
    assert (
        "has 24 x 24 pixels, and the exported model takes 28 x 30 (width x height)" in done.stderr
    )


def test_openvinos_form_says_the_same(
    model: Path, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    done = oneclass("export", model, "-o", tmp_path / "parts.onnx", "--format", "openvino")
    assert done.returncode == 2
    assert "Give a name that ends in .xml." in done.stderr
    done = oneclass("export", model, "-o", tmp_path / "parts.xml", "--format", "openvino")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("parts.*")} == {"parts.xml", "parts.bin"}
    folder = image_folder("new", 3, seed=2)
    done = oneclass("verify", tmp_path / "parts.xml", model, folder, "--tolerance", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 images: 0 verdicts differ" in done.stdout


def test_what_openvino_needs_is_said(model: Path, tmp_path: Path) -> None:
    if find_spec("openvino"):
        pytest.skip("it is installed")
    done = oneclass("export", model, "-o", tmp_path / "parts.xml", "--format", "openvino")
    assert done.returncode == 2
    assert re.search(r'pip install "(oneclass\[openvino\]|openvino>=)', done.stderr)
    assert list(tmp_path.iterdir()) == []

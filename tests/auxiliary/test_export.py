"""`oneclass backbone export`: a torch module becomes a backbone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from oneclass.backbones import Backbone

SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))

ready = Net()
text = "no module"
numbered = lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
"""
GIVEN = ("--size", "12x10", "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mynet.py").write_text(SOURCE)
    return tmp_path


def export(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "oneclass", "backbone", "export", *words]
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # as an installed command has it
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )


def test_a_class_beside_the_user_is_exported(place: Path) -> None:
    done = export(place, "mynet:Net", "-o", "net.onnx", *GIVEN, "--licence", "MIT")
    assert done.returncode == 0, done.stderr
    assert "agree within" in done.stderr
    backbone = Backbone.open(place / "net.onnx")
    assert backbone.layers == ("body", "head")
    assert backbone.shapes() == {"body": (4, 5, 4), "head": (5,)}
    assert backbone.spec.licence == "MIT"
    images = np.random.default_rng(0).standard_normal((3, 3, 12, 10)).astype(np.float32)
    sys.path.insert(0, str(place))
    try:
        import mynet

        expected = mynet.Net().eval()(torch.from_numpy(images)).detach().numpy()
    finally:
        sys.path.remove(str(place))
    (found,) = backbone.session(["head"])(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_parts_by_their_dotted_names(place: Path) -> None:
    words = ("--layer", "body.1", "--layer", "body.2")
    done = export(place, "mynet:ready", "-o", "net.onnx", *GIVEN, *words)
    assert done.returncode == 0, done.stderr
    assert Backbone.open(place / "net.onnx").layers == ("body.1", "body.2")


def test_parts_that_are_only_numbers(place: Path) -> None:
    words = ("--size", "8", "--mean", "0", "--std", "1")
    done = export(place, "mynet:numbered", "-o", "net.onnx", *words)
    assert done.returncode == 0, done.stderr
    assert Backbone.open(place / "net.onnx").layers == ("part_0", "part_1")


def test_one_number_is_for_all_channels(place: Path) -> None:
    words = ("--size", "12", "--mean", "0.5", "--std", "0.25")
    done = export(place, "mynet:Net", "-o", "net.onnx", *words)
    assert done.returncode == 0, done.stderr
    assert Backbone.open(place / "net.onnx").spec.preprocessing.mean == (0.5,) * 3


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_weights_from_a_file(place: Path, kind: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
            self.head = nn.Linear(4, 5)

    state = {name: torch.full_like(w, 0.5) for name, w in Net().state_dict().items()}
    file = place / f"w.{kind}"
    if kind == "pt":
        torch.save(state, file)
    else:
        safetensors.torch.save_file(state, file)
    done = export(place, "mynet:Net", "-o", "net.onnx", *GIVEN, "--weights", file.name)
    assert done.returncode == 0, done.stderr
    (found,) = Backbone.open(place / "net.onnx").session(["head"])(
        np.zeros((1, 3, 12, 10), np.float32)
    )
    np.testing.assert_allclose(found, 0.5 * (0.5 * 4 + 1))  # each channel is 0.5, bias 0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mynet", *GIVEN), "there is no ':' in it"),
        (("nowhere:Net", *GIVEN), "No module named 'nowhere'"),
        (("mynet:text", *GIVEN), "gave a str; expected a torch.nn.Module"),
        (("mynet:numbered", *GIVEN), "cannot be exported for"),
        (("mynet:Net", "--size", "12"), "mean and std not given"),
        (("mynet:Net", *GIVEN, "--layer", "tail"), "no such part. Its parts are: body, body.0"),
        (("mynet:Net", *GIVEN, "--weights", "gone.pt"), "no such file"),
        (("mynet:Net", *GIVEN, "--weights", "mynet.py"), "do not fit the module"),
        (("mynet:Net", *GIVEN, "--weights", "mynet.py"), "(it is no state dict)"),
        (("torch.nn:Linear", *GIVEN), "calling it without arguments failed (Linear.__init__"),
        (("torch.nn:Identity", *GIVEN, "--layer", "a"), "It has none: leave it out"),
    ],
)
def test_what_is_wrong_is_named(place: Path, words: tuple[str, ...], message: str) -> None:
    done = export(place, *words, "-o", "net.onnx")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not (place / "net.onnx").exists()

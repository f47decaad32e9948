"""What an error says to install can be installed, wherever the package came from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from oneclass.system.host import machine as extras

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("extra", ["train", "report", "sklearn", "matconvnet", "openvino"])
def test_the_packages_are_those_of_pyproject(extra: str) -> None:
    asked, _, named = extras.pip_install(extra).removeprefix("pip install ").partition(" (")
    assert named == f'the extra {extra}; in the folder of the source: pip install ".[{extra}]")'
    names = {part.strip('"').split(">=")[0].split("==")[0] for part in asked.split()}
    wanted = PROJECT["optional-dependencies"][extra]
    assert names == {line.split(">=")[0].split("==")[0] for line in wanted}


def test_an_extra_of_extras_is_spelt_out() -> None:
    assert "matplotlib" in extras.pip_install("demo")
    assert "mlxtend" in extras.pip_install("demo")
    assert "oneclass" not in extras.pip_install("demo")


def test_without_metadata_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> list[str]:
        raise extras.PackageNotFoundError

    monkeypatch.setattr(extras, "requires", missing)
    assert extras.pip_install("train") == 'pip install "oneclass[train]"'


def test_an_extra_may_ask_for_several_others(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        'nncf>=3; extra == "int8"',
        'oneclass[export,openvino]; extra == "int8"',
        'onnx>=1; extra == "export"',
        'openvino>=2; extra == "openvino"',
    ]
    monkeypatch.setattr(extras, "requires", lambda _: lines)
    assert extras.pip_install("int8") == (
        'pip install "nncf>=3" "onnx>=1" "openvino>=2" (the extra int8; in the folder of the '
        'source: pip install ".[int8]")'
    )

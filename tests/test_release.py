"""What a release holds: wheel and sdist, the same bytes each time, and the licences in them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import oneclass

ROOT = Path(__file__).parents[1]
KINDS = {
    ".py",
    ".onnx",
    ".png",
    ".css",
    ".js",
    ".svg",
    ".html",
    ".json",
    ".typed",
    ".ico",
    ".txt",
    ".md",
}
pytestmark = [
    pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="not in a checkout"),
    pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling is not installed"),
]


def built(folder: Path) -> tuple[Path, Path]:
    """Build both, offline, into a folder."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return built(tmp_path_factory.mktemp("release"))


def test_the_wheel_holds_the_package_and_nothing_else(release: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(release[0]) as wheel:
        names = set(wheel.namelist())
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "oneclass").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    about = f"oneclass-{oneclass.__version__}.dist-info"
    assert names - expected == {
        f"{about}/{name}"
        for name in (
            "METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE"
        )
    }  # fmt: skip
    assert expected <= names
    assert {Path(name).suffix for name in expected} <= KINDS


def test_the_sdist_builds_tests_and_explains_itself(release: tuple[Path, Path]) -> None:
    with tarfile.open(release[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for name in ("pyproject.toml", "LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "PKG-INFO"):
        assert name in names
    assert {name.partition("/")[0] for name in names if "/" in name} <= {
        "src", "tests", "docs", "tools", "benchmarks", "examples"
    }  # fmt: skip
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_same_source_gives_the_same_bytes(release: tuple[Path, Path], tmp_path: Path) -> None:
    for first, second in zip(release, built(tmp_path), strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_the_index_would_take_it(release: tuple[Path, Path]) -> None:
    if find_spec("twine") is None:
        pytest.skip("twine is not installed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "twine", "check", "--strict", *map(str, release)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_what_ships_beside_our_own_code_is_named_with_its_licence() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for path in (ROOT / "src" / "oneclass").rglob("*"):
        if path.suffix in {".onnx", ".png"}:
            assert path.relative_to(ROOT).as_posix() in notice

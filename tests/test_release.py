"""What a release holds: wheel and sdist, the same bytes each time, and the licences in them."""

from __future__ import annotations

import doctest
import hashlib
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import lowest_versions
import oneclass
import sbom

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


def test_the_bill_names_all_that_is_not_ours_with_its_digest(release: tuple[Path, Path]) -> None:
    made = sbom.bill(release[0])
    itself = made["metadata"]["component"]
    assert (itself["name"], itself["version"]) == ("oneclass", oneclass.__version__)
    assert itself["hashes"][0]["content"] == hashlib.sha256(release[0].read_bytes()).hexdigest()
    listed = {
        file["name"]: file["hashes"][0]["content"]
        for part in itself["components"]
        for file in part["components"]
    }
    with zipfile.ZipFile(release[0]) as wheel:
        foreign = {
            name
            for name in wheel.namelist()
            if ("/data/" in name or "/vendor/" in name) and Path(name).suffix not in {".md", ".txt"}
        }
        assert set(listed) == foreign
        for name, found in listed.items():
            assert hashlib.sha256(wheel.read(name)).hexdigest() == found


def test_the_bill_and_the_notice_agree() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    vendored = (ROOT / "src/oneclass/serve/static/vendor/VENDORED.md").read_text(encoding="utf-8")
    for part in sbom.SHIPPED:
        assert part["version"] in notice
        for file in part["files"]:
            assert f"src/{file}" in notice or f"| {Path(file).name} |" in vendored
        assert part["licence"] in vendored or part["licence"].replace("-", " ") in notice or (
            part["licence"] == "Apache-2.0" and "Apache" in notice
        )  # fmt: skip


def test_the_bill_lists_what_pip_will_install(release: tuple[Path, Path]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = {part["name"]: part for part in sbom.bill(release[0])["components"]}
    for line in project["dependencies"]:
        name, versions, _ = sbom.needed(line)
        assert parts[name]["scope"] == "required"
        assert {"name": "oneclass:versions", "value": versions} in parts[name]["properties"]
    for extra, lines in project["optional-dependencies"].items():
        for name, versions, _ in map(sbom.needed, lines):
            if name != "oneclass":
                expected = {"name": f"oneclass:versions:{extra}", "value": versions or "any"}
                assert expected in parts[name]["properties"]


def test_the_bill_is_valid_and_the_same_each_time(release: tuple[Path, Path]) -> None:
    import json

    once, again = (json.dumps(sbom.bill(release[0])) for _ in range(2))
    assert once == again
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    assert validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(once) is None


@pytest.mark.parametrize("module", [sbom, lowest_versions], ids=lambda m: m.__name__)
def test_the_examples_in_the_tools_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def test_every_dependency_has_a_lowest_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = list(project["optional-dependencies"])
    named = {
        sbom.needed(line)[0]
        for lines in [project["dependencies"], *project["optional-dependencies"].values()]
        for line in lines
    } - {"oneclass"}
    found = {line.split("==")[0].split("[")[0] for line in lowest_versions.lowest(extras, project)}
    assert found == named

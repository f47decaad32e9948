"""The page: what is in its folder, and that a browser says what the detector says.

The runtime is no part of oneclass. Where ONNXRUNTIME_WEB names it, best as npm has installed it
(.../node_modules/onnxruntime-web), and Node or Chromium are there, the examples and the page run.
The example in C++ runs where there is a compiler, and ONNX Runtime's headers lie where Debian puts
them or where ONNXRUNTIME_INCLUDE says.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import oneclass
from conftest import stripes, write_images
from elsewhere import GIVEN, needs_chromium, needs_runtime, served, tab
from graphs import session_of
from oneclass import InputError, load
from oneclass.detector.predictions import odds
from oneclass.export import web
from oneclass.export.assembly import onnx_model
from oneclass.export.web import RUNTIME, check_page_folder, read_runtime, write_page
from oneclass.results import overlay

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADERS = Path(os.environ.get("ONNXRUNTIME_INCLUDE", "/usr/include/onnxruntime"))
COMPILER = shutil.which("g++") or shutil.which("clang++")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    images = [*stripes(2, seed=2, side=40), *stripes(1, seed=3, side=70, upright=False)]
    paths = [tmp_path / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
        Image.fromarray(image).save(path.with_suffix(".ppm"))
    return paths


def said(lines: str) -> list[tuple[str, float, float, str]]:
    cells = [line.split(",") for line in lines.strip().splitlines() if line[0] != " "]
    return [(Path(name).stem, float(s), float(p), verdict) for name, s, p, verdict in cells]


def assert_said(lines: str, model: Path, pictures: list[Path]) -> None:
    expected = load(model).score(list(map(str, pictures)))
    found = said(lines)
    assert [name for name, *_ in found] == [path.stem for path in pictures]
    np.testing.assert_allclose([s for _, s, _, _ in found], expected.scores, atol=2e-6)
    np.testing.assert_allclose([p for *_, p, _ in found], [e.p_value for e in expected], atol=2e-6)
    assert [verdict for *_, verdict in found] == [e.verdict for e in expected]


def test_the_python_example_says_what_the_detector_says(
    model: Path, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "parts.onnx").write_bytes(onnx_model(load(model)))
    program = [sys.executable, EXAMPLES / "onnxruntime_only.py", tmp_path / "parts.onnx"]
    done = subprocess.run([*program, *pictures], capture_output=True, text=True, check=True)
    assert_said(done.stdout, model, pictures)
    assert "oddest at row" in done.stdout
    done = subprocess.run(program, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("expected: python onnxruntime_only.py parts.onnx image.png")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ example, built with the shared library that the Python package brings."""
    if COMPILER is None or not (HEADERS / "onnxruntime_cxx_api.h").is_file():
        pytest.skip("needs a C++ compiler and ONNX Runtime's headers")
    place = tmp_path_factory.mktemp("cpp")
    spec = find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    library = next((Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*"))
    (place / "libonnxruntime.so.1").symlink_to(library)  # the name under which it is looked for
    words = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-isystem", HEADERS]
    ends = [place / "libonnxruntime.so.1", f"-Wl,-rpath,{place}", "-o", place / "judge"]
    subprocess.run([COMPILER, *words, EXAMPLES / "onnxruntime_only.cpp", *ends], check=True)
    return place / "judge"


def test_the_cpp_example_says_what_the_detector_says(
    judge: Path, model: Path, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "parts.onnx").write_bytes(onnx_model(load(model)))
    given = [path.with_suffix(".ppm") for path in pictures]
    program = [judge, tmp_path / "parts.onnx"]
    done = subprocess.run([*program, *given], capture_output=True, text=True, check=True)
    assert_said(done.stdout, model, pictures)
    done = subprocess.run(program, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "expected: judge parts.onnx image.ppm ...\n")
    (tmp_path / "cut.ppm").write_bytes(given[0].read_bytes()[:50])
    for file, message in (("cut.ppm", "ends before its last"), ("0.png", "no binary PPM")):
        done = subprocess.run([*program, tmp_path / file], capture_output=True, text=True)
        assert done.returncode == 1
        assert f"{file}: {message}" in done.stderr
    done = subprocess.run(
        [*program, tmp_path / "cut.ppm", given[0]], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout.startswith(f"{given[0]},"), "the next one is judged all the same"


def packed(place: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(place, "w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return place


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    contents = {name: name.encode() * 9 for name in RUNTIME}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(web, "RUNTIME", digests)
    return contents


def test_the_runtime_is_taken_from_an_archive_or_a_folder(
    stand_in: dict[str, bytes], tmp_path: Path
) -> None:
    assert read_runtime(packed(tmp_path / "package.tgz", stand_in)) == stand_in
    (tmp_path / "dist").mkdir()
    for name, content in stand_in.items():
        (tmp_path / "dist" / name).write_bytes(content)
    assert read_runtime(tmp_path) == read_runtime(tmp_path / "dist") == stand_in


def test_a_runtime_that_is_missing_damaged_or_another_is_refused(
    stand_in: dict[str, bytes], tmp_path: Path
) -> None:
    first = next(iter(stand_in))
    cut = tmp_path / "cut.tgz"
    cut.write_bytes(packed(tmp_path / "whole.tgz", stand_in).read_bytes()[:-200])
    places = [
        (tmp_path, "holds no"),
        (tmp_path / "none.tgz", "cannot be read as onnxruntime-web"),
        (packed(tmp_path / "half.tgz", {first: stand_in[first]}), "cannot be read as"),
        (packed(tmp_path / "other.tgz", {**stand_in, first: b"other"}), "of another version"),
        (cut, "onnxruntime-web"),
    ]
    for place, message in places:
        with pytest.raises(InputError, match=message) as caught:
            read_runtime(place)
        assert "npm pack" in str(caught.value)


def test_the_folder_is_whole_and_names_every_licence(
    model: Path, stand_in: dict[str, bytes], tmp_path: Path
) -> None:
    content = onnx_model(load(model))
    text = session_of(content).get_modelmeta().custom_metadata_map["oneclass_model"]
    size = write_page(tmp_path / "page", content, json.loads(text), stand_in)
    written = {path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()}
    assert size == sum(map(len, written.values()))
    assert written["model.onnx"] == content
    assert {name: written[name] for name in stand_in} == stand_in
    licences = written["LICENSES.txt"].decode()
    assert "Microsoft Corporation" in licences
    assert "Apache-2.0" in licences
    assert all(digest in licences for digest in web.RUNTIME.values())
    named = re.findall(r'(?:src|href)="([^":]+)"', written["index.html"].decode())
    assert set(named) <= set(written)


@pytest.mark.parametrize("name", ["index.html", "style.css", "model.json", "LICENSES.txt"])
def test_no_page_of_somebody_else_is_written_over(model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    words = ("--format", "web", "--onnxruntime-web", tmp_path)
    done = oneclass("export", model, "-o", tmp_path, *words)
    assert done.returncode == 2
    lost = f"cannot write {tmp_path / name}: what is there already is no part of an exported page"
    assert lost in done.stderr
    assert "Give another folder, or remove that file first." in done.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}


def test_a_page_is_not_put_among_pictures(model: Path, tmp_path: Path) -> None:
    write_images(tmp_path, stripes(1, seed=1))
    words = ("--format", "web", "--onnxruntime-web", tmp_path)
    done = oneclass("export", model, "-o", tmp_path, *words)
    assert done.returncode == 2
    assert "the page would be among the pictures. Give a folder of its own, as" in done.stderr
    assert len(list(tmp_path.iterdir())) == 1


def test_a_page_is_written_over_its_like_beside_other_files(
    model: Path, stand_in: dict[str, bytes], tmp_path: Path
) -> None:
    content = onnx_model(load(model))
    text = session_of(content).get_modelmeta().custom_metadata_map["oneclass_model"]
    (tmp_path / "mine.html").write_text("mine")
    for _ in range(2):
        check_page_folder(tmp_path)
        write_page(tmp_path, content, json.loads(text), stand_in)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.html", *web.NAMES}


def test_a_model_for_deep_images_is_refused(stand_in: dict[str, bytes], tmp_path: Path) -> None:
    record: dict[str, Any] = {"input": {"type": "uint16"}}
    with pytest.raises(InputError, match="a browser reads all images as 8-bit"):
        write_page(tmp_path / "page", b"", record, stand_in)
    assert not (tmp_path / "page").exists()


def test_the_page_says_how_odd_in_the_words_of_the_trade() -> None:
    script = (Path(web.__file__).parent / "page" / "page.js").read_text(encoding="utf-8")
    assert "held-out normal" not in script
    assert odds(1 / 121, 120).replace("120", '${n.toLocaleString("en")}') in script


def test_the_page_colours_as_the_overlay_does() -> None:
    script = (Path(web.__file__).parent / "page" / "page.js").read_text(encoding="utf-8")
    ramp = json.loads(re.search(r"RAMP = (.*);", script)[1])  # type: ignore[index]
    assert [tuple(step) for step in ramp] == list(overlay.RAMP)
    numbers = dict(re.findall(r"const (CALM|HOT) = ([\d.]+);", script))
    assert {name: float(value) for name, value in numbers.items()} == {
        "CALM": overlay.CALM,
        "HOT": overlay.HOT,
    }


def test_what_the_page_does_not_take_is_refused(model: Path, tmp_path: Path) -> None:
    words = ("export", model, "-o", tmp_path / "page")
    for more, message in (
        (("--format", "web"), "Run 'npm pack onnxruntime-web@"),
        (("--format", "web", "--size", "64"), "Leave out --layout, --size"),
        (("--onnxruntime-web", tmp_path), "is for --format web"),
    ):
        done = oneclass(*words, *more)
        assert done.returncode == 2
        assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


@needs_runtime
@pytest.mark.skipif(not shutil.which("node"), reason="no Node here")
@pytest.mark.skipif(
    Path(GIVEN or "").parent.name != "node_modules", reason="the runtime was not installed by npm"
)
def test_the_node_example_says_what_the_detector_says(
    model: Path, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "parts.onnx").write_bytes(onnx_model(load(model)))
    (tmp_path / "node_modules").symlink_to(Path(str(GIVEN)).parent)
    shutil.copy(EXAMPLES / "node.mjs", tmp_path)
    names = [path.with_suffix(".ppm") for path in pictures]
    done = subprocess.run(
        ["node", "node.mjs", "parts.onnx", *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_said(done.stdout, model, pictures)
    done = subprocess.run(
        ["node", "node.mjs", "parts.onnx", pictures[0]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{pictures[0]}: no binary PPM or PGM of 8 bits\n"


@needs_chromium
def test_the_page_says_in_chromium_what_the_detector_says(
    model: Path, pictures: list[Path], tmp_path: Path
) -> None:
    words = ("-o", tmp_path / "page", "--format", "web", "--onnxruntime-web", str(GIVEN))
    assert oneclass("export", model, *words).returncode == 0
    with served(tmp_path / "page") as address, tab(address) as (page, wrong):
        page.locator("#sentence", has_text="Choose, drop").wait_for(timeout=120_000)
        page.set_input_files("#files", [str(path) for path in pictures])
        rows = page.locator("#list tbody tr")
        rows.nth(len(pictures) - 1).wait_for(timeout=120_000)
        cells = [row.split("\t") for row in rows.all_inner_texts()][::-1]
        said_of_the_last = page.locator("#sentence").inner_text()
        assert page.locator("html").evaluate("e => e.scrollWidth") == 390
        assert page.locator("#map").is_visible()
    assert wrong == []
    expected = load(model).score(list(map(str, pictures)))
    for (name, verdict, p, score), one in zip(cells, expected, strict=True):
        assert name == Path(one.path).name
        assert verdict == ("anomaly" if one.is_anomaly else "fine")
        assert float(score) == pytest.approx(one.score, rel=1e-3)
        assert float(p) == pytest.approx(one.p_value, rel=0.05)
    n, last = load(model).card["calibration"]["n_held_out"], expected[-1]
    assert last.p_value == 1 / (n + 1), "odder than all"
    assert (
        f"{pictures[-1].name}: odder than all {n:,} good images that it was compared with"
        in said_of_the_last
    )


@needs_chromium
def test_the_browser_example_says_what_the_detector_says(
    model: Path, pictures: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    for name, content in read_runtime(Path(str(GIVEN))).items():
        (folder / name).write_bytes(content)
    (folder / "parts.onnx").write_bytes(onnx_model(load(model)))
    shutil.copy(EXAMPLES / "browser.html", folder / "index.html")
    shutil.copy(Path(web.__file__).parent / "page" / "files.js", folder)
    with served(folder) as address, tab(address) as (page, _):
        page.wait_for_selector("#files:enabled", timeout=60_000)
        page.set_input_files("#files", [str(path) for path in pictures])
        for _attempt in range(60):
            lines = page.locator("#said").inner_text()
            if len(lines.splitlines()) >= len(pictures):
                break
            page.wait_for_timeout(1000)
    assert_said(lines, model, pictures)

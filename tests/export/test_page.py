"""Files as a browser reads them, in the page and in the example: as `score` does, or refused."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from commands import oneclass
from conftest import stripes
from elsewhere import (
    DEEP,
    FRAMES,
    GIVEN,
    clear_files,
    colours,
    needs_chromium,
    of_three_channels,
    refused_files,
    served,
    tab,
    turned_files,
)
from oneclass import load
from oneclass.export import web
from oneclass.export.web import read_runtime

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = Path(web.__file__).parent / "page"


OF_ONE = """async (told) => {
  const { canvasOf } = await import("./files.js");
  const bytes = Uint8Array.from(atob(told), (one) => one.charCodeAt(0));
  try {
    const canvas = await canvasOf(new Blob([bytes]));
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    return [height, width, Array.from(data.filter((_, i) => i % 4 < 3))];
  } catch (problem) { return problem.message; }
}"""


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A function of a file: its pixels by the page's own script, or why there are none."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(PAGE / "files.js", folder)
    (folder / "index.html").write_text('<!doctype html><link rel="icon" href="data:,">')
    with served(folder) as address, tab(address) as (page, _):

        def pixels(path: Path) -> NDArray[np.uint8] | str:
            told = page.evaluate(OF_ONE, base64.b64encode(path.read_bytes()).decode())
            if isinstance(told, str):
                return told
            height, width, values = told
            return np.array(values, np.uint8).reshape(height, width, 3)

        yield pixels


@needs_chromium
def test_the_page_reads_files_to_the_pixels_of_the_reader(browser: Any, tmp_path: Path) -> None:
    for path in [*turned_files(tmp_path), *clear_files(tmp_path)]:
        found = browser(path)
        if path.suffix == ".tiff":
            assert found.startswith("this browser cannot read it")
        elif path.suffix == ".webp" and path.stem in "2345678":
            assert found.startswith("its EXIF says that it is turned")
        elif path.suffix == ".webp" and path.stem == "1":  # lossy
            assert np.abs(found - of_three_channels(path).astype(int)).max() <= 2
        else:
            np.testing.assert_array_equal(found, of_three_channels(path), err_msg=path.name)


@needs_chromium
def test_the_page_refuses_what_score_refuses(browser: Any, tmp_path: Path) -> None:
    for path, why in refused_files(tmp_path).items():
        expected = {DEEP: DEEP, FRAMES: "it holds several frames"}.get(why, "this browser cannot")
        if path.suffix == ".tiff":
            expected = "this browser cannot"
        found = browser(path)
        assert isinstance(found, str), path.name
        assert found.startswith("the file is empty" if path.stem == "zero" else expected)


@needs_chromium
def test_the_page_refuses_an_avif_of_more_bits(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "plain.avif"
    try:
        Image.fromarray(colours()).save(file)
    except (KeyError, OSError):
        pytest.skip("this Pillow writes no AVIF")
    assert isinstance(browser(file), np.ndarray)
    content = file.read_bytes()
    at = content.index(b"pixi") + 9
    file.write_bytes(content[:at] + bytes([10]) + content[at + 1 :])
    assert browser(file).startswith(DEEP)


def page_of(model: Path, folder: Path) -> Path:
    words = ("-o", folder, "--format", "web", "--onnxruntime-web", str(GIVEN))
    assert oneclass("export", model, *words).returncode == 0
    return folder


@needs_chromium
def test_every_file_has_its_row_on_the_page(model: Path, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    paths = [tmp_path / "given" / name for name in ("zero.png", "a.png", "b.png", "paper.png")]
    for path, image in zip(paths[1:3], stripes(2, seed=5), strict=True):
        Image.fromarray(image).save(path)
    paths[0].write_bytes(b"")
    paths[3].write_bytes(b"%PDF-1.4\n")
    paths.append(tmp_path / "given" / "covered.png")
    Image.new("RGB", (40, 40), (9, 9, 9)).save(paths[-1])
    with served(page_of(model, tmp_path / "page")) as address, tab(address) as (page, wrong):
        page.locator("#sentence", has_text="Choose, drop").wait_for(timeout=120_000)
        page.set_input_files("#files", [str(path) for path in paths])
        rows = page.locator("#list tbody tr")
        rows.nth(len(paths) - 1).wait_for(timeout=120_000)
        cells = dict(row.split("\t", 1) for row in rows.all_inner_texts())
        assert sorted(cells) == sorted(path.name for path in paths)
        assert cells["zero.png"] == "cannot be judged: the file is empty"
        assert cells["paper.png"].startswith("cannot be judged: this browser cannot read it")
        assert cells["covered.png"].startswith("cannot be judged: all of it has one colour")
        told = page.locator("#list caption").inner_text()
        assert told.endswith("cannot be judged: 3")
        assert page.locator("html").evaluate("e => e.scrollWidth") == 390
        assert page.locator("#verdict").inner_text() == "This one cannot be judged"
        rows.filter(has_text="a.png").click()
        assert page.locator("#map").is_visible()
        rows.filter(has_text="zero.png").click()
        assert page.locator("#sentence").inner_text() == "zero.png: the file is empty."
        page.locator("#heat").click()
        page.locator("#heat").click()
        assert not page.locator("#map").is_visible()
        assert not page.locator("#image").is_visible()
    assert wrong == []


@needs_chromium
def test_the_browser_example_tells_every_file(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    for name, content in read_runtime(Path(str(GIVEN))).items():
        (folder / name).write_bytes(content)
    shutil.copy(model.with_suffix(".onnx"), folder / "parts.onnx")
    shutil.copy(EXAMPLES / "browser.html", folder / "index.html")
    shutil.copy(PAGE / "files.js", folder)
    clear = tmp_path / "clear.png"
    image = stripes(1, seed=5)[0]
    Image.fromarray(np.dstack([image] * 3 + [np.eye(24, dtype=np.uint8) * 255])).save(clear)
    (tmp_path / "zero.png").write_bytes(b"")
    with served(folder) as address, tab(address) as (page, _):
        page.wait_for_selector("#files:enabled", timeout=60_000)
        page.set_input_files("#files", [str(tmp_path / "zero.png"), str(clear)])
        page.locator("#said", has_text="clear.png").wait_for(timeout=60_000)
        first, second = page.locator("#said").inner_text().splitlines()
    assert first == "zero.png: cannot be judged: the file is empty"
    (own,) = load(model).score([str(clear)])
    assert float(second.split(",")[1]) == pytest.approx(own.score, abs=2e-6)

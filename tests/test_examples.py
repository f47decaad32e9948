"""The examples of the gallery run, find what they say, and their pages show them as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

import gallery

ROOT = Path(__file__).parents[1]
LOWEST = {"digits": 0.95, "textures": 0.85, "freight": 0.98}
"""The least AUROC that an example must reach; the last one that it prints."""


@pytest.mark.parametrize("name", gallery.EXAMPLES)
def test_an_example_finds_what_it_says(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector, shown = gallery.load(name).main(tmp_path / name)
    printed = capsys.readouterr().out
    assert len(shown) >= 7
    assert {p.is_anomaly for p in detector.score(list(shown))} == {True, False}
    sheet = gallery.draw(detector, shown)
    assert sheet.width > 7 * gallery.SIDE
    if name in LOWEST:
        assert float(re.findall(r"AUROC ([0-9.]+)", printed)[-1]) > LOWEST[name]
    if name == "dicom":
        assert "sixteen bits by: 0.0\n" in printed
        assert "its rows: False\n" in printed
    if name == "one_file":
        assert printed.count("anomaly\n") >= 3
        assert float(re.findall(r"within ([0-9.]+)", printed)[-1]) < 1e-5


@pytest.mark.parametrize("name", gallery.EXAMPLES)
def test_a_page_shows_the_example_as_it_is(name: str) -> None:
    page = (ROOT / f"docs/gallery/{name}.md").read_text(encoding="utf-8")
    printed = page.split("```text\n")[1].split("\n```")[0]
    assert gallery.page(name, printed) == page, "run: make pictures"
    with Image.open(ROOT / f"docs/gallery/{name}.jpg") as picture:
        assert picture.width > 600
    assert f"](gallery/{name}.md)" in (ROOT / "docs/gallery.md").read_text(encoding="utf-8")


def test_the_pictures_of_the_documentation_are_small() -> None:
    pictures = [p for kind in ("jpg", "png") for p in (ROOT / "docs").rglob(f"*.{kind}")]
    assert sum(path.stat().st_size for path in pictures) < 1_500_000

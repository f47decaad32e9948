"""Run the examples of the gallery and write their pages and pictures: `make pictures`.

python tools/gallery.py [NAME ...]    # all of them without a name

A page of docs/gallery/ has an example's introduction, its picture, what it printed, and the whole
program, so that nothing in it was typed by hand. Each image is drawn above its heatmap.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from PIL import Image, ImageDraw, ImageFont

from oneclass import Detector, ImageError
from oneclass.images import read
from oneclass.results.overlay import overlay, picture

ROOT = Path(__file__).parents[1]
EXAMPLES = ("digits", "textures", "freight", "dicom", "one_file")
SIDE, GAP, LINE = 112, 6, 18
"""Pixels of a drawn image's longer side, between images, and of a line of text."""


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(detector: Detector, shown: dict[Path, str]) -> Image.Image:
    """The images in one row, their heatmaps below, their captions under both."""
    columns = []
    for explanation, (file, caption) in zip(
        detector.explain(list(shown)), shown.items(), strict=True
    ):
        assert not isinstance(explanation, ImageError)
        plain = picture(read(file), detector.pixel_scale)
        heat = overlay(plain, explanation.anomaly_map, detector.heat_scale)
        colour = (180, 20, 60) if explanation.prediction.is_anomaly else (40, 90, 60)
        columns.append((plain, heat, caption, colour))
    width = SIDE
    height = round(SIDE * columns[0][0].height / columns[0][0].width)
    sheet = Image.new(
        "RGB",
        (len(columns) * (width + GAP) + GAP, 2 * (height + GAP) + GAP + LINE),
        "white",
    )
    pen = ImageDraw.Draw(sheet)
    for i, (plain, heat, caption, colour) in enumerate(columns):
        x = GAP + i * (width + GAP)
        sheet.paste(plain.resize((width, height)), (x, GAP))
        sheet.paste(heat.resize((width, height)), (x, height + 2 * GAP))
        pen.text((x, 2 * (height + GAP) + GAP // 2), caption, colour, ImageFont.load_default(13))
    return sheet


def parts(name: str) -> tuple[str, str, str]:
    """Title and introduction of an example, from its docstring, and the program without it."""
    source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    title, _, introduction = (ast.get_docstring(tree) or "").partition("\n")
    program = source.splitlines()[tree.body[0].end_lineno or 0 :]
    return title.rstrip("."), introduction.strip(), "\n".join(program).strip()


def page(name: str, printed: str) -> str:
    """The Markdown page of an example."""
    title, introduction, program = parts(name)
    return (
        f"# {title}\n\n<!-- made by tools/gallery.py from examples/{name}.py -->\n\n"
        f"{introduction}\n\n"
        f"![Each image above its heatmap; red captions are anomalies]({name}.jpg)\n\n"
        f"Each image stands above its heatmap; where the caption is red, it is called an anomaly.\n"
        f"`python examples/{name}.py` prints:\n\n```text\n{printed.strip()}\n```\n\n"
        f"The whole program, without what stands above:\n\n```python\n{program}\n```\n"
    )


def main(names: list[str]) -> None:
    place = ROOT / "docs" / "gallery"
    place.mkdir(exist_ok=True)
    for name in names or EXAMPLES:
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stdout(io.StringIO()) as o,
        ):
            detector, shown = load(name).main(Path(folder) / name)
            draw(detector, shown).save(place / f"{name}.jpg", quality=85, optimize=True)
        (place / f"{name}.md").write_text(page(name, o.getvalue()), encoding="utf-8")
        print(f"docs/gallery/{name}.md")


if __name__ == "__main__":
    main(sys.argv[1:])

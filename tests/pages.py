"""Reports to look at: a run that was recorded, and the elements of its page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from conftest import write_images
from oneclass import Detector, Prediction, load
from oneclass.errors import ImageError
from oneclass.report import write_report
from oneclass.results.runs import write_run
from oneclass.system.host.machine import environment


class Page(HTMLParser):
    """The elements of a page; every one that opens must close."""

    VOID = frozenset({"meta", "img", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.replace("\xa0", " "))  # as people read it

    @property
    def tiles(self) -> list[dict[str, str | None]]:
        return [a for tag, a in self.tags if tag == "li" and "tile" in (a.get("class") or "")]

    @property
    def pictures(self) -> list[dict[str, str | None]]:
        return [a for tag, a in self.tags if tag == "img" and a.get("class") != "heat"]


def scored(
    model: Path, folder: Path, images: np.ndarray, errors: tuple[ImageError, ...] = ()
) -> Path:
    """A run folder for images that are written beside it."""
    paths = write_images(folder / "new", images)
    return record(load(model), folder, paths, errors)


def record(
    detector: Detector, folder: Path, paths: list[Path], errors: tuple[ImageError, ...] = ()
) -> Path:
    found = detector.score(paths) if paths else []
    return recorded(detector, folder, list(found), errors)


def recorded(
    detector: Detector,
    folder: Path,
    predictions: list[Prediction],
    errors: tuple[ImageError, ...] = (),
) -> Path:
    about = {
        "command": ["score", "m.oneclass", "new"],
        "started": "2026-01-02T03:04:05",
        "seconds": 1.5,
        "complete": True,
        "model_sha256": detector.digest,
        "scored": len(predictions),
        "errors": len(errors),
        "drift": None,
        "environment": environment(),
    }
    write_run(folder / "run", predictions, errors, about)
    return folder / "run"


def page_of(model: Path, run: Path, **options: object) -> Page:
    write_report(load(model), model, run, run / "report.html", **options)
    return Page((run / "report.html").read_text(encoding="utf-8"))

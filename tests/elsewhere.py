"""What tests of exported models share: files to read elsewhere, and a tab for pages."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import damage
from oneclass import images

ORIENTATION = 0x112
"""The tag of EXIF."""
DEEP = "it has more than 8 bits"
FRAMES = "it holds 2 frames or pages"
GIVEN = os.environ.get("ONNXRUNTIME_WEB")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_runtime = pytest.mark.skipif(not GIVEN, reason="ONNXRUNTIME_WEB names no runtime")
needs_chromium = pytest.mark.skipif(
    not (GIVEN and CHROMIUM), reason="no Chromium here, or ONNXRUNTIME_WEB names no runtime"
)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def tab(address: str) -> Iterator[tuple[Any, list[str]]]:
    """A page in Chromium, and what it complained of or asked others for."""
    playwright = pytest.importorskip("playwright.sync_api")
    wrong: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((address, "blob:", "data:"))
                else wrong.append(asked.url)
            ),
        )
        page.goto(address)
        yield page, wrong
        browser.close()


def colours(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (30, 50, 3), dtype=np.uint8)


def turned_files(folder: Path) -> list[Path]:
    """One picture as it lies, and with each orientation that EXIF knows."""
    paths = []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        for suffix, how in (("png", {}), ("jpg", {"quality": 95}), ("tiff", {}), ("webp", {})):
            paths.append(folder / f"{orientation}.{suffix}")
            Image.fromarray(colours()).save(paths[-1], exif=exif, **how)
        for name, how in (("grey", {}), ("packed", {"compression": "tiff_lzw"})):
            paths.append(folder / f"{orientation}_{name}.tiff")
            grey = Image.fromarray(colours()[..., 0])
            grey.save(paths[-1], tiffinfo={ORIENTATION: orientation}, **how)
    return paths


def clear_files(folder: Path) -> list[Path]:
    """Transparency in every way, and pictures without any."""
    plain = Image.fromarray(colours())
    alpha = Image.fromarray(np.dstack([colours(), colours(1)[..., 0]]))
    grey = Image.fromarray(colours()[..., 0])
    for image, name, how in (
        (alpha, "alpha.png", {}),
        (alpha, "alpha.webp", {"lossless": True, "exact": True}),
        (alpha.convert("LA"), "grey.png", {}),
        (plain, "colour.png", {"transparency": tuple(colours()[0, 0].tolist())}),
        (grey, "key.png", {"transparency": int(colours()[0, 0, 0])}),
        (plain.quantize(16), "palette.png", {"transparency": bytes(range(0, 256, 16))}),
        (plain, "still.gif", {"transparency": 3}),
        (plain.convert("CMYK"), "ink.jpg", {}),
        (grey.convert("1"), "bits.png", {}),
        (plain, "plain.bmp", {}),
    ):
        image.save(folder / name, **how)
    return sorted(folder.iterdir())


def refused_files(folder: Path) -> dict[Path, str]:
    """What `score` refuses with a model for 8 bits, and what the example says of it."""
    deep = np.arange(30 * 50, dtype=np.uint16).reshape(30, 50) * 40
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(deep).save(folder / "deep.tiff")
    (folder / "colour.png").write_bytes(damage.png(np.dstack([deep] * 3)))
    (folder / "clear.png").write_bytes(damage.png(np.dstack([deep] * 2)))
    Image.fromarray(deep.astype(np.float32)).save(folder / "float.tiff")
    first, *rest = (Image.fromarray(colours(seed)) for seed in (0, 1))
    for suffix in ("gif", "png", "webp", "tiff"):
        first.save(folder / f"two.{suffix}", save_all=True, append_images=rest)
    (folder / "zero.png").write_bytes(b"")
    (folder / "paper.png").write_bytes(b"%PDF-1.4\n")
    first.save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:2000])
    said = {"deep": DEEP, "colour": DEEP, "clear": DEEP, "float": DEEP, "two": FRAMES}
    said |= {"zero": "it is empty", "paper": "it is empty", "cut": "image file is truncated"}
    return {path: said[path.stem] for path in sorted(folder.iterdir())}


def of_three_channels(path: Path) -> NDArray[np.uint8]:
    own = images.read(path)
    return own if own.ndim == 3 else np.repeat(own[..., None], 3, axis=2)

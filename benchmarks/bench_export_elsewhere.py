"""Exported models where neither oneclass nor its runtime is: in Chromium, and in OpenVINO's int8.

    export ONECLASS_DATA=/path/to/data ONNXRUNTIME_WEB=.../node_modules/onnxruntime-web
    python benchmarks/bench_export_elsewhere.py chromium int8

On the five sets of bench_export.py, models of whole images at 224 pixels, fitted to 60 normal
images; for int8 40 others are calibrated on and measured on. Test images are written as PNG, so
that all decode the same pixels. Needs Chromium and the packages playwright, openvino and nncf.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench_export import SIDE, Set, sets, some
from oneclass import Detector
from oneclass.backbones.onnx_file import metadata
from oneclass.export import quantising
from oneclass.export.assembly import METADATA_KEY, onnx_model
from oneclass.export.openvino import convert
from oneclass.export.running import on_openvino, open_exported
from oneclass.export.web import read_runtime
from oneclass.images.sources import gather
from oneclass.statistics import auroc

N_TRAIN, N_BROWSER, N_INT8 = 60, 4, 8
PAGE = """<!doctype html><script type="module">
import * as ort from "./ort.wasm.bundle.min.mjs";
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", location).href };
window.judge = async (names) => {
  const session = await ort.InferenceSession.create("model.onnx");
  const found = [];
  for (const name of names) {
    const blob = await (await fetch(name)).blob();
    const image = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    const { width, height } = image;
    const pen = new OffscreenCanvas(width, height).getContext("2d");
    pen.drawImage(image, 0, 0);
    const rgb = pen.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 < 3);
    const images = new ort.Tensor("uint8", new Uint8Array(rgb), [1, height, width, 3]);
    const began = performance.now();
    const { score, is_anomaly } = await session.run({ images });
    found.push([score.data[0], !!is_anomaly.data[0], performance.now() - began]);
  }
  return found;
};
</script>"""


@dataclass(frozen=True)
class Judged:
    """What one runtime says of the test images, (n,) each, and processor time or time an image."""

    scores: np.ndarray
    verdicts: np.ndarray
    ms: float


def as_png(paths: list[Path], place: Path) -> list[Path]:
    targets = [place / f"{i:03}.png" for i in range(len(paths))]
    for path, target in zip(paths, targets, strict=True):
        with Image.open(path) as image:
            image.save(target)
    return targets


def own(detector: Detector, paths: list[Path]) -> Judged:
    pixels = [np.asarray(Image.open(path)) for path in paths]
    detector.score(pixels[:1])
    began = time.process_time()
    found = detector.score(pixels)
    ms = 1e3 * (time.process_time() - began) / len(pixels)
    return Judged(found.scores, np.array([one.is_anomaly for one in found]), ms)


def here(compute: Callable[[np.ndarray], dict[str, Any]], paths: list[Path]) -> Judged:
    pixels = [np.asarray(Image.open(path)) for path in paths]
    batches = [image[None, ..., None] if image.ndim == 2 else image[None] for image in pixels]
    compute(batches[0])
    began = time.process_time()
    found = [compute(batch) for batch in batches]
    ms = 1e3 * (time.process_time() - began) / len(batches)
    scores, verdicts = (np.array([f[name][0] for f in found]) for name in ("score", "is_anomaly"))
    return Judged(scores, verdicts, ms)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of a folder's files."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def in_chromium(page: Any, address: str, folder: Path, model: bytes, paths: list[Path]) -> Judged:
    (folder / "model.onnx").write_bytes(model)
    page.goto(address)
    page.wait_for_function("() => typeof window.judge === 'function'")
    found = page.evaluate("names => judge(names)", [path.name for path in paths])
    scores, verdicts, ms = (np.array(values) for values in zip(*found, strict=True))
    return Judged(scores, verdicts, float(np.median(ms)))


def row(name: str, way: str, base: Judged, found: Judged, spread: float) -> str:
    apart = np.abs(found.scores - base.scores) / spread
    other = int((found.verdicts != base.verdicts).sum())
    half = len(base.scores) // 2
    areas = [
        auroc(j.scores[:half].astype(float), j.scores[half:].astype(float)) for j in (base, found)
    ]
    return (
        f"| {name} | {way} | {np.median(apart):.1g} | {apart.max():.1g} | {other} of {len(apart)} "
        f"| {areas[0]:.3f} {areas[1]:.3f} | {base.ms:.0f} {found.ms:.0f} |"
    )


def fitted(one: Set) -> tuple[Detector, bytes]:
    detector = Detector(size=(SIDE, SIDE), threads=1).fit(list(map(str, one.train[:N_TRAIN])))
    return detector, onnx_model(detector)


def chromium(found: list[Set]) -> list[str]:
    """Exported models in onnxruntime's Python package and in Chromium, by WebAssembly."""
    from playwright.sync_api import sync_playwright

    lines = []
    with tempfile.TemporaryDirectory() as place, sync_playwright() as started:
        folder = Path(place)
        for name, content in read_runtime(Path(os.environ["ONNXRUNTIME_WEB"])).items():
            (folder / name).write_bytes(content)
        (folder / "index.html").write_text(PAGE, encoding="utf-8")
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        with served(folder) as address:
            page = browser.new_page()
            for one in found:
                detector, model = fitted(one)
                paths = as_png(some(one.normal, N_BROWSER) + some(one.odd, N_BROWSER), folder)
                base, spread = own(detector, paths), float(detector.normal_scores.std())
                (folder / "model.onnx").write_bytes(model)
                exported = open_exported(folder / "model.onnx")
                for way, judged in (
                    ("onnxruntime", here(exported.compute, paths)),
                    ("Chromium", in_chromium(page, address, folder, model, paths)),
                ):
                    lines.append(row(one.name, way, base, judged, spread))
                    print(lines[-1], flush=True)
        browser.close()
    return lines


def int8(found: list[Set]) -> list[str]:
    """Exported models in OpenVINO, in float32 and in int8, on images that nothing was tuned on."""
    lines = []
    for one in found:
        detector, model = fitted(one)
        spread = float(detector.normal_scores.std())
        record = json.loads(metadata(model, METADATA_KEY) or "{}")
        with tempfile.TemporaryDirectory() as place:
            paths = as_png(some(one.normal, N_INT8) + some(one.odd, N_INT8), Path(place))
            base = own(detector, paths)
            converted = convert(model)
            plain = here(on_openvino(converted, list(record["outputs"])), paths)
            lines.append(row(one.name, "float32", base, plain, spread))
            print(lines[-1], flush=True)
            moved, _ = quantising.quantise(converted, record, detector, gather(one.train[N_TRAIN:]))
            judged = here(on_openvino(converted, list(record["outputs"])), paths)
            way = f"int8 (nine in ten held out: {moved.nine_in_ten:.2g})"
            lines.append(row(one.name, way, base, judged, spread))
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=["chromium", "int8"])
    parser.add_argument("--data", default=os.environ.get("ONECLASS_DATA", ""))
    parser.add_argument(
        "--float-convolutions", type=int, default=quantising.FLOAT_CONVOLUTIONS, metavar="N",
        help="the first ones, which int8 leaves in float32",
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="SET", help="not all five")
    wanted = parser.parse_args()
    quantising.FLOAT_CONVOLUTIONS = wanted.float_convolutions
    head = (
        "| images | where | median | largest | verdicts "
        "| AUROC, own and there | ms, own and there |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as place:
        found = sets(Path(wanted.data), Path(place))
        found = [one for one in found if wanted.only is None or one.name in wanted.only]
        for part in wanted.parts:
            print(head, flush=True)
            {"chromium": chromium, "int8": int8}[part](found)


if __name__ == "__main__":
    main()

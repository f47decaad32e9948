"""Measure a full-size VGG-F, with random weights, on small images: from pixels to rows.

    python benchmarks/bench_vgg.py [--images 10000]

Writes VGG-F as a MatConvNet file, imports it, and extracts P5, FC6, FC7 and FC8 of random 28 x 28
images as `oneclass paper` does. Beside it: the bare session on prepared batches, and what the
processor's speed of matrix products would allow. Prints a table; benchmarks/results/vgg.json has
the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from oneclass.backbones import Backbone
from oneclass.backbones.anatomy import take_apart
from oneclass.backbones.importing import ImportOptions, import_network
from oneclass.paper.rows import extract_rows
from oneclass.representations import PretrainedLayers
from oneclass.representations.extraction import BATCH

ROOT = Path(__file__).parent
sys.path.append(str(ROOT.parent / "tests"))
import matconvnet_files as mcn  # noqa: E402

LAYERS = ("P5", "FC6", "FC7", "FC8")
MOST_SECONDS, ROUNDS = 180, 20


def matrix_speed() -> float:
    """Multiply-adds a second of float32 matrix products, the best of five."""
    a, b = (np.random.default_rng(i).standard_normal((2048, 2048), np.float32) for i in range(2))
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        a @ b
        best = max(best, 2048**3 / (time.perf_counter() - began))
    return best


def make_backbone(rng: np.random.Generator) -> tuple[Backbone, dict[str, float]]:
    """VGG-F by way of a `.mat` file, and what the import took."""
    with tempfile.TemporaryDirectory() as folder:
        mat, file = Path(folder) / "vgg-f.mat", Path(folder) / "vgg-f.onnx"
        normal = mcn.normalization((224, 224, 3), rng.uniform(0, 255, (224, 224, 3)))
        mcn.write(mat, mcn.vgg_f(rng), normal, compressed=False)
        began = time.perf_counter()
        backbone = import_network(mat, file, ImportOptions())
        seconds = time.perf_counter() - began
        return backbone, {"import_seconds": seconds, "mat_megabytes": mat.stat().st_size / 1e6}


def bare_speed(backbone: Backbone, rng: np.random.Generator) -> float:
    """Images a second of the session alone, on batches that are ready."""
    session = backbone.session(LAYERS)
    batch = rng.standard_normal((BATCH, 3, 224, 224)).astype(np.float32)
    session(batch)
    began = time.perf_counter()
    for _ in range(ROUNDS):
        session(batch)
    return ROUNDS * BATCH / (time.perf_counter() - began)


def report(figures: dict[str, float]) -> None:
    n, work = int(figures["images"]), figures["multiply_adds"]
    gflops = figures["matrix_product_gflops"]
    print("| what | figure |\n|---|---|")
    print(f"| {n:,} images of 28 x 28 to {', '.join(LAYERS)} | {figures['seconds']:.0f} s |")
    print(f"| most that was allowed for 10,000 | {MOST_SECONDS} s |")
    print(f"| images a second | {n / figures['seconds']:.0f} |")
    print(f"| bare session, images a second | {figures['bare_session']:.0f} |")
    limit = f"{figures['matrix_product_limit']:.0f}"
    print(f"| at {gflops:.0f} GFLOP/s of matrix products, images a second | {limit} |")
    print(f"| multiply-adds an image | {work / 1e6:.0f} M |")
    seconds = f"{figures['import_seconds']:.1f} s"
    print(f"| importing the .mat of {figures['mat_megabytes']:.0f} MB | {seconds} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    n = parser.parse_args().images
    rng = np.random.default_rng(0)
    backbone, importing = make_backbone(rng)
    work = sum(fact.multiply_adds for fact in take_apart(backbone) if fact.name != "prob")
    bare = bare_speed(backbone, rng)
    representation = PretrainedLayers(backbone, [(layer, None) for layer in LAYERS])
    images = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
    began = time.perf_counter()
    extract_rows(images, np.arange(n), representation)
    seconds, speed = time.perf_counter() - began, matrix_speed()
    figures = {
        "images": n,
        "seconds": seconds,
        "images_per_second": n / seconds,
        "bare_session": bare,
        "matrix_product_gflops": 2 * speed / 1e9,
        "matrix_product_limit": speed / work,
        "multiply_adds": work,
        **importing,
    }
    report(figures)
    (ROOT / "results" / "vgg.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Large pictures in tiles: small scratches, seams, the place of a tile, and memory.

    python benchmarks/bench_tiles.py scratches [--seeds 0 1 2]
    python benchmarks/bench_tiles.py seams
    ONECLASS_DATA=/path/to/data python benchmarks/bench_tiles.py place
    python benchmarks/bench_tiles.py memory

`scratches`: photographs of 1600 x 1200 pixels with scratches of about 30 pixels; AUROC of images
by the default, patches and tiles, and how often the largest value of the map is on the scratch.
`seams`: how far positions of a tile are from those of the picture seen whole, by their distance
from the tile's edge. `place`: half-spaces of their own for each quarter of the boards, against one
set for all. `memory`: one picture of 20 megapixels, scored with its heatmap, in its own process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from oneclass import Detector, Explanation
from oneclass.backbones import Backbone
from oneclass.images.scale import choose_scale
from oneclass.representations import PatchLayers
from oneclass.rows.layers import Layers
from oneclass.statistics import auroc
from patch_sets import pictures
from photographs import photograph, sheet

LEARNT, TESTED, LENGTH, WIDE, DARKER = 30, 20, 30, 3, 40
WAYS: dict[str, dict[str, Any]] = {
    "whole images, 224 pixels": {"rows": "image"},
    "default: both, 640 pixels": {},
    "patches, 640 pixels": {"rows": "patches"},
    "tiles of 640 (--tiles 640)": {"tiles": 640},
}
LARGE = (3648, 5472)
NEAR = 40


def scratched(picture: Image.Image, seed: int) -> tuple[Image.Image, tuple[int, int]]:
    """A picture with a scratch of `LENGTH` pixels on the part, and the scratch's middle (x, y)."""
    random = np.random.default_rng(seed)
    x, y = int(random.integers(350, 1250)), int(random.integers(300, 850))
    angle = random.uniform(0, np.pi)
    a, b = LENGTH / 2 * np.cos(angle), LENGTH / 2 * np.sin(angle)
    picture = picture.copy()
    colour = tuple(max(0, value - DARKER) for value in picture.getpixel((x, y)))
    ImageDraw.Draw(picture).line((x - a, y - b, x + a, y + b), fill=colour, width=WIDE)
    return picture, (x, y)


def scratches(asked: argparse.Namespace) -> None:
    sheets = [sheet(seed) for seed in range(3)]
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WAYS}
    for seed in asked.seeds:
        first = 10_000 * seed
        parts = [photograph(sheets, first + i) for i in range(LEARNT + 2 * TESTED)]
        marked = [scratched(p, first + i) for i, p in enumerate(parts[LEARNT + TESTED :])]
        learnt, normal = parts[:LEARNT], parts[LEARNT : LEARNT + TESTED]
        for name, given in WAYS.items():
            detector = Detector(**given, threads=1).fit([np.asarray(p) for p in learnt])
            begin = time.process_time()
            scores = detector.score([np.asarray(p) for p in normal]).scores
            spent = 1000 * (time.process_time() - begin) / TESTED
            odd = list(detector.explain([np.asarray(p) for p, _ in marked]))
            assert all(isinstance(one, Explanation) for one in odd)
            hits = [hit(one, place) for one, (_, place) in zip(odd, marked, strict=True)]
            area = auroc(scores, np.array([one.prediction.score for one in odd]))
            found[name].append((area, float(np.mean(hits)), spent))
            print(f"seed {seed}, {name}: {area:.3f}", flush=True)
    print("\n| way | AUROC, each draw | mean | the map's largest value on the scratch | ms |")
    print("|---|---|---|---|---|")
    for name, draws in found.items():
        areas = " ".join(f"{area:.3f}" for area, _, _ in draws)
        means = np.mean(draws, axis=0)
        print(f"| {name} | {areas} | {means[0]:.3f} | {100 * means[1]:.0f} % | {means[2]:.0f} |")


def hit(one: Explanation, place: tuple[int, int]) -> bool:
    """Whether the largest value of the map lies within `NEAR` pixels of the scratch's middle."""
    height, width = one.anomaly_map.shape
    row, column = np.unravel_index(int(one.anomaly_map.argmax()), (height, width))
    x, y = (column + 0.5) * 1600 / width, (row + 0.5) * 1200 / height
    return bool(np.hypot(x - place[0], y - place[1]) <= NEAR)


def seams(asked: argparse.Namespace) -> None:
    picture, scale = sheet(0)[:480, :960], choose_scale("uint8", 0, 255)
    network = Backbone.open("efficientnet-lite0")
    layers = Layers.parse("block_4+block_10", network.has_layer, None)
    rows = []
    for width in (960, 480):
        made = PatchLayers(network, layers, size=(480, width))
        planes = made.prepare(picture[:, :width], scale)
        rows.append(made.rows(planes[None])[0].reshape(60, width // 8, -1)[:, :60])
    apart = np.linalg.norm(rows[0] - rows[1], axis=2)
    steps = np.linalg.norm(np.diff(rows[0], axis=1), axis=2).mean()
    print(f"neighbouring positions are {steps:.3f} apart\n")
    print("| pixels from the tile's edge | mean | largest |\n|---|---|---|")
    for pixels in (0, 32, 64, 80, 96, 128, 160):
        column = apart[:, 59 - pixels // 8]
        print(f"| {pixels} | {column.mean():.4f} | {column.max():.4f} |")


def place(asked: argparse.Namespace) -> None:
    """Boards of 640 pixels: one model of tiles, and a model for each quarter."""
    found = pictures("deeppcb")
    learnt, normal, odd = (
        [np.asarray(Image.open(found.files[i]).convert("RGB")) for i in some]
        for some in (found.train[:100], found.normal, found.odd)
    )
    given: dict[str, Any] = {"rows": "patches", "size": (320, 320), "threads": 1}
    quarters = [np.s_[a : a + 320, b : b + 320] for a in (0, 320) for b in (0, 320)]
    apart = [Detector(**given).fit([image[q] for image in learnt]) for q in quarters]
    mixed = Detector(**given).fit([image[q] for image in learnt for q in quarters])
    for name, models in (("own half-spaces", apart), ("the same for all", [mixed] * 4)):
        scores = [worst_quarter(models, quarters, some) for some in (normal, odd)]
        print(f"{name}: AUROC {auroc(*scores):.3f}", flush=True)


def worst_quarter(
    models: list[Detector], quarters: list[Any], images: list[NDArray[np.uint8]]
) -> NDArray[np.float64]:
    """(n,) the largest score of an image's quarters."""
    parts = [[image[q] for image in images] for q in quarters]
    every = [m.score(part).scores for m, part in zip(models, parts, strict=True)]
    return np.max(every, axis=0)


def memory(asked: argparse.Namespace) -> None:
    """The largest resident set of `oneclass score --heatmaps` on one picture of 20 megapixels."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "good").mkdir()
        ground = np.tile(sheet(0), (2, 3, 1))
        for i in range(asked.learnt):
            shift = np.random.default_rng(i).integers(0, 1000, 2)
            part = ground[shift[0] :, shift[1] :][: LARGE[0], : LARGE[1]]
            Image.fromarray(part).save(folder / f"good/{i:02}.jpg", quality=90)
        model, command = folder / "m.oneclass", [sys.executable, "-m", "oneclass"]
        words = ["--rows", asked.rows, "--tiles", "640", "--threads", "1"]
        subprocess.run(
            [*command, "fit", str(folder / "good"), "-o", str(model), *words], check=True
        )
        fitted = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"fit of {asked.learnt} pictures: {fitted.ru_maxrss / 1024:.0f} MB, "
            f"{fitted.ru_utime + fitted.ru_stime:.0f} s",
            flush=True,
        )
        probe = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:]); "
            "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
            "print(f'score: {used.ru_maxrss / 1024:.0f} MB, {used.ru_utime + used.ru_stime:.1f} s')"
        )
        run = [str(model), str(folder / "good/00.jpg"), "--heatmaps", str(folder / "maps")]
        score = [*command, "score", *run, "-o", str(folder / "run"), "--threads", "1"]
        subprocess.run([sys.executable, "-c", probe, *score], check=True)
        print([f"{f.name} {f.stat().st_size >> 10} kB" for f in (folder / "maps").iterdir()])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["scratches", "seams", "place", "memory"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--learnt", type=int, default=8, help="pictures, for memory")
    parser.add_argument("--rows", choices=["patches", "both"], default="both")
    asked = parser.parse_args()
    {"scratches": scratches, "seams": seams, "place": place, "memory": memory}[asked.what](asked)


if __name__ == "__main__":
    main()

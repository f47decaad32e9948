"""Measure ways to find small defects, and where they are.

    ONECLASS_DATA=/path/to/data python benchmarks/bench_patches.py --write

Normal images: empty freight containers, handwritten fives, and woven textures that are drawn here.
Half of the test images get one defect with a known mask: a scratch, a blob, or a piece of the image
pasted elsewhere. Ways: whole images (the default), patches with other layers, numbers of
half-spaces and shares of worst patches, and a memory bank of patches (PatchCore's idea: the
distance to the nearest of a coreset of normal patches).

Prints image AUROC, pixel AUROC, size of the model and milliseconds an image, as Markdown; writes
benchmarks/results/patches.json; with --write the tables go into docs/heatmaps.md.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from choose_defaults import SCALE, tar_images
from oneclass.backbones import DEFAULT, Backbone
from oneclass.conformal.calibration import PARTS
from oneclass.conformal.parts import fit_union, some_patches
from oneclass.datasets.mnist import mnist_5k
from oneclass.detector.heat import explain_row, learn_heat
from oneclass.detector.predictions import Prediction
from oneclass.detector.views import DEFAULT_LAYER, DEFAULT_PATCHES, choose_n_halfspaces
from oneclass.representations import PatchLayers, PretrainedLayers
from oneclass.rows import ArrayRows
from oneclass.rows.layers import Layers
from oneclass.statistics import auroc

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs" / "heatmaps.md"
MARK = "<!-- the tables of benchmarks/bench_patches.py -->"
N_TRAIN, N_TEST, SIDE = 100, 60, 64
LAYERS = ("block_2@28", "block_4", "block_10", "block_2@28+block_7", DEFAULT_PATCHES)
HALFSPACES = (10, 60, 250, 510)
SHARES = (0.0, 0.003, 0.01, 0.03, 0.1)
CORESETS = (0.01, 0.1)
NETWORK = Backbone.open(DEFAULT)
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Set:
    """Images to learn from, normal ones and defective ones to test on, and the defects' masks."""

    name: str
    train: list[Pixels]
    normal: list[Pixels]
    odd: list[Pixels]
    masks: NDArray[np.bool_]


@dataclass(frozen=True)
class Way:
    """A fitted model: what it says of rows, how large it is."""

    score: Callable[[NDArray[np.float32]], tuple[float, NDArray[np.float64]]]
    size: int


def weave(rng: np.random.Generator) -> Pixels:
    """A woven texture of 160 x 160 pixels with its own phase, pitch and noise."""
    y, x = np.mgrid[:160, :160]
    pitch = rng.uniform(9, 11)
    waves = np.sin(2 * np.pi * (x / pitch + rng.random())) * np.sin(
        2 * np.pi * (y / pitch + rng.random())
    )
    light = 1 + 0.15 * np.cos(2 * np.pi * (x / 320 + rng.random()))
    return (light * (110 + 50 * waves) + rng.normal(0, 8, (160, 160))).clip(0, 255).astype(np.uint8)


def with_defect(pixels: Pixels, kind: int, rng: np.random.Generator) -> tuple[Pixels, NDArray]:
    """The image with one small defect, and where it is."""
    height, width = pixels.shape
    rows, columns = np.mgrid[:height, :width]
    y, x = rng.uniform(0.15, 0.85, 2) * (height, width)
    small = 0.07 * min(height, width)
    marked = pixels.copy()
    if kind == 0:  # a scratch
        angle, length = rng.uniform(0, np.pi), 4 * small
        across = np.abs((rows - y) * np.cos(angle) - (columns - x) * np.sin(angle))
        along = np.abs((rows - y) * np.sin(angle) + (columns - x) * np.cos(angle))
        mask = (across < max(0.6, small / 6)) & (along < length / 2)
    elif kind == 1:  # a blob
        mask = (rows - y) ** 2 + (columns - x) ** 2 < max(small, 1.2) ** 2
    else:  # a piece of the image in another place, turned
        side = max(3, int(3 * small))
        top, left = (rng.integers(0, n - side + 1) for n in (height, width))
        to_top, to_left = (rng.integers(0, n - side + 1) for n in (height, width))
        piece = pixels[top : top + side, left : left + side]
        marked[to_top : to_top + side, to_left : to_left + side] = np.rot90(piece)
        return marked, marked != pixels
    marked[mask] = 255 if pixels[mask].mean() < 128 else 0
    return marked, mask


def make_set(name: str, images: list[Pixels]) -> Set:
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))[: N_TRAIN + 2 * N_TEST]
    chosen = [images[i] for i in order]
    odd, masks = [], []
    for number, image in enumerate(chosen[N_TRAIN + N_TEST :]):
        marked, mask = with_defect(image, number % 3, rng)
        odd.append(marked)
        shrunk = Image.fromarray(mask.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BOX)
        masks.append(np.asarray(shrunk) > 0.25)
    return Set(name, chosen[:N_TRAIN], chosen[N_TRAIN : N_TRAIN + N_TEST], odd, np.array(masks))


def sets() -> list[Set]:
    digits, labels = mnist_5k()
    rng = np.random.default_rng(1)
    found = [
        make_set("weave", [weave(rng) for _ in range(N_TRAIN + 2 * N_TEST)]),
        make_set("fives", list(digits[labels == 5])),
    ]
    folder = Path(os.environ.get("ONECLASS_DATA", "")) / "freight-xray" / "freight-xray.tar"
    if os.environ.get("ONECLASS_DATA") and folder.exists():
        groups = tar_images(folder, lambda n: n.lstrip("./").split("/")[0])
        found.append(make_set("containers", groups["empty"]))
    return found


def rows_of(images: list[Pixels], layers: PatchLayers | PretrainedLayers) -> NDArray[np.float32]:
    prepared = [layers.prepare(image, SCALE) for image in images]
    return np.concatenate([layers.rows(prepared[i : i + 8]) for i in range(0, len(prepared), 8)])


def parted(n_images: int) -> NDArray[np.int64]:
    """The part of each image."""
    return np.random.default_rng(0).permutation(n_images) % PARTS


def whole_images(train: NDArray[np.float32], layers: PretrainedLayers) -> Way:
    n = len(train)
    fitted = fit_union(
        train, parted(n), nu=0.1, n_halfspaces=choose_n_halfspaces(None, n), seed=0, one_scale=True
    )
    heat = learn_heat(ArrayRows(train), fitted, layers, np.arange(n))

    def score(row: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
        seen = fitted.union.look(row)
        told = Prediction("", seen.score, 1.0, is_anomaly=False)
        found = explain_row(told, row, seen, fitted.union, heat, layers.require_maps())
        return seen.score, found.anomaly_map

    return Way(score, fitted.union.coef.nbytes + heat.calm.nbytes)


def patches(train: NDArray[np.float32], grid: tuple[int, int], k: int, share: float) -> Way:
    n_worst = max(1, round(share * grid[0] * grid[1]))
    union = fit_union(
        train, parted(len(train)), nu=0.1, n_halfspaces=k, seed=0, one_scale=True, n_worst=n_worst
    ).union

    def score(row: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
        seen = union.look(row)
        return seen.score, seen.positions.reshape(grid)

    return Way(score, union.coef.nbytes)


def memory_bank(train: NDArray[np.float32], grid: tuple[int, int], share: float) -> Way:
    """The distance to the nearest of some normal patches, chosen greedily to be far apart."""
    flat = some_patches(train, seed=0)
    rng = np.random.default_rng(0)
    thin = flat @ rng.normal(size=(flat.shape[1], 32)).astype(np.float32) / np.float32(32**0.5)
    size = min(int(share * len(flat)), 4000)
    chosen, nearest = [int(rng.integers(len(flat)))], np.full(len(flat), np.inf, np.float32)
    for _ in range(size - 1):
        gaps = ((thin - thin[chosen[-1]]) ** 2).sum(axis=1)
        np.minimum(nearest, gaps, out=nearest)
        chosen.append(int(nearest.argmax()))
    bank = np.ascontiguousarray(flat[chosen].T)

    def score(row: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
        gaps = np.sqrt((2 - 2 * (row @ bank).max(axis=1)).clip(0)).astype(np.float64)
        return float(gaps.max()), gaps.reshape(grid)

    return Way(score, bank.nbytes)


def test(way: Way, data: Set, normal: NDArray[np.float32], odd: NDArray[np.float32]) -> dict:
    began = time.perf_counter()
    found = [[way.score(row) for row in rows] for rows in (normal, odd)]
    seconds = time.perf_counter() - began
    scores = [np.array([s for s, _ in group]) for group in found]
    fine = [
        np.array(
            [
                np.asarray(Image.fromarray(m.astype(np.float32)).resize((SIDE, SIDE), 2))
                for _, m in g
            ]
        )
        for g in found
    ]
    inside = fine[1][data.masks]
    outside = np.concatenate([fine[0].ravel(), fine[1][~data.masks]])
    return {
        "image": auroc(*scores),
        "pixel": auroc(outside, inside),
        "bytes": way.size,
        "ms": 1000 * seconds / (len(normal) + len(odd)),
    }


def measure(data: Set) -> dict[str, dict]:
    found = {}
    layers = PretrainedLayers(NETWORK, Layers.parse(DEFAULT_LAYER, NETWORK.has_layer))
    parts = [rows_of(part, layers) for part in (data.train, data.normal, data.odd)]
    way = whole_images(parts[0], layers)
    found[f"whole images, {DEFAULT_LAYER}"] = test(way, data, *parts[1:])
    for name in LAYERS:
        positions = PatchLayers(NETWORK, Layers.parse(name, NETWORK.has_layer))
        parts = [rows_of(part, positions) for part in (data.train, data.normal, data.odd)]
        main = name == DEFAULT_PATCHES
        for k in HALFSPACES if main else HALFSPACES[-1:]:
            for share in SHARES if main and k == HALFSPACES[-1] else (0.01,):
                label = f"patches, {name}, {k} half-spaces, worst {share:.1%}"
                way = patches(parts[0], positions.grid, k, share)
                found[label] = test(way, data, *parts[1:])
                print(data.name, label, found[label], flush=True)
        for share in CORESETS if main else ():
            way = memory_bank(parts[0], positions.grid, share)
            label = f"memory bank, {name}, coreset {share:.0%}"
            found[label] = test(way, data, *parts[1:])
            print(data.name, label, found[label], flush=True)
    return found


def table(results: dict[str, dict[str, dict]]) -> str:
    names = list(results)
    head = ["way", *(f"{n}: image" for n in names), *(f"{n}: pixel" for n in names)]
    head += ["mean image", "mean pixel", "kB", "ms an image"]
    out = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for way in next(iter(results.values())):
        rows = [results[n][way] for n in names]
        cells = [row[kind] for kind in ("image", "pixel") for row in rows]
        cells += [float(np.mean([row[kind] for row in rows])) for kind in ("image", "pixel")]
        figures = " | ".join(f"{cell:.3f}" for cell in cells)
        out.append(
            f"| {way} | {figures} | {np.mean([r['bytes'] for r in rows]) / 1e3:.0f} | "
            f"{np.median([r['ms'] for r in rows]):.1f} |"
        )
    return "\n".join(out) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/heatmaps.md")
    args = parser.parse_args()
    results = {data.name: measure(data) for data in sets()}
    text = table(results)
    print(text)
    (ROOT / "results" / "patches.json").write_text(json.dumps(results, indent=1) + "\n")
    if args.write:
        before, _, rest = PAGE.read_text().partition(MARK)
        after = rest.partition("\n## ")[2]
        PAGE.write_text(f"{before}{MARK}\n{text}" + (f"\n## {after}" if after else ""))


if __name__ == "__main__":
    main()

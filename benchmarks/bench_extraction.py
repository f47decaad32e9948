"""From files to scores: how near to the bare network, and how far from the usual loop.

    python benchmarks/bench_extraction.py              every part (about 15 minutes on two cores)
    python benchmarks/bench_extraction.py small cold   some parts
    python benchmarks/bench_extraction.py render       only the tables, from the results kept

Every part replaces its own entry in benchmarks/results/speed.json, and every run writes the tables
into docs/speed.md. What is compared is timed in turns, in one process: on a machine that others
use, only the ratios hold.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import speed_parts as parts
from oneclass import Detector, load
from oneclass.backbones import DEFAULT, DEFAULT_RUNTIME, Backbone, Runtime
from oneclass.datasets.mnist import load_mnist_5k, mnist_5k
from oneclass.detector.views import DEFAULT_LAYER
from oneclass.paper.protocol import draw, measure, used_by
from oneclass.paper.rows import extract_rows
from oneclass.paper.tables import TABLE_1
from oneclass.representations import PretrainedLayers
from oneclass.rows.layers import Layers
from oneclass.statistics import auroc
from oneclass.system.host.machine import environment
from photographs import write_photographs
from speed_tables import render

RESULTS = Path(__file__).parent / "results" / "speed.json"
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
CORES = len(os.sched_getaffinity(0))
FP32, BF16 = Runtime("openvino", "fp32"), Runtime("openvino", "bf16")
Work = Callable[[], int]


def in_turns(works: dict[str, Work], rounds: int) -> dict[str, list[float]]:
    """Images a second of each, in every round."""
    for work in works.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(parts.rate(work))
    return found


def ratio(found: dict[str, list[float]], one: str, other: str) -> float:
    """The median over the rounds."""
    return statistics.median(a / b for a, b in zip(found[one], found[other], strict=True))


def digits(folder: Path, n: int) -> list[Path]:
    """Real digits as small PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = mnist_5k()[0]
    paths = [folder / f"{i:06}.png" for i in range(n)]
    for i, path in enumerate(paths):
        Image.fromarray(pictures[i % len(pictures)]).save(path)
    return paths


def small(folder: Path) -> dict[str, Any]:
    """Small PNG files that the system keeps in memory."""
    paths = digits(folder / "digits", 400)
    bare, torch = parts.BareSession(), parts.TorchNetwork()
    one_core = parts.BareSession(1)
    ours, fast = parts.layers(DEFAULT_RUNTIME), parts.layers(BF16)
    works: dict[str, Work] = {
        f"bare session, batch {batch}": lambda batch=batch: bare.run(256, batch)
        for batch in (1, 4, 16, 32)
    }
    works |= {
        "bare session, one image a core": lambda: one_core.side_by_side(256, CORES),
        "from files": lambda: parts.pipeline(paths, ours, CORES),
        "bare openvino bf16": lambda: parts.bare_openvino(fast, 400, CORES),
        "from files, openvino bf16": lambda: parts.pipeline(paths, fast, CORES),
        "torch eager, batch 32": lambda: torch.bare(96),
        "usual loop": lambda: len(parts.usual_loop(paths[:96], torch)),
    }
    found = in_turns(works, 7)
    operations = torch.operations()
    rates = {name: statistics.median(values) for name, values in found.items()}
    return {
        "rates": rates,
        "rounds": found,
        "ratios": {
            **{
                f"from files / {name}": ratio(found, "from files", name)
                for name in works
                if name.startswith("bare session")
            },
            "from files, bf16 / bare": ratio(
                found, "from files, openvino bf16", "bare openvino bf16"
            ),
            "bf16 / torch eager": ratio(found, "bare openvino bf16", "torch eager, batch 32"),
            "from files / usual loop": ratio(found, "from files", "usual loop"),
            "from files, bf16 / usual loop": ratio(
                found, "from files, openvino bf16", "usual loop"
            ),
        },
        "stages_one_core": parts.stage_rates(paths, ours),
        "operations_an_image": operations,
        "product_gflops": {kind: parts.product_gflops(kind) for kind in ("float32", "bfloat16")},
        "network_gflops": {
            "float32": operations * rates["bare session, one image a core"] / 1e9,
            "bfloat16": operations * rates["bare openvino bf16"] / 1e9,
        },
    }


def photographs(folder: Path) -> dict[str, Any]:
    """2,000 photographs of 1600 x 1200 pixels."""
    paths = write_photographs(folder / "photographs", 2000)
    torch, ours, fast = parts.TorchNetwork(), parts.layers(DEFAULT_RUNTIME), parts.layers(BF16)
    found: dict[str, list[float]] = {"usual loop": [], "from files": [], "openvino bf16": []}
    for i in range(0, len(paths), 500):  # in turns, the loop on every tenth image
        some = paths[i : i + 500]
        found["usual loop"].append(
            parts.rate(lambda some=some: len(parts.usual_loop(some[::8], torch)))
        )
        found["from files"].append(parts.rate(lambda some=some: parts.pipeline(some, ours, CORES)))
        found["openvino bf16"].append(
            parts.rate(lambda some=some: parts.pipeline(some, fast, CORES))
        )
    return {
        "rates": {name: statistics.median(values) for name, values in found.items()},
        "rounds": found,
        "ratios": {
            name: ratio(found, name, "usual loop") for name in ("from files", "openvino bf16")
        },
        "kilobytes": statistics.mean(path.stat().st_size for path in paths) / 1e3,
        "stages_one_core": parts.stage_rates(paths, ours),
        "network_bf16_one_core": parts.stage_rates(paths, fast)["network"],
    }


def accuracy(folder: Path) -> dict[str, Any]:
    """AUROC on the digit tasks by runtime, and how far scores move."""
    pictures, labels = mnist_5k()
    odd = labels % 2 == 1
    tasks = {
        "5 against 2": (labels == 5, labels == 2),
        "5 against even": (labels == 5, ~odd),
        "odd against 2": (odd, labels == 2),
        "odd against even": (odd, ~odd),
    }
    table, shifts = {}, {}
    for name, (normal, anomalous) in tasks.items():
        inside, outside = np.flatnonzero(normal), np.flatnonzero(anomalous)
        fitted, held = pictures[inside[::2][:600]], pictures[inside[1::2][:250]]
        others = pictures[outside[:: max(1, len(outside) // 250)][:250]]
        table[name] = {}
        for runtime in (DEFAULT_RUNTIME, FP32, BF16):
            words = {"runtime": runtime.name, "precision": runtime.precision}
            found = []
            for seed in range(5):  # of the clusters, which the last bits may tip over
                detector = Detector(**words, seed=seed, cache=folder / "cache").fit(fitted)
                scores = [detector.score(images).scores for images in (held, others)]
                found.append(auroc(*scores))
            table[name][f"{runtime.name} {runtime.precision}"] = {
                "mean": statistics.mean(found),
                "sd": statistics.stdev(found),
            }
            if runtime == DEFAULT_RUNTIME:
                detector.save(folder / "m")
                usual = scores
        other = load(folder / "m", runtime="openvino", cache=folder / "cache")
        moved = [other.score(images).scores for images in (held, others)]
        shifts[name] = max(
            float(np.abs(a - b).max() / usual[0].std()) for a, b in zip(moved, usual, strict=True)
        )
    return {"auroc": table, "largest_shift_same_precision": shifts, "protocol": protocol()}


def protocol() -> dict[str, dict[str, float]]:
    """The paper's protocol on its tasks 1 to 4: one half-space, 21 nu, no clusters that tip over.

    Returns:
        For each layer of the default row and each task the AUROC by runtime.
    """
    data, backbone = load_mnist_5k(), Backbone.open(DEFAULT)
    draws = [draw(task, data, trials=3, seed=0) for task in TABLE_1[:4]]
    used = used_by(draws)
    layers = Layers.parse(DEFAULT_LAYER, backbone.has_layer)
    found: dict[str, dict[str, float]] = {}
    for runtime in (DEFAULT_RUNTIME, FP32, BF16):
        representation = PretrainedLayers(backbone, layers, runtime=runtime)
        rows, passed = extract_rows(data.images, used, representation)
        for (layer, grid), own in zip(layers, rows, strict=True):
            for drawn in draws:
                cell = measure(drawn, f"{layer}@{grid}", own, used, passed)
                place = found.setdefault(f"{drawn.task.name}, {layer}@{grid}", {})
                place[f"{runtime.name} {runtime.precision}"] = cell.mean
    return found


MEMORY = """
import re, sys
from pathlib import Path
from oneclass.cli import cli
from oneclass.cli.talk.console import run

code = run(cli)
told = Path("/proc/self/status").read_text()
print("peak", re.search(r"VmHWM:\\s*(\\d+) kB", told)[1])
sys.exit(code)
"""


def memory(folder: Path) -> dict[str, Any]:
    """Peak memory of `oneclass score ... -o` with the default settings, the whole process."""
    paths = digits(folder / "some", 1000)
    Detector().fit(paths[:200]).save(folder / "model")
    found = {}
    for n in (1000, 10_000, 100_000):
        place = folder / f"links{n}"
        place.mkdir()
        for i in range(n):
            (place / f"{i:06}.png").hardlink_to(paths[i % len(paths)])
        words = ["score", str(folder / "model"), str(place), "-o", str(folder / "run")]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, *words], capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - start
        with (folder / "run" / "predictions.csv").open() as file:
            assert sum(1 for _ in file) == n + 1
        found[str(n)] = {"megabytes": int(done.stdout.split()[-1]) / 1e3, "seconds": seconds}
        shutil.rmtree(place)
    return found


def cold(folder: Path) -> dict[str, Any]:
    """`oneclass score` on one image, the whole process."""
    paths = digits(folder / "digits", 200)
    Detector().fit(paths).save(folder / "m")
    words = [sys.executable, "-m", "oneclass", "score", "-v", str(folder / "m"), str(paths[0])]
    times, told = [], ""
    for _ in range(9):
        start = time.perf_counter()
        told = subprocess.run(words, capture_output=True, text=True, check=True).stderr
        times.append(time.perf_counter() - start)
    stages = {name: float(s) for s, name in re.findall(r"^ {2,5}(\d+\.\d+) s  (.+)$", told, re.M)}
    return {"median": statistics.median(times), "slowest": max(times), "stages": stages}


def latency(folder: Path) -> dict[str, Any]:
    """One image at a time in a process that runs already."""
    paths = digits(folder / "digits", 300)
    detector = Detector().fit(paths)
    found = {}
    for name in ("onnxruntime fp32", "openvino bf16"):
        runtime, precision = name.split()
        detector = Detector(runtime=runtime, precision=precision).fit(paths)
        times = []
        for path in paths:
            start = time.perf_counter()
            detector.score(path)
            times.append(1e3 * (time.perf_counter() - start))
        found[name] = {"median_ms": statistics.median(times), "p99_ms": np.percentile(times, 99)}
    return found


def peers(folder: Path) -> dict[str, Any]:
    """Fit to 512 files and score 256 more, beside torch hooks with scikit-learn."""
    from sklearn.svm import OneClassSVM

    paths = digits(folder / "digits", 768)
    start = time.perf_counter()
    torch = parts.TorchNetwork()
    rows = parts.usual_loop(paths, torch)
    OneClassSVM(kernel="linear", nu=0.1).fit(rows[:512]).score_samples(rows[512:])
    theirs = time.perf_counter() - start
    found = {"torch hooks + scikit-learn OneClassSVM": theirs}
    for name in ("onnxruntime fp32", "openvino bf16"):
        runtime, precision = name.split()
        start = time.perf_counter()
        detector = Detector(n_halfspaces=1, runtime=runtime, precision=precision)
        detector.fit(paths[:512]).score(paths[512:])
        found[f"oneclass, {name}"] = time.perf_counter() - start
    return {"seconds": found}


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    part.__name__: part
    for part in (small, photographs, accuracy, memory, cold, latency, peers)
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "render"], help="default: all")
    for name in parser.parse_args().parts or PARTS:
        if name == "render":
            continue
        print(f"{name} ...", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            result = PARTS[name](Path(folder))
        result["machine"] = environment()
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps(kept | {name: result}, indent=1) + "\n")
        print(json.dumps({k: v for k, v in result.items() if k != "machine"}, indent=1), flush=True)
    render(json.loads(RESULTS.read_text()), PAGE)


if __name__ == "__main__":
    main()

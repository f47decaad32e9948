"""Compare the embedded network on a CUDA device with the processor: numbers, and time an image.

    python benchmarks/bench_cuda.py

Needs the package onnxruntime-gpu in the place of onnxruntime, and a device. Prints Markdown.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from oneclass.backbones import DEFAULT, Backbone
from oneclass.backbones.runtimes import Runtime, start
from oneclass.system import offline
from oneclass.system.host.cuda import CUDA

SIDES = {224: (1, 4, 8, 16, 32, 64, 128), 640: (1, 4, 8, 16, 32)}
TOGETHER = ((4, 1), (4, 8), (16, 8), (4, 32), (16, 32))
IMAGES = 200


def main() -> None:
    model = Backbone.open(DEFAULT).model
    device = start(model, Runtime(), 1)
    if not device.version.startswith(CUDA):
        sys.exit(f"no CUDA device is used here: {device.version}")
    ort = offline.onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    processor = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = device.inputs[0].name
    rng = np.random.default_rng(0)
    images = rng.random((8, 3, 224, 224), dtype=np.float32)
    pairs = zip(processor.run(None, {name: images}), device.run(images), strict=True)
    apart = max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)
    print(f"{device.version}; farthest layer apart by {apart:.1e} of its largest value")
    began = time.perf_counter()
    processor.run(None, {name: images})
    print(f"processor, one thread: {1000 * (time.perf_counter() - began) / 8:.1f} ms an image\n")
    print("| side | images a call | threads | ms an image |\n|---|---|---|---|")
    calls = [(side, n, 1) for side, several in SIDES.items() for n in several]
    for side, n, threads in calls + [(224, n, threads) for threads, n in TOGETHER]:
        images = rng.random((n, 3, side, side), dtype=np.float32)
        n_calls = max(threads, 3, IMAGES // n)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(device.run, [images] * threads))
            began = time.perf_counter()
            list(pool.map(device.run, [images] * n_calls))
        ms = 1000 * (time.perf_counter() - began) / (n_calls * n)
        print(f"| {side} | {n} | {threads} | {ms:.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""The rows of the solver's benchmark: synthetic ones, and real network features of MNIST digits."""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(os.environ.get("ONECLASS_CACHE", tempfile.gettempdir())) / "oneclass-bench"
NUS = np.linspace(0.01, 0.99, 21)  # the paper's
Make = Callable[[int, int, int], np.ndarray]  # rows, columns, which part of a file


def synthetic(n_rows: int, n_columns: int, part: int = 0) -> np.ndarray:
    """Unit rows like a network's: ten clusters, correlated columns, negative values cut off."""
    shape = np.random.default_rng(0)
    centres = np.abs(shape.standard_normal((10, n_columns))) * (shape.random((10, n_columns)) < 0.4)
    centres += 0.6 * np.abs(shape.standard_normal(n_columns)) * (shape.random(n_columns) < 0.6)
    factors = shape.standard_normal((48, n_columns)) * (0.5 * 0.9 ** np.arange(48))[:, None]
    draw = np.random.default_rng((1, part))
    rows = centres.astype(np.float32)[draw.integers(10, size=n_rows)]
    rows += draw.standard_normal((n_rows, 48), np.float32) @ factors.astype(np.float32)
    for block in np.array_split(rows, max(n_rows // 4096, 1)):
        block += 0.3 * draw.standard_normal(block.shape, np.float32)
    np.maximum(rows, 0, out=rows)
    return unit(rows)


def spread(n_rows: int, n_columns: int, part: int = 0) -> np.ndarray:
    """Unit rows that many share the support of: the positive part of a rank of 80 and noise."""
    factors = np.random.default_rng(2).standard_normal((80, n_columns), np.float32)
    draw = np.random.default_rng((3, part))
    rows = draw.standard_normal((n_rows, 80), np.float32) @ (np.float32(0.3) * factors)
    for block in np.array_split(rows, max(n_rows // 4096, 1)):
        block += draw.standard_normal(block.shape, np.float32)
    np.maximum(rows, 0, out=rows)
    return unit(rows)


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows at unit length, in place."""
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def mapped_file(n_rows: int, n_columns: int, make: Make = synthetic) -> Path:
    """A file of drawn rows in the cache; the caller removes it."""
    path = CACHE / f"{make.__name__}-{n_rows}-{n_columns}.f32"
    CACHE.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for part, start in enumerate(range(0, n_rows, 50_000)):
            make(min(50_000, n_rows - start), n_columns, part).tofile(file)
    return path


def digits(n_train: int = 2048, n_test: int = 512) -> dict[str, np.ndarray]:
    """Unit-length AlexNet P5 features (256 x 6 x 6) of MNIST digits, to train and to test on."""
    kept = CACHE / f"digits-{n_train}-{n_test}.npz"
    if kept.exists():
        with np.load(kept) as arrays:
            return dict(arrays)
    data = os.environ.get("ONECLASS_DATA")
    if not data:
        sys.exit("Set ONECLASS_DATA to a folder with mnist/ and alexnet/ (see this file's top).")
    rng, rows = np.random.default_rng(0), {}
    for split, name, count in (("train", "train", n_train), ("t10k", "test", n_test)):
        images = idx(Path(data) / "mnist" / f"{split}-images-idx3-ubyte.gz")
        labels = idx(Path(data) / "mnist" / f"{split}-labels-idx1-ubyte.gz")
        groups = {"five": labels == 5, "odd": labels % 2 == 1}
        if name == "test":
            groups |= {"two": labels == 2, "even": labels % 2 == 0}
        for group, chosen in groups.items():
            picked = rng.permutation(np.flatnonzero(chosen))[:count]
            rows[f"{name}_{group}"] = alexnet_p5(images[picked], Path(data))
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(kept, **rows)
    return rows


def needed(path: Path) -> Path:
    """The path of a file of ONECLASS_DATA; the program ends in one line where it is not there."""
    if not path.is_file():
        sys.exit(
            f"{path.name} is missing: looked for {path}. Set ONECLASS_DATA to a folder with it."
        )
    return path


def idx(path: Path) -> np.ndarray:
    raw = gzip.decompress(needed(path).read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def alexnet_p5(images: np.ndarray, data: Path) -> np.ndarray:
    try:
        import torch
        from torch.nn import functional
    except ImportError:
        sys.exit("The parts small and union need torch for AlexNet's features: install torch.")
    with np.load(data / "alexnet" / "alexnet_conv.npz") as arrays:
        t = {name: torch.from_numpy(arrays[name]).float() for name in arrays}
    mean = functional.interpolate(t["mean_bgr_256"][None], (227, 227), mode="bilinear")

    def convolve(x: Any, layer: int, **options: int) -> Any:
        weight, bias = t[f"conv{layer}.weight"], t[f"conv{layer}.bias"]
        return functional.relu(functional.conv2d(x, weight, bias, **options))

    def normed_pool(x: Any) -> Any:
        return functional.max_pool2d(functional.local_response_norm(x, 5, 1e-4, 0.75, 1.0), 3, 2)

    found = []
    with torch.no_grad():
        for start in range(0, len(images), 64):
            x = torch.from_numpy(images[start : start + 64].astype(np.float32))[:, None]
            x = functional.interpolate(x.expand(-1, 3, -1, -1), (227, 227), mode="bilinear") - mean
            x = normed_pool(convolve(x, 1, stride=4))
            x = normed_pool(convolve(x, 2, padding=2, groups=2))
            x = convolve(convolve(x, 3, padding=1), 4, padding=1, groups=2)
            x = functional.max_pool2d(convolve(x, 5, padding=1, groups=2), 3, 2)
            found.append(functional.normalize(x.flatten(1)).numpy())
    return np.concatenate(found)

"""Rows of many kinds, real and drawn, for the solver to be never the slow one on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svm_rows import CACHE, digits, idx, spread, unit

Rows = NDArray[np.float32]
PATCH_LAYERS = "block_4+block_10"  # the default


@dataclass(frozen=True)
class Matrix:
    """Rows with a name.

    Attributes:
        name: in the table.
        make: the rows, from the data or a fixed seed.
        real: they need the folder named by ONECLASS_DATA; once made they are kept.
        quick: they belong to the small selection.
    """

    name: str
    make: Callable[[], Rows]
    real: bool = False
    quick: bool = False

    def rows(self) -> Rows:
        if not self.real:
            return self.make()
        kept = CACHE / f"matrix-{self.name.replace(' ', '-').replace(',', '')}.npy"
        if not kept.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            np.save(kept, self.make())
        return np.asarray(np.load(kept))


def matrices(*, quick: bool = False) -> Iterator[Matrix]:
    """All that can be had here; of the real ones, what is missing is said."""
    real = bool(os.environ.get("ONECLASS_DATA"))
    if not real:
        print("  without the real rows: set ONECLASS_DATA to a folder that has them", flush=True)
    for matrix in (*REAL, *DRAWN):
        if (real or not matrix.real) and (matrix.quick or not quick):
            yield matrix


def real_patches(name: str, n_rows: int) -> Rows:
    """Some of the patches of one set in data/defects: positions of the default layers."""
    from oneclass.representations import PatchLayers
    from oneclass.rows.layers import Layers

    network = _network()
    layers = PatchLayers(network, Layers.parse(PATCH_LAYERS, network.has_layer))
    rows = _computed(layers, _pictures(name, 100)).reshape(-1, layers.n_columns)
    return rows[np.sort(np.random.default_rng(0).choice(len(rows), n_rows, replace=False))]


def _data() -> Path:
    return Path(os.environ["ONECLASS_DATA"])


def _network():
    from oneclass.backbones import DEFAULT, Backbone

    return Backbone.open(DEFAULT)


def _pictures(name: str, most: int) -> list[NDArray[np.uint8]]:
    from choose_defaults import tar_images

    path = _data() / "defects" / f"{name}.tar"
    return tar_images(path, lambda n: "good" if "train/good/" in n else None)["good"][:most]


def _digits(most: int) -> list[NDArray[np.uint8]]:
    """Odd digits of MNIST."""
    images = idx(_data() / "mnist" / "train-images-idx3-ubyte.gz")
    labels = idx(_data() / "mnist" / "train-labels-idx1-ubyte.gz")
    return list(images[labels % 2 == 1][:most])


def _computed(layers, images: list[NDArray[np.uint8]]) -> Rows:
    from oneclass.images.scale import choose_scale

    scale = choose_scale("uint8", 0, 255)
    parts = [
        layers.rows([layers.prepare(image, scale) for image in images[start : start + 32]])
        for start in range(0, len(images), 32)
    ]
    return np.concatenate(parts)


def _layer(layer: str, images: Callable[[], list[NDArray[np.uint8]]]) -> Rows:
    from oneclass.representations import PretrainedLayers
    from oneclass.rows.layers import Layers

    network = _network()
    return _computed(PretrainedLayers(network, Layers.parse(layer, network.has_layer)), images())


def _intensities(most: int) -> Rows:
    return np.stack(_digits(most)).reshape(most, -1).astype(np.float32) / np.float32(255)


def _freight() -> Rows:
    from choose_defaults import tar_images
    from oneclass.images.scale import choose_scale
    from oneclass.representations import Greyscale

    path = _data() / "freight-xray" / "freight-xray.tar"
    images = tar_images(path, lambda n: n.lstrip("./").split("/")[0])["non-empty"]
    layer, scale = Greyscale((9, 32)), choose_scale("uint8", 0, 255)
    return layer.rows([layer.prepare(image, scale) for image in images])


def _draw(seed: int, n_rows: int, n_columns: int) -> Rows:
    return np.random.default_rng(seed).standard_normal((n_rows, n_columns), np.float32)


def _gaussian() -> Rows:
    return _draw(3, 5000, 300) + np.float32(0.4)


def _heavy_tailed() -> Rows:
    return np.abs(np.random.default_rng(4).standard_t(2, (3000, 500))).astype(np.float32)


def _repeated() -> Rows:
    different = unit(np.maximum(_draw(5, 400, 256), 0))
    return different[np.random.default_rng(5).integers(400, size=4000)]


def _yes_and_no() -> Rows:
    return unit((_draw(9, 20_000, 30) > 0).astype(np.float32))


def _one_of_each() -> Rows:
    drawn = np.random.default_rng(10)
    parts = [np.eye(30, dtype=np.float32)[drawn.integers(30, size=4000)] for _ in range(3)]
    return np.concatenate(parts, axis=1)


def _twenty_clusters() -> Rows:
    centres = np.maximum(_draw(11, 20, 200), 0)
    which = np.random.default_rng(11).integers(20, size=10_000)
    return unit(centres[which] + np.float32(0.1) * np.abs(_draw(12, 10_000, 200)))


def _rank_deficient() -> Rows:
    return unit(np.abs(_draw(6, 3000, 20)) @ np.abs(_draw(7, 20, 1000)))


def _far_cluster() -> Rows:
    rows = np.abs(_draw(8, 4000, 200))
    rows[:400] += np.float32(30)
    return rows


def _scaled_columns() -> Rows:
    exponents = np.random.default_rng(9).uniform(-3, 3, 300)
    return np.abs(_draw(9, 3000, 300)) * (10.0**exponents).astype(np.float32)


def _unscaled_rows() -> Rows:
    lengths = np.random.default_rng(10).lognormal(0, 1.5, (3000, 1)).astype(np.float32)
    return unit(np.maximum(_draw(10, 3000, 300), 0)) * lengths


def _uniform(n_rows: int, n_columns: int) -> Rows:
    return unit(np.random.default_rng(2).random((n_rows, n_columns), np.float32))


def _relu_noise(n_rows: int, n_columns: int) -> Rows:
    return unit(np.maximum(_draw(1, n_rows, n_columns), 0))


REAL = (
    Matrix("digits, raw intensities", partial(_intensities, 2048), real=True, quick=True),
    Matrix("digits, unit length", lambda: unit(_intensities(5000)), real=True),
    Matrix(
        "solar cells, block_4",
        lambda: _layer("block_4", lambda: _pictures("elpv_mono", 150)),
        real=True,
        quick=True,
    ),
    Matrix(
        "tiles, block_10",
        lambda: _layer("block_10", lambda: _pictures("magnetic_tile", 300)),
        real=True,
        quick=True,
    ),
    Matrix("digits, block_14", lambda: _layer("block_14", lambda: _digits(2048)), real=True),
    Matrix(
        "digits, block_2@7+block_14@2",
        lambda: _layer("block_2@7+block_14@2", lambda: _digits(2048)),
        real=True,
        quick=True,
    ),
    Matrix("digits, block_8@4", lambda: _layer("block_8@4", lambda: _digits(5000)), real=True),
    Matrix("boards, patches", partial(real_patches, "deeppcb", 30_000), real=True),
    Matrix("tiles, patches", partial(real_patches, "magnetic_tile", 30_000), real=True),
    Matrix("solar cells, patches", partial(real_patches, "elpv_mono", 30_000), real=True),
    Matrix("fives, AlexNet P5", lambda: digits()["train_five"], real=True),
    Matrix("freight, 9x32 intensities", _freight, real=True, quick=True),
)
PATCHES = Matrix(
    "50,000 patches of tiles", partial(real_patches, "magnetic_tile", 50_000), real=True
)
DRAWN = (
    Matrix("ReLU of noise", partial(_relu_noise, 2048, 2000), quick=True),
    Matrix("ReLU of rank 80 and noise", partial(spread, 2048, 9216), quick=True),
    Matrix("uniform", partial(_uniform, 5000, 200), quick=True),
    Matrix("Gaussian around a mean", _gaussian),
    Matrix("heavy-tailed", _heavy_tailed),
    Matrix("rows that repeat", _repeated, quick=True),
    Matrix("yes or no, 30 times", _yes_and_no),
    Matrix("one of 30, three times", _one_of_each, quick=True),
    Matrix("twenty clusters", _twenty_clusters),
    Matrix("rank 20", _rank_deficient, quick=True),
    Matrix("few long rows", partial(_relu_noise, 150, 31_360), quick=True),
    Matrix("many short rows", partial(_uniform, 200_000, 20)),
    Matrix("one cluster far away", _far_cluster, quick=True),
    Matrix("columns of very different scale", _scaled_columns),
    Matrix("rows of very different length", _unscaled_rows, quick=True),
)

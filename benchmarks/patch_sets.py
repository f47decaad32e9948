"""Sets of real pictures with defects, and their maps: computed once, kept on the disk.

A set is a folder in the layout of MVTec AD: train/good, test/good, test/KIND, ground_truth/KIND.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from choose_defaults import SCALE
from oneclass.backbones import DEFAULT, Backbone
from oneclass.representations.maps import interpolation
from oneclass.representations.preparation import prepare
from unpacking import unpacked

LAYERS = ("block_2", "block_4", "block_7", "block_10", "block_14", "block_15")
LONGEST_MASK = 320
Size = Callable[[int, int], tuple[int, int]]
"""(height, width) of a picture to (height, width) of the network's input."""


@dataclass(frozen=True)
class Pictures:
    """Files of a set: normal ones to learn from, and test pictures with their masks.

    Attributes:
        files: all files.
        train, normal, odd: indices into files.
        masks: for each of odd a mask file; empty where the set has none.
    """

    name: str
    files: list[Path]
    train: NDArray[np.int64]
    normal: NDArray[np.int64]
    odd: NDArray[np.int64]
    masks: list[Path]

    def read(self, index: int) -> NDArray[np.uint8]:
        return np.asarray(Image.open(self.files[index]).convert("L"))

    def mask(self, number: int) -> NDArray[np.bool_]:
        """The mask of odd picture `number`, its longer side at most `LONGEST_MASK`."""
        image = Image.open(self.masks[number]).convert("L")
        shrink = min(1.0, LONGEST_MASK / max(image.size))
        size = tuple(max(1, round(side * shrink)) for side in image.size)
        return np.asarray(image.resize(size, Image.Resampling.BOX)) > 100


def pictures(name: str) -> Pictures:
    """Find the files of a set in a fixed order."""
    root = unpacked(f"defects/{name}.tar")
    train = sorted((root / "train/good").iterdir())
    normal = sorted((root / "test/good").iterdir())
    odd = sorted(
        f for d in sorted((root / "test").iterdir()) if d.name != "good" for f in d.iterdir()
    )
    masks = []
    if (root / "ground_truth").is_dir():
        masks = [root / "ground_truth" / f.parent.name / f"{f.stem}_mask.png" for f in odd]
    n, m = len(train), len(train) + len(normal)
    return Pictures(
        name,
        [*train, *normal, *odd],
        np.arange(n),
        np.arange(n, m),
        np.arange(m, m + len(odd)),
        masks,
    )


def square(side: int) -> Size:
    return lambda height, width: (side, side)


def own_shape(low: int, high: int, step: int = 32) -> Size:
    """Keep the shape: the shorter side is its own pixels, from `low` to `high`, in whole steps."""

    def size(height: int, width: int) -> tuple[int, int]:
        short = min(height, width)
        scale = min(max(short // step * step, low), high) / short
        return tuple(max(low, round(side * scale / step) * step) for side in (height, width))

    return size


class Maps:
    """The maps of all pictures at one size, in float16 on the disk."""

    def __init__(self, place: Path) -> None:
        self._shapes = json.loads((place / "shapes.json").read_text())
        self._values = {n: np.load(place / f"{n}.npy", mmap_mode="r") for n in LAYERS}
        ends = {n: np.cumsum([np.prod(s[n]) for s in self._shapes]) for n in LAYERS}
        self._ends = ends

    def __len__(self) -> int:
        return len(self._shapes)

    def get(self, layer: str, index: int) -> NDArray[np.float32]:
        """(1, channels, h, w) of one picture."""
        shape, stop = self._shapes[index][layer], int(self._ends[layer][index])
        flat = self._values[layer][stop - int(np.prod(shape)) : stop]
        return flat.astype(np.float32).reshape(1, *shape)


def maps_of(name: str, count: int, read: Callable, size_name: str, size: Size) -> Maps:
    """The maps of a set's pictures, computed where they aren't there yet."""
    root = Path(os.environ.get("ONECLASS_CACHE", tempfile.gettempdir()))
    place = root / "choose_patches" / f"{name}-{size_name}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        own = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        compute(own, count, read, size)
        try:
            own.rename(place)
        except OSError:  # another run was quicker
            shutil.rmtree(own)
    return Maps(place)


def compute(place: Path, count: int, read: Callable, size: Size) -> None:
    network = Backbone.open(DEFAULT)
    session = network.session(LAYERS, threads=1)
    files = {n: (place / f"{n}.raw").open("wb") for n in LAYERS}
    shapes: list[dict[str, Sequence[int]]] = []
    for index in range(count):
        pixels = read(index)
        own = replace(network.spec.preprocessing, size=size(*pixels.shape[:2]))
        found = session(prepare(pixels, SCALE, own)[None])
        shapes.append({n: m.shape[1:] for n, m in zip(LAYERS, found, strict=True)})
        for n, m in zip(LAYERS, found, strict=True):
            files[n].write(m.astype(np.float16).tobytes())
    for n in LAYERS:
        files[n].close()
        raw = np.fromfile(place / f"{n}.raw", np.float16)
        np.save(place / f"{n}.npy", raw)
        (place / f"{n}.raw").unlink()
    (place / "shapes.json").write_text(json.dumps(shapes))


SIZES = {
    "224": square(224),
    "288": square(288),
    "320": square(320),
    "448": square(448),
    "640": square(640),
    "own224": own_shape(224, 224),
    "own": own_shape(224, 448),
}


def fine(maps: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """(n, c, h, w) averaged with their neighbours and interpolated to a grid, as patches are."""
    near = uniform_filter(maps, (1, 1, 3, 3), mode="nearest")
    down, across = (interpolation(n, to) for n, to in zip(maps.shape[2:], grid, strict=True))
    found: NDArray[np.float32] = down @ near @ across.T
    return found

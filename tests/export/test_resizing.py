"""Resizing in the graph is Pillow's own, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from graphs import ready
from oneclass.export import resizing
from oneclass.export.graph import Graph
from oneclass.export.resizing import resize

METHODS = ["nearest", "bilinear", "bicubic", "lanczos"]
SHAPES = [(1, 1), (5, 7), (28, 28), (64, 33), (31, 120), (96, 41), (200, 300), (448, 448)]
SIZES = [(32, 32), (28, 48), (37, 13)]


def by_pillow(images: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    kind = Image.Resampling[method.upper()]
    planes = [
        [np.asarray(Image.fromarray(plane).resize(size[::-1], kind)) for plane in image]
        for image in images
    ]
    return np.array(planes, np.float32)


def in_graph(
    dtype: str, size: tuple[int, int], method: str, shape: tuple[int, ...] | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Resizing of (n, c, h, w) images; of any shape unless one is given."""

    def write(g: Graph, x: str) -> str:
        return resize(g, x, size, method, dtype)

    compute = ready(write, {"x": np.zeros(shape or (1, 1, 1, 1), dtype)}, free=shape is None)
    return lambda images: compute({"x": images})


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Every value from 0 to 255, with flat parts and hard edges."""
    images = np.random.default_rng(seed).integers(0, 256, shape)
    upper = images[:, :, : shape[2] // 2]
    upper[:] = np.where(upper > 200, 255, 0)
    return images.astype(np.uint8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", SIZES)
def test_8_bit_images_come_out_bit_for_bit_as_pillow_makes_them(
    size: tuple[int, int], method: str
) -> None:
    compute = in_graph("uint8", size, method)
    for shape in [*SHAPES, size]:
        images = noise((2, 3, *shape), seed=shape[0])
        np.testing.assert_array_equal(
            compute(images), by_pillow(images, size, method), err_msg=str(shape)
        )


@pytest.mark.parametrize("seed", range(4))
def test_images_of_random_sizes_come_out_bit_for_bit(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = (int(random.integers(1, 90)), int(random.integers(1, 90)))
    compute = in_graph("uint8", size, "bilinear")
    for _ in range(40):
        images = noise((1, 1, *(int(n) for n in random.integers(1, 120, 2))), seed)
        np.testing.assert_array_equal(
            compute(images),
            by_pillow(images, size, "bilinear"),
            err_msg=f"{images.shape} to {size}",
        )


@pytest.mark.parametrize("vertically", [False, True])
def test_either_order_of_the_axes_is_that_of_two_resizings(
    monkeypatch: pytest.MonkeyPatch, vertically: bool
) -> None:
    """Whichever Pillow is installed: one axis at a time it knows no order of its own."""
    monkeypatch.setattr(resizing, "may_begin_vertically", lambda: vertically)
    images, size = noise((1, 3, 300, 40), seed=2), (32, 24)
    first = (32, 40) if vertically else (300, 24)
    expected = by_pillow(by_pillow(images, first, "bilinear").astype(np.uint8), size, "bilinear")
    np.testing.assert_array_equal(in_graph("uint8", size, "bilinear")(images), expected)


def test_a_size_that_the_graph_knows_changes_nothing() -> None:
    images = noise((1, 3, 90, 50), seed=1)
    free, fixed = (
        in_graph("uint8", (32, 24), "bilinear", shape)(images) for shape in (None, images.shape)
    )
    np.testing.assert_array_equal(free, fixed)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("method", METHODS)
def test_deeper_images_come_out_as_near_as_float32_can_say(method: str, dtype: str) -> None:
    compute = in_graph(dtype, (28, 48), method)
    for shape in SHAPES:
        images = np.random.default_rng(3).integers(0, 65536, (1, 1, *shape)).astype(dtype)
        expected = by_pillow(images.astype(np.float32), (28, 48), method)
        assert np.abs(compute(images) - expected).max() <= 65536 * 1e-6

"""What several test files share: small images that need no download."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

# On a busy machine nothing is slow because of what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
# Read by scipy when it is first imported: without it scikit-learn skips one of its own checks.
os.environ.setdefault("SCIPY_ARRAY_API", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Elsewhere than on Linux, leave out what needs its pipes, signals, links or /proc."""
    if sys.platform != "linux":
        for item in items:
            if item.get_closest_marker("linux"):
                item.add_marker(pytest.mark.skip(reason="needs Linux"))


def stripes(n: int, seed: int, *, upright: bool = True, side: int = 24) -> NDArray[np.uint8]:
    """(n, side, side) noisy stripes: upright ones are normal, lying ones are not."""
    random = np.random.default_rng(seed)
    phase = random.uniform(0, 2 * np.pi, (n, 1, 1))
    wave = np.sin(np.arange(side) * 2 * np.pi / 6 + phase) * np.ones((1, side, 1))
    images = 128 + 80 * wave + random.normal(0, 10, (n, side, side))
    clipped = images.clip(0, 255).astype(np.uint8)
    return clipped if upright else clipped.transpose(0, 2, 1)


def write_images(folder: Path, images: NDArray[np.uint8]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:03}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture(scope="session")
def normal_images() -> NDArray[np.uint8]:
    return stripes(40, seed=1)


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of normal (or odd) images."""

    def make(name: str, n: int, seed: int, *, upright: bool = True) -> Path:
        write_images(tmp_path / name, stripes(n, seed, upright=upright))
        return tmp_path / name

    return make

"""What is trained on, and the batches on their way there.

All that is random is drawn from (seed, epoch, step): which images a batch holds, and how they are
distorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import affine_grid, grid_sample

from oneclass.auxiliary.machine import Machine
from oneclass.auxiliary.recipes import Recipe
from oneclass.system.host.workers import ordered_map


@dataclass(frozen=True)
class Data:
    """What is trained on.

    Attributes:
        pixels: (n, channels, height, width) uint8.
        labels: (n,) the sub-category of each image.
        train, held_out: indices of the images to train on, and to measure accuracy on.
        mean, std: of each channel, intensities in [0, 1].
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    train: NDArray[np.intp]
    held_out: NDArray[np.intp]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def batches(
    data: Data, recipe: Recipe, machine: Machine, epoch: int, first: int, seed: int
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor, int]]:
    """(step, images, labels, seed) of this process's part of each batch, one batch ahead.

    The last images of an epoch's order that fill no batch are left to the next epochs.
    """
    order = np.random.default_rng([seed, epoch]).permutation(data.train)

    def load(step: int) -> tuple[int, torch.Tensor, torch.Tensor, int]:
        batch = order[step * recipe.batch : (step + 1) * recipe.batch]
        rng = np.random.default_rng([seed, epoch, step])
        mine = slice(machine.rank, None, machine.world)
        torch_seed = int(rng.integers(2**62))
        warps = _warps(rng, len(batch), recipe)[mine]
        images, labels = to_device(data, batch[mine], machine)
        return step, _distorted(images, warps, recipe), labels, torch_seed

    return ordered_map(load, range(first, len(order) // recipe.batch), 1, ahead=1)


def to_device(
    data: Data, indices: NDArray[np.intp], machine: Machine
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised images, channels last, and their labels."""
    pixels = torch.from_numpy(data.pixels[indices]).to(machine.device, non_blocking=True)
    labels = torch.from_numpy(data.labels[indices]).to(machine.device, non_blocking=True)
    shape = (1, len(data.mean), 1, 1)
    mean, std = (torch.tensor(v, device=machine.device).view(shape) for v in (data.mean, data.std))
    images = (pixels.float() / 255 - mean) / std
    return images.contiguous(memory_format=torch.channels_last), labels


def _warps(rng: np.random.Generator, n: int, recipe: Recipe) -> NDArray[np.float32]:
    """(n, 2, 3) affine maps: a turn, a scale, a shift, and a mirror image for half of them."""
    turn, scale, across, down = rng.uniform(-1, 1, (4, n)) * recipe.distort
    angle, zoom = np.deg2rad(10) * turn, 1 + 0.1 * scale
    mirror = np.where(rng.random(n) < 0.5, -1, 1) if recipe.flip else np.ones(n)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    # In grid_sample's coordinates the image spans -1 to 1, so a tenth of its side is 0.2.
    rows = [[cos * mirror, -sin, 0.2 * across], [sin * mirror, cos, 0.2 * down]]
    return np.array(rows, np.float32).transpose(2, 0, 1)


def _distorted(images: torch.Tensor, warps: NDArray[np.float32], recipe: Recipe) -> torch.Tensor:
    if not recipe.distort and not recipe.flip:
        return images
    grid = affine_grid(
        torch.from_numpy(warps).to(images.device), list(images.shape), align_corners=False
    )
    warped = grid_sample(images, grid, padding_mode="border", align_corners=False)
    return warped.contiguous(memory_format=torch.channels_last)

"""Near-copies among files, by a small picture of each: no network is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows.near_copies import group

SIDE = 16
LOWEST = 0.25
"""Small pictures of copies are nearer to each other than what a network sees of them."""
SURELY = 2.5
"""Groups are shown, and what is shown may be thrown away: with less, chance joins more than a
twentieth of the images in one of 50 folders without copies, and half of the folder there."""
NEVER = 2.0
"""No share of the images is as large."""


def fingerprint(pixels: NDArray[Any]) -> NDArray[np.float16]:
    """(256,) a picture of 16 x 16 grey means, of mean 0 and unit length: brightness does not count.

    Args:
        pixels: (H, W) or (H, W, 3), finite.
    """
    grey = pixels if pixels.ndim == 2 else pixels[..., 1]
    across = _means(grey, 1)
    small = _means(across, 0)
    small -= small.mean()
    length = np.linalg.norm(small)
    return np.asarray((small / length if length > 0 else small).ravel(), np.float16)


def alike(
    prints: Sequence[NDArray[np.float16]],
    contents: Sequence[bytes],
    *,
    many: float = NEVER,
    surely: float = SURELY,
) -> list[list[int]]:
    """Groups of near-copies: the indices of one image of each content.

    Args:
        prints: of n images, from `fingerprint`.
        contents: n digests; images with the same one are copies, and no news.
        many, surely: as for `group`. Small pictures miss some near-copies; with the usual share and
            the usual certainty fewer are missed where there are many, and others are joined with
            them.
    """
    first = list({content: i for i, content in reversed(list(enumerate(contents)))}.values())[::-1]
    if not first:
        return []
    small = np.array([prints[i] for i in first], np.float32)
    numbers = group(small, lowest=LOWEST, many=many, surely=surely)
    groups: dict[int, list[int]] = {}
    for index, number in zip(first, numbers, strict=True):
        groups.setdefault(int(number), []).append(index)
    return [found for found in groups.values() if len(found) > 1]


def _means(values: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Means of `SIDE` stretches along an axis; of fewer values some count twice."""
    n = values.shape[axis]
    edges = np.arange(SIDE + 1) * n // SIDE
    starts, counts = np.minimum(edges[:-1], n - 1), np.maximum(np.diff(edges), 1)
    sums = np.add.reduceat(values, starts, axis=axis, dtype=np.float64)
    shape = [1, 1]
    shape[axis] = SIDE
    return np.asarray(sums / counts.reshape(shape))

"""Does the promise about false alarms hold? Parts of textures, chosen fairly and unfairly.

python benchmarks/promise_textures.py [SEEDS]    # 20 seeds; about six seconds a fit

Prints the table of docs/calibration.md: of good parts that were not learnt, how many are called
anomalies where 5 % were promised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from oneclass import Detector
from oneclass.datasets.textures import N_NORMAL, SIDE, TEXTURES, squares, texture

Parts = tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]
CUT = 304
"""The column that parts the two halves of a photograph where they overlap."""


def by_chance(rng: np.random.Generator) -> Parts:
    """As the demo does: squares that share no pixel, and chance chooses."""
    normal, new = [], []
    for name in TEXTURES:
        parts = rng.permutation(squares(texture(name)))
        normal += list(parts[:N_NORMAL])
        new += list(parts[N_NORMAL:])
    return normal, new


def by_place(rng: np.random.Generator) -> Parts:
    """Squares that share no pixel; the left two thirds of each photograph are learnt from."""
    normal, new = [], []
    for name in TEXTURES:
        for place, part in enumerate(squares(texture(name))):
            (normal if place % 6 < 4 else new).append(part)
    order = rng.permutation(len(normal))
    return [normal[i] for i in order], new


def overlapping(rng: np.random.Generator) -> Parts:
    """Forty parts anywhere in the left half, twelve anywhere in the right one."""
    normal, new = [], []
    for name in TEXTURES:
        whole = texture(name)
        normal += [anywhere(whole[:, :CUT], rng) for _ in range(40)]
        new += [anywhere(whole[:, CUT:], rng) for _ in range(12)]
    return normal, new


def anywhere(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    top, left = (int(rng.integers(0, n - SIDE + 1)) for n in picture.shape)
    return picture[top : top + SIDE, left : left + SIDE].copy()


LAYOUTS: dict[str, Callable[[np.random.Generator], Parts]] = {
    "no pixel shared, chosen by chance": by_chance,
    "no pixel shared, learnt from the left": by_place,
    "overlapping, learnt from the left": overlapping,
}


def main(seeds: int) -> None:
    print("| parts | good ones called anomalies | share |\n|---|---|---|")
    for name, layout in LAYOUTS.items():
        called = judged = 0
        for seed in range(seeds):
            normal, new = layout(np.random.default_rng(seed))
            detector = Detector(rows="patches", seed=seed, threads=1).fit(np.stack(normal))
            found = detector.score(np.stack(new))
            called += sum(prediction.is_anomaly for prediction in found)
            judged += len(found)
        print(f"| {name} | {called} of {judged} | {called / judged:.1%} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)

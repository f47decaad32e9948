"""False alarms where pictures were multiplied: 34 of a folder, six altered copies of each.

    ONECLASS_DATA=/path/to/data python benchmarks/near_copies.py tiles cells boards

Of each set the first 300 normal pictures are taken; any folder of pictures will do in its place.
One line a folder: what is promised, and the share of the folder's other images that are called
anomalies when the 34 are learnt alone, when copies count as pictures, and when near-copies are kept
together and counted once, as `fit` does; then how many pictures `fit` found in the 204 images, and
in the folder as it is.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from oneclass import Detector
from oneclass.detector import learning
from unpacking import unpacked

N_PICTURES, REPEATS = 34, 3
MOST = 300
SETS = {
    "tiles": ("defects/magnetic_tile.tar", "train/good"),
    "cells": ("defects/elpv_mono.tar", "train/good"),
    "boards": ("defects/deeppcb.tar", "train/good"),
    "freight": ("freight-xray/freight-xray.tar", "empty"),
    "faces": ("lfw/lfw-gray-250.tar", "female"),
}
"""Where these sets lie: an archive under ONECLASS_DATA, and the folder in it."""
Pixels = NDArray[np.uint8]


def pictures_of(name: str) -> list[Path]:
    """The first files of a folder, or of a set; the program ends in one line where it has none."""
    if not (folder := Path(name)).is_dir():
        if name not in SETS:
            sys.exit(f"{name}: expected a folder of pictures, or one of {', '.join(SETS)}.")
        archive, inner = SETS[name]
        folder = unpacked(archive) / inner
    found = sorted(p for p in folder.rglob("*") if p.suffix in {".png", ".jpg"})[:MOST]
    return found or sys.exit(f"{folder}: no .png or .jpg lies there. Give a folder of pictures.")


def altered(pixels: Pixels, random: np.random.Generator) -> list[Pixels]:
    """The picture, and five copies: JPEG, brighter, shifted by 1 %, noisy, darker and turned."""
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    step = max(1, round(0.01 * image.width))
    noisy = pixels + random.normal(0, 3, pixels.shape)
    turned = Image.fromarray(np.pad(pixels, 20, mode="reflect")).rotate(1, Image.BILINEAR)
    return [
        pixels,
        np.asarray(Image.open(file)),
        np.asarray(ImageEnhance.Brightness(image).enhance(1.1)),
        np.roll(np.pad(pixels, step, mode="reflect"), step, (0, 1))[step:-step, step:-step],
        noisy.clip(0, 255).astype(np.uint8),
        np.asarray(ImageEnhance.Brightness(turned).enhance(0.85))[20:-20, 20:-20],
    ]


def alarms(normal: list[Pixels], new: list[Pixels]) -> tuple[float, float, int]:
    """The promised rate, the observed one, and how many pictures there were for `fit`."""
    detector = Detector().fit(normal)
    called = [p.is_anomaly for p in detector.score(new)]
    return detector.card["false_alarms"], float(np.mean(called)), detector.card["fit"]["n_pictures"]


def main() -> None:
    print(
        "| folder | promised | the 34 alone | copies as pictures | as `fit` does | pictures found |"
    )
    print("|---|---|---|---|---|---|")
    together = learning.near_copies
    for folder in sys.argv[1:]:
        images = [np.asarray(Image.open(file).convert("L")) for file in pictures_of(folder)]
        whole = Detector().fit(images).card["fit"]["n_pictures"]
        found: dict[str, list[tuple[float, float, int]]] = {"alone": [], "apart": [], "once": []}
        for seed in range(REPEATS):
            random = np.random.default_rng(seed)
            order = random.permutation(len(images))
            normal = [images[i] for i in order[:N_PICTURES]]
            new = [images[i] for i in order[N_PICTURES:]]
            copies = [copy for image in normal for copy in altered(image, random)]
            found["alone"].append(alarms(normal, new))
            learning.near_copies = lambda rows, contents, whole=None: contents
            found["apart"].append(alarms(copies, new))
            learning.near_copies = together
            found["once"].append(alarms(copies, new))
        mean = {name: np.mean(values, axis=0) for name, values in found.items()}
        cells = [f"{100 * mean[name][1]:.1f} %" for name in ("alone", "apart", "once")]
        print(
            f"| {folder} | {100 * mean['once'][0]:.1f} % | {' | '.join(cells)} "
            f"| {mean['once'][2]:.0f} of 34; the folder: {whole} of {len(images)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""Freight: what is not empty, and why not the other way round.

Freight containers under X-ray, computed from the physics of the beam (the paper's were real ones,
and are not public). With empty containers as normal images all goes well: cargo only darkens.

With loaded ones as normal it does not, and this is worth knowing. Nothing looks more ordinary
among many different loads than what is common to all of them, an empty container. Raw pixels fail
so on real freight too; what the network sees does better there, 0.99 on real images
([the paper's tasks](../paper.md)), but not on these simple computed ones. If what you look for is
an absence, measure before you trust.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from oneclass import Detector
from oneclass.datasets.xray_simulated import load_simulated_xray
from oneclass.statistics import auroc

N = 80
"""Of each kind, to learn from; a quarter of it again to judge."""


def main(folder: Path) -> tuple[Detector, dict[Path, str]]:
    """Learn, score and tell; return the detector and the images to show, with captions."""
    images = load_simulated_xray(seed=0, n_each=N + N // 4).images  # (2 x 100, 9, 32) uint8
    empty, loaded = np.split(images, 2)
    detectors = (Detector(backbone="greyscale", n_halfspaces=1), Detector())
    for name, normal, odd in (("loaded", loaded, empty), ("empty", empty, loaded)):
        for detector in detectors:
            detector.fit(normal[:N])
            scores = [detector.score(part[N:]).scores for part in (normal, odd)]
            print(f"{name:6} is normal, {detector.backbone}: AUROC {auroc(*scores):.3f}")

    folder.mkdir(parents=True, exist_ok=True)
    shown = {}
    for i, image in enumerate([*empty[N : N + 4], *loaded[N : N + 4]]):
        file = folder / f"{i}.png"
        Image.fromarray(image).save(file)
        (prediction,) = detector.score(file)
        shown[file] = f"p {prediction.p_value:.3f}"
    return detector, shown


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "freight"))

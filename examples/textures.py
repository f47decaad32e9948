"""Textures: scratches and stains on brick, gravel and grass.

Three photographs are cut into squares of 85 pixels that share no pixel. Chance says which 72 are
learnt from; the others come in as they are, scratched, and stained. Defects are small, so patches
are looked at: `rows="patches"`, on the command line `--rows patches`.

A promise about false alarms speaks of new images that are like those learnt from, and no copies of
them. Had the squares overlapped, each would have been partly known to the others, and the promise
would have been broken: [by how much](../calibration.md#a-promise-kept-and-broken).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from oneclass import Detector
from oneclass.datasets.textures import KINDS, write_textures
from oneclass.statistics import auroc


def main(folder: Path) -> tuple[Detector, dict[Path, str]]:
    """Learn, score and tell; return the detector and the images to show, with captions."""
    write_textures(folder, seed=0)  # normal/*.png, and incoming/<kind>/*.png
    detector = Detector(rows="patches").fit(folder / "normal")
    found = {kind: list(detector.score(folder / "incoming" / kind)) for kind in KINDS}

    for kind, predictions in found.items():
        called = sum(p.is_anomaly for p in predictions)
        print(f"{kind + ':':8} {called:2} of {len(predictions)} called anomalies")
    good, *odd = (np.array([p.score for p in found[kind]]) for kind in KINDS)
    print(f"AUROC {auroc(good, np.concatenate(odd)):.3f}")

    chosen = [found[kind][i] for i in (2, 14, 26) for kind in KINDS[:: 1 if i == 2 else 2]]
    chosen += [found["scratch"][i] for i in (15, 27)]
    return detector, {Path(p.path): f"p {p.p_value:.3f}" for p in chosen}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "textures"))

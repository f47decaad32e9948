"""Digits: which of these are no fives?

Three hundred handwritten fives, 28 x 28 pixels each, are all that is learnt from. Among the new
ones are other fives and other digits. No setting is given: pictures so small are looked at as a
whole.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from oneclass import Detector
from oneclass.datasets.demonstration import write_digits
from oneclass.statistics import auroc


def main(folder: Path) -> tuple[Detector, dict[Path, str]]:
    """Learn, score and tell; return the detector and the images to show, with captions."""
    write_digits(folder, seed=0)  # normal/*.png, and incoming/<digit>/*.png
    detector = Detector().fit(folder / "normal")
    found = list(detector.score(folder / "incoming"))

    is_five = np.array([Path(p.path).parent.name == "5" for p in found])
    scores = np.array([p.score for p in found])
    called = np.array([p.is_anomaly for p in found])
    print(f"fives called anomalies:  {called[is_five].sum():3} of {is_five.sum()}, 5 % promised")
    print(f"others called anomalies: {called[~is_five].sum():3} of {(~is_five).sum()}")
    print(f"AUROC {auroc(scores[is_five], scores[~is_five]):.3f}")

    calm_to_odd = np.argsort(scores)
    chosen = calm_to_odd[np.linspace(0, len(found) - 1, 8).astype(int)]
    return detector, {Path(found[i].path): f"p {found[i].p_value:.3f}" for i in chosen}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits"))

"""How many normal images show a marked position, where a share of them is promised.

    ONECLASS_DATA=/path/to/data python benchmarks/pixel_threshold.py [SET ...]

A random half of a set's normal training images is learnt from, the other half is looked at; so both
are of one kind, as the promise wants it. Draws differ in the halves. Beside the normal images: how
many of the anomalous test images show a mark.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np

from oneclass import Detector, Explanation
from patch_sets import pictures

SETS = ("magnetic_tile", "elpv_mono", "deeppcb")
RATES = (0.05, 0.1, 0.2)


def marked(detector: Detector, files: list[str]) -> list[float]:
    """At each rate, the share of images with a position above the threshold."""
    found = [one for one in detector.explain(files) if isinstance(one, Explanation)]
    thresholds = [detector.model.at_rates(rate, None).pixel_threshold for rate in RATES]
    return [
        float(np.mean([one.anomaly_map.max() > threshold for one in found]))
        for threshold in thresholds
    ]


def measure(name: str, rows: str, draws: int, cache: str) -> str:
    """A line of the table."""
    found = pictures(name)
    names = [str(file) for file in found.files]
    normal, odd, n = [], [], len(found.train)
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(found.train)
        detector = Detector(rows=rows, threads=1, seed=seed, cache=cache)
        detector.fit([names[i] for i in np.sort(order[: n // 2])])
        normal.append(marked(detector, [names[i] for i in order[n // 2 :]]))
        odd.append(marked(detector, [names[i] for i in found.odd]))
    shares = [100 * np.mean(part, axis=0) for part in (normal, odd)]
    cells = [f"{share:.1f} %" for part in shares for share in part]
    return f"| {name} | {rows} | {n // 2} | {draws * (n - n // 2)} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--draws", type=int, default=3)
    asked = parser.parse_args()
    told = [f"{kind} at {rate:.0%}" for kind in ("normal", "anomalous") for rate in RATES]
    print("| set | looks at | learnt | normal images | " + " | ".join(told) + " |")
    print("|" + "---|" * (4 + len(told)))
    with tempfile.TemporaryDirectory() as cache:
        for name in asked.sets:
            for rows in ("image", "both"):
                print(measure(name, rows, asked.draws, cache), flush=True)


if __name__ == "__main__":
    main()

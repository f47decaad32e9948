"""The detector as it comes, with its defaults, on real sets with defects.

    ONECLASS_DATA=/path/to/data python benchmarks/bench_defects.py [--write] [SET ...]

Prints for each set: AUROC of images with its interval, false alarms and anomalies found at the
promised rate, AU-PRO, seconds of processor time for the fit, milliseconds an image, the model's
size. The draws differ in which share of the normal images is learnt from; of each there are
`--fits`, which differ in how the parts are dealt, and at the end their means.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from oneclass import Detector, Explanation
from oneclass.conformal import calibration, parts
from oneclass.statistics import auroc, auroc_interval
from patch_measures import pixel_measures
from patch_sets import Pictures, pictures

SETS = ("deeppcb", "magnetic_tile", "elpv_mono")
RESULTS = Path(__file__).parent / "results" / "defects.json"
SHARE = 0.75


def measure(name: str, draw: int, fit: int, asked: argparse.Namespace) -> dict[str, Any]:
    found = pictures(name)
    n_learnt = round(asked.share * len(found.train))
    some = np.random.default_rng(draw).permutation(found.train)[:n_learnt]
    files = found.files
    start = time.process_time()
    detector = Detector(rows=asked.rows, threads=asked.threads, seed=fit)
    detector.fit([files[i] for i in np.sort(some)])
    fitted = time.process_time() - start
    start = time.process_time()
    normal = list(detector.explain([files[i] for i in found.normal]))
    odd = list(detector.explain([files[i] for i in found.odd]))
    scored = time.process_time() - start
    assert all(isinstance(one, Explanation) for one in (*normal, *odd))
    scores = [np.array([one.prediction.score for one in part]) for part in (normal, odd)]
    called = [[one.prediction.is_anomaly for one in part] for part in (normal, odd)]
    with tempfile.TemporaryDirectory() as folder:
        detector.save(Path(folder) / "m")
        size = (Path(folder) / "m").stat().st_size
    return {
        "set": name,
        "rows": detector.card["representation"]["kind"],
        "pixels": detector.card["representation"]["preprocessing"]["size"],
        "seed": draw,
        "fit": fit,
        "learnt": len(some),
        "auroc": auroc(*scores),
        "interval": auroc_interval(*scores),
        "false_alarms": float(np.mean(called[0])),
        "found": float(np.mean(called[1])),
        "au_pro": _au_pro(found, normal, odd),
        "fit_seconds": fitted,
        "ms_an_image": 1000 * scored / (len(normal) + len(odd)),
        "model_bytes": size,
    }


def _au_pro(found: Pictures, normal: list[Any], odd: list[Any]) -> float | None:
    if not found.masks:
        return None
    masks = [found.mask(number) for number in range(len(odd))]
    maps = [[one.anomaly_map for one in part] for part in (normal, odd)]
    return pixel_measures(*maps, masks)[1]


def table(results: list[dict[str, Any]]) -> str:
    head = (
        "| set | looked at | learnt from | AUROC (95 %) | false alarms | found | AU-PRO | fit, s | "
        "ms an image, with map | kB |\n|" + "---|" * 10
    )
    lines = [
        f"| {r['set']} | {r['rows']}, {r['pixels'][0]} x {r['pixels'][1]} | {r['learnt']} | "
        f"{r['auroc']:.3f} ({r['interval'][0]:.3f} to {r['interval'][1]:.3f}) | "
        f"{100 * r['false_alarms']:.1f} % | {100 * r['found']:.0f} % | "
        f"{'' if r['au_pro'] is None else format(r['au_pro'], '.3f')} | {r['fit_seconds']:.0f} | "
        f"{r['ms_an_image']:.0f} | {r['model_bytes'] / 1e3:.0f} |"
        for r in results
    ]
    return "\n".join([head, *lines])


def means(results: list[dict[str, Any]]) -> str:
    lines = ["| set | AUROC | false alarms | found | AU-PRO |", "|---" * 5 + "|"]
    for name in dict.fromkeys(r["set"] for r in results):
        own = [r for r in results if r["set"] == name]
        mean = {key: np.mean([r[key] for r in own]) for key in ("auroc", "false_alarms", "found")}
        maps = (
            "" if own[0]["au_pro"] is None else format(np.mean([r["au_pro"] for r in own]), ".3f")
        )
        lines.append(
            f"| {name} | {mean['auroc']:.4f} | {100 * mean['false_alarms']:.1f} % | "
            f"{100 * mean['found']:.1f} % | {maps} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--rows", choices=["image", "patches", "both"])
    parser.add_argument("--seeds", type=int, default=1, help="draws")
    parser.add_argument("--fits", type=int, default=1, help="of each draw, by other seeds")
    parser.add_argument("--parts", type=int, default=calibration.PARTS, help="of the images")
    parser.add_argument("--share", type=float, default=SHARE, help="of normal images, learnt from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    asked = parser.parse_args()
    results = []
    with patch.object(calibration, "PARTS", asked.parts), patch.object(parts, "PARTS", asked.parts):
        for name in asked.sets:
            for number in range(asked.seeds * asked.fits):
                results.append(measure(name, *divmod(number, asked.fits), asked))
                print(table(results[-1:]), flush=True)
    print(table(results), means(results), sep="\n\n")
    if asked.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

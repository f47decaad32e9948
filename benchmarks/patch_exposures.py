"""The default detector with other exposures of its pictures, and other image scores of its maps.

    ONECLASS_DATA=/path/to/data python benchmarks/patch_exposures.py [--seeds N] [SET ...]

Whole images and patches, learnt from three quarters of the normal images. "Exposures": pictures as
they come; half of their exposure taken off, being their mean or what a tenth of them lies above;
all of the latter. Of each model's maps, image scores of other shares of worst positions, and with
the whole image counting more or less. Prints AUROC, false alarms in % at 5 % where the score is
the model's own, and with masks AU-PRO, each the mean over the draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from oneclass import Detector
from oneclass.conformal import parts
from oneclass.conformal.union import Joined
from oneclass.representations import preparation
from oneclass.statistics import auroc
from patch_levels import SHARE, SIZES, worst
from patch_measures import pixel_measures, print_means, smooth
from patch_sets import Pictures, pictures

TENTH, MEAN = preparation.exposure_gain, 0.45
WHOLE, WORST, OWN = (0, 0.25, 0.5, 1), (0.001, 0.003, 0.005, 0.03), 0.01
Maps = NDArray[np.float64]


def by_mean(planes: NDArray[Any], low: float, span: float) -> float:
    return float((MEAN / max((planes.mean() - low) / span, preparation.DARK)) ** 0.5)


EXPOSURES = {
    "as they come": lambda *given: 1.0,
    "half of their mean's": by_mean,
    "half of a tenth's": TENTH,
    "all of a tenth's": lambda *given: TENTH(*given) ** 2,
}


def measured(found: Pictures, seed: int) -> Iterator[tuple[str, list[float]]]:
    random = np.random.default_rng(seed)
    some = np.sort(random.permutation(found.train)[: round(SHARE * len(found.train))])
    for exposure, gain in EXPOSURES.items():
        with patch.object(preparation, "exposure_gain", gain):
            detector = Detector(rows="both", threads=1).fit([found.files[i] for i in some])
            every = [list(detector.explain([found.files[i] for i in kind]))
                     for kind in (found.normal, found.odd)]  # fmt: skip
        maps = [np.stack([one.anomaly_map for one in kind]) for kind in every]
        whole = [np.array([one.offset for one in kind]) / parts.OF_WHOLE for kind in every]
        assert isinstance(detector.model.union, Joined)
        alarms = 100 * float(np.mean([one.prediction.is_anomaly for one in every[0]]))
        pro = []
        if found.masks:
            masks = [found.mask(i) for i in range(len(found.odd))]
            pro = [pixel_measures(*(list(m.astype(np.float32)) for m in maps), masks)[1]]
        for share in WHOLE:
            told = [told_apart(maps, whole, share)]
            own = share == parts.OF_WHOLE
            yield f"{exposure}, whole x {share:g}", [*told, alarms, *pro] if own else told
        for of_map in WORST:
            way = f"{exposure}, whole x {parts.OF_WHOLE:g}, worst {100 * of_map:g} %"
            yield way, [told_apart(maps, whole, parts.OF_WHOLE, of_map)]
        soft = [np.stack([smooth(one, 0.7) for one in kind]) for kind in maps]
        way = f"{exposure}, whole x {parts.OF_WHOLE:g}, map smoothed by .7"
        yield way, [told_apart(soft, whole, parts.OF_WHOLE)]
        less = [w - 0.2 * m.mean(axis=(1, 2)) for w, m in zip(whole, maps, strict=True)]
        yield f"{exposure}, whole x 1, less .2 of the map's mean", [told_apart(maps, less, 1)]


def told_apart(maps: list[Maps], whole: list[Maps], share: float, of_map: float = OWN) -> float:
    """AUROC of the worst positions' mean and a share of what the whole image adds."""
    scores = [worst(m.reshape(len(m), -1), of_map) + share * w
              for m, w in zip(maps, whole, strict=True)]  # fmt: skip
    return auroc(*scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    seeds = list(range(asked.seeds))
    print_means(asked.sets, seeds, lambda name, seed: measured(pictures(name), seed))


if __name__ == "__main__":
    main()

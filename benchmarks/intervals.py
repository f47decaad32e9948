"""How often the 95 % intervals of `oneclass evaluate` hold the truth, and how wide they are.

    python benchmarks/intervals.py [--draws 300] [--pixels]

Scores are drawn whose truth is known: normal ones, and odd ones that lie higher ("shifted"), also
with three times their spread ("spread"), or far above but for some that look normal ("alike") or
are below all ("missed"). For each number of images and each true AUROC a line says, of the four
figures, in what share of the draws the interval holds the truth, the worst of the four kinds, and
how wide it is on average over them; then the same of the AUROC with an ordinary bootstrap of the
images, and with the score interval of Newcombe 2006 (method 5), which takes a shape for granted.
`--pixels` does it for the figures of maps, whose truth is that of 400 pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from oneclass.evaluation import ranking
from oneclass.evaluation.pixels import Marked, PixelMeasures, count_pixels
from oneclass.evaluation.ranking import Figure, rank
from oneclass.statistics import Floats, auroc
from oneclass.system.arrays import Mask

SIZES = ((3, 3), (5, 5), (10, 10), (50, 50), (200, 200), (10, 200), (200, 10))
AREAS = (0.5, 0.8, 0.95, 0.99)
KINDS = ("shifted", "spread", "alike", "missed")
COLUMNS = ("AUROC", "average precision", "best F1", "F1", "by bootstrap", "by Newcombe")
MANY = 100_000
FAR, THRESHOLD = 20.0, 1.645
Rng = np.random.Generator


def odd_scores(kind: str, area: float, m: int, rng: Rng) -> Floats:
    """(m,) scores whose AUROC is an area against standard normal ones."""
    noise = rng.normal(size=m)
    if kind == "alike":
        return noise + FAR * (rng.random(m) > 2 * (1 - area))
    if kind == "missed":
        return noise + np.where(rng.random(m) < area, FAR, -FAR)
    spread = 3 if kind == "spread" else 1
    return spread * noise + NormalDist().inv_cdf(area) * np.hypot(1, spread)


def bootstrap(normal: Floats, odd: Floats, rng: Rng) -> tuple[float, float]:
    above = (odd > normal[:, None]) + (odd == normal[:, None]) / 2
    n, m = above.shape
    of_normal, of_odd = (rng.multinomial(k, np.full(k, 1 / k), 1000) / k for k in (n, m))
    low, high = np.quantile(((of_normal @ above) * of_odd).sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def newcombe(normal: Floats, odd: Floats) -> tuple[float, float]:
    """The areas that lie 1.96 of their own standard errors from what was measured."""
    n, m, seen = len(normal), len(odd), auroc(normal, odd)
    areas = np.linspace(0, 1, 20_001)
    shape = 1 + ((n + m) / 2 - 1) * ((1 - areas) / (2 - areas) + areas / (1 + areas))
    near = (areas - seen) ** 2 <= 1.96**2 * areas * (1 - areas) * shape / (n * m)
    return float(areas[near][0]), float(areas[near][-1])


def measured(size: tuple[int, int], area: float, kind: str, draws: int) -> tuple[Floats, Floats]:
    """(draws, 6): whether intervals hold the truth, and their widths; the others come last."""
    rng = np.random.default_rng(0)
    normal, odd = scores(size, area, kind, rng, times=MANY // max(size))
    # The mix of the many is that of the few: on it hang all figures but the AUROC.
    once = next(ranking._weights(len(normal), len(odd), rng))
    everything = ranking._with_unseen(normal, odd, called(normal, odd), best=True)
    truth = everything.measure(once)[:, 0]
    ends = np.empty((draws, 6, 2))
    for seed in range(draws):
        normal, odd = scores(size, area, kind, rng)
        found = rank(normal, odd, called(normal, odd), seed=seed)
        figures = (found.auroc, found.average_precision, found.best_f1, found.f1)
        ends[seed, :4] = [(one.low, one.high) for one in figures]
        ends[seed, 4:] = bootstrap(normal, odd, rng), newcombe(normal, odd)
    truth = np.append(truth, [area, area])
    truth[0] = area
    low, high = ends[:, :, 0], ends[:, :, 1]
    return (low <= truth + 1e-9) & (truth - 1e-9 <= high), high - low


def scores(
    size: tuple[int, int], area: float, kind: str, rng: Rng, times: int = 1
) -> tuple[Floats, Floats]:
    n, m = size
    return rng.normal(size=times * n), odd_scores(kind, area, times * m, rng)


def called(normal: Floats, odd: Floats) -> Mask:
    return np.concatenate([normal, odd]) > THRESHOLD


def of_images(draws: int) -> None:
    print(f"| normal | odd | AUROC | {' | '.join(COLUMNS)} |\n|{'---|' * (3 + len(COLUMNS))}")
    for size in SIZES:
        for area in AREAS:
            held, width = zip(*(measured(size, area, kind, draws) for kind in KINDS), strict=True)
            worst = np.min([one.mean(axis=0) for one in held], axis=0)
            wide = np.mean(width, axis=(0, 1))
            cells = (f"{100 * a:.0f} %, {b:.2f}" for a, b in zip(worst, wide, strict=True))
            print(f"| {size[0]} | {size[1]} | {area} | {' | '.join(cells)} |", flush=True)


def pictures(n: int, rng: Rng) -> Iterator[Marked]:
    """n normal pictures and n with a region each, of which a tenth is not seen at all."""
    for odd in np.repeat([False, True], n):
        grid = rng.normal(size=(16, 16)).astype(np.float32)
        mask = np.zeros(grid.shape, bool)
        if odd:
            mask[2 : 3 + rng.integers(1, 6), 2 : 3 + rng.integers(1, 6)] = True
            grid[mask] += 4 * rng.random() if rng.random() > 0.1 else -4
        yield grid, grid.shape, mask if odd else None


def of_pixels(draws: int) -> None:
    def figures(n: int, seed: int) -> list[Figure]:
        counts = count_pixels(lambda: pictures(n, np.random.default_rng(seed)))
        found = PixelMeasures(counts, seed=seed).of(range(n))
        assert found is not None
        return [found.auroc, found.au_pro_30, found.au_pro_5]

    truth = [one.value for one in figures(400, 0)]
    print("| pictures of each | pixel AUROC | AU-PRO 30 % | AU-PRO 5 % |\n|---|---|---|---|")
    for n in (1, 3, 5, 10, 50):
        found = [figures(n, seed) for seed in range(1, draws + 1)]
        cells = []
        for ones, value in zip(zip(*found, strict=True), truth, strict=True):
            share = np.mean([one.low <= value <= one.high for one in ones])
            width = np.mean([one.high - one.low for one in ones])
            cells.append(f"{100 * share:.0f} %, {width:.2f}")
        print(f"| {n} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--pixels", action="store_true")
    given = parser.parse_args()
    (of_pixels if given.pixels else of_images)(given.draws)


if __name__ == "__main__":
    main()

"""Wilcoxon's signed rank test between representations, and between networks (section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from oneclass.paper.protocol import Cell
from oneclass.statistics import bootstrap_interval, wilcoxon

Place = TypeVar("Place", int, tuple[int, str])


@dataclass(frozen=True)
class Comparison:
    """The differences of two columns of figures, a less b.

    Attributes:
        a, b: what is compared.
        over: what the differences are of, in words.
        n: how many there are.
        mean: of the differences.
        interval: 95 % bootstrap interval of the mean.
        p: two-sided and exact; None where nothing differs.
        smallest_p: that so many differences can have.
        caution: what the test takes for granted and does not hold; empty where there is nothing.
    """

    a: str
    b: str
    over: str
    n: int
    mean: float
    interval: tuple[float, float]
    p: float | None
    smallest_p: float | None
    caution: str = ""

    @property
    def sentence(self) -> str:
        if self.p is None or self.smallest_p is None:
            return f"{self.a} and {self.b} do not differ in any of {self.over}."
        low, high = self.interval
        return (
            f"{self.a} less {self.b}, over {self.over}: mean {self.mean:+.3f} (95 % bootstrap "
            f"interval {low:+.3f} to {high:+.3f}); Wilcoxon signed rank, two-sided p = "
            f"{p_text(self.p)}, and no p below {p_text(self.smallest_p)} is possible with so many."
            f"{self.caution}"
        )


def compare(cells: Sequence[Cell]) -> list[Comparison]:
    """Every two representations over their common tasks, then every two networks."""
    simulated = {cell.task for cell in cells if cell.simulated}

    def tasks(places: Sequence[int]) -> str:
        n = len(simulated.intersection(places))
        return f"{len(places)} tasks ({n} simulated)" if n else f"{len(places)} tasks"

    found = list(_pairs(_by_representation(cells), tasks))
    networks = _by_network(cells)
    several = {name for name, layers in networks.items() if len(layers) > 1}
    means = {
        f"{name} (mean of {len(layers)} layers)": _mean_over_layers(list(layers.values()))
        for name, layers in networks.items()
    }
    if several:
        found += _pairs(means, tasks)
    for a, b in combinations(several and networks, 2):
        found += _over_layers(a, networks[a], b, networks[b])
    return found


def _over_layers(
    a: str,
    first: Mapping[str, Mapping[int, float]],
    b: str,
    second: Mapping[str, Mapping[int, float]],
) -> Iterator[Comparison]:
    """As the paper compares networks: over pairs of task and layer, where they share layers."""
    shared = [layer for layer in first if layer in second]
    if len(shared) < 2:
        return
    sides = {
        name: {(task, layer): value for layer in shared for task, value in layers[layer].items()}
        for name, layers in ((a, first), (b, second))
    }
    caution = " The layers of one task are not independent, so a p over such pairs is too small."
    yield from _pairs(sides, lambda places: f"{len(places)} pairs of task and layer", caution)


def _pairs(
    columns: Mapping[str, Mapping[Place, float]],
    words: Callable[[Sequence[Place]], str],
    caution: str = "",
) -> Iterator[Comparison]:
    for (a, first), (b, second) in combinations(columns.items(), 2):
        places = sorted(first.keys() & second.keys())
        if len(places) < 2:
            continue
        gaps = np.array([first[place] - second[place] for place in places])
        p, smallest = wilcoxon(gaps) if gaps.any() else (None, None)
        mean, interval = float(gaps.mean()), bootstrap_interval(gaps)
        yield Comparison(a, b, words(places), len(gaps), mean, interval, p, smallest, caution)


def _by_representation(cells: Sequence[Cell]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for cell in cells:
        found.setdefault(cell.representation, {})[cell.task] = cell.mean
    return found


def _by_network(cells: Sequence[Cell]) -> dict[str, dict[str, dict[int, float]]]:
    """For each network and layer the figure of each task; grey-scale is no network."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for name, figures in _by_representation(cells).items():
        network, colon, layer = name.rpartition(":")
        if colon:
            found.setdefault(network, {})[layer] = figures
    return found


def _mean_over_layers(layers: Sequence[Mapping[int, float]]) -> dict[int, float]:
    tasks = set.intersection(*map(set, layers))
    return {task: float(np.mean([layer[task] for layer in layers])) for task in sorted(tasks)}


def p_text(value: float | None) -> str:
    """A p-value in three decimals, or with its power of ten where these would all be 0."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.0005 else f"{value:.1e}"

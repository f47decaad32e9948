"""Wilcoxon's signed rank test between representations, and between networks (section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from oneclass.paper.protocol import Cell
from oneclass.statistics import bootstrap_interval, wilcoxon

CAUTION = " The layers of one task are not independent, so a p over such pairs is too small."
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

    def count(tasks: Sequence[int], what: str) -> str:
        n = sum(task in simulated for task in tasks)
        return f"{len(tasks)} {what} ({n} simulated)" if n else f"{len(tasks)} {what}"

    found = list(_pairs(_by_representation(cells), lambda tasks: count(tasks, "tasks")))
    networks = _by_network(cells)
    if any(len(layers) > 1 for layers in networks.values()):
        means = dict(_mean_over_layers(*item) for item in networks.items())
        found += _pairs(means, lambda tasks: count(tasks, "tasks"))
    for pair in combinations(networks, 2):
        sides = _shared_layers({name: networks[name] for name in pair})
        found += _pairs(
            sides, lambda places: count([t for t, _ in places], "pairs of task and layer"), CAUTION
        )
    return found


def _mean_over_layers(
    network: str, layers: Mapping[str, Mapping[int, float]]
) -> tuple[str, dict[int, float]]:
    """A network's name and, for each task, the mean of the figures of its layers."""
    (first, *_), n = layers, len(layers)
    tasks = sorted(set.intersection(*map(set, layers.values())))
    means = {task: float(np.mean([layer[task] for layer in layers.values()])) for task in tasks}
    return f"{network} (mean of {n} layers)" if n > 1 else f"{network}:{first}", means


def _shared_layers(
    networks: Mapping[str, Mapping[str, Mapping[int, float]]],
) -> dict[str, dict[tuple[int, str], float]]:
    """For each network its figures by (task, layer), of layers that all have; none for one layer.

    So the paper compares networks: its p of 0.00 takes 24 pairs.
    """
    shared = set.intersection(*map(set, networks.values()))
    if len(shared) < 2:
        return {}
    return {
        name: {(task, layer): v for layer in shared for task, v in layers[layer].items()}
        for name, layers in networks.items()
    }


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


def p_text(value: float | None) -> str:
    """A p-value in three decimals, or with its power of ten where these would all be 0."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.0005 else f"{value:.1e}"

"""Table 3, ours beside the paper's: for the terminal, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from oneclass import __version__
from oneclass.paper.protocol import NUS, Cell
from oneclass.paper.tables import TABLE_1, printed
from oneclass.statistics import bootstrap_interval, wilcoxon


def paper_column(representation: str, task: int) -> str:
    """The column of the paper that a representation is compared with; empty where it has none.

    By the layer's name: P5, FC6, FC7 and FC8 are VGG-F's, or VGG-M's where the network's name says
    so; P8 and FC9 are those of Male-5045.
    """
    if representation == "greyscale":
        return "GS"
    network, _, layer = representation.rpartition(":")
    if layer in ("P8", "FC9") and task == 7:
        return f"MALE-5045 {layer}"
    return f"VGG-{'M' if 'vgg-m' in network.lower() else 'F'} {layer}"


def markdown(cells: Sequence[Cell], notes: Sequence[str]) -> str:
    """The table, the averages, what stands in for what, and the tests."""
    lines = [
        "| task | representation | ours | the paper | difference | trained on | tested on |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        task = TABLE_1[cell.task - 1]
        column = paper_column(cell.representation, cell.task)
        figure = printed(column, task)
        theirs = "-" if figure is None else f"{figure[0]:.4f} ± {figure[1]:.4f} ({column})"
        gap = "-" if figure is None else f"{cell.mean - figure[0]:+.4f}"
        lines.append(
            f"| {cell.title} | {cell.representation} | {cell.mean:.4f} ± "
            f"{cell.std:.4f} | {theirs} | {gap} | {cell.n_train} | {cell.n_test} + {cell.n_test} |"
        )
    for name, figures in _by_representation(cells).items():
        if len(figures) > 1:
            mean = np.mean(list(figures.values()))
            lines.append(f"| average of {_count(cells, figures)} | {name} | {mean:.4f} | | | | |")
    lines += ["", *(f"- {note}" for note in [*notes, *comparisons(cells)])]
    return "\n".join(lines) + "\n"


def comparisons(cells: Sequence[Cell]) -> list[str]:
    """Wilcoxon's signed rank test between every two representations, over their common tasks."""
    sentences = []
    for (a, first), (b, second) in combinations(_by_representation(cells).items(), 2):
        tasks = sorted(first.keys() & second.keys())
        if len(tasks) < 2:
            continue
        gaps = np.array([first[t] - second[t] for t in tasks])
        if not gaps.any():
            sentences.append(f"{a} and {b} do not differ in any of {_count(cells, tasks)} tasks.")
            continue
        p, smallest = wilcoxon(gaps)
        low, high = bootstrap_interval(gaps)
        sentences.append(
            f"{a} less {b}, over {_count(cells, tasks)} tasks: mean {gaps.mean():+.3f} (95 % "
            f"bootstrap interval {low:+.3f} to {high:+.3f}); Wilcoxon signed rank, two-sided "
            f"p = {p:.3f}, and no p below {smallest:.3f} is possible with so many."
        )
    return sentences


def as_json(
    cells: Sequence[Cell], notes: Sequence[str], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything, for other programs."""
    return {
        "oneclass": __version__,
        "settings": dict(settings),
        "nu": NUS.tolist(),
        "notes": list(notes),
        "cells": [
            {**asdict(cell), "mean": cell.mean, "std": cell.std, "paper": _theirs(cell)}
            for cell in cells
        ],
        "largest_dual_gap": max((cell.gap for cell in cells), default=None),
    }


def _theirs(cell: Cell) -> dict[str, Any] | None:
    column = paper_column(cell.representation, cell.task)
    figure = printed(column, TABLE_1[cell.task - 1])
    return figure and {"column": column, "mean": figure[0], "std": figure[1]}


def _by_representation(cells: Sequence[Cell]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for cell in cells:
        found.setdefault(cell.representation, {})[cell.task] = cell.mean
    return found


def _count(cells: Sequence[Cell], tasks: Collection[int]) -> str:
    """How many tasks, and how many of them on images that were computed."""
    simulated = len({cell.task for cell in cells if cell.simulated} & set(tasks))
    return f"{len(tasks)} ({simulated} simulated)" if simulated else str(len(tasks))

"""Table 3, ours beside the paper's: what every form of it has, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oneclass import __version__
from oneclass.paper.comparisons import compare
from oneclass.paper.protocol import NUS, Cell
from oneclass.paper.rows import Pass
from oneclass.paper.standins import paper_column, stand_ins
from oneclass.paper.tables import TABLE_1, printed
from oneclass.report import tabular
from oneclass.report.tabular import Table

COSTS = (
    "One pass through the network is for all tasks and layers of a data set; the solver's seconds "
    "are for fitting 21 nu to each training set, and scoring. The duality gap is the largest of "
    "all these fits: the solver's objective is no further than this share from its minimum."
)
FIGURES = (
    "Ours and the paper's figures are AUROC, the chance that an anomaly scores higher than a "
    "normal image (1 is perfect, 0.5 a coin, less the wrong way round), averaged over 21 values of "
    "nu, the share of the images learnt from that may be left outside; mean ± standard "
    "deviation over the training sets, of a single one the mean alone. The difference is ours less "
    "the paper's."
)
PAPER = (
    "The paper: Andrews, Tanay, Morton and Griffin, Transfer Representation-Learning for Anomaly "
    "Detection (2016), Table 3; behind each figure the column that it is from, GS for grey-scale, "
    "else a network and its layer. A - is a figure that it does not have."
)
COUNTS = (
    "Trained on: normal images, in each training set. Tested on: normal images + anomalies, none "
    "of which was learnt. Representation: greyscale is an image's own pixels; else NETWORK:LAYER, "
    "and behind @ into how many positions a side the layer is averaged."
)


@dataclass(frozen=True)
class Results:
    """What a run has found until now.

    Attributes:
        cells: in the order of the tasks.
        data: sentences on the data sets.
        settings: that the run was asked for; `seed` and `trials` among them.
    """

    cells: Sequence[Cell]
    data: Sequence[str]
    settings: Mapping[str, Any]

    @property
    def conditions(self) -> list[str]:
        """Sentences on the seed, on sizes that had to shrink, and on the data."""
        seed, trials = self.settings["seed"], self.settings["trials"]
        first = f"Seed {seed}, {trials} training sets a task, 21 nu from 0.01 to 0.99."
        return [first, *_sizes(self.cells), *self.data]

    @property
    def meanings(self) -> list[str]:
        """Sentences on what the words of the table mean."""
        tasks = (TABLE_1[number - 1] for number in sorted({cell.task for cell in self.cells}))
        classes = "; ".join(
            f"{task.name} is {', '.join(task.normal)} against {', '.join(task.anomaly)}"
            for task in tasks
        )
        return [FIGURES, PAPER, COUNTS, f"Normal images against anomalies: {classes}."]

    @property
    def stand_ins(self) -> list[str]:
        """Sentences on what stands in for what of the paper."""
        return stand_ins((cell.representation, cell.task) for cell in self.cells)


def figures(results: Results) -> Table:
    """Our figures, the paper's, the difference, and the counts; then the averages."""
    lines: list[Sequence[str]] = []
    for cell in results.cells:
        paper = theirs(cell)
        printed_one = (
            f"{paper['mean']:.4f} ± {paper['std']:.4f} ({paper['column']})" if paper else "-"
        )
        gap = f"{cell.mean - paper['mean']:+.4f}" if paper else "-"
        spread = f" ± {cell.std:.4f}" if len(cell.trials) > 1 else ""
        ours, tested = f"{cell.mean:.4f}{spread}", f"{cell.n_test} + {cell.n_test}"
        lines.append(
            (cell.title, cell.representation, ours, printed_one, gap, str(cell.n_train), tested)
        )
    for name in dict.fromkeys(cell.representation for cell in results.cells):
        mine = [cell for cell in results.cells if cell.representation == name]
        if len(mine) > 1:
            simulated = sum(cell.simulated for cell in mine)
            n = f"{len(mine)} ({simulated} simulated)" if simulated else str(len(mine))
            mean = np.mean([cell.mean for cell in mine])
            lines.append((f"average of {n}", name, f"{mean:.4f}", "", "", "", ""))
    headings = ("task", "representation", "ours", "the paper", "difference", "trained on")
    return (*headings, "tested on"), lines


def costs(results: Results) -> Table:
    """Seconds of the network and of the solver, and the certificate."""
    return ("task", "representation", "network", "solver", "largest duality gap"), [
        (
            cell.title,
            cell.representation,
            _network(cell.network),
            f"{cell.seconds:.1f} s",
            f"{cell.gap:.1e}",
        )
        for cell in results.cells
    ]


def markdown(results: Results) -> str:
    """The table, what stands in for what, the tests, and the costs."""
    tests = [comparison.sentence for comparison in compare(results.cells)]
    notes = [*results.meanings, *results.conditions, *results.stand_ins, *tests]
    parts = [tabular.markdown(figures(results)), *(f"- {note}" for note in notes), ""]
    return "\n".join([*parts, tabular.markdown(costs(results)), COSTS]) + "\n"


def as_json(results: Results) -> dict[str, Any]:
    """Everything, for other programs."""
    return {
        "oneclass": __version__,
        "settings": dict(results.settings),
        "nu": NUS.tolist(),
        "notes": results.conditions,
        "stand_ins": results.stand_ins,
        "cells": [_cell(cell) for cell in results.cells],
        "comparisons": [
            {**asdict(comparison), "sentence": comparison.sentence}
            for comparison in compare(results.cells)
        ],
        "largest_dual_gap": max((cell.gap for cell in results.cells), default=None),
    }


def _cell(cell: Cell) -> dict[str, Any]:
    record = {**asdict(cell), "mean": cell.mean, "std": cell.std, "paper": theirs(cell)}
    record["network"]["images_per_second"] = cell.network.per_second
    return record


def theirs(cell: Cell) -> dict[str, Any] | None:
    """The column, mean and standard deviation that the paper prints for a cell, if it does."""
    column = paper_column(cell.representation, cell.task)
    figure = column and printed(column, TABLE_1[cell.task - 1])
    return {"column": column, "mean": figure[0], "std": figure[1]} if figure else None


def _sizes(cells: Sequence[Cell]) -> list[str]:
    """A sentence on the sets that are smaller than the paper's."""
    smaller = []
    for cell in {cell.task: cell for cell in cells}.values():
        task = TABLE_1[cell.task - 1]
        if (cell.n_train, cell.n_test) != (task.n_train, task.n_test):
            smaller.append(
                f"task {task.number} learns from {cell.n_train:,} images instead of "
                f"{task.n_train:,} and is tested on {cell.n_test:,} of each class instead of "
                f"{task.n_test:,}"
            )
    if not smaller:
        return []
    return [f"Sizes scaled down, since there are fewer images: {'; '.join(smaller)}."]


def _network(passed: Pass) -> str:
    text = f"{passed.images:,} images in {passed.seconds:.1f} s, {passed.per_second:,.0f}/s"
    found = passed.cache.found if passed.cache else 0
    return f"{text} ({found:,} from the cache)" if found else text

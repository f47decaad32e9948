"""Table 3, ours beside the paper's, as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oneclass.errors import MissingDependencyError
from oneclass.paper.comparisons import Comparison, compare, p_text
from oneclass.paper.output import COSTS, Results, costs, figures, theirs
from oneclass.paper.protocol import NUS, Cell
from oneclass.paper.tables import TABLE_1, Task
from oneclass.report import plots
from oneclass.report.markup import figure, section, text, whole_page
from oneclass.report.tabular import Table, bullets, html

LEAD = (
    "Ours beside Table 3 of Andrews, Tanay, Morton and Griffin, Transfer Representation-Learning "
    "for Anomaly Detection (2016): AUROC averaged over 21 nu, mean and standard deviation over "
    "the trials."
)
CURVES = (
    "The paper prints only the average over nu: where it has one for a line, it is the stroke of "
    "the same colour at the right edge."
)
TESTS = (
    "Mean difference of the AUROC with its 95 % bootstrap interval; Wilcoxon's signed rank test, "
    "two-sided and exact, and the smallest p that so many differences can have."
)
GROUPS = ("task", "figures of")
"""Headings of first columns whose equal lines come together."""
WORDS = (*GROUPS, "representation", "network", "less", "over")
"""Headings of columns that hold words; the others hold numbers."""


def results_page(results: Results) -> str:
    """The page; without plots, and saying so, where matplotlib is not installed.

    Args:
        results: what a run has found; at least one cell.
    """
    curves, banners = "", []
    try:
        curves = _curves(results.cells)
    except MissingDependencyError as error:
        banners.append(f"There are no plots on this page: {error}")
    tests = compare(results.cells)
    sections = [
        section(
            "table-3",
            "Table 3",
            _table(figures(results)) + bullets([*results.meanings, *results.conditions]),
        ),
        section("stand-ins", "What stands in for what", bullets(results.stand_ins)),
        section("nu", "AUROC against nu", curves),
        section("tests", "Differences", f"<p>{text(TESTS)}</p>{_tests(tests)}" if tests else ""),
        section(
            "costs", "Seconds and certificate", f"<p>{text(COSTS)}</p>{_table(costs(results))}"
        ),
    ]
    return whole_page(
        _headline(results.cells),
        LEAD,
        eyebrow="oneclass paper",
        figures=_figures(results.cells),
        banners=banners,
        sections=sections,
    )


def _headline(cells: Sequence[Cell]) -> str:
    n = len({cell.task for cell in cells})
    return f"{n} of the paper's seven tasks" if n != 7 else "The paper's seven tasks"


def _figures(cells: Sequence[Cell]) -> list[tuple[str, str, str]]:
    network = sum(one.seconds for one in {cell.network for cell in cells})
    return [
        ("", str(len({cell.representation for cell in cells})), "representations"),
        ("", f"{network:,.0f} s", "in the networks"),
        ("", f"{sum(cell.seconds for cell in cells):,.0f} s", "in the solver"),
        ("", f"{max(cell.gap for cell in cells):.1e}", "largest duality gap of all fits"),
    ]


def _table(table: Table) -> str:
    return html(table, words=WORDS, groups=GROUPS)


def _tests(tests: Sequence[Comparison]) -> str:
    lines: list[Sequence[str]] = [
        (
            test.a,
            test.b,
            f"{test.mean:+.3f}",
            f"{test.interval[0]:+.3f} to {test.interval[1]:+.3f}",
            p_text(test.p),
            p_text(test.smallest_p),
            test.over,
        )
        for test in tests
    ]
    headings = ("figures of", "less", "difference", "95 % interval", "p", "smallest p", "over")
    cautions = dict.fromkeys(test.caution.strip() for test in tests if test.caution)
    return _table((headings, lines)) + bullets(list(cautions))


def _curves(cells: Sequence[Cell]) -> str:
    """For each task a plot of AUROC against nu."""
    found = []
    for task in dict.fromkeys(cell.task for cell in cells):
        mine = [cell for cell in cells if cell.task == task]
        lines = {cell.representation: np.array(cell.by_nu) for cell in mine}
        averages = {cell.representation: paper["mean"] for cell in mine if (paper := theirs(cell))}
        plot = plots.nu_plot(NUS, lines, averages, f"task{task}")
        found.append(figure(mine[0].title, plot, _classes(TABLE_1[task - 1])))
    return f'<p>{text(CURVES)}</p><div class="plots">{"".join(found)}</div>'


def _classes(task: Task) -> str:
    return f"Normal: {', '.join(task.normal)}. Anomalous: {', '.join(task.anomaly)}."

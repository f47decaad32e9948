"""All figures of an evaluation as tables: what the terminal, Markdown, JSON and the page show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oneclass import __version__
from oneclass.evaluation.cells import Cell, Kind, Rate
from oneclass.evaluation.means import IMAGES, PIXELS, RATES, figures_of, means
from oneclass.evaluation.pixels import Pixels
from oneclass.evaluation.published import (
    COLLECTIONS,
    MEANS_SOURCE,
    PRINTED_MEANS,
    Published,
    known_as,
    published_for,
)
from oneclass.evaluation.ranking import Figure
from oneclass.evaluation.running import Evaluation
from oneclass.images.sounding import folders_sounding_good
from oneclass.report import tabular
from oneclass.report.tabular import Table
from oneclass.system.names import count, percent, plural

MEAN = "mean of {}"
HOW = (
    "Intervals are 95 %: of false alarms and of what was found Clopper and Pearson's exact ones, "
    "of all others percentiles of 1,000 Bayesian bootstraps over the test pictures, normal and odd "
    "ones apart, with one more of each that nobody saw: few pictures have wide intervals, also "
    "where all are told apart. They say nothing of another draw of the pictures learnt from.",
    "Best F1 is that of the best threshold for these very pictures, which nobody knows beforehand; "
    "F1 is that of the verdicts at the promised rate.",
    "Pixels: maps are enlarged to the pictures' own pixels (bilinear). AU-PRO is the mean overlap "
    "with each connected region of the masks, to 30 % or 5 % of false positives among all pixels "
    "outside of regions (Bergmann et al. 2021), counted at about 1,950 thresholds.",
    "Milliseconds are on the clock and with the map, on this machine with whatever else it did; "
    "those of the processor add up all threads. Memory is the most that the process held.",
    "The mean is over categories, each counting the same; its interval comes from theirs (Zou and "
    "Donner 2008).",
)
BESIDE = "Beside published figures"
COMPARABLE = (
    "Published figures are of the data set named in the column data, matched by the folder's name "
    "alone: they compare only if these are its pictures. They were not measured here."
)
PRO = "AU-PRO of PatchCore's authors takes the pixels outside from odd pictures alone."


def shown(figure: Figure | Rate | None, *, as_percent: bool = False) -> str:
    """A figure with its interval: `0.954 (0.926 to 0.978)`, or `6 % (2.06 % to 16.2 %)`."""
    if figure is None:
        return "-"
    if as_percent:
        return f"{percent(figure.value)} ({percent(figure.low)} to {percent(figure.high)})"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def image_table(evaluation: Evaluation) -> Table:
    """What is said of images."""
    lines = [
        (c.category, c.setting, *(shown(figures_of(c)[name]) for name in IMAGES))
        for c in evaluation.cells
    ]
    headings = ("category", "setting", "AUROC", "average precision", "best F1", "F1")
    return headings, [*lines, *_means(evaluation, IMAGES)]


def rate_table(evaluation: Evaluation) -> Table:
    """What was promised, and what came of it."""
    lines = [
        (
            c.category, c.setting, percent(c.promised),
            f"{shown(c.false_alarms, as_percent=True)}, {c.false_alarms.hits} of {c.n_good}",
            f"{shown(c.found, as_percent=True)}, {c.found.hits} of {c.n_odd}",
        )
        for c in evaluation.cells
    ]  # fmt: skip
    averages = [(a, b, "", *rest) for a, b, *rest in _means(evaluation, RATES, as_percent=True)]
    headings = ("category", "setting", "promised", "false alarms", "odd ones found")
    return headings, [*lines, *averages]


def pixel_table(evaluation: Evaluation) -> Table:
    """What is said of pixels, where there are masks."""
    lines = [(c.category, c.setting, *_of_pixels(c.pixels)) for c in evaluation.cells if c.pixels]
    headings = ("category", "setting", "pixel AUROC", "AU-PRO 30 %", "AU-PRO 5 %", "regions")
    return headings, [*lines, *((*line, "") for line in _means(evaluation, PIXELS))]


def _means(
    evaluation: Evaluation, names: Sequence[str], *, as_percent: bool = False
) -> list[tuple[str, ...]]:
    """A line for each setting with means of these figures."""
    return [
        (MEAN.format(one.counts[names[0]]), one.setting,
         *(shown(one.figures[name], as_percent=as_percent) for name in names))
        for one in means(evaluation) if names[0] in one.figures
    ]  # fmt: skip


def _of_pixels(pixels: Pixels | None) -> tuple[str, ...]:
    if pixels is None:
        return ("-",) * 4
    figures = (pixels.auroc, pixels.au_pro_30, pixels.au_pro_5)
    return (*map(shown, figures), str(pixels.n_regions))


def kind_table(evaluation: Evaluation) -> Table:
    """Each kind of defect."""
    lines = [_of_kind(c, kind) for c in evaluation.cells for kind in c.kinds]
    headings = ("category", "kind", "setting", "pictures", "AUROC", "found", "pixel AUROC")
    return (*headings, "AU-PRO 30 %"), lines


def _of_kind(cell: Cell, kind: Kind) -> tuple[str, ...]:
    pixels, n = kind.pixels, str(kind.found.n)
    found = shown(kind.found, as_percent=True)
    maps = map(shown, _two(pixels))
    return (cell.category, kind.name, cell.setting, n, shown(kind.auroc), found, *maps)


def cost_table(evaluation: Evaluation) -> Table:
    """Seconds, memory, size."""
    lines = []
    for c in evaluation.cells:
        k = c.costs
        memory = "-" if k.peak_megabytes is None else f"{k.peak_megabytes:.0f} MB"
        lines.append((
            c.category, c.setting, c.looked_at, str(c.n_train), f"{k.fit_seconds:.1f} s",
            f"{k.fit_cpu_seconds:.1f} s", f"{k.ms_an_image:.0f}", f"{k.cpu_ms_an_image:.0f}",
            memory, f"{k.model_kilobytes:.0f} kB",
        ))  # fmt: skip
    headings = (
        "category", "setting", "looked at", "learnt from", "fit", "fit, processor", "ms an image",
        "processor", "memory", "model",
    )  # fmt: skip
    return headings, lines


def published_table(evaluation: Evaluation) -> Table:
    """Ours, and what others printed for categories of these names; then the means."""
    lines: list[tuple[str, ...]] = []
    known = [name for name in evaluation.categories if published_for(name)]
    for name in known:
        lines += [_ours(c) for c in evaluation.cells if c.category == name]
        lines += [_theirs(one, name) for one in published_for(name)]
    for collection, names in COLLECTIONS.items():
        here = [name for name in known if known_as(name) in names]
        lines += _published_means(evaluation, collection, here)
    return ("category", "way", "AUROC", "pixel AUROC", "AU-PRO 30 %", "data"), lines


def _ours(cell: Cell) -> tuple[str, ...]:
    figures = map(shown, (cell.ranking.auroc, *_two(cell.pixels)))
    return (cell.category, f"oneclass, {cell.setting}", *figures, "yours")


def _two(pixels: Pixels | None) -> tuple[Figure | None, Figure | None]:
    return (pixels.auroc, pixels.au_pro_30) if pixels else (None, None)


def _theirs(one: Published, name: str) -> tuple[str, ...]:
    tables = (one.auroc, one.pixel_auroc, one.au_pro)
    values = [table.get(known_as(name)) for table in tables]
    texts = ("-" if value is None else f"{value:.3f}" for value in values)
    return (name, one.way, *texts, one.data)


def _published_means(
    evaluation: Evaluation, collection: str, here: Sequence[str]
) -> list[tuple[str, ...]]:
    """Means over the categories that are here, two at least; printed ones where all are."""
    if len(here) < 2:
        return []
    title, names = MEAN.format(len(here)), [known_as(name) for name in here]
    lines: list[tuple[str, ...]] = []
    for setting in evaluation.settings:
        mine = [c for c in evaluation.cells if c.setting == setting and c.category in here]
        if len(mine) == len(here):
            pixels = [c.pixels for c in mine if c.pixels]
            auroc = _mean([c.ranking.auroc.value for c in mine])
            maps = ("-", "-")
            if len(pixels) == len(mine):
                maps = (
                    _mean([p.auroc.value for p in pixels]),
                    _mean([p.au_pro_30.value for p in pixels]),
                )
            lines.append((title, f"oneclass, {setting}", auroc, *maps, "yours"))
    for one in published_for(here[0]):
        tables = (one.auroc, one.pixel_auroc, one.au_pro)
        texts = (_mean([t[n] for n in names]) if t else "-" for t in tables)
        lines.append((title, one.way, *texts, collection))
    if len(here) == len(COLLECTIONS[collection]):
        lines += [
            (title, f"{way} (its paper)", f"{value:.3f}", "-", "-", data)
            for way, data, value in PRINTED_MEANS
            if data == collection
        ]
    return lines


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f}"


def sources(evaluation: Evaluation) -> list[str]:
    """Where the figures of others are printed."""
    found = [one for name in evaluation.categories for one in published_for(name)]
    seen: dict[str, str] = {one.way: one.source for one in found}
    told = [f"{way}: {source}." for way, source in seen.items()]
    if any("its paper" in line[1] for line in published_table(evaluation)[1]):
        told.append(f"Means of EfficientAD: {MEANS_SOURCE}.")
    return [PRO, *told] if told else []


def remarks(evaluation: Evaluation) -> list[str]:
    """Sentences on what is not as usual, and on pictures that could not be used."""
    found = []
    for c in evaluation.cells:
        if c.false_alarms.low > c.promised:
            found.append(
                f"{c.category}, {c.setting}: {percent(c.false_alarms.value)} of the normal test "
                f"pictures were called anomalies, where {percent(c.promised)} were promised, and "
                "that is no chance: are they like those that were learnt from, and do those show "
                "different things?"
            )
        found += [f"{c.category}, {c.setting}: {note}" for note in c.notes]
        found += [
            f"{c.category}: test/{kind.name} has a name that speaks of good parts, and its "
            f"{count(kind.found.n, 'picture')} {plural(kind.found.n, 'counts', 'count')} as odd. "
            "If they are normal, move them into test/good."
            for kind in c.kinds
            if folders_sounding_good([Path(kind.name)])
        ]
        if c.errors:
            n = len(c.errors)
            found.append(
                f"{c.category}, {c.setting}: {count(n, 'file')} could not be used, the first: "
                f"{c.errors[0]}"
            )
    return list(dict.fromkeys(found))


def markdown(evaluation: Evaluation) -> str:
    """Everything as Markdown."""
    parts = [
        ("Images", image_table(evaluation)),
        ("At the promised rate of false alarms", rate_table(evaluation)),
        ("Pixels", pixel_table(evaluation)),
        ("Kinds of defect", kind_table(evaluation)),
        (BESIDE, published_table(evaluation)),
        ("Costs", cost_table(evaluation)),
    ]
    above = {BESIDE: f"{COMPARABLE}\n\n"}
    texts = [
        f"## {title}\n\n{above.get(title, '')}{tabular.markdown(table)}"
        for title, table in parts
        if table[1]
    ]
    lists = {
        "Not evaluated": [problem.sentence for problem in evaluation.problems],
        "Remarks": remarks(evaluation),
        "How it was measured": [*HOW, *sources(evaluation)],
    }
    texts += [
        f"## {t}\n\n" + "".join(f"- {s}\n" for s in each) for t, each in lists.items() if each
    ]
    return "# Evaluation\n\n" + "\n".join(texts)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything, for other programs."""
    return {
        "oneclass": __version__,
        "cells": [cell.to_json() for cell in evaluation.cells],
        "means": [one.to_json() for one in means(evaluation)],
        "problems": [
            {"category": p.category, "setting": p.setting, "error": str(p.error)}
            for p in evaluation.problems
        ],
        "published": [
            {"category": line[0], "way": line[1], **dict(zip(("auroc", "pixel_auroc", "au_pro_30"),
             line[2:5], strict=True))}
            for line in published_table(evaluation)[1] if line[5] != "yours"
        ],
        "how": [*HOW, *([COMPARABLE, *told] if (told := sources(evaluation)) else [])],
    }  # fmt: skip

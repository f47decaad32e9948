"""An evaluation as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oneclass.evaluation import tables
from oneclass.evaluation.published import known_as, published_for
from oneclass.evaluation.ranking import Figure
from oneclass.evaluation.running import Evaluation
from oneclass.report.markup import section, text, whole_page
from oneclass.report.tabular import Table, bullets, html
from oneclass.system.names import percent

LEAD = "Learnt from normal pictures alone, tested on pictures whose truth is known."
WORDS = ("category", "setting", "kind", "looked at", "way", "data")
GROUPS = ("category",)
KEY = (
    "The dot is what was measured, the bar its 95 % interval. Diamonds are figures that others "
    "printed for a category of that name, which is all that they are matched by."
)


def evaluation_page(evaluation: Evaluation) -> str:
    """The page.

    Args:
        evaluation: what is known until now; at least one cell.
    """
    # Lines of one setting alone need no heading each.
    groups = GROUPS if len(evaluation.settings) > 1 else ()
    sections = [
        section("auroc", "Image AUROC", _bars(evaluation)),
        section("images", "Images", _table(tables.image_table(evaluation), groups)),
        section("rates", "At the promised rate", _table(tables.rate_table(evaluation), groups)),
        section("pixels", "Pixels", _table(tables.pixel_table(evaluation), groups)),
        section("kinds", "Kinds of defect", _table(tables.kind_table(evaluation))),
        section("published", tables.BESIDE, _published(evaluation)),
        section("costs", "Costs", _table(tables.cost_table(evaluation), groups)),
        section("remarks", "Remarks", bullets(tables.remarks(evaluation))),
        section("how", "How it was measured", bullets([*tables.HOW, *tables.sources(evaluation)])),
    ]  # fmt: skip
    return whole_page(
        _headline(evaluation),
        LEAD,
        eyebrow="oneclass evaluate",
        figures=_figures(evaluation),
        banners=[f"Not evaluated: {problem.sentence}" for problem in evaluation.problems],
        sections=sections,
    )


def _headline(evaluation: Evaluation) -> str:
    categories, settings = evaluation.categories, evaluation.settings
    what = categories[0] if len(categories) == 1 else f"{len(categories)} categories"
    return what if len(settings) == 1 else f"{what}, {len(settings)} settings side by side"


def _figures(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Of the setting that is best in mean AUROC, over the categories."""
    means = {
        setting: np.mean([c.ranking.auroc.value for c in evaluation.cells if c.setting == setting])
        for setting in evaluation.settings
    }
    best = max(means, key=lambda setting: means[setting])
    cells = [c for c in evaluation.cells if c.setting == best]
    pixels = [c.pixels for c in cells if c.pixels]
    alarms = np.mean([c.false_alarms.value for c in cells])
    promised = np.mean([c.promised for c in cells])
    told = [("", f"{means[best]:.3f}", f"image AUROC, {best}")]
    if pixels:
        told.append(("", f"{np.mean([p.au_pro_30.value for p in pixels]):.3f}", "AU-PRO to 30 %"))
    kind = "alarm" if all(c.false_alarms.low > c.promised for c in cells) else ""
    told.append((kind, percent(float(alarms)),
                 f"false alarms, where {percent(float(promised))} were promised"))  # fmt: skip
    milliseconds = np.mean([c.costs.ms_an_image for c in cells])
    return [*told, ("", f"{milliseconds:.0f} ms", "an image, with its map")]


def _table(table: Table, groups: Sequence[str] = GROUPS) -> str:
    return html(table, words=WORDS, groups=groups) if table[1] else ""


def _published(evaluation: Evaluation) -> str:
    """The table, under what a folder of that name alone does not say."""
    table = _table(tables.published_table(evaluation))
    return table and f"<p>{text(tables.COMPARABLE)}</p>{table}"


def _bars(evaluation: Evaluation) -> str:
    """Image AUROC of each cell on one scale, and what others printed."""
    lowest = min(cell.ranking.auroc.low for cell in evaluation.cells)
    others = [one.auroc[known_as(name)] for name in evaluation.categories
              for one in published_for(name)]  # fmt: skip
    start = np.floor(10 * min([lowest, *others])) / 10
    start = min(start, 0.9)
    lines = []
    for name in evaluation.categories:
        diamonds = [(one.auroc[known_as(name)], one.way) for one in published_for(name)]
        for cell in evaluation.cells:
            if cell.category == name:
                label = name if len(evaluation.settings) == 1 else f"{name}, {cell.setting}"
                lines.append(_bar(label, cell.ranking.auroc, diamonds, start))
    scale = f'<div class="bar"><span></span><span class="ends"><i>{start:.1f}</i><i>1</i></span>'
    return f'<p>{text(KEY)}</p><div class="bars">{"".join(lines)}{scale}<span></span></div></div>'


def _bar(label: str, figure: Figure, others: Sequence[tuple[float, str]], start: float) -> str:
    def place(value: float) -> float:
        return float(100 * (value - start) / (1 - start))

    marks = "".join(
        f'<u style="left:{place(value):.2f}%" title="{text(f"{way}: {value:.3f}")}"></u>'
        for value, way in others
    )
    low, high = place(figure.low), place(figure.high)
    track = (
        f'<s style="left:{low:.2f}%;width:{high - low:.2f}%"></s>{marks}'
        f'<b style="left:{place(figure.value):.2f}%"></b>'
    )
    return (
        f'<div class="bar"><span>{text(label)}</span><span class="track">{track}</span>'
        f"<span>{text(tables.shown(figure))}</span></div>"
    )

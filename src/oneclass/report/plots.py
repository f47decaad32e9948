"""Vector plots in the page's own colours: matplotlib draws, the style sheet paints."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import MissingDependencyError
from oneclass.system import offline
from oneclass.system.arrays import Array
from oneclass.system.host.machine import pip_install

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# matplotlib knows no CSS variables: it draws in colours that nobody uses, which are replaced.
STAND_INS = {
    "ink": "#0a0b01",
    "muted": "#0a0b02",
    "line": "#0a0b03",
    "normal": "#0a0b04",
    "scored": "#0a0b05",
    "alarm": "#0a0b06",
}
LINES = ("scored", "alarm", "normal", "ink", "muted")
SIZE = (4.5, 2.7)
LEGEND_LINE = 0.16
"""Inches."""
FEW = 20
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "oneclass",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": STAND_INS["muted"],
    "axes.labelcolor": STAND_INS["ink"],
    "xtick.color": STAND_INS["muted"],
    "ytick.color": STAND_INS["muted"],
    "text.color": STAND_INS["ink"],
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def score_histogram(
    normal: Array, scored: Array, anomalous: NDArray[np.bool_], threshold: float
) -> str:
    """Held-out normal images against the scored ones; of few of these each is a tick.

    Args:
        normal: (n,) held-out scores.
        scored: (m,) scores; m may be 0.
        anomalous: (m,) the verdicts.
        threshold: where the verdict changes.
    """

    def draw(axes: Axes) -> None:
        everything = np.concatenate([normal, scored])
        low, high = float(everything.min()), float(everything.max())
        bins = np.linspace(low, high if high > low else low + 1e-6, 31).tolist()
        axes.hist(
            normal,
            bins,
            weights=np.full(len(normal), 100 / len(normal)),
            color=STAND_INS["normal"],
            alpha=0.35,
            label=f"held-out normal images ({len(normal)})",
        )
        groups = (
            ("others scored", "scored", ~anomalous),
            ("called anomalies", "alarm", anomalous),
        )
        for label, colour, chosen in groups:
            some = scored[chosen]
            if not len(some):
                continue
            name = f"{label} ({len(some)})"
            if len(scored) < FEW:
                axes.plot(some, np.zeros(len(some)), "|", ms=14, mew=2, color=STAND_INS[colour],
                          label=name, clip_on=False)  # fmt: skip
            else:
                axes.hist(
                    some,
                    bins,
                    weights=np.full(len(some), 100 / len(scored)),
                    histtype="step",
                    lw=1.6,
                    color=STAND_INS[colour],
                    label=name,
                )
        axes.axvline(threshold, color=STAND_INS["ink"], lw=1, ls=(0, (4, 3)), label="threshold")
        axes.set_xlabel("anomaly score (larger is odder)")
        axes.set_ylabel("% of images")

    return _svg(draw, "scores")


def p_value_plot(p_values: Array, rate: float) -> str:
    """The sorted p-values against what images like the normal ones would give."""

    def draw(axes: Axes) -> None:
        ordered = np.sort(p_values)
        share = np.arange(1, len(ordered) + 1) / len(ordered)
        axes.plot([0, 1], [0, 100], color=STAND_INS["muted"], lw=1, ls=(0, (4, 3)),
                  label="all like the normal images")  # fmt: skip
        axes.step([0, *ordered, 1], [0, *(100 * share), 100], where="post", lw=1.8,
                  color=STAND_INS["scored"], label="these images")  # fmt: skip
        axes.axvspan(0, rate, color=STAND_INS["alarm"], alpha=0.18, lw=0, label="called anomalies")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 100)
        axes.set_xlabel("p-value at most")
        axes.set_ylabel("% of images")

    return _svg(draw, "pvalues")


def roc_plot(false_alarms: Array, detected: Array, here: tuple[float, float]) -> str:
    """The ROC curve, and where the verdicts of this run lie on it."""

    def draw(axes: Axes) -> None:
        axes.plot(
            [0, 100], [0, 100], color=STAND_INS["muted"], lw=1, ls=(0, (4, 3)), label="chance"
        )
        axes.step(100 * false_alarms, 100 * detected, where="post", color=STAND_INS["scored"],
                  lw=1.8, label="every threshold")  # fmt: skip
        axes.plot([100 * here[0]], [100 * here[1]], "o", ms=7, color=STAND_INS["alarm"],
                  label="the verdicts", clip_on=False)  # fmt: skip
        axes.set_xlim(-1, 101)
        axes.set_ylim(0, 101)
        axes.set_xlabel("% of normal images called anomalies")
        axes.set_ylabel("% of anomalies found")

    return _svg(draw, "roc")


def training_plot(history: list[dict[str, Any]]) -> str:
    """Accuracy over the epochs of a training, on images trained on and on held-out ones."""

    def draw(axes: Axes) -> None:
        epochs = [record["epoch"] for record in history]
        for name, label, colour in (
            ("accuracy", "images trained on", "muted"),
            ("held_out_accuracy", "held-out images", "scored"),
        ):
            values = [100 * r[name] for r in history if r.get(name) is not None]
            if len(values) == len(epochs):
                axes.plot(epochs, values, "o-", ms=3, lw=1.6,
                          color=STAND_INS[colour], label=label)  # fmt: skip
        axes.set_ylim(0, 101)
        axes.set_xticks(sorted({round(e) for e in np.linspace(epochs[0], epochs[-1], 8)}))
        axes.set_xlabel("epoch")
        axes.set_ylabel("% of sub-categories told")

    return _svg(draw, "training")


def nu_plot(
    nus: Array, curves: Mapping[str, Array], averages: Mapping[str, float], name: str
) -> str:
    """AUROC against nu, a line a representation; at the right edge the averages printed elsewhere.

    Args:
        nus: (m,) where the curves were measured.
        curves: for each representation (m,) AUROC.
        averages: for some of these a printed average over nu.
        name: keeps the plot's ids apart from those of other plots on the page.
    """

    def draw(axes: Axes) -> None:
        dashes: tuple[Any, ...] = ("-", (0, (3, 1.5)), (0, (1, 1)))
        looks = cycle([(dash, STAND_INS[colour]) for dash in dashes for colour in LINES])
        for (label, values), (dash, colour) in zip(curves.items(), looks, strict=False):
            axes.plot(nus, values, color=colour, ls=dash, lw=1.8, label=label)
            if label in averages:
                axes.hlines(averages[label], 1.01, 1.05, color=colour, lw=3)
        axes.set_xlim(0, 1.05)
        axes.set_xlabel("nu")
        axes.set_ylabel("AUROC")

    return _svg(draw, name, taller=LEGEND_LINE * max(0, len(curves) - 4) / 2)


def check_installed() -> None:
    """Raise MissingDependencyError where plots cannot be drawn, before any other work is done."""
    _matplotlib()


def _matplotlib() -> tuple[Any, Any, Any]:
    """matplotlib, its figures, and what draws them as SVG.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        matplotlib = offline.matplotlib()
        from matplotlib import figure
        from matplotlib.backends import backend_svg
    except ImportError as error:
        raise MissingDependencyError(
            "the report's plots need the package matplotlib, which is not installed: "
            f"{pip_install('report')}"
        ) from error
    return matplotlib, figure, backend_svg


def _svg(draw: Callable[[Axes], None], name: str, *, taller: float = 0.0) -> str:
    """An <svg> element that scales with the page; `name` keeps its ids apart from others'.

    `taller`: inches more, for a legend of many lines.
    """
    matplotlib, figures, svg = _matplotlib()
    nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = figures.Figure((SIZE[0], SIZE[1] + taller), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        figure.legend(
            loc="outside upper left", ncols=2, fontsize=8.5, handlelength=1.4, markerscale=0.6
        )
        svg.FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)
    return _for_page(buffer.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for colour, stand_in in STAND_INS.items():
        svg = svg.replace(stand_in, f"var(--{colour})")
    return svg.strip()

"""The page: what a run found, from the verdicts down to the model's digests."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.detector.estimator import Detector
from oneclass.detector.predictions import Prediction
from oneclass.errors import InputError
from oneclass.images.sources import Progress
from oneclass.report import gallery, modelcard, plots
from oneclass.report.gallery import MOST_ROWS
from oneclass.report.labels import Truth, told_unmatched
from oneclass.report.markup import asset, definitions, figure, section, text, whole_page
from oneclass.report.tiles import Tile, make_tiles, most_telling
from oneclass.results.runs import Run, read_run
from oneclass.statistics import auroc, auroc_interval, roc_curve, wilson_interval
from oneclass.system.files import whole_file
from oneclass.system.names import plain

EXACT = "An image is called an anomaly if its score lies beyond the threshold."
APPROXIMATE = (
    "The threshold is approximate: with few normal images each new one is compared with them by "
    "five sister models (CV+), so images near the line may fall on either side."
)
P_VALUES = (
    "If these images were all like the normal ones, the line would follow the dashed one. A steep "
    "start is what anomalies look like; a line that runs above it everywhere says that the batch "
    "as a whole differs: other lighting, another camera."
)
TRAINING = (
    "How well the network tells the sub-categories apart that it was trained on. What counts is "
    "the accuracy on held-out images."
)
ROC = "From no image called an anomaly, bottom left, to all of them, top right."


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        file: the page.
        size: in bytes.
        n_tiles: images on it.
        n_missing: images that could not be shown.
        n_scored: images with a score.
        truth: what was known of the images; None where nobody knew.
    """

    file: Path
    size: int
    n_tiles: int
    n_missing: int
    n_scored: int
    truth: Truth | None


def write_report(
    detector: Detector,
    model: Path,
    folder: Path,
    file: Path,
    *,
    labels: Callable[[Sequence[Prediction]], Truth] | None = None,
    title: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write one self-contained HTML page about a scoring run.

    Args:
        detector: the model that scored, loaded from `model`.
        model: its file, for the card.
        folder: what `oneclass score -o` wrote.
        file: the page to write, whole or not at all.
        labels: gives, for the predictions, which images are anomalies in truth.
        title: of the page; None for the verdict.
        progress: called with (images read, images in all).

    Raises:
        InputError: the folder holds no complete run, or that of another model; unusable labels.
        MissingDependencyError: matplotlib is not installed.
        StorageError: the disk is full.
    """
    run = read_run(folder)
    if run.record.get("model_sha256") != detector.digest:
        raise InputError(
            f"{folder}: was scored with a model of SHA-256 {run.record.get('model_sha256')}, but "
            f"{model} has {detector.digest}. Give the model that scored it, or score again."
        )
    truth = labels(run.predictions) if labels and run.predictions else None
    tiles = make_tiles(most_telling(run.predictions), detector, progress=progress)
    content = _page(detector, model, folder, run, tiles, truth, title).encode()
    with whole_file(file) as out:
        out.write(content)
    missing = sum(tile.image is None for tile in tiles)
    return Report(file, len(content), len(tiles), missing, len(run.predictions), truth)


def _page(
    detector: Detector,
    model: Path,
    folder: Path,
    run: Run,
    tiles: list[Tile],
    truth: Truth | None,
    title: str | None,
) -> str:
    card = detector.card
    headline = title or _headline(run.predictions)
    sections = [
        gallery.images(tiles, run.predictions),
        _distributions(detector, run),
        _with_labels(run.predictions, truth, card) if truth else "",
        _errors(run),
        _model(card, model, detector.digest or "", run),
        _training(detector),
    ]
    when = text(str(run.record.get("started", ""))[:16].replace("T", " "))
    return whole_page(
        headline,
        _lead(run, card),
        eyebrow=f'oneclass report<span class="when">{when}</span>',
        figures=_figures(run, card),
        banners=_warnings(run),
        sections=sections,
        made_from=f" from <code>{text(model.name)}</code> and <code>{text(folder.name)}</code>",
        images=True,
        script=asset("script.js"),
    )


def _headline(predictions: Sequence[Prediction]) -> str:
    n, odd = len(predictions), sum(p.is_anomaly for p in predictions)
    if not n:
        return "No image could be scored"
    if n == 1:
        return "The image is an anomaly" if odd else "The image looks normal"
    if not odd:
        return f"All {n:,} images look normal"
    return f"{odd:,} of {n:,} images {'is an anomaly' if odd == 1 else 'are anomalies'}"


def _lead(run: Run, card: dict[str, Any]) -> str:
    rate, n = card["false_alarms"], len(run.predictions)
    learnt = f"Judged by {card['fit']['n_images']:,} normal images alone."
    if not n:
        return f"{learnt} See the errors below."
    if n == 1:
        return f"{learnt} {100 * rate:.3g} % of normal images are called anomalies all the same."
    return (
        f"{learnt} If all {n:,} were normal, about {_count(rate * n)} would be called anomalies "
        f"all the same: that is the promised rate of {100 * rate:.3g} %."
    )


def _count(expected: float) -> str:
    return f"{expected:.1f}" if expected < 3 else f"{expected:,.0f}"


def _figures(run: Run, card: dict[str, Any]) -> list[tuple[str, str, str]]:
    odd = sum(p.is_anomaly for p in run.predictions)
    return [
        ("", f"{len(run.predictions):,}", "images scored"),
        ("alarm" if odd else "", f"{odd:,}", "called anomalies"),
        (
            "",
            f"{100 * card['false_alarms']:.3g} %",
            "false alarms among normal images, as promised",
        ),
        ("alarm" if run.errors else "", f"{len(run.errors):,}", "could not be used"),
    ]


def _warnings(run: Run) -> list[str]:
    found = []
    if run.record.get("drift"):
        found.append(str(run.record["drift"]))
    if not run.record.get("complete", True):
        found.append("Scoring was interrupted: some images were not scored.")
    return found


def _distributions(detector: Detector, run: Run) -> str:
    card = detector.card
    scores = np.array([p.score for p in run.predictions])
    verdicts = np.array([p.is_anomaly for p in run.predictions], bool)
    histogram = plots.score_histogram(
        detector.normal_scores, scores, verdicts, detector.score_threshold
    )
    exact = card["calibration"]["method"] != "cross"
    figures = figure("Anomaly scores", histogram, EXACT if exact else APPROXIMATE)
    if len(scores) > 1:
        p_values = np.array([p.p_value for p in run.predictions])
        plot = plots.p_value_plot(p_values, card["false_alarms"])
        figures += figure("p-values", plot, P_VALUES)
    return section("scores", "Scores", f'<div class="plots">{figures}</div>')


def _with_labels(predictions: Sequence[Prediction], truth: Truth, card: dict[str, Any]) -> str:
    known = [p for p in predictions if p.path in truth]
    normal = [p for p in known if not truth[p.path]]
    odd = [p for p in known if truth[p.path]]
    lines = [("Images with a label", f"{len(normal)} normal, {len(odd)} anomalies")]
    if without := len(predictions) - len(known):
        lines.append(("Images without one", f"{without:,} of {len(predictions):,}"))
    if truth.unmatched:
        lines.append(("Labels of no scored image", told_unmatched(truth)))
    plot = ""
    if normal:
        hits = sum(p.is_anomaly for p in normal)
        promised = f"promised were {100 * card['false_alarms']:.3g} %"
        lines.append(("False alarms", f"{_rate(hits, len(normal))}; {promised}"))
    if odd:
        lines.append(("Anomalies found", _rate(sum(p.is_anomaly for p in odd), len(odd))))
    if normal and odd:
        scores = [np.array([p.score for p in group]) for group in (normal, odd)]
        low, high = auroc_interval(*scores)
        area = f"{auroc(*scores):.3f} (95 % interval {low:.3f} to {high:.3f})"
        lines.insert(1, ("AUROC", f"{area}: the chance that a random anomaly scores higher"))
        here = tuple(sum(p.is_anomaly for p in group) / len(group) for group in (normal, odd))
        curve = plots.roc_plot(*roc_curve(*scores), (here[0], here[1]))
        plot = f'<div class="plots">{figure("ROC curve", curve, ROC)}</div>'
    return section("labels", "Against the labels", definitions(lines) + plot)


def _rate(hits: int, n: int) -> str:
    low, high = wilson_interval(hits, n)
    interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    return f"{hits} of {n}, {100 * hits / n:.1f} % ({interval})"


def _errors(run: Run) -> str:
    if not run.errors:
        return ""
    rows = "".join(
        f'<tr><td><bdi>{text(plain(path))}</bdi></td><td class="reason">{text(reason)}</td>'
        f"<td>{text(plain(detail))}</td></tr>"
        for path, reason, detail in run.errors[:MOST_ROWS]
    )
    n = len(run.errors)
    return section(
        "errors",
        "Could not be used",
        f"<p>{n:,} {'image was' if n == 1 else 'images were'} left out; the others are not "
        "affected.</p>"
        '<div class="scroll"><table><thead><tr><th>image</th><th>reason</th><th>what was found</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>",
    )


def _model(card: dict[str, Any], model: Path, digest: str, run: Run) -> str:
    command = ["oneclass", *map(str, run.record.get("command", []))]
    environment = run.record.get("environment", {})
    machine = (
        f"{environment.get('cpu', 'unknown processor')}, {environment.get('cores', '?')} cores"
    )
    lines = [
        *modelcard.lines(card, model, digest),
        ("Scored on", f"{machine}, in {run.record.get('seconds', '?')} s"),
    ]
    again = f"{modelcard.fit_command(card, model)}\n{plain(shlex.join(command))}"
    return section(
        "model",
        "The model",
        f"{definitions(lines)}<h3>Again</h3><pre><code>{text(again)}</code></pre>",
    )


def _training(detector: Detector) -> str:
    """The curve of a backbone that `oneclass train` made."""
    training = detector.network.record.get("training") if detector.network else None
    if not training or not training.get("history"):
        return ""
    settings, last = training["settings"], training["history"][-1]
    held_out = last["held_out_accuracy"]
    told = "none were held out" if held_out is None else f"{100 * held_out:.1f} % in the end"
    lines = [
        ("Trained on", f"{training['images']:,} images, SHA-256 {settings['data_sha256']}"),
        ("Task", f"to tell {settings['subcategories']} sub-categories apart"),
        ("Recipe", f"{settings['preset']}, {settings['epochs']} epochs of {settings['network']}"),
        ("Held-out accuracy", f"{told}, on {training['held_out']:,} images"),
    ]
    plot = figure("Accuracy", plots.training_plot(training["history"]), TRAINING)
    return section(
        "training",
        "The training of its backbone",
        f'{definitions(lines)}<div class="plots">{plot}</div>',
    )

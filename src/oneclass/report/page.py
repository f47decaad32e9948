"""The page: what a run found, from the verdicts down to the model's digests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.detector.estimator import Detector
from oneclass.detector.model import FittedModel
from oneclass.detector.predictions import digits
from oneclass.errors import InputError
from oneclass.images.sources import Progress
from oneclass.report import modelcard, plots
from oneclass.report.agreement import Agreement
from oneclass.report.another import of_another
from oneclass.report.gallery import MOST_ROWS, Gallery
from oneclass.report.groups import Groups
from oneclass.report.head import Head
from oneclass.report.labels import Truth
from oneclass.report.markup import asset, command, definitions, figure, section, text, whole_page
from oneclass.report.tiles import NOT_FETCHED, Tile, make_tiles, most_telling, told_not_shown
from oneclass.results.runs import OLDER_PAGE, Run, read_run
from oneclass.system.files import whole_file
from oneclass.system.names import count, percent, plain, plural

EXACT = "An image is called an anomaly if its score lies beyond the threshold, {}."
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
OLDER = (
    "This page is older than the scores in its folder: the images were scored again since it was "
    "made. 'oneclass report' makes it anew."
)


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        file: the page.
        size: in bytes.
        n_tiles: images on it.
        n_missing: images that were to be shown and could not be.
        not_shown: sentences on these.
        n_scored: images with a score.
        truth: what was known of the images; None where nobody knew.
        interrupted: a sentence where a signal left images unscored.
        swapped: whether most normal images were called anomalies, and most anomalies were not.
    """

    file: Path
    size: int
    n_tiles: int
    n_missing: int
    not_shown: tuple[str, ...]
    n_scored: int
    truth: Truth | None
    interrupted: str | None = None
    swapped: bool = False


def write_report(
    detector: Detector,
    model: Path,
    folder: Path,
    file: Path,
    *,
    labels: Callable[[Run], Truth] | None = None,
    reviews: Mapping[str, str] | None = None,
    title: str | None = None,
    name: str | None = None,
    pictures: bool = True,
    places: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write one self-contained HTML page about a scoring run.

    Args:
        detector: the model that scored, loaded from `model`.
        model: its file, for the card.
        folder: what `oneclass score -o` wrote.
        file: the page to write, whole or not at all.
        labels: gives, for the run, which of its images are anomalies in truth.
        reviews: what people called some of its images, in words, by their paths; shown beside the
            verdicts and counted, and no truth: people mostly look at what was called odd.
        title: of the page; None for the verdict.
        name: what people call the model; it stands above the title. None for no name.
        pictures: whether to show the images; without them the page has numbers alone.
        places: where the images lie now, by their paths in the run; None for where these lead.
        progress: called with (images read, images in all).

    Raises:
        InputError: the folder holds no complete run, or that of another model; unusable labels; no
            image can be shown.
        MissingDependencyError: matplotlib is not installed.
        StorageError: the disk is full.
    """
    plots.check_installed()
    run = read_run(folder)
    if run.record.get("model_sha256") != detector.digest:
        raise InputError(of_another(run, folder, model))
    truth = labels(run) if labels and run.predictions else None
    agreement = Agreement(run.predictions, truth or Truth())
    tiles = _tiles(run, detector, agreement.truth, places, progress) if pictures else []
    said = dict(reviews or {})
    content = _page(detector, model, folder, run, tiles, agreement, said, title, name).encode()
    with whole_file(file) as out:
        out.write(content)
    missing = sum(tile.image is None for tile in tiles)
    n_scored = len(run.predictions)
    told = tuple(told_not_shown(tiles))
    return Report(
        file, len(content), len(tiles), missing, told, n_scored, truth, run.interrupted,
        agreement.swapped,
    )  # fmt: skip


def _tiles(
    run: Run,
    detector: Detector,
    truth: Truth,
    places: Mapping[str, Path] | None,
    progress: Progress | None,
) -> list[Tile]:
    """The pictures.

    Raises:
        InputError: there are images, and none can be shown.
    """
    wrong = {p.path for p in run.predictions if truth.mistake(p)}
    chosen = most_telling(run.predictions, wrong)
    tiles = make_tiles(
        chosen,
        detector,
        places=places or _places(run, [p.path for _, p in chosen]),
        first=wrong,
        progress=progress,
    )
    if tiles and all(tile.image is None for tile in tiles):
        raise InputError(_none_shown(tiles))
    return tiles


def _none_shown(tiles: Sequence[Tile]) -> str:
    """Why there is no page, and what to do; those at addresses may well be there."""
    gone = [tile for tile in tiles if tile.problem != NOT_FETCHED]
    remote = next((tile for tile in tiles if tile.problem == NOT_FETCHED), None)
    told = f"none of the {len(tiles)} images can be shown"
    advice = "--without-pictures makes a page of the numbers alone."
    if gone:
        told += f"; the first, {gone[0].prediction.path}: {gone[0].problem}. Run the command from "
        told += "the folder in which you scored, or score again"
    if remote:
        n = len(tiles) - len(gone)
        told += f". But {n:,} of them" if gone else plural(n, ": it", ": they")
        told += f" {plural(n, 'lies at an address', 'lie at addresses')} ({remote.prediction.path}"
        told += f"{plural(n, '', ', ...')}), and a report fetches no pictures. Copy "
        told += f"{plural(n, 'it', 'them')} to a folder and score there"
    return f"{told}. {advice}"


def _places(run: Run, paths: Sequence[str]) -> dict[str, Path]:
    """Where images lie: as they were named, or as seen from the folder of the scoring."""
    found = {}
    for path in paths:
        here, there = Path(path), run.folder / path
        found[path] = there if there != here and not here.exists() else here
    return found


def _page(
    detector: Detector,
    model: Path,
    folder: Path,
    run: Run,
    tiles: list[Tile],
    agreement: Agreement,
    said: Mapping[str, str],
    title: str | None,
    name: str | None,
) -> str:
    fitted = _as_scored(detector, run)
    card, groups = fitted.card, Groups(run.predictions, agreement.truth)
    head = Head(run, card, agreement, tiles, said)
    served, naming = bool(run.record.get("as_they_came")), str(run.record.get("naming", ""))
    truth = agreement.truth
    sections = [
        Gallery(run.predictions, tiles, groups, truth, card, said, served, naming).section(),
        *groups.sections(),
        agreement.section(fitted.false_alarms),
        _distributions(fitted, run),
        _errors(run),
        _model(card, model, detector.digest or "", run),
        _training(detector),
    ]
    when = text(_moment(run))
    called = f" on {text(plain(name))}" if name else ""
    return whole_page(
        title or head.headline(),
        head.lead(),
        eyebrow=f'oneclass report{called}<span class="when">{when}</span>',
        figures=head.figures(),
        banners=head.warnings(),
        hidden=f"{OLDER_PAGE}{text(OLDER)}</p>",
        sections=sections,
        made_from=f" from <code>{text(model.name)}</code> and <code>{text(folder.name)}</code>",
        images=True,
        script=asset("script.js"),
    )


def _moment(run: Run) -> str:
    """When it was scored: `scored 2026-11-27 03:27 to 03:31 UTC`; empty where nobody knows."""
    started, seconds = str(run.record.get("started", "")), run.record.get("seconds", 0.0)
    if not started:
        return ""
    zone = " UTC" if started.endswith(("+00:00", "Z")) else ""
    first = started[:16].replace("T", " ")
    end = datetime.fromisoformat(started) + timedelta(seconds=seconds)
    last = end.strftime("%Y-%m-%d %H:%M")
    if last == first:
        return f"scored {first}{zone}"
    return f"scored {first} to {last.removeprefix(f'{first[:10]} ')}{zone}"


def _as_scored(detector: Detector, run: Run) -> FittedModel:
    """The model at the rates that the images were scored with."""
    card = run.record.get("card", {})
    return detector.model.at_rates(card.get("false_alarms"), card.get("unclear"))


def _distributions(fitted: FittedModel, run: Run) -> str:
    scores = np.array([p.score for p in run.predictions])
    verdicts = np.array([p.is_anomaly for p in run.predictions], bool)
    histogram = plots.score_histogram(
        fitted.calibration.normal_scores, scores, verdicts, fitted.threshold
    )
    exact = fitted.card["calibration"]["method"] != "cross"
    figures = figure(
        "Anomaly scores",
        histogram,
        EXACT.format(digits(fitted.threshold)) if exact else APPROXIMATE,
    )
    if len(scores) > 1:
        p_values = np.array([p.p_value for p in run.predictions])
        plot = plots.p_value_plot(p_values, fitted.false_alarms)
        figures += figure("p-values", plot, P_VALUES)
    return section("scores", "Scores", f'<div class="plots">{figures}</div>')


def _errors(run: Run) -> str:
    if not run.errors:
        return ""
    rows = "".join(
        f"<tr><td><bdi>{text(plain(path))}</bdi></td>"
        f'<td class="reason">{text(reason.replace("_", " "))}</td>'
        f"<td>{text(plain(detail))}</td></tr>"
        for path, reason, detail in run.errors[:MOST_ROWS]
    )
    n = len(run.errors)
    return section(
        "errors",
        "Could not be used",
        f"<p>{n:,} {plural(n, 'image was', 'images were')} left out; the others are not "
        "affected.</p>"
        '<div class="scroll"><table><thead><tr><th>image</th><th>reason</th><th>what was found</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>",
    )


def _model(card: dict[str, Any], model: Path, digest: str, run: Run) -> str:
    environment = run.record.get("environment", {})
    cores = environment.get("cores")
    told = "? cores" if cores is None else count(cores, "core")
    machine = f"{environment.get('cpu', 'unknown processor')}, {told}"
    worked = f"in {run.record.get('seconds', '?')} s"
    if run.record.get("as_they_came"):  # of which the clock ran on between them
        worked = _moment(run).removeprefix("scored ")
    lines = [*modelcard.lines(card, model, digest), ("Scored on", f"{machine}, {worked}")]
    scored = ["oneclass", *map(str, run.record.get("command", []))]
    again = "\n".join(map(command, (modelcard.fit_command(card, model, scored), scored)))
    return section(
        "model",
        "The model",
        f"{definitions(lines)}<h3>To make it again</h3><pre><code>{again}</code></pre>",
    )


def _training(detector: Detector) -> str:
    """The curve of a backbone that `oneclass train` made."""
    training = detector.network.record.get("training") if detector.network else None
    if not training or not training.get("history"):
        return ""
    settings, last = training["settings"], training["history"][-1]
    held_out = last["held_out_accuracy"]
    told = "none were held out" if held_out is None else f"{percent(held_out)} in the end"
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

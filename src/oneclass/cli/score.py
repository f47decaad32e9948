"""`oneclass score`: say how odd other images are."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import (
    ANOMALY,
    UNREADABLE,
    count,
    is_terminal,
    print_data,
    progress,
    say,
    say_cache,
    say_errors,
    say_ignored,
    say_times,
)
from oneclass.cli.talk.parameters import Share, check_order, machine_options
from oneclass.errors import ImageError, InputError
from oneclass.system.host import signals
from oneclass.system.host.portable import process_age
from oneclass.system.places import place

if TYPE_CHECKING:
    from oneclass.detector.estimator import Detector
    from oneclass.detector.predictions import Prediction, Scored
    from oneclass.images.sources import Sources
    from oneclass.results.heatmaps import HeatmapFolder


@click.command(short_help="Say how odd other images are.")
@click.argument("model")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--out", metavar="DIR", help="Folder for predictions.csv, .jsonl, errors.csv, run.json."
)
@click.option(
    "--heatmaps",
    metavar="DIR",
    help="Folder for heatmaps: where each image is odd, drawn (PNG) and as numbers (.npy).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of CSV.")
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
@click.option("--fail-on-anomaly", is_flag=True, help="End with exit code 10 if there is one.")
@click.option("-v", "--verbose", is_flag=True, help="Tell where the time went.")
@click.option(
    "--false-alarms",
    type=Share(),
    metavar="SHARE",
    help="Share of normal images that may be called anomalies, such as 0.01 or 1%.  "
    "[default: that of the fit]",
)
@click.option(
    "--unclear",
    type=Share(),
    metavar="SHARE",
    help="A second, higher share: images between the two are unclear; fine, unclear and anomaly "
    "are the verdicts then.  [default: two verdicts]",
)
@machine_options
def score(
    model: str,
    inputs: Sequence[str],
    out: str | None,
    heatmaps: str | None,
    as_json: bool,
    backbone: str | None,
    fail_on_anomaly: bool,
    false_alarms: float | None,
    unclear: float | None,
    threads: int | None,
    verbose: bool,
    runtime: str,
    precision: str,
    cache: str | None,
    cluster: str | None,
) -> int:
    """Score images with a MODEL file: how odd is each, and is it an anomaly?

    INPUT: files, folders (searched in depth), globs, a list.txt of paths, or - for paths on stdin.

    A larger score is odder. The p-value is the share of normal images that look at least as odd.
    Without -o the predictions are printed; with it they are written, and printed only if --json
    asks for that.
    """
    began, age = time.perf_counter(), process_age()
    from oneclass.detector.files.loading import load

    imported = time.perf_counter()
    started = datetime.now(UTC)
    check_order("score", model, inputs)
    detector = load(
        model,
        backbone=backbone,
        threads=threads,
        runtime=runtime,
        precision=precision,
        cache=cache,
        cluster=cluster,
        false_alarms=false_alarms,
        unclear=unclear,
    )
    loaded = time.perf_counter()
    sources = _sources(inputs)
    predictions, errors, finished = _score_into(
        out, heatmaps, detector, sources, as_json=as_json, started=started
    )

    _say_left_out(detector, sources, errors, out)
    if verbose:
        done = {"imports": imported - began, "model and network": loaded - imported}
        done["images"] = time.perf_counter() - loaded
        say_times(age, done, detector.stages.seconds)
    n_anomalies = _say_found(detector, predictions, heatmaps, out)
    if false_alarms is not None and detector.model.rests_on_one:
        say(
            f"note: at {100 * false_alarms:.3g} % the threshold is the score of the oddest of "
            f"{detector.model.calibration.n_held_out} normal images, so one odd picture among them "
            "decides. More normal images, or a higher rate, make it firmer."
        )
    if not finished:
        say("interrupted: the other images were not scored.")
        return signals.exit_code()
    if fail_on_anomaly and n_anomalies:
        return ANOMALY
    return UNREADABLE if errors else 0


def _say_left_out(
    detector: Detector, sources: Sources, errors: Sequence[ImageError], out: str | None
) -> None:
    say_ignored(sources.ignored)
    say_errors(errors, listed_in=str(place(out) / "errors.csv") if out is not None else None)
    say_cache(detector.cache_use)


def _sources(inputs: Sequence[str]) -> Sources:
    """What there is to score.

    Raises:
        InputError: nothing.
    """
    from oneclass.images.sources import gather

    sources = gather(list(inputs))
    if not len(sources) and not sources.errors:
        say_ignored(sources.ignored)
        raise InputError(
            f"no images in {', '.join(inputs)}. Give files, or folders that hold some."
        )
    return sources


def _say_found(
    detector: Detector, predictions: Sequence[Prediction], heatmaps: str | None, out: str | None
) -> int:
    """Say what was found and where it lies; the number of anomalies."""
    from oneclass.results.runs import PAGE

    n_anomalies = sum(p.is_anomaly for p in predictions)
    if not predictions:
        say("No image could be scored.")
        return 0
    found = count(n_anomalies, "anomaly", "anomalies")
    if detector.model.unclear is not None:
        found += f" and {sum(p.is_unclear for p in predictions)} unclear"
    if heatmaps is not None:
        say(f"Heatmaps are in {heatmaps}; {place(heatmaps) / 'index.csv'} lists them.")
        if (regions := place(heatmaps) / "regions.jsonl").exists():
            say(f"Boxes and contours of what is odd are in {regions}.")
    where = f"; the list is {place(out) / 'predictions.csv'}" if out is not None else ""
    say(f"{found} among {count(len(predictions), 'image')}{where}.")
    if out is not None and (page := place(out) / PAGE).exists():
        say(f"{page} is of an earlier run: 'oneclass report' makes it anew.")
    if drift := detector.drift(predictions):
        say(drift)
    return n_anomalies


def _score_into(
    out: str | None,
    heatmaps: str | None,
    detector: Detector,
    sources: Sources,
    *,
    as_json: bool,
    started: datetime,
) -> tuple[Scored, list[ImageError], bool]:
    """Score all, and leave in the two folders what is asked for, also where a signal ends it early.

    Returns:
        As `_score_all` does.
    """
    from oneclass.results import runs

    heat = None if heatmaps is None else _heatmap_folder(detector, place(heatmaps))
    if out is not None:
        runs.make_folder(place(out))
    verdict = detector.model.unclear is not None
    to_line: Callable[[Prediction], str] | None = None
    if as_json:
        to_line = partial(runs.json_line, verdict=verdict)
    elif out is None:
        to_line = partial(runs.csv_line, verdict=verdict)
        print_data(runs.header(verdict=verdict))
    predictions, errors, finished = _score_all(
        detector, sources, to_line, heat, keep=out is not None or heat is not None
    )
    with signals.shielded():
        if heat is not None:
            heat.finish()
        if out is not None:
            record = runs.record_of(
                detector, predictions, errors, started=started, finished=finished
            )
            runs.write_run(place(out), predictions, errors, record)
    return predictions, errors, finished


def _score_all(
    detector: Detector,
    sources: Sources,
    to_line: Callable[[Prediction], str] | None,
    heat: HeatmapFolder | None,
    *,
    keep: bool,
) -> tuple[Scored, list[ImageError], bool]:
    """The predictions, the errors, and whether a signal left the end unscored.

    Prints each prediction as `to_line` makes it, while somebody reads; with nobody reading and
    nothing to `keep`, it ends.
    """
    from oneclass.detector.predictions import Scored

    predictions = Scored(sources.names)
    errors = list(sources.errors)
    quiet = to_line is not None and is_terminal(sys.stdout)
    try:
        with progress("score", quiet=quiet) as show:
            for index, result in enumerate(_results(detector, sources, heat, show)):
                if isinstance(result, ImageError):
                    errors.append(result)
                    continue
                predictions.add(index, result)
                if to_line is not None and not print_data(to_line(result)):
                    to_line = None
                if to_line is None and not keep:
                    break
    except KeyboardInterrupt:
        return predictions, errors, False
    return predictions, errors, True


def _heatmap_folder(detector: Detector, folder: Path) -> HeatmapFolder:
    from oneclass.results.heatmaps import HeatmapFolder

    _ = detector.heat_scale  # refuses a model without maps before any work is done
    return HeatmapFolder(folder)


def _results(
    detector: Detector,
    sources: Sources,
    heat: HeatmapFolder | None,
    show: Callable[[int, int], None],
) -> Iterator[Prediction | ImageError]:
    """Each image's prediction; its heatmap is written on the way."""
    if heat is None:
        yield from detector.score_each(sources, progress=show)
        return
    from oneclass.results.heatmaps import draw_each

    for result in draw_each(detector, sources, show):
        if isinstance(result, ImageError):
            yield result
        else:
            heat.add(result)
            yield result.prediction

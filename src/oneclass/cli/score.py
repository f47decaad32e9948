"""`oneclass score`: say how odd other images are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from oneclass.cli.talk.console import (
    ANOMALY,
    UNREADABLE,
    say,
    say_cache,
    say_errors,
    say_ignored,
    say_passed_over,
    say_times,
    say_traffic,
)
from oneclass.cli.talk.parameters import Share, check_order, machine_options
from oneclass.cli.talk.scoring import score_into, unscored
from oneclass.cli.talk.writing import say_rests_on_one
from oneclass.errors import ImageError, InputError, StorageError
from oneclass.system.host import signals
from oneclass.system.host.portable import process_age
from oneclass.system.names import count, plural, some_of
from oneclass.system.places import place

if TYPE_CHECKING:
    from oneclass.detector.estimator import Detector
    from oneclass.detector.predictions import Prediction
    from oneclass.images.sources import Sources


@click.command(short_help="Say how odd other images are.")
@click.argument("model")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--out", metavar="DIR", help="Folder for predictions.csv, .jsonl, errors.csv, run.json."
)
@click.option(
    "--heatmaps",
    metavar="DIR",
    help="Folder for heatmaps: where each image is odd, drawn (PNG), as numbers (.npy) and "
    "as boxes; an odd image need not have one.",
)
@click.option(
    "--parquet",
    is_flag=True,
    help="Write DIR/predictions/*.parquet, a part at a time, rather than predictions.csv; the same "
    "command goes on behind the parts that are there.",
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
    parquet: bool,
    as_json: bool,
    backbone: str | None,
    fail_on_anomaly: bool,
    false_alarms: float | None,
    unclear: float | None,
    verbose: bool,
    **machine: Any,
) -> int:
    """Score images with a MODEL file: how odd is each, and is it an anomaly?

    INPUT: files, folders (searched in depth), globs, a list.txt of paths, or - for paths on stdin.
    Nothing is scored before stdin ends: for images that keep coming there is 'oneclass serve',
    which answers for each one that it is sent, and watches folders.

    A larger score is odder. The p-value is the share of normal images that look at least as odd.
    Without -o the predictions are printed; with it they are written, and printed only if --json
    asks for that.
    """
    began, age = time.perf_counter(), process_age()
    _check_parquet(parquet, out, heatmaps)
    from oneclass.detector.files.loading import load
    from oneclass.results.folders import check_apart

    imported = time.perf_counter()
    started = datetime.now(UTC)
    check_order("score", model, inputs)
    detector = load(model, backbone=backbone, false_alarms=false_alarms, unclear=unclear, **machine)
    loaded = time.perf_counter()
    sources = _sources(inputs)
    if out is not None:
        check_apart(place(out), inputs)
    predictions, errors, stopped, written = score_into(
        out,
        heatmaps,
        detector,
        sources,
        parquet=parquet,
        as_json=as_json,
        started=started,
    )

    _say_left_out(detector, sources, errors, written, kept_back=out if written is None else None)
    if verbose:
        done = {"imports": imported - began, "model and network": loaded - imported}
        done["images"] = time.perf_counter() - loaded
        say_times(age, done, detector.stages.seconds)
    n_anomalies = _say_found(detector, predictions, heatmaps, written, parquet=parquet)
    _say_worth(detector, sources, predictions, finished=stopped is None)
    if stopped is not None:
        left = unscored(sources, predictions, errors)
        which = some_of(left, len(sources), "image")
        said = f"{which} {plural(left, 'was', 'were')} not scored."
        if isinstance(stopped, StorageError):
            say(f"{said} What was scored is kept." if left else "All was scored.")
            raise stopped
        say(f"interrupted: {said}")
        return signals.exit_code()
    if fail_on_anomaly and n_anomalies:
        return ANOMALY
    return UNREADABLE if errors else 0


def _say_worth(
    detector: Detector, sources: Sources, predictions: Sequence[Prediction], *, finished: bool
) -> None:
    """Say where the verdicts are worth less than they seem."""
    from oneclass.detector.predictions import told_learnt

    if told := told_learnt([p.path for p in predictions if p.learnt], len(predictions)):
        say(f"note: {told}")
    if told := detector.unlike(sources):
        say(f"note: {told}")
    if finished and (drift := detector.drift(predictions)):
        say(drift)
    if predictions:
        say_rests_on_one(detector)


def _check_parquet(parquet: bool, out: str | None, heatmaps: str | None) -> None:
    """Refuse options that do not go with --parquet.

    Raises:
        InputError: they do not.
    """
    if parquet and out is None:
        raise InputError("--parquet needs the folder of the run: give -o DIR.")
    if parquet and heatmaps is not None:
        raise InputError(
            "--parquet and --heatmaps do not go together: a run that goes on draws no image again, "
            "so the index of heatmaps would be of its end alone. Give one of them."
        )


def _say_left_out(
    detector: Detector,
    sources: Sources,
    errors: Sequence[ImageError],
    out: str | None,
    *,
    kept_back: str | None,
) -> None:
    say_passed_over(sources)
    listed_in = str(place(out) / "errors.csv") if out is not None else None
    say_errors(errors, listed_in=listed_in, kept_back=kept_back, of_model=True)
    say_cache(detector.cache_use)
    say_traffic(detector.traffic)


def _sources(inputs: Sequence[str]) -> Sources:
    """What there is to score.

    Raises:
        InputError: nothing, so that a slip neither passes for a run nor takes the place of one.
    """
    from oneclass.images.sources import gather, led_nowhere

    sources = gather(list(inputs))
    if not len(sources):
        say_ignored(sources.ignored)
        if sources.errors:
            raise InputError(f"{led_nowhere(sources.errors)} No image was scored.")
        raise InputError(
            f"no images in {', '.join(inputs)}. Give files, or folders that hold some."
        )
    return sources


def _say_found(
    detector: Detector,
    predictions: Sequence[Prediction],
    heatmaps: str | None,
    out: str | None,
    *,
    parquet: bool,
) -> int:
    """Say what was found and where it lies; the number of anomalies."""
    from oneclass.detector.predictions import digits
    from oneclass.results.runs import PAGE

    n_anomalies = sum(p.is_anomaly for p in predictions)
    if not predictions:
        say("No image could be scored.")
        return 0
    found = count(n_anomalies, "anomaly", "anomalies")
    if detector.model.unclear is not None:
        found += f" and {sum(p.is_unclear for p in predictions)} unclear"
    if heatmaps is not None:
        if (index := place(heatmaps) / "index.csv").exists():
            say(f"Heatmaps are in {heatmaps}; {index} lists them.")
        if (regions := place(heatmaps) / "regions.jsonl").exists():
            limit = digits(detector.pixel_threshold)
            say(
                f"Boxes and contours of places above {limit} in the heatmap are in {regions}; an "
                "odd image need not have one."
            )
    where = ""
    if out is not None:
        listed = "predictions" if parquet else "predictions.csv"
        where = f"; the list is {place(out) / listed}"
    say(f"{found} among {count(len(predictions), 'image')}{where}.")
    if out is not None and (page := place(out) / PAGE).exists():
        say(f"{page} is of an earlier run: 'oneclass report' makes it anew.")
    return n_anomalies

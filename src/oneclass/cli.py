"""The command line: a thin shell over the public names.

Data goes to stdout; progress, summaries and errors go to stderr. What a command needs is imported
inside it, so that --help is instant.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneclass import __version__
from oneclass.console import (
    ANOMALY,
    INTERRUPTED,
    UNREADABLE,
    count,
    is_terminal,
    print_data,
    progress,
    say,
    say_errors,
    say_ignored,
)
from oneclass.errors import ImageError, InputError

if TYPE_CHECKING:
    from oneclass.detector import Detector
    from oneclass.prediction import Prediction
    from oneclass.sources import Sources

EXIT_CODES = """\b
Exit codes:
    0  fine
    1  a bug of oneclass
    2  wrong usage, or unusable input
    3  some images could not be read; everything else was done and written
    4  model file refused
    5  disk or memory full
   10  anomaly found (only with --fail-on-anomaly)
  130  interrupted"""


class Size(click.ParamType[tuple[int, int]]):
    """`64` or `48x64` (height x width)."""

    name = "HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        parts = str(value).lower().split("x")
        if len(parts) in (1, 2) and all(part.isdecimal() and int(part) > 0 for part in parts):
            return int(parts[0]), int(parts[-1])
        raise click.BadParameter(
            f"{value!r}: expected HEIGHTxWIDTH in pixels, such as 64x64, or one number.", ctx, param
        )


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="oneclass")
def cli() -> None:
    """Learn what normal images look like, and say how odd a new image is.

    \b
    oneclass check good_parts/                         what is in a folder?
    oneclass fit good_parts/ -o parts.oneclass         learn from normal images alone
    oneclass score parts.oneclass new_parts/ -o run/   score others
    """


@cli.command(short_help="Learn from normal images.")
@click.argument("normal", nargs=-1, required=True)
@click.option("-o", "--out", "out", required=True, metavar="FILE", help="Model file to write.")
@click.option(
    "--backbone",
    default="efficientnet-lite0",
    show_default=True,
    help="An embedded network, an ONNX file, or 'greyscale' for raw pixels.",
)
@click.option(
    "--layer",
    help="Layers of the backbone, such as block_8@4 (a 4 x 4 grid); 'oneclass info' lists them.  "
    "[default: block_2@7+block_14@2]",
)
@click.option(
    "--grid",
    type=int,
    help="Average map layers to GRID x GRID positions, where --layer names no grid.",
)
@click.option(
    "--size",
    type=Size(),
    metavar="HxW",
    help="Resize images to this.  [default: the network's own]",
)
@click.option(
    "--nu",
    type=float,
    default=0.1,
    show_default=True,
    help="Bounds the share of normal images outside their half-space; above 0, at most 1.",
)
@click.option(
    "--halfspaces",
    type=int,
    help="Number of half-spaces.  [default: one per 12 images, at most 64]",
)
@click.option(
    "--false-alarms",
    type=float,
    help="Share of normal images that may be called anomalies.  [default: 0.05]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is random.")
@click.option("--threads", type=int, help="Threads to use.  [default: all cores]")
def fit(normal: Sequence[str], out: str, halfspaces: int | None, **settings: Any) -> int:
    """Learn from NORMAL images and write a model file.

    NORMAL: files, folders (searched in depth), globs, a list.txt of paths, or - for paths on
    stdin. Images that cannot be read are listed and left out.
    """
    from oneclass.detector import Detector
    from oneclass.files import check_writable

    check_writable(Path(out))
    detector = Detector(n_halfspaces=halfspaces, **settings)
    with progress("fit") as show:
        detector.fit(list(normal), progress=show)
    detector.save(out)
    learnt = detector.card["fit"]
    say_ignored(detector.ignored)
    say_errors(detector.errors)
    for warning in learnt["warnings"]:
        say(f"note: {warning}")
    say(
        f"{out}: learnt {count(learnt['n_images'], 'normal image')} as "
        f"{count(learnt['n_halfspaces'], 'half-space')} ({Path(out).stat().st_size / 1e3:.0f} kB). "
        f"About {100 * detector.card['false_alarms']:.3g} % of normal images will be called "
        "anomalies."
    )
    return UNREADABLE if detector.errors else 0


@cli.command(short_help="Say how odd other images are.")
@click.argument("model")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--out", metavar="DIR", help="Folder for predictions.csv, .jsonl, errors.csv, run.json."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of CSV.")
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
@click.option("--fail-on-anomaly", is_flag=True, help="End with exit code 10 if there is one.")
@click.option("--threads", type=int, help="Threads to use.  [default: all cores]")
def score(
    model: str,
    inputs: Sequence[str],
    out: str | None,
    as_json: bool,
    backbone: str | None,
    fail_on_anomaly: bool,
    threads: int | None,
) -> int:
    """Score images with a MODEL file: how odd is each, and is it an anomaly?

    INPUT: files, folders (searched in depth), globs, a list.txt of paths, or - for paths on stdin.

    A larger score is odder. The p-value is the share of normal images that look at least as odd.
    Without -o the predictions are printed; with it they are written, and printed only if --json
    asks for that.
    """
    from oneclass import runs
    from oneclass.loading import load
    from oneclass.sources import gather

    started = datetime.now(UTC)
    detector = load(model, backbone=backbone, threads=threads)
    sources = gather(list(inputs))
    if not len(sources) and not sources.errors:
        say_ignored(sources.ignored)
        raise InputError(
            f"no images in {', '.join(inputs)}. Give files, or folders that hold some."
        )
    if out is not None:
        runs.make_folder(Path(out))
    to_line = runs.json_line if as_json else runs.csv_line if out is None else None
    if to_line is runs.csv_line:
        print_data(",".join(runs.COLUMNS))
    predictions, errors, finished = _score_all(detector, sources, to_line, keep=out is not None)
    if out is not None:
        record = _record(detector, predictions, errors, started=started, finished=finished)
        runs.write_run(Path(out), predictions, errors, record)

    say_ignored(sources.ignored)
    say_errors(errors, listed_in=f"{out}/errors.csv" if out is not None else None)
    n_anomalies = sum(p.is_anomaly for p in predictions)
    found = count(n_anomalies, "anomaly", "anomalies")
    where = f"; the list is {out}/predictions.csv" if out is not None else ""
    say(f"{found} among {count(len(predictions), 'image')}{where}.")
    if not finished:
        say("interrupted: the other images were not scored.")
        return INTERRUPTED
    if fail_on_anomaly and n_anomalies:
        return ANOMALY
    return UNREADABLE if errors else 0


def _score_all(
    detector: Detector,
    sources: Sources,
    to_line: Callable[[Prediction], str] | None,
    *,
    keep: bool,
) -> tuple[list[Prediction], list[ImageError], bool]:
    """The predictions, the errors, and whether Ctrl-C left the end unscored.

    Prints each prediction as `to_line` makes it, while somebody reads; with nobody reading and
    nothing to `keep`, it ends.
    """
    predictions: list[Prediction] = []
    errors = list(sources.errors)
    quiet = to_line is not None and is_terminal(sys.stdout)
    try:
        with progress("score", quiet=quiet) as show:
            for result in detector.score_each(sources, progress=show):
                if isinstance(result, ImageError):
                    errors.append(result)
                    continue
                predictions.append(result)
                if to_line is not None and not print_data(to_line(result)):
                    to_line = None
                if to_line is None and not keep:
                    break
    except KeyboardInterrupt:
        return predictions, errors, False
    return predictions, errors, True


def _record(
    detector: Detector,
    predictions: Sequence[Prediction],
    errors: Sequence[ImageError],
    *,
    started: datetime,
    finished: bool,
) -> dict[str, Any]:
    """What run.json says of a scoring run."""
    from oneclass import runs

    return {
        "command": sys.argv[1:],
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
        "complete": finished,
        "model_sha256": detector.digest,
        "card": detector.card,
        "seed": detector.seed,
        "precision": "float32",
        "images": len(predictions) + len(errors),
        "scored": len(predictions),
        "anomalies": sum(p.is_anomaly for p in predictions),
        "errors": len(errors),
        "environment": runs.environment(),
    }


@cli.command(short_help="Show what a model, or this installation, is made of.")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(model: str | None, as_json: bool) -> int:
    """Show what a MODEL file is made of; without one, this installation and its backbones."""
    from oneclass.information import installation, model_card, outline

    facts = installation() if model is None else model_card(Path(model))
    print_data(json.dumps(facts, indent=2) if as_json else outline(facts))
    return 0


@cli.command(short_help="Look at a folder of images before training.")
@click.argument("inputs", nargs=-1, required=True, metavar="DIR...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(inputs: Sequence[str], as_json: bool) -> int:
    """Look at a folder before training: unreadable files, sizes, bit depths, exact copies."""
    from oneclass.check import check as examine

    with progress("check") as show:
        report = examine(list(inputs), progress=show)
    print_data(json.dumps(report.to_json(), indent=2) if as_json else report.text())
    return UNREADABLE if report.errors else 0


@cli.command(short_help="Try it all on real handwritten digits.")
@click.argument("folder", default="oneclass-demo")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the images.")
def demo(folder: str, seed: int) -> int:
    """Run the main job on real handwritten digits, in FOLDER (under a minute).

    Writes PNG files of the digit 5 as normal images and a mixed folder of incoming ones, then
    runs the very commands that you would run, and says what they found.
    """
    from oneclass.demo import run_demo

    run_demo(Path(folder), seed=seed)
    return 0

"""`oneclass update`: more normal images for a model, or fewer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import (
    UNREADABLE,
    if_stopped,
    is_terminal,
    progress,
    say,
    say_cache,
    say_errors,
    say_ignored,
    say_traffic,
)
from oneclass.cli.talk.parameters import check_order, machine_options, names_a_file
from oneclass.cli.talk.writing import no_backup, save, say_folders, say_learnt, unlearnt
from oneclass.errors import InputError
from oneclass.system.names import count, plain, plural
from oneclass.system.places import place

if TYPE_CHECKING:
    from oneclass.detector.predictions import Prediction
    from oneclass.detector.updating import Update

SHOWN = 20


@click.command(short_help="Learn more normal images, or forget some.")
@click.argument("model")
@click.argument("normal", nargs=-1, metavar="[NORMAL]...")
@click.option(
    "--forget",
    multiple=True,
    metavar="INPUT",
    help="Images to forget, found again by their pixels: a file, folder, glob or list; repeatable.",
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    callback=names_a_file(".oneclass"),
    help="Model file to write.  [default: MODEL itself]",
)
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
@click.option("--yes", is_flag=True, help="Learn images that look like no normal one, unasked.")
@no_backup
@machine_options
def update(
    model: str,
    normal: Sequence[str],
    forget: Sequence[str],
    out: str | None,
    backbone: str | None,
    yes: bool,
    no_backup: bool,
    threads: int | None,
    runtime: str,
    precision: str,
    cache: str | None,
    cluster: str | None,
) -> int:
    """Learn more NORMAL images for a MODEL, or forget some, and calibrate it anew.

    The images that it learnt from before are not needed: their rows lie in MODEL.rows, which 'fit'
    writes: unasked for whole images, with --keep-rows for patches. The result is that of a fresh
    fit to all images, and takes as long, but that only the new ones are read.
    """
    from oneclass.detector.files.loading import load
    from oneclass.detector.files.modelfile import check_model_place
    from oneclass.images.sources import gather, refuse_absent

    if not normal and not forget:
        raise InputError("nothing to do: give normal images to add, or --forget images to remove.")
    check_order("update", model, normal)
    more, fewer = gather(list(normal)), gather(list(forget))
    refuse_absent(more)
    refuse_absent(fewer)
    file = place(out or model)
    detector = load(
        model,
        backbone=backbone,
        threads=threads,
        runtime=runtime,
        precision=precision,
        cache=cache,
        cluster=cluster,
    )
    check_model_place(file)
    with if_stopped(lambda: unlearnt(file, cache)), progress("update") as show:
        did = detector.update(more, forget=fewer, progress=show, stage=show.stage)
        seconds = show.seconds()
    say_ignored(detector.ignored)
    say_errors(did.errors)
    say_cache(detector.cache_use)
    say_traffic(detector.traffic)
    known = f" ({did.known} known already)" if did.known else ""
    if did.odd and not yes:
        _ask(did.odd, file)
    changed = bool(did.added or did.forgotten)
    if changed:
        save(detector, file, rows=True, no_backup=no_backup)
    say_folders(detector.folders)
    say(f"{count(did.added, 'image')} added{known}, {did.forgotten} forgotten.")
    _say_called(did)
    if changed:
        say_learnt(detector, file, seconds)
    else:
        say(f"nothing has changed; {file} was not written.")
    return UNREADABLE if did.errors else 0


def _say_some(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  ... and {len(lines) - SHOWN} more")


def _say_called(did: Update) -> None:
    """That images were anomalies until now, which is right for false alarms alone."""
    if not did.called:
        return
    say(
        f"note: {len(did.called)} of the {count(did.added, 'image')} added "
        f"{plural(len(did.called), 'was an anomaly', 'were anomalies')} to the model before, and "
        f"{plural(len(did.called), 'is', 'are')} normal to it now. Any that has a defect: take it "
        "out with --forget."
    )
    _say_some([plain(prediction.path) for prediction in did.called])


def _ask(odd: Sequence[Prediction], file: Path) -> None:
    """Ask whether images that look like no normal one are to be learnt as normal.

    Raises:
        InputError: they are not, or there is nobody to ask.
    """
    from oneclass.detector.predictions import digits

    say(
        f"{count(len(odd), 'image')} to learn {plural(len(odd), 'is', 'are')} far odder than any "
        "normal one so far (score):"
    )
    _say_some([f"{digits(p.score)}  {plain(p.path)}" for p in odd])
    if is_terminal(sys.stdin) and click.confirm("Are they normal? Learn them", err=True):
        return
    raise InputError(
        f"{file} was not written. Look at these images; give the others alone, or --yes if all "
        "of them are normal."
    )

"""`oneclass update`: more normal images for a model, or fewer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    say_passed_over,
    say_traffic,
)
from oneclass.cli.talk.parameters import (
    INPUTS,
    TakingInputs,
    check_order,
    machine_options,
    names_a_file,
)
from oneclass.cli.talk.writing import no_backup, save, say_folders, say_learnt, unlearnt
from oneclass.errors import InputError
from oneclass.system.files import kept_of
from oneclass.system.host.portable import as_typed
from oneclass.system.names import count, plain, plural, some_of
from oneclass.system.places import place

if TYPE_CHECKING:
    from oneclass.detector.updating import Update
    from oneclass.images.sources import Sources

SHOWN = 20
MARKED = "   <- its name, or its folder's, speaks of defects"


@click.command(cls=TakingInputs, short_help="Learn more normal images, or forget some.")
@click.argument("model")
@click.argument("normal", nargs=-1, metavar="[NORMAL]...")
@click.option(
    "--forget",
    multiple=True,
    metavar=INPUTS,
    help="Images to forget, found again by their pixels: files, folders, globs or lists, all up to "
    "the next option.",
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    callback=names_a_file(".oneclass"),
    help="Model file to write.  [default: MODEL itself]",
)
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
@click.option(
    "--yes",
    is_flag=True,
    help="Do not ask about images that look like no normal one, or whose names speak of defects.",
)
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
    **machine: Any,
) -> int:
    """Learn more NORMAL images for a MODEL, or forget some, and calibrate it anew.

    The images that it learnt from before are not needed: their rows lie in MODEL.rows, which 'fit'
    writes: unasked for whole images, with --keep-rows for patches. The result is that of a fresh
    fit to all images, and takes as long, but that only the new ones are read.
    """
    from oneclass.detector.files.loading import load
    from oneclass.detector.files.modelfile import check_model_place
    from oneclass.detector.files.replacing import is_one_file, stamp, unchanged
    from oneclass.images.sources import gather, refuse_absent

    if not normal and not forget:
        raise InputError("nothing to do: give normal images to add, or --forget images to remove.")
    check_order("update", model, normal)
    more, fewer = gather(list(normal)), gather(list(forget))
    for words, sources in ((normal, more), (forget, fewer)):
        refuse_absent(sources)
        _refuse_empty(words, sources)
    file = place(out or model)
    _refuse_kept(file)
    detector = load(model, backbone=backbone, **machine)
    check_model_place(file)
    own = is_one_file(file, place(model))  # of which the detector knows what it read
    stays = nullcontext() if own else unchanged(file, stamp(file))
    with if_stopped(lambda: unlearnt(file, machine["cache"])), progress("update") as show:

        def before(did: Update) -> None:
            with show.aside():
                for sources in (more, fewer):
                    say_passed_over(sources)
                say_errors(did.errors, of_model=True)
                if (did.odd or did.suspect) and not yes:
                    _ask(did, file, model)

        did = detector.update(more, forget=fewer, progress=show, stage=show.stage, before=before)
        seconds = show.seconds()
    say_cache(detector.cache_use)
    say_traffic(detector.traffic)
    known = f" ({did.known} known already)" if did.known else ""
    changed = bool(did.added or did.forgotten)
    if changed:
        save(detector, file, rows=True, no_backup=no_backup, stays=stays)
    say_folders(detector.folders)
    say(f"{count(did.added, 'image')} added{known}, {did.forgotten} forgotten.")
    _say_called(did)
    if changed:
        say_learnt(detector, file, seconds)
    else:
        say(f"nothing has changed; {file} was not written.")
    return UNREADABLE if did.errors else 0


def _refuse_kept(file: Path) -> None:
    """Refuse to write over what was kept of a model: it is there to go back to.

    Raises:
        InputError: the file is such a one.
    """
    kept = kept_of(file)
    if kept is not None:
        raise InputError(
            f"{file} is what was kept of {kept} when that was written anew, and is not written "
            f"over. To go back to it, rename it to {kept.name}, and its rows to {kept.name}.rows; "
            f"to go on from it beside {kept.name}, give -o FILE; else update {kept}."
        )


def _say_some(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  ... and {len(lines) - SHOWN} more")


def _say_called(did: Update) -> None:
    """That images were anomalies until now, which is right for false alarms alone."""
    if not did.called:
        return
    defective = plural(len(did.called), "If it has a defect,", "Any that has a defect:")
    say(
        f"note: {some_of(len(did.called), did.added, 'image')} added "
        f"{plural(len(did.called), 'was an anomaly', 'were anomalies')} to the model before, and "
        f"{_now(did)}.{_common(did)} {defective} take it out with --forget."
    )
    _say_some([plain(prediction.path) for prediction in did.called])


def _now(did: Update) -> str:
    """What they are to the new model, as `score` will say; to be learnt makes none normal."""
    n = len(did.called)
    if did.still is None:
        return f"{plural(n, 'was', 'were')} learnt as normal"
    if n == 1:
        return "is still called one" if did.still else "is none to it now"
    if not did.still:
        return "none of them is one to it now"
    n_still = len(did.still)
    which = "all" if n_still == n else str(n_still)
    return f"{which} of them {plural(n_still, 'is still called one', 'are still called anomalies')}"


def _common(did: Update) -> str:
    """Whether all anomalies lie in one folder, and its name speaks of defects; a blank first."""
    called = did.called
    theirs = {Path(prediction.path).parent for prediction in called}
    found = [folder for folder in did.folders if folder.path in theirs]
    if len(called) < 2 or len(theirs) > 1 or not found:
        return ""
    marked = ", and its name speaks of defects" if found[0].sounds_bad else ""
    both = "Both" if len(called) == 2 else f"All {len(called)}"
    return f" {both} are in {plain(str(found[0].path))}{marked}."


def _refuse_empty(words: Sequence[str], sources: Sources) -> None:
    """Refuse folders without an image, so that a slip does not pass for an update.

    Raises:
        InputError: words were given, and they lead to no image.
    """
    if words and not len(sources) and not sources.errors:
        say_ignored(sources.ignored)
        raise InputError(f"no images in {', '.join(words)}. Give files, or folders that hold some.")


def _ask(did: Update, file: Path, model: str) -> None:
    """Ask whether images that look like no normal one, or are called so, are to be learnt.

    Raises:
        InputError: they are not, or there is nobody to ask.
    """
    from oneclass.detector.predictions import digits

    sounding = did.suspect
    suspect = {prediction.path for prediction in sounding}
    named = sorted(did.odd or sounding, key=lambda p: p.path not in suspect)
    are = plural(len(named), "is", "are")
    why = (
        f"{are} far odder than any normal one so far"
        if did.odd
        else plural(
            len(named),
            "is called an anomaly, and a name speaks of defects",
            "are called anomalies, and names speak of defects",
        )
    )
    mark = dict.fromkeys(suspect, MARKED) if 0 < len(suspect) < len(did.called) else {}
    say(f"{count(len(named), 'image')} to learn {why} (score):")
    _say_some([f"{digits(p.score)}  {plain(p.path)}{mark.get(p.path, '')}" for p in named])
    odd = {prediction.path for prediction in named}
    rest = [p.path for p in did.called if p.path not in odd]
    if rest:
        say(
            f"The model calls {some_of(len(did.called), did.added, 'image')} anomalies: "
            f"these, and {len(rest)} more, less odd:"
        )
        rest.sort(key=lambda path: path not in suspect)
        _say_some([f"{plain(path)}{mark.get(path, '')}" for path in rest])
    if common := _common(did):
        say(common.strip())
    if is_terminal(sys.stdin) and click.confirm("Are they normal? Learn them", err=True):
        return
    all_of_them = "all the images named above"
    if max(len(named), len(rest)) > SHOWN:
        listing = as_typed(["score", model, "IMAGES", "-o", "run"])
        all_of_them += f" and the others (oneclass {listing} lists each of them)"
    raise InputError(
        f"{file} was not written. Look at {all_of_them}, and give those alone that "
        "are normal; or --yes if all of them are."
    )

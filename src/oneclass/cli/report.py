"""`oneclass report`: one page about a scoring run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import if_stopped, progress, say
from oneclass.cli.talk.parameters import FOLDERS, Here, TakingInputs, check_order, setting_option
from oneclass.cli.talk.writing import unwritten
from oneclass.errors import InputError
from oneclass.report.words import ANOMALY_WORDS, NORMAL_WORDS
from oneclass.system.host.portable import as_typed
from oneclass.system.names import count, plain, plural, some_names, some_of
from oneclass.system.places import place

if TYPE_CHECKING:
    from oneclass.report.labels import Truth
    from oneclass.results.runs import Run

PAGES = (".html", ".htm")
WORDS = f"""Labels in the table of --labels that mean normal: {", ".join(sorted(NORMAL_WORDS))}.

That mean an anomaly: {", ".join(sorted(ANOMALY_WORDS))}.

Another word is taken for the name of a defect, such as scratch: an anomaly of that kind. Capitals
make no difference, nor do hyphens and underscores for blanks."""


@click.command(cls=TakingInputs, short_help="Make a page about a scoring run.", epilog=WORDS)
@click.argument("model")
@click.argument("run_dir", type=Here())
@click.option(
    "-o",
    "--out",
    type=Here(),
    metavar="FILE.html",
    help="Page to write.  [default: RUN_DIR/report.html]",
)
@click.option(
    "--labels",
    type=Here(),
    metavar="CSV",
    help="The truth, from a table: path, and label (normal, anomaly, or the name of a defect).",
)
@click.option(
    "--normal",
    multiple=True,
    metavar=FOLDERS,
    help="The truth, from folders: images in these are normal, all others anomalies.",
)
@click.option(
    "--without-pictures", is_flag=True, help="A page of the numbers alone; no image is read."
)
@click.option("--title", help="Headline of the page.  [default: what was found]")
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
@setting_option("threads")
def report(
    model: str,
    run_dir: str,
    out: str | None,
    labels: str | None,
    normal: Sequence[str],
    without_pictures: bool,
    title: str | None,
    backbone: str | None,
    threads: int | None,
) -> int:
    """Make one self-contained HTML page of what `oneclass score MODEL ... -o RUN_DIR` found.

    The images are read again, from where they lay when they were scored. Needs the extra report.
    """
    from oneclass.detector.files.loading import load
    from oneclass.report import write_report
    from oneclass.report.labels import told_answers, told_kinds, told_unmatched
    from oneclass.results.runs import PAGE
    from oneclass.system.files import check_replaces, check_writable

    check_order("report", model, [run_dir])
    _check_page(out)
    file = Path(out) if out is not None else Path(run_dir) / PAGE
    detector = load(model, backbone=backbone, threads=threads)
    truth = _truth(labels, normal)
    if Path(run_dir).is_dir():
        check_writable(file, ".html")
        check_replaces(file, "report", b"<", holds=b'<p class="eyebrow">oneclass report')
    with if_stopped(lambda: unwritten(file)), progress("report") as show:
        made = write_report(
            detector,
            place(model),
            Path(run_dir),
            file,
            labels=truth,
            title=title,
            pictures=not without_pictures,
            progress=show,
        )
    if made.interrupted:
        say(f"note: {made.interrupted}")
    for told in made.not_shown:
        say(f"note: {told} The page says which.")
    if made.truth is not None and made.truth.unmatched:
        say(f"note: labels of no scored image: {plain(told_unmatched(made.truth))}")
    if made.truth is not None and made.n_scored > len(made.truth):
        n = made.n_scored - len(made.truth)
        say(f"note: {some_of(n, made.n_scored, 'image')} {plural(n, 'has', 'have')} no label.")
    if made.truth is not None and made.truth.answers:
        say(f"read in the table: {plain(told_answers(made.truth))}.")
    if made.truth is not None and made.truth.kinds:
        say(f"taken for names of defects: {plain(told_kinds(made.truth))}.")
    if made.truth is not None:
        odd = sum(made.truth.values())
        good = count(len(made.truth) - odd, "normal image")
        say(f"compared with the truth of {good}, {count(odd, 'anomaly', 'anomalies')}.")
        if odd in (0, len(made.truth)):
            say(f"note: {_one_sided(odd, normal)}")
        if normal and (as_good := _good_ones(made.truth, normal, ["report", model, run_dir])):
            say(f"note: {as_good}")
        if made.swapped:
            say(f"note: {_swapped(normal)}")
    shown = count(made.n_tiles, "image") if made.n_tiles else "no pictures"
    say(f"{file}: {shown}, {made.size / 1e6:.1f} MB. Open it in a browser.")
    return 0


def _one_sided(n_odd: int, folders: Sequence[str]) -> str:
    """That all images of known truth are normal, or all anomalies."""
    if folders:
        return (
            f"all images lie in {some_names(folders)}, which --normal calls normal, so nothing "
            "tells whether anomalies are found. Score folders of anomalies in the same run."
        )
    which = "anomalies" if n_odd else "normal"
    return f"all images with a label are {which}. Is every word of the table right?"


def _good_ones(truth: Truth, normal: Sequence[str], command: list[str]) -> str | None:
    """That folders which are called odd, for --normal names others, sound normal."""
    from oneclass.images.sounding import folders_sounding_good, told_as_good

    folders = Counter(place(path).parent for path, odd in truth.items() if odd)
    good = folders_sounding_good(folders)
    if not (told := told_as_good(folders, good)):
        return None
    words = [word for one in (*normal, *map(str, sorted(good))) for word in ("--normal", one)]
    return f"{told}. If they are normal, too: oneclass {as_typed([*command, *words])}"


def _swapped(folders: Sequence[str]) -> str:
    """That the verdicts are the other way round than the truth."""
    which = f"{some_names(folders)} (--normal)" if folders else "the table"
    where = "lie in" if folders else "are called normal in"
    return (
        f"most of the images that {where} {which} were called anomalies, and most of the others "
        "were not. Are normal images and anomalies swapped?"
    )


def _check_page(out: str | None) -> None:
    """Refuse a name that no browser shows as a page.

    Raises:
        InputError: a file of such a name.
    """
    if out is None or Path(out).exists() or Path(out).suffix.lower() in PAGES:
        return
    raise InputError(
        f"-o {out}: a page's name ends in .html, or browsers show its text. "
        f"Give {Path(out).name or 'page'}.html or the like."
    )


def _truth(labels: str | None, normal: Sequence[str]) -> Callable[[Run], Truth] | None:
    from oneclass.report.labels import from_csv, from_folders

    if labels is not None and normal:
        raise InputError("--labels and --normal exclude each other. Give one.")
    if labels is not None:
        table = Path(labels)
        return lambda run: from_csv(run.predictions, table, run.folder)
    return (lambda run: from_folders(run.predictions, normal, run.folder)) if normal else None

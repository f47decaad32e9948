"""`oneclass evaluate`: how well settings do on folders whose truth is known."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import click

from oneclass.cli.talk.console import (
    UNREADABLE,
    if_stopped,
    print_data,
    progress,
    say,
    say_traffic,
)
from oneclass.cli.talk.parameters import Here, setting_options
from oneclass.cli.talk.tables import Column, Layout, layout, room
from oneclass.errors import ImageError, InputError, OneclassError
from oneclass.system.host.signals import shielded
from oneclass.system.names import plain, plural, some_names

if TYPE_CHECKING:
    from oneclass.cluster.traffic import Traffic
    from oneclass.detector.settings import Settings
    from oneclass.evaluation.cells import Cell, Rate
    from oneclass.evaluation.keeping import KeptCells
    from oneclass.evaluation.ranking import Figure
    from oneclass.evaluation.running import Evaluation, Problem

WIDTH, INTERVAL = 18, "  95 %"
COLUMNS = (
    Column(f"{'category':{WIDTH}}", WIDTH, WIDTH),
    Column("AUROC", 9, 8),
    Column("AP", 9, 8, 8),
    Column("best F1", 9, 8, 5),
    Column("F1", 9, 8, 6),
    Column("alarms", 9, 8),
    Column("found", 9, 8),
    Column("px AUROC", 9, 9, 1),
    Column("PRO 30", 9, 8, 2),
    Column("PRO 5", 9, 8, 7),
    Column("fit s", 9, 7, 4),
    Column("ms", 9, 6, 3),
)
FORMS = (*["{:.3f}"] * 4, "{:.1%}", "{:.0%}", *["{:.3f}"] * 3, "{:.0f}", "{:.0f}")


@click.command(short_help="Measure settings on folders whose truth is known.")
@click.argument("folders", nargs=-1, required=True, type=Here(), metavar="DIR...")
@setting_options
@click.option(
    "--compare",
    "others",
    multiple=True,
    metavar="WORDS",
    help="Another setting beside this one, in the words of 'fit': '--rows patches --size 448'; "
    "repeatable.",
)
@click.option(
    "-o",
    "--out",
    type=Here(),
    metavar="DIR",
    help="Folder for table.md, table.html and results.json; what is finished there is not done "
    "again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def evaluate(
    folders: Sequence[str],
    others: Sequence[str],
    out: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Fit on the normal pictures of each category, score its test pictures, and measure.

    DIR: a category in the layout of MVTec AD (train/good, test/good, test/KIND and, if there are
    masks, ground_truth/KIND/NAME_mask.png), or a folder of categories.

    In the table: AP is average precision; best F1 that of the best threshold, which nobody knows
    beforehand, F1 that of the verdicts; alarms the normal pictures called anomalies, found the odd
    ones; px of pixels; PRO the overlap with the masks, to 30 % and 5 % of false positives; ms the
    milliseconds an image. The line below each has the 95 % intervals of its figures.

    Of a category called as one of MVTec AD, such as tile, the page of -o shows published figures,
    too: they are matched by the folder's name alone, and of that data set.
    """
    from oneclass.evaluation.cells import Cell
    from oneclass.evaluation.keeping import KeptCells
    from oneclass.evaluation.layout import find
    from oneclass.evaluation.running import Evaluation
    from oneclass.evaluation.running import evaluate as each

    settings = _settings(given, others)
    found = find(folders)
    kept = None if out is None else KeptCells(Path(out))
    known = Evaluation([], [])
    traffic: list[Traffic] = []
    table = layout(COLUMNS, room())
    head = table.head() + ("   setting" if others and table.room is None else "")
    cells = each(found, settings, kept, _bar, traffic)
    left = len(found) * len(settings)
    while (one := _next(cells, out, kept)) is not None:
        left -= 1
        if isinstance(one, Cell):
            if not as_json and not known.cells:  # a table without a line needs no head
                print_data(head)
            known = Evaluation([*known.cells, one], known.problems)
            words = one.setting if others else ""
            lines = _told(table, one.category, _figures(one), _costs(one), words)
            print_data(json.dumps(one.to_json()) if as_json else lines)
        else:
            known = Evaluation(known.cells, [*known.problems, one])
            left -= 0 if one.setting else len(settings) - 1  # all of a category
            if len(found) * len(settings) > 1:  # of one alone the last sentence tells
                # On a line of its own: the sentence may end in a command to be copied.
                say(f"error: {plain(one.sentence)}" + ("\nThe rest goes on." if left else ""))
        say_traffic(traffic)
        traffic.clear()
        if out is not None and known.cells:  # what is finished is on disk, whatever comes next
            with shielded():
                _write(Path(out), known)
    return _end(known, out, None if as_json else table)


def _settings(given: Mapping[str, Any], others: Sequence[str]) -> list[Settings]:
    """The settings that were given, and the others in their words.

    Raises:
        InputError: words that make no settings, or the same ones again.
    """
    from oneclass.detector.settings import Settings
    from oneclass.evaluation.measuring import words

    # An option of its own name on the command line.
    base = {("n_halfspaces" if k == "halfspaces" else k): v for k, v in given.items()}
    found = [Settings(**base)]
    for text in others:
        changed = {("n_halfspaces" if k == "halfspaces" else k): v for k, v in _read(text).items()}
        try:
            one = Settings(**{**base, **changed})
        except InputError as error:
            raise InputError(f"--compare {text!r}: {error}") from error
        if words(one) in map(words, found):
            raise InputError(
                f"--compare {text!r}: the same as {words(one)!r}, which is there already. Give "
                "other settings, or leave it out."
            )
        found.append(one)
    return found


def _read(text: str) -> dict[str, Any]:
    """What the words of `fit` set.

    Raises:
        InputError: they are no words of `fit`.
    """

    @click.command()
    @setting_options
    def reader(**given: Any) -> None: ...

    try:
        context = reader.make_context("compare", shlex.split(text), resilient_parsing=False)
    except (click.ClickException, ValueError) as error:
        told = error.format_message() if isinstance(error, click.ClickException) else str(error)
        told = told if told.endswith((".", "?")) else f"{told}."
        raise InputError(
            f"--compare {text!r}: {told} Expected options of 'oneclass fit', with their "
            "dashes and all in quotes, such as --compare '--rows image'."
        ) from None
    given = click.core.ParameterSource.COMMANDLINE
    return {k: v for k, v in context.params.items() if context.get_parameter_source(k) == given}


def _next(
    cells: Iterator[Cell | Problem], out: str | None, kept: KeptCells | None
) -> Cell | Problem | None:
    """The next of them, None behind the last."""

    def told() -> str:
        if kept is None:
            return "nothing is kept without -o FOLDER: the same command begins anew."
        if kept.is_empty:
            return "nothing was finished yet: the same command begins anew."
        return f"what is finished is kept in {out}: the same command goes on from there."

    with if_stopped(told):
        return next(cells, None)


def _bar(what: str) -> AbstractContextManager[Any]:
    return progress(what)


def _figures(cell: Cell) -> list[Figure | Rate | None]:
    """What a line of the terminal shows, in the order of `COLUMNS`, but for what it cost."""
    from oneclass.evaluation.means import IMAGES, PIXELS, RATES, figures_of

    figures = figures_of(cell)
    return [figures.get(name) for name in (*IMAGES, *RATES, *PIXELS)]


def _costs(cell: Cell) -> list[float]:
    return [cell.costs.fit_seconds, cell.costs.ms_an_image]


def _told(
    table: Layout,
    name: str,
    figures: Sequence[Figure | Rate | None],
    costs: Sequence[float],
    setting: str,
) -> str:
    """A line of figures, and below it one with their intervals; in a terminal the setting, too."""
    values = [*(figure.value if figure else None for figure in figures), *costs]
    texts = [
        "-" if value is None else form.format(value)
        for form, value in zip(FORMS, values, strict=True)
    ]
    between = [
        "" if figure is None else _interval(figure, percent="%" in form)
        for form, figure in zip(FORMS, figures, strict=False)
    ]
    between += [""] * (len(FORMS) - len(between))
    line = table.line([f"{plain(name)[-WIDTH:]:{WIDTH}}", *texts])
    lines = [line, table.line([f"{INTERVAL:{WIDTH}}", *between]).rstrip()]
    if table.room is None:
        lines[0] = f"{line}   {setting}".rstrip()
    elif setting:  # of any length, so it does not fit behind the others
        lines.append(f"  with {setting}")
    return "\n".join(lines)


def _interval(figure: Figure | Rate, *, percent: bool) -> str:
    """`.93-.98`, `.97-1` or `2-12%`, to fit into a column."""
    if percent:
        return f"{100 * figure.low:.0f}-{100 * figure.high:.0f}%"
    ends = (f"{end:.2f}" for end in (figure.low, figure.high))
    return "-".join("1" if end == "1.00" else end.removeprefix("0") for end in ends)


def _means(known: Evaluation, table: Layout) -> Iterator[str]:
    """A line for each setting that several categories were evaluated with."""
    from oneclass.evaluation.means import mean

    for setting in known.settings:
        cells = [cell for cell in known.cells if cell.setting == setting]
        if len(cells) > 1:
            columns = zip(*map(_figures, cells), strict=True)
            there = ([figure for figure in column if figure] for column in columns)
            figures = [mean(column) if column else None for column in there]
            costs = [fmean(column) for column in zip(*map(_costs, cells), strict=True)]
            words = setting if len(known.settings) > 1 else ""
            yield _told(table, f"mean of {len(cells)}", figures, costs, words)


def _told_masks(known: Evaluation) -> str:
    """Of how many categories the means of pixels are, where not of all; else nothing."""
    cells = [cell for cell in known.cells if cell.setting == known.settings[0]]
    masked = [cell.category for cell in cells if cell.pixels]
    if len(cells) < 2 or len(masked) in (0, len(cells)):
        return ""
    names = some_names(masked)
    return f"Means of pixels are over {len(masked)} of {len(cells)}, which have masks: {names}."


def _first(known: Evaluation) -> OneclassError:
    """The first problem; beside others or cells, the names of all, since each was told before."""
    one, *others = known.problems
    if isinstance(one.error, ImageError) or not (others or known.cells):
        return one.error
    there = known.categories
    what = list(
        dict.fromkeys(
            f"{problem.category} with {problem.setting}"
            if problem.category in there
            else problem.category
            for problem in known.problems
        )
    )
    why = f"the {plural(len(known.problems), 'reason', 'reasons')} above"
    return type(one.error)(f"not evaluated: {some_names(what, len(what))}, for {why}.")


def _write(folder: Path, known: Evaluation) -> None:
    from oneclass.evaluation.page import evaluation_page
    from oneclass.evaluation.tables import as_json, markdown
    from oneclass.system.files import whole_file

    texts = {
        "table.md": markdown(known),
        "table.html": evaluation_page(known),
        "results.json": json.dumps(as_json(known), indent=1) + "\n",
    }
    for name, text in texts.items():
        with whole_file(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))


def _end(known: Evaluation, out: str | None, table: Layout | None) -> int:
    """The means, where to look, and the exit code.

    Raises:
        OneclassError: the first problem, once all else is done.
    """
    from oneclass.evaluation.tables import remarks

    if table is not None:
        for line in _means(known, table):
            print_data(line)
        if told := _told_masks(known):
            say(told)
        if left_out := table.left_out():
            say(left_out)
        if known.cells:
            say("What each column is: oneclass evaluate --help.")
    for sentence in remarks(known):
        say(f"note: {plain(sentence)}")
    if out is not None and known.cells:
        say(f"{out}: table.md, table.html and results.json. Open the page in a browser.")
    if known.problems:
        raise _first(known)
    return UNREADABLE if any(cell.errors for cell in known.cells) else 0

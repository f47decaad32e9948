"""`oneclass compare`: ways of looking at your own images, side by side."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import (
    UNREADABLE,
    if_stopped,
    is_terminal,
    print_data,
    progress,
    say,
    say_errors,
)
from oneclass.cli.talk.parameters import INPUTS, OneOf, TakingInputs, setting_option
from oneclass.cli.talk.slips import refuse_models
from oneclass.cli.talk.tables import Column, layout, room
from oneclass.cli.talk.writing import say_folders
from oneclass.system.host.portable import as_typed, typed_again
from oneclass.system.names import count, percent, plain
from oneclass.system.places import place

if TYPE_CHECKING:
    from oneclass.errors import ImageError
    from oneclass.results.comparing import Compared
    from oneclass.results.splitting import Split

COLUMNS = (
    Column("rows", 13, 7),
    Column("false alarms", 13, 13),
    Column("promised", 13, 9),
    Column("found", 13, 8),
    Column("AUROC", 13, 6),
    Column("spread", 13, 7, 1),
    Column("ms/image", 13, 9, 2),
    Column("kB", 13, 7, 4),
    Column("fit s", 13, 7, 3),
)
MOST_TOLD = 12
"""Folders of odd images that a command which is shown may name."""
HEADS = tuple(column.head for column in COLUMNS)


@click.command(cls=TakingInputs, short_help="Compare ways of looking at your images.")
@click.argument("normal", nargs=-1, required=True)
@click.option(
    "--rows",
    "views",
    multiple=True,
    type=OneOf(["image", "patches", "both"]),
    help="What to compare; repeatable.  [default: all three]",
)
@click.option(
    "--test-normal",
    multiple=True,
    metavar=INPUTS,
    help="Other normal images, to count false alarms on: all up to the next option.  [default: a "
    "fifth of NORMAL]",
)
@click.option(
    "--test-odd",
    multiple=True,
    metavar=INPUTS,
    help="Odd images, if you have any, all up to the next option: how many are found?",
)
@setting_option("seed")
@setting_option("threads")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def compare(
    normal: Sequence[str],
    views: tuple[str, ...],
    test_normal: Sequence[str],
    test_odd: Sequence[str],
    seed: int,
    threads: int | None,
    as_json: bool,
) -> int:
    """Fit NORMAL images once for each way of looking, and show how each does on images left out.

    Whole images suit parts that fill the picture; patches suit small defects; both together take
    longest. Without odd images it shows false alarms, time and size, but not what would be found.

    In the table: false alarms are the normal images not learnt that were called anomalies, beside
    the promised share; found, the odd ones, and AUROC, the chance that one scores higher than a
    normal one (1 is perfect, 0.5 a coin); spread, how far apart normal scores lie, beside their
    distance from the threshold (smaller is better); ms/image to score, kB of the model, fit s to
    learn.
    """
    from oneclass.results.comparing import compare as side_by_side

    found: list[Compared] = []
    errors: dict[str, ImageError] = {}
    # Elsewhere than in a terminal, lines of progress would come between those of the table.
    at_once = as_json or is_terminal(sys.stderr)
    table = layout(COLUMNS, room())
    chosen = tuple(dict.fromkeys(views)) or ("image", "patches", "both")

    def before(parts: Split) -> None:
        show.clear()
        _say_ahead(chosen, parts)

    refuse_models("compare", normal)
    try:
        with if_stopped(lambda: _told_short(found, chosen)), progress("compare") as show:
            ways = side_by_side(
                list(normal),
                views=chosen,
                normal=list(test_normal) or None,
                odd=list(test_odd) or None,
                seed=seed,
                threads=threads,
                progress=show,
                stage=show.stage,
                before=before,
            )
            for one in ways:
                show.clear()
                if at_once and not as_json and not found:  # what is refused needs no head
                    print_data(table.head())
                found.append(one)
                errors |= {str(error): error for error in one.errors}
                if at_once:
                    print_data(json.dumps(one.to_json()) if as_json else table.line(cells(one)))
    finally:  # what is known is shown, whatever came between
        if found and not at_once:
            print_data("\n".join([table.head(), *(table.line(cells(one)) for one in found)]))
    say_errors(list(errors.values()))
    say_folders(found[0].folders)
    _say_good_ones(found[0], normal, test_normal, test_odd)
    if not as_json and (left_out := table.left_out()):
        say(left_out)
    heads = HEADS if as_json else table.heads()
    _say_notes(found)
    given = {"drawn": not test_normal, "odd": bool(test_odd)}
    _say_what_it_means(found, normal, **given, heads=heads)
    if times := max(one.tiles_cost or 0 for one in found):
        say(_not_tried(times, normal))
    return UNREADABLE if errors else 0


def _say_ahead(views: Sequence[str], parts: Split) -> None:
    """How much there is to do, where it is more than one fit."""
    if len(views) > 1:
        n_tested = len(parts.normal) + len(parts.odd or ())
        unread = f"; {len(parts.errors)} cannot be read" if parts.errors else ""
        say(
            f"{len(views)} ways of looking, one after the other: {', '.join(views)}. "
            f"{count(len(parts.learn), 'image')} to learn from, {n_tested} to test on{unread}."
        )


def _told_short(found: Sequence[Compared], views: Sequence[str]) -> str:
    """What a comparison that a signal ended has, which writes nothing."""
    ways = count(len(views), "way")
    return f"{len(found)} of {ways} of looking were compared. The same command begins anew."


def _say_what_it_means(
    found: Sequence[Compared],
    normal: Sequence[str],
    *,
    drawn: bool,
    odd: bool = False,
    heads: Sequence[str] = HEADS,
) -> None:
    """The heads of the table in words, what is amiss, and what to do next.

    Args:
        found: the ways.
        normal: what was given to learn from.
        drawn: whether the normal images to test on were held back from that.
        odd: whether odd images were given.
        heads: of the columns that are shown.
    """
    for words in _columns(found[0], heads, drawn=drawn, odd=odd):
        say(words)
    if too_many := [one.rows for one in found if one.too_many]:
        # Images of one folder are alike: there it is the draw, or too few to learn from.
        say(
            f"More false alarms than promised: {', '.join(too_many)}. So few images of one folder "
            "may fall like that: see whether another --seed says the same. If so, give more images."
            if drawn
            else f"More false alarms than promised, and not by chance: {', '.join(too_many)}. Are "
            "the normal test images like those that were learnt from: same camera, same parts?"
        )
    by_chance = [one.rows for one in found if one.above and not one.too_many]
    n_kept = sum(not one.too_many for one in found)
    if by_chance and (len(found) == 1 or len(by_chance) < n_kept):
        names = ", ".join(by_chance)
        say(f"Above the promised share, but in so few images by chance, maybe: {names}.")
    if found[0].n_odd and found[0].n_normal and _say_turned(found):
        return
    if len(found) > 1:
        _say_best(found, normal, odd=odd)


def _say_good_ones(
    one: Compared, normal: Sequence[str], test_normal: Sequence[str], test_odd: Sequence[str]
) -> None:
    """Tell of folders among the odd ones that sound normal, and how to take them so."""
    from oneclass.images.sounding import told_as_good

    folders, good = one.odd_folders, one.good_folders
    if not (told := told_as_good(folders, good)):
        return
    odd = [str(folder) for folder in folders if folder not in good]
    inside = any(folder in ok.parents for folder in folders if folder not in good for ok in good)
    # Of a folder of which images were named one by one, a line would take all.
    whole = {place(word) for word in test_odd}
    alone = any(whole.isdisjoint((folder, *folder.parents)) for folder in folders)
    if not odd or inside or alone or len(folders) > MOST_TOLD:
        say(f"note: {told}. If they are normal, leave them out of --test-odd.")
        return
    words = ["compare", *typed_again(normal)]
    for name, given in (
        ("--test-normal", [*test_normal, *map(str, sorted(good))]),
        ("--test-odd", odd),
    ):
        words += [word for path in given for word in (name, path)]
    say(f"note: {told}. If they are normal: oneclass {as_typed(words)}")


def _not_tried(times: int, normal: Sequence[str]) -> str:
    """That pictures so large are shrunk in all these ways, and what sees their pixels."""
    fit = as_typed(["fit", *typed_again(normal), "--tiles", "640", "-o", "FILE.oneclass"])
    return (
        "Not tried: tiles. Patches saw these pictures shrunk to about 640 pixels on their shorter "
        f"side; tiles see all their pixels, and take about {times} times as long. To learn so: "
        f"oneclass {fit}\nTo measure it, of folders in the layout of MVTec AD: 'oneclass "
        'evaluate DIR --compare "--tiles 640"\'.'
    )


def _say_turned(found: Sequence[Compared]) -> bool:
    """Says, where it is so, that odd images score no higher than normal ones; whether it is so."""
    n_odd, n_normal = found[0].n_odd, found[0].n_normal
    if all(one.above_coin < -2 for one in found):
        say(
            "The normal images score higher than the odd ones, so no way is named the best: were "
            "the folders swapped? NORMAL and --test-normal should be good images, --test-odd bad "
            "ones."
        )
        return True
    if len(found) > 1 and all(one.above_coin < 1 for one in found):
        say(
            f"No way tells {count(n_odd, 'odd image')} from {count(n_normal, 'normal one')} better "
            "than a coin would, so none is named the best. Is what is odd to be seen in them, at "
            "the size that they have? If so, give more of both."
        )
        return True
    return False


def _say_notes(found: Sequence[Compared]) -> None:
    """What the fits noted: each sentence once, with the ways it is about where not all say it."""
    for note in dict.fromkeys(note for one in found for note in one.notes):
        ways = [one.rows for one in found if note in one.notes]
        about = "" if len(ways) == len(found) else f"{', '.join(ways)}: "
        say(f"note: {about}{plain(note)}")


def _say_best(found: Sequence[Compared], normal: Sequence[str], *, odd: bool) -> None:
    """Which way did best here, by what, and the command that learns in it."""
    if not any(one.n_normal for one in found):
        say("No normal image was scored, so no way is named the best.")
        return
    kept = [one for one in found if one.n_normal and not one.too_many]
    if not kept:
        say("No way kept the promise, so none is named the best.")
        return
    above = [one.rows for one in kept if one.above]
    if len(above) == len(kept):
        chance = (
            f"{above[0]} is the only one of which that may be chance"
            if len(kept) == 1
            else f"in so few images that may be chance: {', '.join(above)}"
        )
        say(f"No way stayed within the promised share here; {chance}.")
        among = "of these"
    elif above:
        among = "of those that kept the promise or missed it by chance, maybe"
    else:
        among = "of those that kept the promise"
    fit = ["fit", *typed_again(normal), "-o", "FILE.oneclass"]
    if not kept[0].n_odd:
        say(
            f"No odd image was {'scored' if odd else 'given'}, and normal ones cannot show which "
            "way finds more, so none is named the best: give --test-odd a few bad parts if you "
            "have any. If not, leave --rows out, and fit goes by the size of the pictures: "
            f"oneclass {as_typed(fit)}"
        )
        return
    if len(kept) == 1:
        _say_only(kept[0], found, fit)
    else:
        _say_first(kept, among, fit)


def _say_only(one: Compared, found: Sequence[Compared], fit: list[str]) -> None:
    """The way that is left, and what speaks for those that are not, where odd images were scored.

    Args:
        one: the only way that may be named.
        found: all ways.
        fit: the command that learns, but for the way.
    """
    told = "" if one.above else f"{one.rows} is the only one that kept the promise. "
    for other in found:
        if (other.auroc or 0) > (one.auroc or 0):
            told += (
                f"{other.rows} has a higher AUROC ({other.auroc:.3f}; {one.rows} {one.auroc:.3f}), "
                f"but calls {percent(other.false_alarms)} of the normal images anomalies. "
            )
    say(f"{told}To learn so: oneclass {as_typed([*fit, '--rows', one.rows])}")


def _say_first(kept: Sequence[Compared], among: str, fit: list[str]) -> None:
    """Which of the ways is the first, where odd images were scored.

    Args:
        kept: the ways that may be named.
        among: what these are, in words.
        fit: the command that learns, but for the way.
    """
    first = max(kept, key=lambda one: one.auroc or 0)
    rivals = [one for one in kept if not first.surely_ahead(one)]
    best, *others = sorted(rivals, key=_preferred)
    if others and not any(one.found for one in rivals):
        say(
            f"No way finds any of the {count(best.n_odd, 'odd image')} at its rate, so none is "
            "named the best: give more of them. Until then leave --rows out, and fit goes by the "
            f"size of the pictures: oneclass {as_typed(fit)}"
        )
        return
    by, equal = "has the highest AUROC", ""
    behind = [one for one in kept if one not in rivals and _gain(one) >= _gain(best)]
    if others:
        among += ", but for those clearly behind in AUROC" * bool(behind)
        by = (
            "finds the most for its false alarms, "
            f"{percent(best.found or 0)} for {percent(best.false_alarms)},"
        )
        if ties := [one.rows for one in others if _gain(one) == _gain(best)]:
            by += f" and {' and '.join(ties)} as many,"
        equal = " (of equal ones, the next figure decides: AUROC, spread, then time)"
    words = as_typed([*fit, "--rows", best.rows])
    told = "".join(_behind(one, first) for one in behind if one.found)
    say(f"{best.rows} {by} {among}{equal}. {told}To learn so: oneclass {words}")
    if others:
        near = " and ".join(one.rows for one in others)
        say(
            f"{count(best.n_odd, 'odd image')} and {count(best.n_normal, 'normal one')} do not "
            f"show for certain that it is better than {near}: give more of them."
        )


def _behind(one: Compared, first: Compared) -> str:
    """Why a way that found as many is not named: what the table shows asks for a word."""
    return (
        f"{one.rows} found {percent(one.found or 0)} for {percent(one.false_alarms)}, but puts all "
        f"images in a clearly worse order (AUROC {one.auroc:.3f}; {first.rows} "
        f"{first.auroc:.3f}), which counts for more: what is found at one threshold hangs on few "
        "images. "
    )


def _preferred(one: Compared) -> tuple[float, float, float, float]:
    """The lower, the better: of ways that AUROC does not tell apart for certain."""
    return -_gain(one), -(one.auroc or 0), one.spread, one.seconds


def _gain(one: Compared) -> float:
    """What it finds less its false alarms."""
    return (one.found or 0) - one.false_alarms


def _columns(one: Compared, heads: Sequence[str], *, drawn: bool, odd: bool) -> Iterator[str]:
    """What each column of the table is, of those that are shown or that decide."""
    if one.n_normal:
        yield (
            f"False alarms: of {count(one.n_normal, 'normal image')} that were not learnt, each of "
            f"which is {percent(1 / one.n_normal)}. Promised: the share that may be."
        )
    else:
        which = "held back" if drawn else "to test on"
        yield (
            f"False alarms: none of the normal images {which} could be scored, for the reasons "
            "above, so there is no rate of them, and no AUROC. Give --test-normal"
            f"{'' if drawn else ' other'} images that can be."
        )
    if one.n_odd:
        area = (
            " AUROC: the chance that an odd image scores higher than a normal one; 1 is perfect, "
            "0.5 a coin."
        )
        yield f"Found: of {count(one.n_odd, 'odd image')}.{area if one.n_normal else ''}"
    elif odd:
        yield (
            "Found: none of the odd images could be scored, for the reasons above, so nothing says "
            "what would be found. Give --test-odd other images that can be."
        )
    yield (
        "Spread: how far apart the scores of normal images lie, beside their distance from the "
        "threshold; smaller is better."
    )
    costs = {"ms/image": "ms/image to score one", "fit s": "fit s to learn"}
    if told := ", ".join(words for head, words in costs.items() if head in heads):
        size = " kB: the size of the model file." if "kB" in heads else ""
        yield f"On this machine: {told}.{size}"


def cells(one: Compared) -> list[str]:
    """One way of looking, a text for each of `COLUMNS`."""
    return [
        one.rows,
        _share(one.false_alarms),
        _share(one.promised),
        "-" if one.found is None else _share(one.found),
        "-" if one.auroc is None else f"{one.auroc:.3f}",
        f"{one.spread:.2f}",
        f"{one.milliseconds:.0f}",
        f"{one.kilobytes:.0f}",
        f"{one.seconds:.1f}",
    ]


def _share(share: float) -> str:
    return "-" if math.isnan(share) else percent(share)

"""How commands write models and networks over others, and what they say of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import say
from oneclass.cli.talk.showing import duration
from oneclass.system.host.signals import shielded
from oneclass.system.names import count, plain, plural, some_names

if TYPE_CHECKING:
    from oneclass.detector.estimator import Detector
    from oneclass.detector.origins import Folder

SHOWN_FOLDERS = 8
SHOWN_GROUPS, SHOWN_NAMES = 8, 4
QUICK = 10
"""Seconds; of fewer a tenth is told, too."""

no_backup = click.option(
    "--no-backup",
    is_flag=True,
    help="Keep no FILE.previous where a model is written over another.",
)


def unwritten(file: Path) -> str:
    """What became of a file where a signal came before it was written."""
    from oneclass.system.places import Remote

    # A store would have to be asked, and whoever ends a command does not wait for that.
    there = not isinstance(file, Remote) and file.exists()
    return f"{file} is as it was before." if there else f"{file} was not written."


def unlearnt(file: Path, cache: str | None) -> str:
    """What a fit that a signal ended leaves: no model, and the rows that a cache keeps."""
    return f"{unwritten(file)} {kept_rows(cache)}"


def kept_rows(cache: str | None) -> str:
    """What is kept of the rows that were computed until a signal came."""
    if cache is None:
        return "The same command begins anew; --cache FOLDER keeps what is computed."
    return f"Rows of the images looked at are kept in {cache}: the same command uses them."


@contextmanager
def written_whole(file: Path) -> Iterator[None]:
    """What is written in here is written whole; a signal meanwhile is obeyed, and told so, behind.

    Raises:
        KeyboardInterrupt: at the end, where one came.
    """
    try:
        with shielded():
            yield
    except KeyboardInterrupt as stop:
        stop.add_note(f"{file} is written, whole.")
        raise


@contextmanager
def keeping_previous(network: Path) -> Iterator[None]:
    """Where a network is written over another file in here, keep that one beside it, and say so.

    Raises:
        InputError, StorageError: there is no room, or the place cannot be written to.
    """
    from oneclass.system.files import kept_previous, previous

    with kept_previous([(network, previous(network))]) as kept:
        yield
    for place in kept:
        say(f"what was in {network} before is kept as {place}.")


def save(
    detector: Detector,
    file: Path,
    *,
    rows: bool,
    no_backup: bool,
    stays: AbstractContextManager[None],
) -> None:
    """Write a model file; what was there before is kept beside it, unless that is not wanted.

    It is written whole where a signal comes meanwhile; in `stays`, that refuses where another
    process wrote there since the command began.
    """
    from oneclass.detector.files.training_rows import kept_with_rows, rows_file
    from oneclass.system.files import previous
    from oneclass.system.places import Remote

    stored = rows_file(file)
    replaced = not isinstance(file, Remote) and file.exists()
    if no_backup or isinstance(file, Remote):  # stores keep versions of their own
        with written_whole(file), stays:
            detector.save(file, rows=rows, backup=False)
        if not rows and not isinstance(file, Remote) and stored.exists():
            say(f"note: {stored} is of the model that was there before; 'update' needs its own.")
        if replaced and previous(file).exists():
            say(f"note: {previous(file)} is an older model than the one that was replaced now.")
        return
    gone = False
    with suppress(OSError):  # a name may be too long
        gone = previous(file).exists()
    with written_whole(file), stays, kept_with_rows(file, rows=rows) as kept:
        detector.save(file, rows=rows, backup=False)
    if kept:
        places = ", the rows beside it as ".join(map(str, kept))
        instead = ", in the place of the one that was kept there before" if gone else ""
        say(
            f"the model that was in {file} is kept as {places}{instead} (--no-backup: do not keep "
            "it)."
        )


def say_learnt(detector: Detector, file: Path, seconds: float) -> None:
    """Tell what a model file holds, how long that took, and what its verdicts are worth."""
    from oneclass.conformal.guarantee import spread
    from oneclass.detector.files.information import looks_at

    card = detector.card
    took = f"{seconds:.1f} s" if seconds < QUICK else duration(seconds)
    for warning in card["fit"]["warnings"]:
        say(f"note: {warning}")
    _say_near_copies(detector.near_copies, card["fit"]["n_pictures"])
    say(
        f"{file}: learnt {count(card['fit']['n_images'], 'normal image')} "
        f"({file.stat().st_size / 1e3:.0f} kB) in {took}."
    )
    say(looks_at(card))
    if detector.why:
        say(detector.why)
    say(card["calibration"].get("promise", card["calibration"]["guarantee"]))
    if told := spread(card):
        say(told)
    _say_unwhitened(detector)
    say_rests_on_one(detector)


def _say_unwhitened(detector: Detector) -> None:
    """Tell from how many images on patches are looked at better, where there are fewer."""
    from oneclass.conformal.calibration import DEFAULT_FALSE_ALARMS, fewest_images
    from oneclass.detector.settings import VIEWS

    model, card = detector.model, detector.card
    few = card["fit"]["n_pictures"] < fewest_images(DEFAULT_FALSE_ALARMS, spared=True)
    if few and card["representation"]["kind"] in VIEWS and model.last.whitening is None:
        needed = fewest_images(model.false_alarms, spared=True)
        say(
            f"From {needed} different images on, patches are seen whitened, too, which finds small "
            "defects better."
        )


def say_rests_on_one(detector: Detector) -> None:
    """Tell where a single normal image decides the threshold."""
    from oneclass.detector.files.information import rests_on_one

    model = detector.model
    if told := rests_on_one(model.calibration.n_held_out, model.false_alarms):
        say(f"note: {told}")


def _say_near_copies(groups: tuple[tuple[str, ...], ...], n_pictures: int) -> None:
    """Name some images that show about the same picture, and say where all are named.

    Args:
        groups: of names.
        n_pictures: that were counted.
    """
    if not groups:
        return
    say(f"nearly the same picture, {count(len(groups), 'group')}:")
    for group in groups[:SHOWN_GROUPS]:
        say(f"  {_named(group)}")
    if len(groups) > SHOWN_GROUPS:
        say(f"  ... and {count(len(groups) - SHOWN_GROUPS, 'more group', 'more groups')}")
    say(
        "'oneclass check --all' names such groups before a fit; it compares small pictures, so "
        f"they may differ from these. If it counts far fewer pictures than {n_pictures}, believe "
        "it, and keep one picture of each: copies that are altered much count as pictures here, "
        "and break what is promised. After a fit in Python, Detector.near_copies has all of these."
    )


def _named(group: tuple[str, ...]) -> str:
    """The first names of a group, and how many of it are known by their pixels alone."""
    from oneclass.detector.origins import LEARNT_BEFORE

    names = [name for name in group if name != LEARNT_BEFORE]
    before = len(group) - len(names)
    known = f", and {before} learnt before, whose names are not kept" if before else ""
    return some_names(names, SHOWN_NAMES) + known


def say_folders(folders: tuple[Folder, ...]) -> None:
    """Tell which folders were learnt from, and which of them had better be looked at."""
    amiss = [folder for folder in folders if folder.amiss]
    shown = folders[:SHOWN_FOLDERS] if len(folders) > 1 else ()
    if shown:
        say(f"learnt from {count(len(folders), 'folder')}:")
    shown += tuple(folder for folder in amiss if folder not in shown)
    for folder in shown:
        say(f"  {folder.n_images:6} {plain(str(folder.path))}{_marks(folder)}")
    if len(shown) < len(folders) > 1:
        say(f"         ... and {len(folders) - len(shown)} more")
    if sum(not folder.sounds_bad for folder in folders) > 1:
        say(
            "If these hold different products, fit a model of each: what is odd in one is usual in "
            "another."
        )
    if amiss:
        n = sum(folder.n_images for folder in amiss)
        say(
            f"note: {count(n, 'image')} marked above {plural(n, 'was', 'were')} learnt as "
            f"normal. If {plural(n, 'it is', 'they are')} not, give the folder of the good "
            "ones alone."
        )
    if named := [str(folder.path / name) for folder in folders for name in folder.odd_names]:
        n = len(named)
        say(
            f"note: {count(n, 'image')} whose {plural(n, 'name speaks', 'names speak')} of defects "
            f"{plural(n, 'was', 'were')} learnt as normal: "
            f"{some_names(named, SHOWN_NAMES)}. Leave out what is not normal."
        )


def _marks(folder: Folder) -> str:
    return f"   <- {folder.amiss}" if folder.amiss else ""

"""`oneclass fit`: learn from normal images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneclass.cli.console import (
    UNREADABLE,
    count,
    progress,
    say,
    say_cache,
    say_errors,
    say_ignored,
)
from oneclass.cli.parameters import setting_options

if TYPE_CHECKING:
    from oneclass.detector.estimator import Detector


@click.command(short_help="Learn from normal images.")
@click.argument("normal", nargs=-1, required=True)
@click.option("-o", "--out", "out", required=True, metavar="FILE", help="Model file to write.")
@setting_options
@click.option(
    "--keep-rows/--drop-rows",
    default=None,
    help="Write FILE.rows, which 'oneclass update' needs; scoring does not.  [default: keep; of "
    "patches, which take about 1 MB an image, drop]",
)
def fit(
    normal: Sequence[str], out: str, halfspaces: int | None, keep_rows: bool | None, **settings: Any
) -> int:
    """Learn from NORMAL images and write a model file.

    NORMAL: files, folders (searched in depth), globs, a list.txt of paths, or - for paths on
    stdin. Images that cannot be read are listed and left out.
    """
    from oneclass.detector.estimator import Detector
    from oneclass.detector.settings import VIEWS
    from oneclass.system.files import check_writable

    check_writable(Path(out))
    detector = Detector(n_halfspaces=halfspaces, **settings)
    with progress("fit") as show:
        detector.fit(list(normal), progress=show)
    patches = detector.card["representation"]["kind"] in VIEWS
    detector.save(out, rows=not patches if keep_rows is None else keep_rows)
    say_ignored(detector.ignored)
    say_errors(detector.errors)
    say_cache(detector.cache_use)
    say_learnt(detector, Path(out))
    return UNREADABLE if detector.errors else 0


def say_learnt(detector: Detector, file: Path) -> None:
    """Tell what a model file holds and what its verdicts are worth."""
    card = detector.card
    for warning in card["fit"]["warnings"]:
        say(f"note: {warning}")
    say(
        f"{file}: learnt {count(card['fit']['n_images'], 'normal image')} as "
        f"{count(card['fit']['n_halfspaces'], 'half-space')} ({file.stat().st_size / 1e3:.0f} kB)."
    )
    say(card["calibration"].get("promise", card["calibration"]["guarantee"]))

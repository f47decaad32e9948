"""`oneclass fit`: learn from normal images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from oneclass.cli.talk.console import (
    UNREADABLE,
    if_stopped,
    progress,
    say,
    say_cache,
    say_errors,
    say_passed_over,
    say_traffic,
)
from oneclass.cli.talk.parameters import names_a_file, setting_options
from oneclass.cli.talk.showing import amount
from oneclass.cli.talk.slips import refuse_models
from oneclass.cli.talk.writing import no_backup, save, say_folders, say_learnt, unlearnt
from oneclass.system.places import place

NOT_COMPARED = (
    *("backbone", "layer", "grid", "size", "nu", "n_halfspaces"),
    *("runtime", "precision", "row_dtype"),
)
"""Settings that `compare` does not take, and leaves at their defaults."""


@click.command(short_help="Learn from normal images.")
@click.argument("normal", nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    "out",
    required=True,
    metavar="FILE",
    callback=names_a_file(".oneclass"),
    help="Model file to write.",
)
@setting_options
@click.option(
    "--keep-rows/--drop-rows",
    default=None,
    help="Write FILE.rows, which 'oneclass update' needs; scoring does not.  [default: keep; of "
    "patches, which take 0.3 to 2 MB an image, with --tiles about 5 MB a megapixel, drop]",
)
@no_backup
def fit(
    normal: Sequence[str],
    out: str,
    halfspaces: int | None,
    keep_rows: bool | None,
    no_backup: bool,
    **settings: Any,
) -> int:
    """Learn from NORMAL images and write a model file.

    NORMAL: files, folders (searched in depth), globs, a list.txt of paths, or - for paths on
    stdin. Images that cannot be read are listed and left out.
    """
    from oneclass.detector.estimator import Detector
    from oneclass.detector.files.information import not_tried
    from oneclass.detector.files.modelfile import check_model_place
    from oneclass.detector.files.replacing import stamp, unchanged
    from oneclass.detector.files.training_rows import kept_bytes, rows_file
    from oneclass.detector.settings import VIEWS
    from oneclass.images.sources import gather
    from oneclass.results.splitting import can_hold_back

    check_model_place(place(out))
    stays = unchanged(place(out), stamp(place(out)))
    update = " To teach it more images, use 'oneclass update'."
    refuse_models("fit", normal, behind=("-o", out), instead=update)
    detector = Detector(n_halfspaces=halfspaces, **settings)
    cache = settings["cache"]
    with if_stopped(lambda: unlearnt(place(out), cache)), progress("fit") as show:
        sources = gather(list(normal))
        detector.fit(sources, progress=show, stage=show.stage)
        seconds = show.seconds()
    patches = detector.card["representation"]["kind"] in VIEWS
    rows = not patches if keep_rows is None else keep_rows
    save(detector, place(out), rows=rows, no_backup=no_backup, stays=stays)
    say_passed_over(sources)
    say_errors(detector.errors)
    say_cache(detector.cache_use)
    say_traffic(detector.traffic)
    say_folders(detector.folders)
    say_learnt(detector, place(out), seconds)
    told = {
        "comparable": _comparable({**settings, "n_halfspaces": halfspaces}),
        "enough": can_hold_back(*(detector.card["fit"][k] for k in ("n_images", "n_pictures"))),
    }
    if others := not_tried(detector.card, normal, **told):
        say(others)
    if rows:
        kept = rows_file(place(out))
        size = amount(kept.stat().st_size, "B")
        say(f"{kept}: {size} that 'oneclass update' needs, and scoring does not.")
    elif keep_rows is None:
        n = detector.card["fit"]["n_images"]
        n_bytes = kept_bytes(detector.model.representation, n)
        say(
            "'oneclass update' cannot teach this model more images: that takes the rows of the "
            f"first ones, {amount(n_bytes, 'B')} of these {n:,}. To keep them, fit with "
            "--keep-rows."
        )
    return UNREADABLE if detector.errors else 0


def _comparable(settings: Mapping[str, Any]) -> bool:
    """Whether `compare` would fit as this fit did: it takes no network, layer or size."""
    from oneclass.detector.settings import BY_NAME

    return all(settings.get(k, BY_NAME[k].default) == BY_NAME[k].default for k in NOT_COMPARED)

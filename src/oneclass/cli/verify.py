"""`oneclass verify`: how far an exported model is from the one that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import (
    DIFFERENT,
    UNREADABLE,
    print_data,
    progress,
    say,
    say_errors,
)
from oneclass.cli.talk.parameters import Here, setting_option
from oneclass.errors import ImageError, InputError
from oneclass.system.host.portable import as_typed, few_typed
from oneclass.system.names import count

if TYPE_CHECKING:
    from oneclass.export.verifying import Difference

COLUMNS = (
    "path",
    "score_difference",
    "p_value_difference",
    "exported_is_anomaly",
    "is_anomaly",
    "anomaly_map_difference",
)
"""The exported model's less the model's own: of scores in standard deviations of the normal
images' scores, of maps the largest, as a share of the heat scale."""

NOT_COMPARED = (
    "not compared: how files are read. Both were given what oneclass reads, turned as EXIF says "
    "and with transparency on white, and neither what it refuses; your program has to do the same."
)


@click.command(short_help="Compare an exported model with its own, on images.")
@click.argument("exported", type=Here())
@click.argument("model")
@click.argument("inputs", nargs=-1, required=True, metavar="IMAGES...")
@click.option(
    "--tolerance",
    type=float,
    default=0.1,
    show_default=True,
    help="Of scores, in standard deviations of the normal images' scores.",
)
@click.option(
    "--csv", "table", type=Here(), metavar="FILE", help="File for the differences of every image."
)
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
@setting_option("threads")
def verify(
    exported: str,
    model: str,
    inputs: Sequence[str],
    tolerance: float,
    table: str | None,
    backbone: str | None,
    threads: int | None,
) -> int:
    """Judge IMAGES by an EXPORTED model and by the MODEL that it was made from.

    Prints how far scores, p-values, verdicts and maps are apart. Ends with exit code 11 if a score
    differs by more than the tolerance, or a verdict of an image that is not so near to the
    threshold. Both are given what oneclass reads of a file: whether another program reads files
    so is not compared.
    """
    from oneclass.detector.files.loading import load
    from oneclass.export.running import open_exported
    from oneclass.export.verifying import check_origin, compare, other_order
    from oneclass.images.sources import gather
    from oneclass.system.files import check_replaces, check_writable

    _check_arguments(exported, model, inputs, tolerance)
    detector = load(model, backbone=backbone, threads=threads)
    other = open_exported(Path(exported))
    check_origin(other, detector)
    if other_order(other):
        say(
            "note: it resizes tall images in the order of axes of another Pillow than the one here "
            "(13.0 changed it): a grey level's difference here and there."
        )
    if table is not None:
        check_writable(Path(table), ".csv")
        check_replaces(Path(table), "table of differences", ",".join(COLUMNS[:2]).encode())
    sources = gather(list(inputs))
    with progress("verify") as show:
        found = list(compare(other, detector, sources, tolerance=tolerance, progress=show))
    errors = [*sources.errors, *(item for item in found if isinstance(item, ImageError))]
    differences = [item for item in found if not isinstance(item, ImageError)]
    say_errors(errors, of_model=True)
    if not differences:
        raise InputError(f"no image of {', '.join(inputs)} could be judged. Give some that can.")
    if table is not None:
        _write(Path(table), differences)
    print_data(_summary(differences, tolerance))
    say(NOT_COMPARED)
    if not all(d.within(tolerance) for d in differences):
        return DIFFERENT
    return UNREADABLE if errors else 0


def _check_arguments(exported: str, model: str, inputs: Sequence[str], tolerance: float) -> None:
    """Refuse a tolerance that is none, and the two files the wrong way round.

    Raises:
        InputError: one of these.
    """
    from oneclass.detector.files.modelfile import is_model

    if not tolerance >= 0:
        raise InputError(f"--tolerance is {tolerance:g}: expected a number of at least 0.")
    if is_model(Path(exported)) and not is_model(Path(model)):
        raise InputError(
            f"{exported} is a model and no exported one: that comes first. "
            f"Try: oneclass {as_typed(['verify', model, exported, *few_typed(inputs)])}"
        )


def _summary(differences: Sequence[Difference], tolerance: float) -> str:
    """Medians and extremes, a line a quantity, and a sentence."""
    import numpy as np

    scores = np.abs([d.score for d in differences])
    kinds = {
        "score, standard deviations": scores,
        "p-value": np.abs([d.p_value for d in differences]),
        "map, shares of its scale": np.array(
            [d.anomaly_map for d in differences if d.anomaly_map is not None]
        ),
    }
    lines = [f"{'difference':<28}{'median':>12}{'largest':>12}"]
    for name, values in kinds.items():
        if len(values):
            lines.append(f"{name:<28}{np.median(values):>12.2g}{values.max():>12.2g}")
    other = [d for d in differences if d.verdicts[0] != d.verdicts[1]]
    near = sum(d.near for d in other)
    beyond = sum(not d.within(tolerance) for d in differences)
    lines.append(
        f"{count(len(differences), 'image')}: "
        f"{count(len(other), 'verdict differs', 'verdicts differ')} ({near} of them within the "
        f"tolerance of the threshold); {beyond} beyond the tolerance of {tolerance:g}."
    )
    return "\n".join(lines)


def _write(file: Path, differences: Sequence[Difference]) -> None:
    from oneclass.results.runs import csv_text, truth_cell
    from oneclass.system.files import whole_file

    rows = [
        (
            d.path,
            repr(d.score),
            repr(d.p_value),
            *map(truth_cell, d.verdicts),
            "" if d.anomaly_map is None else repr(d.anomaly_map),
        )
        for d in differences
    ]
    with whole_file(file) as target:
        target.write(csv_text(COLUMNS, rows))

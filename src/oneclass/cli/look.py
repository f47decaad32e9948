"""`oneclass info` and `oneclass check`: look at models, this installation, and folders."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from oneclass.cli.talk.console import UNREADABLE, USAGE, if_stopped, print_data, progress
from oneclass.cli.talk.parameters import setting_option
from oneclass.errors import ModelFileError
from oneclass.system.host.portable import as_typed
from oneclass.system.places import place

CUT_SHORT = "not all images were looked at, so nothing is told of them. 'check' writes nothing."


@click.command(short_help="Show what a model, or this installation, is made of.")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(model: str | None, as_json: bool) -> int:
    """Show what a MODEL file is made of; without one, this installation and its backbones."""
    from oneclass.detector.files.information import (
        detail,
        installation,
        model_card,
        outline,
        plainly,
    )

    if model is not None and place(model).is_dir():
        raise ModelFileError(
            f"{model} is a folder, and info shows what a model file is made of. To look at a "
            f"folder of images: oneclass {as_typed(['check', model])}"
        )
    facts = installation() if model is None else model_card(place(model))
    if as_json:
        print_data(json.dumps(facts, indent=2))
        return 0
    if model is not None:
        print_data("\n".join([*plainly(place(model)), "", "In detail:", ""]))
    print_data(outline(facts if model is None else detail(facts)))
    return 0


@click.command(short_help="Look at a folder of images before training.")
@click.argument("inputs", nargs=-1, required=True, metavar="DIR...")
@click.option(
    "--all", "every", is_flag=True, help="Name every file, not only the first of each kind."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which names every file.")
@setting_option("threads", sentence="Threads that read images.")
def check(inputs: Sequence[str], every: bool, as_json: bool, threads: int | None) -> int:
    """Look at a folder before training: what can be read, what differs, what is there twice.

    Names unreadable files, sizes, formats, bit depths and colours, copies and near-copies, images
    of one colour or with transparent parts, and files whose names speak of defects; and says what
    to do about it. Nothing is changed.
    """
    from oneclass.images.check import check as examine

    with if_stopped(lambda: CUT_SHORT), progress("check") as show:
        report = examine(list(inputs), threads=threads, progress=show)
    told = json.dumps(report.to_json(), indent=2) if as_json else report.text(every=every)
    print_data(told)
    if not report.images and all(error.reason == "missing" for error in report.errors):
        return USAGE
    return UNREADABLE if report.errors else 0

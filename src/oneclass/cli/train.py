"""`oneclass train`: learn a representation by telling sub-categories apart."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneclass.cli.talk.console import UNREADABLE, if_stopped, progress, say, say_errors
from oneclass.cli.talk.parameters import Here, OneOf, Size, network_option, setting_option
from oneclass.cli.talk.writing import keeping_previous, unwritten
from oneclass.errors import InputError
from oneclass.system.host.portable import as_typed

if TYPE_CHECKING:
    from oneclass.auxiliary.recipes import Recipe
    from oneclass.auxiliary.subcategories import Labelled

CHANNELS = {None: None, "grey": 1, "colour": 3}


@click.command(short_help="Learn a representation from sub-categories.")
@click.argument("normal", type=Here(), metavar="NORMAL_DIR")
@network_option("NET.onnx")
@click.option(
    "--preset",
    default="quick",
    show_default=True,
    help="quick, or paper: 300 epochs exactly as in the paper.",
)
@click.option(
    "--labels", type=Here(), metavar="CSV", help="Sub-categories from a table: path, subcategory."
)
@click.option("--auto-subcategories", type=int, metavar="K", help="Find K sub-categories.")
@click.option(
    "--network",
    default="male-5045",
    show_default=True,
    help="Its name, or package.module:function, called with the number of sub-categories.",
)
@click.option(
    "--size", type=Size(), metavar="HxW", default="100x100", show_default=True, help="Of the input."
)
@click.option("--grey", is_flag=True, help="Train on grey images.  [default: as they are]")
@click.option("--colour", is_flag=True, help="Train on RGB images.  [default: as they are]")
@click.option(
    "--min-images", type=int, default=2, show_default=True, help="Images that a sub-category needs."
)
@click.option("--epochs", type=int, help="Passes over the images.  [default: the preset's]")
@click.option("--batch", type=int, help="Images a step.  [default: the preset's]")
@click.option("--learning-rate", type=float, help="The largest one.  [default: the preset's]")
@click.option("--flip", is_flag=True, help="Train on mirror images too: for faces, not for digits.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Number that all chance is drawn from.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--precision",
    type=OneOf(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="bf16 where the hardware computes in it.",
)
@click.option(
    "--compile/--no-compile",
    "compiled",
    default=None,
    help="Let torch.compile translate the network.  [default: on a GPU]",
)
@setting_option("threads")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--restart", is_flag=True, help="Throw an earlier run away.")
@click.option(
    "--checkpoint-every",
    "checkpoint_seconds",
    type=float,
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two checkpoints, 0 for one a step; there is one after each epoch too.",
)
def train(
    normal: str,
    out: str,
    labels: str | None,
    auto_subcategories: int | None,
    threads: int | None,
    **settings: Any,
) -> int:
    """Train a network to tell the sub-categories of normal images apart; write it as a backbone.

    NORMAL_DIR/<sub-category>/*: one folder of normal images a sub-category. Then:

        oneclass fit NORMAL_DIR -o m.oneclass --backbone NET.onnx --layer P6@7

    Checkpoints and metrics.jsonl go to NET.onnx.run/. Needs the extra train.
    """
    from oneclass.auxiliary import require_torch

    begin = _one_of(settings, "resume", "restart") or "new"
    settings["channels"] = CHANNELS[_one_of(settings, "grey", "colour")]
    first = os.environ.get("RANK", "0") == "0"
    # What is given comes before what is to be installed: a wrong folder is no reason to get torch.
    with progress("read", quiet=not first) as reading:
        labelled = _labelled(Path(normal), labels, auto_subcategories, settings["seed"], reading)
    require_torch("training")
    from oneclass.auxiliary.training import train_backbone

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    options = _options(**settings)
    file = Path(out)
    folder = file.with_name(file.name + ".run")
    with (
        keeping_previous(file) if first else nullcontext(),
        if_stopped(lambda: _untrained(file, folder)),
        progress("train", quiet=not first) as show,
    ):

        def tell(sentence: str) -> None:
            if first:
                show.clear()
                say(sentence)

        trained = train_backbone(
            labelled,
            options,
            file,
            folder,
            begin=begin,
            show_reading=lambda done, total: show(done, total, "reading"),
            show=show,
            say=tell,
        )
    if trained is None:
        return 0
    for note in trained.notes:
        say(f"note: {note}")
    say_errors(trained.errors, checkable=labels is None)
    say(
        f"{file}: trained in {trained.seconds:.0f} s; ONNX Runtime and torch agree within "
        f"{trained.parity:.0e}. Next:"
    )
    words = ["fit", normal, "-o", "model.oneclass", "--backbone", str(file)]
    if options.network == "male-5045":
        words += ["--layer", "P6@7"]
    say(f"    oneclass {as_typed(words)}")
    return UNREADABLE if trained.errors else 0


def _untrained(file: Path, folder: Path) -> str:
    """What a training that a signal ended leaves: no backbone, and its last checkpoint."""
    from oneclass.auxiliary.checkpoint import exists

    if not exists(folder):
        return unwritten(file)
    return (
        f"{unwritten(file)} What was learnt until the last checkpoint is kept in {folder}: the "
        "same command with --resume goes on from there."
    )


def _one_of(settings: dict[str, Any], *flags: str) -> str | None:
    """Which of the flags was given, or None; they are taken out of the settings."""
    given = [name for name in flags if settings.pop(name)]
    if len(given) > 1:
        raise InputError(f"--{' and --'.join(given)} exclude each other. Give one.")
    return next(iter(given), None)


def _options(**settings: Any) -> Any:
    from oneclass.auxiliary.recipes import preset
    from oneclass.auxiliary.training import TrainingOptions

    _refuse_none("min-images", settings["min_images"])
    if not settings["checkpoint_seconds"] >= 0:
        raise InputError(
            f"--checkpoint-every is {settings['checkpoint_seconds']}: expected a number of "
            "seconds; 0 is after every step."
        )
    recipe = _changed(preset(settings["preset"]), settings)
    for name in ("epochs", "batch", "learning_rate", "flip"):
        settings.pop(name)
    return TrainingOptions(recipe=recipe, **settings)


def _changed(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    names = ("epochs", "batch", "learning_rate")
    changes = {name: settings[name] for name in names if settings[name] is not None}
    for name, value in changes.items():
        _refuse_none(name.replace("_", "-"), value)
    return replace(recipe, **changes, flip=settings["flip"])


def _refuse_none(name: str, value: float) -> None:
    """Refuse an option that must be above nothing.

    Raises:
        InputError: it is not.
    """
    if not value > 0:
        raise InputError(f"--{name} is {value}: expected a number above 0.")


def _labelled(
    folder: Path, labels: str | None, n_clusters: int | None, seed: int, show: Any
) -> Labelled:
    from oneclass.auxiliary import subcategories

    if labels is not None and n_clusters is not None:
        raise InputError("--labels and --auto-subcategories exclude each other. Give one.")
    if labels is not None:
        return subcategories.from_csv(Path(labels), folder)
    if n_clusters is not None:
        return subcategories.from_clusters(folder, n_clusters, seed=seed, progress=show)
    return subcategories.from_folder(folder)

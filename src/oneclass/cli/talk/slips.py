"""What people call our commands and options, and what to say to them."""

from __future__ import annotations

from pathlib import Path

import click

from oneclass.system.host.portable import as_typed

OTHER_WORDS = {
    **dict.fromkeys(("predict", "infer", "detect", "test", "run", "inspect"), "score"),
    **dict.fromkeys(("learn", "calibrate"), "fit"),
    **dict.fromkeys(("explain", "heatmap", "heatmaps"), "score --heatmaps DIR"),
    **dict.fromkeys(("show", "version"), "info"),
}
"""What other programs call our commands."""
OTHER_OPTIONS = {
    **dict.fromkeys(("--truth", "--ground-truth", "--gt"), ("--labels", "--normal")),
    **dict.fromkeys(("--rate", "--alpha", "--fpr", "--false-alarm"), ("--false-alarms",)),
    **dict.fromkeys(("--remove", "--delete", "--unlearn"), ("--forget",)),
    **dict.fromkeys(("--output", "--output-dir", "--save", "--to"), ("--out",)),
    **dict.fromkeys(("--image-size", "--img-size", "--resize"), ("--size",)),
    **dict.fromkeys(("--workers", "--jobs", "--cores", "--cpus"), ("--threads",)),
    **dict.fromkeys(("--gpu", "--cuda", "--cpu"), ("--device",)),
    **dict.fromkeys(("--heatmap", "--maps", "--explain"), ("--heatmaps",)),
    **dict.fromkeys(("--views", "--patches"), ("--rows",)),
    "--batch-size": ("--batch",),
    "--lr": ("--learning-rate",),
    "--format": ("--json", "--parquet"),
}
"""What other programs call our options, and what ours are where a command has one of them."""
ARGUMENTS = {
    "--model": ("model",),
    **dict.fromkeys(
        ("--input", "--inputs", "--images", "--data", "--folder", "--normal", "--train"),
        ("inputs", "normal", "folders"),
    ),
    "--run": ("run_dir",),
}
"""Options of other programs that are arguments here, by the arguments' names."""
_RATE = (
    "The threshold comes from the normal images and from a rate of false alarms, which is yours to "
    "choose: --false-alarms 1%. 'oneclass info MODEL' shows it. Scores are in predictions.csv, so "
    "that you can compare them with any other number."
)
_GPU = (
    "Nothing is to be set: where the package onnxruntime-gpu finds a GPU, the network runs there."
)
_BATCH = "Nothing is to be set: the network takes as many images at a time as suit it."
_EPOCHS = (
    "There are none: the network is not trained here, and what is learnt on top of it is computed "
    "exactly. 'oneclass train' trains a network of your own."
)
SENTENCES = {
    **dict.fromkeys(("--threshold", "--contamination"), _RATE),
    **dict.fromkeys(("--gpu", "--cuda", "--cpu", "--device"), _GPU),
    **dict.fromkeys(("--batch", "--batch-size"), _BATCH),
    **dict.fromkeys(("--epochs", "--iterations", "--lr", "--learning-rate"), _EPOCHS),
}
"""What to say of options that a command has nothing like."""


def on_option(name: str, ctx: click.Context) -> str | None:
    """What to say of an option that a command does not have; None where that is not known.

    Args:
        name: of the option, such as `--rate`.
        ctx: of the command.
    """
    own = {option for param in ctx.command.params for option in param.opts}
    meant = [f"'{option}'" for option in OTHER_OPTIONS.get(name, ()) if option in own]
    if meant:
        return f"Did you mean {' or '.join(meant)}?"
    for param in ctx.command.params:
        if isinstance(param, click.Argument) and param.name in ARGUMENTS.get(name, ()):
            argument = param.human_readable_name.rstrip(".")
            return f"{argument} is an argument: it stands by itself, without an option before it."
    return SENTENCES.get(name)


def on_missing(error: click.MissingParameter) -> str | None:
    """The command as it should be, where `fit` was not told what to write; else None.

    A word that ends as model files do is taken for the model.
    """
    ctx = error.ctx
    if ctx is None or ctx.command.name != "fit" or error.param is None:
        return None
    given = list(ctx.params.get("normal") or ())
    models = [word for word in given if word.endswith(".oneclass")]
    folders = [word for word in given if word not in models] or ["FOLDER"]
    model = models[0] if models else f"{Path(folders[0]).stem or 'parts'}.oneclass"
    return f"Try: {as_typed(['oneclass', 'fit', *folders, '-o', model])}"

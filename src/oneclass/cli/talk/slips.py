"""What people call our commands and options, and what to say to them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from oneclass.errors import InputError
from oneclass.system.host.portable import as_typed, few_typed
from oneclass.system.names import ALIKE

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
    **dict.fromkeys(("--output-dir", "--save", "--to"), ("--out",)),
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
    **dict.fromkeys(("-o", "--out"), ("what",)),
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
_LABELS = (
    "What the truth was is for the report: 'oneclass report MODEL RUN --labels TABLE.csv', where "
    "RUN is what 'oneclass score -o RUN' wrote."
)
_REPLACED = (
    "Nothing is to be set: what is written takes the place of what was there, and the last version "
    "of a model stays beside the new one."
)
SENTENCES = {
    **dict.fromkeys(("--labels", "--truth", "--ground-truth", "--gt"), _LABELS),
    "--report": "'oneclass report MODEL RUN' makes a page of what 'oneclass score -o RUN' wrote.",
    **dict.fromkeys(("--overwrite", "--force"), _REPLACED),
    "--recursive": "Nothing is to be set: of a folder, the images of all folders in it are taken.",
    **dict.fromkeys(("--threshold", "--contamination"), _RATE),
    **dict.fromkeys(("--gpu", "--cuda", "--cpu", "--device"), _GPU),
    **dict.fromkeys(("--batch", "--batch-size"), _BATCH),
    **dict.fromkeys(("--epochs", "--iterations", "--lr", "--learning-rate"), _EPOCHS),
}
"""What to say of options that a command has nothing like."""


def on_option(name: str, ctx: click.Context) -> str:
    """What to say of an option that a command does not have, a blank before it; or nothing.

    Args:
        name: of the option, such as `--rate`.
        ctx: of the command.
    """
    own = {option for param in ctx.command.params for option in param.opts}
    meant = [f"'{option}'" for option in OTHER_OPTIONS.get(name, ()) if option in own]
    if meant:
        return f" Did you mean {' or '.join(meant)}?"
    for param in ctx.command.params:
        if isinstance(param, click.Argument) and param.name in ARGUMENTS.get(name, ()):
            argument = param.human_readable_name.rstrip(".")
            return f" {argument} is an argument: it stands by itself, without an option before it."
    if name in SENTENCES:
        return f" {SENTENCES[name]}"
    known = {option.lstrip("-"): option for option in {*own, *ctx.help_option_names}}
    near = difflib.get_close_matches(name.lstrip("-"), known, n=1, cutoff=ALIKE)
    return f" Did you mean '{known[near[0]]}'?" if near else ""


def as_ours(word: str) -> str:
    """`--out` where `--output` was given, which so many programs have: all commands take it."""
    return "out" if word == "output" else word


def on_help(words: Sequence[str]) -> str:
    """What to say of `oneclass help fit`, and of `oneclass backbone help import`.

    Args:
        words: of the command line, the one word `help` among them or not.
    """
    rest = [word for word in words if word != "help"]
    return f"No such command 'help'. Try: {as_typed(['oneclass', *rest, '--help'])}"


def on_missing(error: click.MissingParameter) -> str | None:
    """The command as it should be, where one was not told its images or what to write; else None.

    Args:
        error: of which the context holds what was given.
    """
    ctx = error.ctx
    if ctx is None or error.param is None:
        return None
    if isinstance(named := error.param.envvar, str):
        return f"Give it, or let the environment variable {named} name it."
    missing = (str(ctx.command.name), str(error.param.name))
    words = _EXAMPLES.get(missing)
    if words is None:
        return None
    told = _MEANINGS.get(missing, "")
    if missing == ("fit", "out") and (old := _models_that_are_there(ctx.params["normal"])):
        told = f"{old[0]} is a model already. To teach it more images, use 'oneclass update'. "
    return f"{told}Try: {as_typed(['oneclass', *words(ctx.params)])}"


def _fit(given: Mapping[str, Any]) -> list[str]:
    """A word that ends as model files do is taken for the model to write, if none is there."""
    normal = list(given.get("normal") or ())
    old = _models_that_are_there(normal)
    models = [word for word in normal if word.endswith(".oneclass") and word not in old]
    folders = [word for word in normal if word not in {*models, *old}] or ["FOLDER"]
    file = models[0] if models else _named(folders[0], ".oneclass")
    return ["fit", *few_typed(folders), "-o", file]


def _models_that_are_there(words: Sequence[str]) -> list[str]:
    from oneclass.detector.files.modelfile import is_model

    return [word for word in words if is_model(Path(word))]


def _export(given: Mapping[str, Any]) -> list[str]:
    if module := given.get("module"):  # of `backbone export`, which is called the same
        return ["backbone", "export", module, "-o", f"{module.rpartition(':')[2]}.onnx"]
    model, kind = given.get("model") or "MODEL", given.get("kind") or "onnx"
    endings = {"onnx": ".onnx", "openvino": ".xml", "web": "-page"}
    words = ["export", model, "-o", _named(model, endings[kind])]
    return words if kind == "onnx" else [*words, "--format", kind]


def _train(given: Mapping[str, Any]) -> list[str]:
    folder = given.get("normal") or "NORMAL_DIR"
    return ["train", folder, "-o", _named(folder, ".onnx")]


def _import(given: Mapping[str, Any]) -> list[str]:
    file = given.get("file") or "FILE.mat"
    ending = "-backbone.onnx" if file.endswith(".onnx") else ".onnx"
    return ["backbone", "import", file, "-o", _named(file, ending)]


def _with_model(command: str, other: str, given: Mapping[str, Any]) -> list[str]:
    """One argument alone may be the model, or what comes behind it."""
    word = given.get("model") or "MODEL"
    return [command, word, other] if _is_model(word) else [command, "MODEL", word]


def refuse_models(
    command: str, normal: Sequence[str], *, behind: Sequence[str] = (), instead: str = ""
) -> None:
    """Refuse a model among the images: somebody puts it first, as `score` wants it.

    Args:
        command: the one that was called.
        normal: what it was given to learn from.
        behind: what else it was given.
        instead: a sentence on what else may be meant.

    Raises:
        InputError: a file that is given begins as model files do.
    """
    if models := _models_that_are_there(normal):
        rest = few_typed([word for word in normal if word not in models] or ["FOLDER"])
        raise InputError(
            f"{models[0]} is a model, and {command} learns from images.{instead} Try: oneclass "
            f"{as_typed([command, *rest, *behind])}"
        )


def _is_model(word: str) -> bool:
    from oneclass.detector.files.modelfile import is_model

    return word == "MODEL" or word.endswith(".oneclass") or is_model(Path(word))


def _named(path: str, ending: str) -> str:
    """A file to write, called like what it is made of."""
    return f"{Path(path).stem or 'parts'}{ending}"


_EXAMPLES: dict[tuple[str, str], Callable[[Mapping[str, Any]], list[str]]] = {
    ("fit", "out"): _fit,
    ("fit", "normal"): _fit,
    ("compare", "normal"): lambda given: ["compare", "GOOD", "--test-odd", "BAD"],
    ("update", "model"): lambda given: ["update", "MODEL", "--forget", "IMAGE"],
    ("score", "model"): lambda given: ["score", "MODEL", "FOLDER"],
    ("score", "inputs"): partial(_with_model, "score", "FOLDER"),
    ("report", "model"): lambda given: ["report", "MODEL", "RUN_DIR", "--normal", "FOLDER"],
    ("report", "run_dir"): partial(_with_model, "report", "RUN_DIR"),
    ("export", "out"): _export,
    ("train", "out"): _train,
    ("import", "out"): _import,
}
"""By a command's name and what it was not told: its words as they should be."""
_MEANINGS = {
    ("report", "model"): "It stands first: --normal takes all behind it. ",
    ("report", "run_dir"): "It is the folder that 'oneclass score -o FOLDER' wrote. ",
    ("compare", "normal"): "It stands first: --test-normal and --test-odd take all behind them. ",
    ("update", "model"): "It stands first: --forget takes all behind it. ",
}
"""What that is, where its name says too little; with a blank behind it."""

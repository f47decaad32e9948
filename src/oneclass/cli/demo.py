"""`oneclass demo`: try it all on real images."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import if_stopped, say
from oneclass.cli.talk.parameters import Here
from oneclass.errors import OneclassError
from oneclass.system.host.portable import as_typed
from oneclass.system.names import did_you_mean

if TYPE_CHECKING:
    from oneclass.detector.predictions import Prediction


KINDS = ("digits", "textures")
NEARLY = 0.8
"""Of `difflib`: texture is nearly textures, and digits-demo is a folder's name."""


@click.command(short_help="Try it all on real handwritten digits, or on textures.")
@click.argument("what", nargs=-1, type=Here(), metavar="[digits|textures] [FOLDER]")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the images.")
def demo(what: tuple[str, ...], seed: int) -> int:
    """Run the main job on real images, in FOLDER (a minute or two).

    Without FOLDER it is oneclass-demo; with textures or a seed, their name behind that.

    digits: the handwritten digit 5 as normal images, other digits among the incoming ones.
    textures: parts of brick, gravel and grass; scratches and stains on some of the incoming ones.

    Writes PNG files, then runs the very commands that you would run, and says what they found.
    """
    kind, *rest = what if what and what[0] in KINDS else ("digits", *what)
    if len(rest) > 1:
        raise click.UsageError(f"{' '.join(rest)}: give one folder.")
    # One for each kind and seed: pictures of another demo would be in the way.
    own = ("-textures" if kind == "textures" else "") + (f"-{seed}" if seed else "")
    folder = Path(rest[0] if rest else f"oneclass-demo{own}")
    meant = did_you_mean(str(folder), KINDS, NEARLY) if kind not in what else ""
    if meant and not folder.exists():
        raise click.UsageError(
            f"{folder}: there is no such folder.{meant} Any other name makes one."
        )
    run = run_textures if kind == "textures" else run_demo
    with if_stopped(lambda: _left(folder)):
        run(folder, seed=seed)
    return 0


def _left(folder: Path) -> str:
    """What a demo that a signal ended leaves."""
    there = f"what is finished lies in {folder}" if folder.exists() else "nothing was written yet"
    return f"{there}. The same command begins anew."


def run_demo(folder: Path, *, seed: int) -> None:
    """Write the images, run check, fit, score and report on them, and say what came out.

    Raises:
        MissingDependencyError: the digits' package is not installed.
        OneclassError: one of the commands failed.
    """
    from oneclass.datasets.demonstration import N_INCOMING, N_NORMAL, NORMAL_DIGIT, write_digits
    from oneclass.results.runs import read_run

    write_digits(folder, seed=seed)
    say(
        f"{folder}/normal holds {N_NORMAL} real handwritten fives; {folder}/incoming holds "
        f"{N_INCOMING} other fives and {N_INCOMING} other digits, one folder a digit.\n"
    )
    model, run = folder / "fives.oneclass", folder / "run"
    run_command("check", folder / "normal")
    run_command("fit", folder / "normal", "-o", model)
    run_command("score", model, folder / "incoming", "-o", run)
    say(summary(read_run(run).predictions))
    say("")
    run_command("report", model, run, "--normal", folder / "incoming" / str(NORMAL_DIGIT))
    say_next(run)


def run_textures(folder: Path, *, seed: int) -> None:
    """The same with parts of textures, judged by their patches, and with heatmaps.

    Raises:
        MissingDependencyError: matplotlib, for the report, is not installed.
        OneclassError: one of the commands failed.
    """
    import numpy as np

    from oneclass.datasets.textures import KINDS, N_INCOMING, N_NORMAL, TEXTURES, write_textures
    from oneclass.results.runs import read_run
    from oneclass.statistics import auroc

    write_textures(folder, seed=seed)
    say(
        f"{folder}/normal holds {N_NORMAL} parts each of {', '.join(TEXTURES)}; {folder}/incoming "
        f"holds {N_INCOMING} others of each, good and with a scratch and with a stain. The "
        "photographs are real, the damage is drawn.\n"
    )
    model, run = folder / "textures.oneclass", folder / "run"
    run_command("fit", folder / "normal", "-o", model, "--rows", "patches")
    run_command("score", model, folder / "incoming", "-o", run, "--heatmaps", folder / "heatmaps")
    judged = read_run(run)
    predictions = judged.predictions
    if judged.record["drift"]:
        say(
            "That so many are called anomalies is as it should be here: two in three of these were "
            "damaged on purpose. Where most images are good, that sentence is a warning.\n"
        )
    promised = judged.record["card"]["false_alarms"]
    kinds = np.array([Path(p.path).parent.name for p in predictions])
    scores = np.array([p.score for p in predictions])
    for kind in KINDS:
        called = [p.is_anomaly for p, name in zip(predictions, kinds, strict=True) if name == kind]
        beside = f"  <- {promised:.0%} promised, as a mean" if kind == "good" else ""
        say(f"  {kind + ':':8} {sum(called):3} of {len(called):3} called anomalies{beside}")
    found = auroc(scores[kinds == "good"], scores[kinds != "good"])
    say(f"AUROC {found:.3f}: the chance that a random damaged part looks odder than a good one.\n")
    run_command("report", model, run, "--normal", folder / "incoming" / "good")
    say_next(run, folder / "heatmaps")


def say_next(run: Path, heatmaps: Path | None = None) -> None:
    """What to look at, and the same commands for the user's own images."""
    from oneclass.results.runs import PAGE

    program = typed_program()
    say(f"Look at {run / PAGE} in a browser: each picture with its verdict and where it is odd.")
    say(f"The verdicts as a table: {run / 'predictions.csv'}")
    if heatmaps is not None:
        say(f"Each picture with its odd places marked: {heatmaps}")
    say("")
    say("Now try it on your own images:\n")
    say(f"    {program} fit MY_NORMAL_IMAGES/ -o my.oneclass")
    say(f"    {program} score my.oneclass MY_NEW_IMAGES/ -o my_run/")
    say(f"    {program} report my.oneclass my_run/")


def typed_program() -> str:
    """How to call this program here: `make demo` installs it where the shell does not look.

    A relative path was typed; what the shell finds by the name alone may be another one.
    """
    called = Path(sys.argv[0])
    by_its_path = not called.is_absolute() or shutil.which("oneclass") is None
    if called.stem == "oneclass" and called.exists() and by_its_path:
        return as_typed([str(called)])
    return "oneclass"


def summary(predictions: Sequence[Prediction]) -> str:
    """What the run found, by digit; the name of an image's folder is its digit."""
    import numpy as np

    from oneclass.datasets.demonstration import NORMAL_DIGIT
    from oneclass.statistics import auroc

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


def run_command(*words: str | Path) -> None:
    """Print a command as a user would type it, and run it as a program of its own."""
    arguments = [str(word) for word in words]
    say(f"$ oneclass {as_typed(arguments)}")
    code = subprocess.run(
        [sys.executable, "-P", "-m", "oneclass", *arguments], check=False
    ).returncode
    if code != 0:
        raise OneclassError(f"the command above ended with exit code {code}; see its message.")
    say("")

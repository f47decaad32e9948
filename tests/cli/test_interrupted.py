"""A command that a signal ends says what became of its work, and what to do."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass.cli import cli
from oneclass.cli.talk import console
from oneclass.detector.estimator import Detector
from oneclass.errors import StorageError
from oneclass.results import heatmaps


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    write_images(folder / "good", stripes(30, seed=1))
    write_images(folder / "part/train/good", stripes(30, seed=1))
    write_images(folder / "part/test/good", stripes(4, seed=2))
    write_images(folder / "part/test/bad", stripes(4, seed=3, upright=False))
    done = oneclass("fit", "good", "-o", "m.oneclass", "--backbone", "greyscale", cwd=folder)
    assert done.returncode == 0, done.stderr
    small = ("--layer", "block_2", "--size", "32")
    done = oneclass("fit", "good", "-o", "maps.oneclass", *small, cwd=folder)
    assert done.returncode == 0, done.stderr
    done = oneclass("score", "m.oneclass", "good", "-o", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def said(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., str]:
    """What a command says last that is stopped where something is called."""

    def stopped(stop: str, *words: str) -> str:
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.chdir(place)
        monkeypatch.setattr(stop, interrupt)
        monkeypatch.setattr(sys, "argv", ["oneclass", *words])
        assert console.run(cli) == 130
        return capsys.readouterr().err.splitlines()[-1]

    return stopped


FIT = "oneclass.detector.estimator.Detector.fit"


def test_a_fit_says_that_nothing_was_written(said: Callable[..., str], place: Path) -> None:
    assert said(FIT, "fit", "good", "-o", "new.oneclass") == (
        "interrupted: new.oneclass was not written. The same command begins anew; --cache FOLDER "
        "keeps what is computed."
    )
    assert not (place / "new.oneclass").exists()


def test_a_fit_over_another_model_says_that_it_is_still_there(
    said: Callable[..., str], place: Path
) -> None:
    before = (place / "m.oneclass").read_bytes()
    told = said(FIT, "fit", "good", "-o", "m.oneclass", "--cache", "rows")
    assert told == (
        "interrupted: m.oneclass is as it was before. Rows of the images looked at are kept in "
        "rows: the same command uses them."
    )
    assert (place / "m.oneclass").read_bytes() == before


@pytest.mark.parametrize(
    ("stop", "words", "told"),
    [
        (
            "oneclass.detector.estimator.Detector.update",
            ("update", "m.oneclass", "good"),
            "m.oneclass is as it was before. The same command begins anew",
        ),
        (
            "oneclass.detector.estimator.Detector.fit",
            ("compare", "good"),
            "0 of 3 ways of looking were compared. The same command begins anew.",
        ),
        (
            "oneclass.images.check.check",
            ("check", "good"),
            "not all images were looked at, so nothing is told of them. 'check' writes nothing.",
        ),
        (
            "oneclass.export.assembly.onnx_model",
            ("export", "m.oneclass", "-o", "m.onnx"),
            "m.onnx was not written.",
        ),
        (
            "oneclass.report.write_report",
            ("report", "m.oneclass", "run"),
            "run/report.html was not written.",
        ),
        (
            "oneclass.datasets.demonstration.write_digits",
            ("demo", "digits-demo"),
            "nothing was written yet. The same command begins anew.",
        ),
        (
            "oneclass.evaluation.running.measure",
            ("evaluate", "part"),
            "nothing is kept without -o FOLDER: the same command begins anew.",
        ),
        (
            "oneclass.evaluation.running.measure",
            ("evaluate", "part", "-o", "told"),
            "nothing was finished yet: the same command begins anew.",
        ),
        (
            "oneclass.paper.experiment.run_job",
            ("paper", "--tasks", "5", "--trials", "1", "--representation", "greyscale"),
            "no table was written. The same command begins anew",
        ),
        (
            "oneclass.backbones.importing.pull_network",
            ("backbone", "pull", "vgg-f"),
            "what came is kept: the same command goes on from there.",
        ),
    ],
)
def test_others_say_what_is_there(
    said: Callable[..., str], stop: str, words: tuple[str, ...], told: str
) -> None:
    assert said(stop, *words).startswith(f"interrupted: {told}")


def test_an_evaluation_says_that_what_is_finished_is_kept(
    said: Callable[..., str], place: Path
) -> None:
    (place / "begun/cells").mkdir(parents=True)
    (place / "begun/cells/1f.json").write_text("{}")
    assert said("oneclass.evaluation.running.measure", "evaluate", "part", "-o", "begun") == (
        "interrupted: what is finished is kept in begun: the same command goes on from there."
    )


def test_a_model_that_is_being_written_is_written_whole(
    said: Callable[..., str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Detector.save

    def slow(self: Detector, *given: object, **named: object) -> str:
        signal.raise_signal(signal.SIGINT)
        return save(self, *given, **named)

    monkeypatch.setattr(Detector, "save", slow)
    words = ("fit", "good", "-o", "late.oneclass", "--backbone", "greyscale")
    told = said("oneclass.detector.estimator.Detector.drift", *words)  # which fit never calls
    assert told == "interrupted: late.oneclass is written, whole."
    done = oneclass("score", "late.oneclass", "good", cwd=place)
    assert done.returncode == 0, done.stderr


@pytest.mark.linux
def test_a_cache_keeps_what_a_fit_that_was_ended_has_computed(tmp_path: Path) -> None:
    write_images(tmp_path / "many", stripes(600, seed=5))
    words = ("fit", "many", "-o", "m.oneclass", "--cache", "rows", "--rows", "image")
    program = (
        "import sys\nfrom oneclass.cli.talk import showing\n"
        "showing.FIRST_LINE = showing.BEAT = 0.2\n"
        "sys.argv[:] = sys.argv[1:]\nfrom oneclass.__main__ import main\nmain()"
    )
    command = [sys.executable, "-c", program, "oneclass", *words, "--threads", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "of 600 images" in line and " 0 of" not in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "interrupted: m.oneclass was not written. Rows of the images looked at" in rest
    assert not (tmp_path / "m.oneclass").exists()
    again = oneclass(*words, cwd=tmp_path, timeout=300)
    assert again.returncode == 0, again.stderr
    assert not re.search(r"cache: 0 of 600 rows found", again.stderr)
    assert re.search(r"cache: \d+ of 600 rows found", again.stderr), again.stderr


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A disk that is full once so many files were written to `heat`; their names."""
    written: list[str] = []
    real = heatmaps.whole_file

    def write(path: Path, **how: bool) -> Any:
        if len(written) == 5:
            raise StorageError(f"cannot write {path}: No space left on device.")
        written.append(path.name)
        return real(path, **how)

    monkeypatch.setattr(heatmaps, "whole_file", write)
    return written


def test_a_full_disk_under_the_heatmaps_keeps_the_scores(
    place: Path,
    tmp_path: Path,
    small_disk: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(place)
    words = ["score", "maps.oneclass", "good", "-o", str(tmp_path / "run"), "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["oneclass", *words, "--heatmaps", str(tmp_path / "heat")])
    assert console.run(cli) == 5
    said = capsys.readouterr().err
    lines = (tmp_path / "run/predictions.csv").read_text().splitlines()
    assert len(lines) == 3, said
    assert f"among 2 images; the list is {tmp_path / 'run/predictions.csv'}" in said
    assert "28 of the 30 images were not scored. What was scored is kept.\n" in said
    assert "error: cannot write" in said.splitlines()[-1]
    assert "without --heatmaps, or with a folder on a disk that has room" in said.splitlines()[-1]
    assert "heat holds no index.csv of the heatmaps in it: there is no room for one." in said
    assert "interrupted" not in said
    assert "index.csv lists them" not in said  # there was no room for it
    left = sorted(path.suffix for path in (tmp_path / "heat").iterdir())
    assert left == [".npy", ".npy", ".png", ".png"]
    assert json.loads((tmp_path / "run/run.json").read_text())["complete"] is False

"""Predictions in Parquet parts: the same figures, and a run that goes on where one ended.

Needs the extra `parquet`.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from commands import oneclass as command
from conftest import stripes, write_images
from oneclass import Detector, InputError, load
from oneclass.images.sources import gather
from oneclass.results import parts
from oneclass.results.parts import PredictionParts
from oneclass.system.places import place

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
SMALL: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}


@pytest.fixture
def model(image_folder: Callable[..., Path], tmp_path: Path) -> Path:
    Detector(**SMALL).fit(image_folder("normal", 24, seed=1)).save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def mixed(image_folder: Callable[..., Path]) -> Path:
    folder = image_folder("mixed", 20, seed=2, upright=False)
    (folder / "004.png").write_bytes(b"\x89PNG")
    return folder


def nothing(done: int, total: int) -> None:
    """Shown of the progress."""


def rows(folder: Path) -> list[dict[str, Any]]:
    return [
        row
        for file in sorted(folder.glob("*.parquet"))
        for row in parquet.read_table(file).to_pylist()
    ]


@pytest.mark.parametrize("where", ["folder", "memory"])
@pytest.mark.parametrize("ended_at", [0, 3, 6, 7, 20])
def test_a_run_goes_on_where_one_ended(
    model: Path,
    mixed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    ended_at: int,
) -> None:
    monkeypatch.setattr(parts, "IMAGES_A_PART", 6)
    run = tmp_path / "run" if where == "folder" else place(f"memory://{uuid4().hex}/run")
    detector, sources = load(model, unclear=0.5), gather(mixed)
    wanted = list(detector.score_each(sources))
    first = PredictionParts(run, detector, sources).results(detector, nothing)
    for _ in range(ended_at):
        next(first)
    first.close()  # as a kill would: what is not in a part is lost
    again, seen = PredictionParts(run, detector, sources), list[int]()
    assert again.n_finished == ended_at - ended_at % 6
    found = list(again.results(detector, lambda done, total: seen.append(done)))
    again.finish()
    assert [*map(str, found)] == [*map(str, wanted)]
    assert seen == list(range(again.n_finished + 1, 21))
    whole = PredictionParts(run, detector, sources)
    assert whole.n_finished == 20
    assert [*map(str, whole.results(detector, nothing))] == [*map(str, wanted)]


def test_a_run_that_is_interrupted_keeps_what_is_finished(
    model: Path, mixed: Path, tmp_path: Path
) -> None:
    detector, sources = load(model), gather(mixed)
    first = PredictionParts(tmp_path, detector, sources)
    results = first.results(detector, nothing)
    for _ in range(5):
        next(results)
    first.finish()
    assert PredictionParts(tmp_path, detector, sources).n_finished == 5
    table = rows(tmp_path / "predictions")
    assert [row["path"] for row in table] == [str(mixed / f"{i:03}.png") for i in range(5)]
    assert (table[4]["score"], table[4]["reason"]) == (None, "not_an_image")
    assert (table[0]["reason"], table[0]["is_anomaly"]) == (None, True)


def test_parts_of_another_run_are_refused(model: Path, mixed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    PredictionParts(run, load(model), gather(mixed))
    with pytest.raises(InputError, match=r"false_alarms \(0.05 there, 0.2 now\). Give another"):
        PredictionParts(run, load(model, false_alarms=0.2), gather(mixed))
    (mixed / "005.png").unlink()
    with pytest.raises(InputError, match=r"images \(20 there, 19 now\) and other names of im"):
        PredictionParts(run, load(model), gather(mixed))
    asked = run / "predictions/_parts.json"
    asked.rename(run / "predictions/parts.json")  # as earlier versions called it
    with pytest.raises(InputError, match="false_alarms"):
        PredictionParts(run, load(model, false_alarms=0.2), gather(mixed))
    asked.write_text("{")
    with pytest.raises(InputError, match=r"_parts\.json: cannot be read"):
        PredictionParts(run, load(model), gather(mixed))


def test_what_reads_folders_reads_this_one_as_a_table(
    model: Path, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "IMAGES_A_PART", 7)
    written = PredictionParts(tmp_path, load(model), gather(mixed))
    list(written.results(load(model), nothing))
    written.finish()
    folder = tmp_path / "predictions"
    assert len(list(folder.iterdir())) == 4
    assert parquet.read_table(folder).to_pylist() == rows(folder)


def test_a_damaged_part_is_named(model: Path, mixed: Path, tmp_path: Path) -> None:
    detector, sources = load(model), gather(mixed)
    file = tmp_path / "predictions/000000000000-000000000007.parquet"
    PredictionParts(tmp_path, detector, sources)
    file.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"0007.parquet: cannot be read .* Remove it"):
        list(PredictionParts(tmp_path, detector, sources).results(detector, nothing))


def test_the_chain_of_parts_has_no_gap() -> None:
    names = [f"{a:012}-{b:012}.parquet" for a, b in [(0, 3), (0, 2), (3, 9), (10, 12), (4, 4)]]
    assert parts._chain([*names, "_parts.json", "x.parquet"]) == [(0, 3), (3, 9)]


def test_the_command_line(model: Path, mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for again in (False, True):
        done = command("score", model, mixed, "-o", out, "--parquet")
        assert ("all 20 images were scored before." in done.stderr) == again
        assert done.returncode == 3, done.stderr
        assert f"the list is {out / 'predictions'}" in done.stderr
        assert json.loads((out / "run.json").read_text())["scored"] == 19
    command("score", model, mixed, "-o", tmp_path / "csv")
    with (tmp_path / "csv/predictions.csv").open() as file:
        wanted = [(row["path"], row["score"]) for row in csv.DictReader(file)]
    found = [
        (r["path"], repr(r["score"])) for r in rows(out / "predictions") if r["score"] is not None
    ]
    assert found == wanted
    assert (out / "errors.csv").read_text() == (tmp_path / "csv/errors.csv").read_text()
    assert not (out / "predictions.csv").exists()
    refused = command("score", model, mixed, "--parquet")
    assert (refused.returncode, "-o DIR" in refused.stderr) == (2, True)
    before = {file.name: file.read_bytes() for file in out.glob("*.*")}
    refused = command("score", model, mixed, "-o", out)
    assert (refused.returncode, "go on with --parquet" in refused.stderr) == (2, True)
    assert before == {file.name: file.read_bytes() for file in out.glob("*.*")}


def test_runs_of_two_kinds_do_not_mix(model: Path, mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = [command("score", model, mixed, "-o", out).stderr for _ in range(2)]
    assert [f"the earlier run in {out} was replaced." in one for one in told] == [False, True]
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    refused = command("score", model, mixed, "-o", out, "--parquet")
    assert (refused.returncode, "without --parquet" in refused.stderr) == (2, True)
    assert before == {file.name: file.read_bytes() for file in out.iterdir()}
    command("score", model, mixed, "-o", tmp_path / "table", "--parquet")
    report = command("report", model, tmp_path / "table")
    assert report.returncode == 2
    assert f"holds a run of 'score --parquet', whose predictions are a table in {tmp_path}" in (
        report.stderr
    )


@pytest.mark.linux
@pytest.mark.slow
def test_kill_9_costs_a_part_at_the_most(model: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "many", stripes(1500, seed=3))
    words = ["score", str(model), str(tmp_path / "many"), "-o", str(tmp_path / "out"), "--parquet"]
    program = (
        "from oneclass.results import parts; parts.IMAGES_A_PART = 50; "
        "from oneclass.__main__ import main; main()"
    )
    started = subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE)
    folder, until = tmp_path / "out/predictions", time.monotonic() + 120
    while not list(folder.glob("*.parquet")):
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    before = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.parquet")}
    assert len(rows(folder)) < 1500
    assert subprocess.run([sys.executable, "-c", program, *words], check=False).returncode == 0
    after = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.parquet")}
    assert before.items() <= after.items(), "finished parts are not written again"
    assert [row["path"] for row in rows(folder)] == [
        str(tmp_path / f"many/{i:03}.png") for i in range(1500)
    ]

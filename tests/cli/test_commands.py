"""The command line, run as a user runs it: programs, files, exit codes."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from commands import oneclass
from conftest import stripes, write_images
from damage import write_damaged

SMALL = ("--layer", "block_4", "--grid", "2", "--size", "64")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """normal/, new/ with odd ones in it, and a model."""
    place = tmp_path_factory.mktemp("cli")
    write_images(place / "normal", stripes(40, seed=1))
    write_images(place / "new/upright", stripes(6, seed=2))
    write_images(place / "new/lying", stripes(6, seed=3, upright=False))
    done = oneclass("fit", "normal", "-o", "m.oneclass", *SMALL, cwd=place)
    assert done.returncode == 0, done.stderr
    (place / "hollow").mkdir()
    (place / "hollow/photo.psd").touch()
    black = stripes(10, seed=1)
    black[::2] = 0
    write_images(place / "black", black)
    return place


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, capture_output=True, text=True, check=False
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_fit_says_what_it_learnt(place: Path) -> None:
    done = oneclass("fit", "normal", "-o", "again.oneclass", *SMALL, cwd=place)
    assert done.returncode == 0
    assert done.stdout == ""
    assert "learnt 40 normal images (" in done.stderr
    assert (place / "again.oneclass").read_bytes() == (place / "m.oneclass").read_bytes()


def test_score_writes_the_four_files(place: Path, tmp_path: Path) -> None:
    run = tmp_path / "deep/run"
    done = oneclass("score", "m.oneclass", "new", "-o", run, cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert sorted(p.name for p in run.iterdir()) == [
        "errors.csv", "predictions.csv", "predictions.jsonl", "run.json",
    ]  # fmt: skip
    rows = rows_of(run / "predictions.csv")
    assert list(rows[0]) == ["path", "score", "p_value", "is_anomaly", "learnt"]
    assert len(rows) == 12
    scores = {row["path"]: float(row["score"]) for row in rows}
    odd = [s for path, s in scores.items() if "lying" in path]
    assert min(odd) > max(s for path, s in scores.items() if "upright" in path)
    lines = [json.loads(x) for x in (run / "predictions.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [row["path"] for row in rows]
    assert [line["score"] for line in lines] == list(scores.values())
    assert rows_of(run / "errors.csv") == []
    record = json.loads((run / "run.json").read_text())
    assert record["complete"] is True
    assert record["seed"] == 0
    assert record["precision"] == "fp32"
    assert record["runtime"] == f"CPUExecutionProvider {version('onnxruntime')}"
    assert len(record["model_sha256"]) == 64
    assert record["environment"]["cpu"]
    assert record["images"] == record["scored"] == 12


def test_verbose_tells_where_the_time_went(place: Path) -> None:
    quiet = oneclass("score", "m.oneclass", "new", cwd=place)
    told = oneclass("score", "--verbose", "m.oneclass", "new", cwd=place)
    assert told.stdout == quiet.stdout
    assert "time:" not in quiet.stderr
    lines = told.stderr.splitlines()
    total = next(float(line.split()[1]) for line in lines if line.startswith("time:"))
    found = [re.fullmatch(r"( +)(\d+\.\d{3}) s  (.+)", line) for line in lines]
    times = {m[3]: (len(m[1] + m[2]), float(m[2])) for m in found if m}
    outer = {name: s for name, (width, s) in times.items() if width == 9}
    assert list(outer) == ["start of Python", "imports", "model and network", "images"]
    assert sum(outer.values()) == pytest.approx(total, abs=0.01)
    assert {"read and decode", "resize", "digest", "network", "score"} == set(times) - set(outer)


def test_json_lines_and_csv_on_stdout(place: Path) -> None:
    as_json = oneclass("score", "m.oneclass", "new", "--json", cwd=place)
    as_csv = oneclass("score", "m.oneclass", "new", cwd=place)
    lines = [json.loads(line) for line in as_json.stdout.splitlines()]
    rows = list(csv.DictReader(as_csv.stdout.splitlines()))
    assert len(lines) == 12
    for line, row in zip(lines, rows, strict=True):
        assert line["path"] == row["path"]
        assert line["score"] == float(row["score"])
        assert line["is_anomaly"] is (row["is_anomaly"] == "true")
    assert "12 images" in as_csv.stderr


def test_inputs_of_every_kind_score_alike(place: Path) -> None:
    (place / "list.txt").write_text("# some images\n\nnew/lying/000.png\nnew/upright/001.png\n")
    wanted = oneclass(
        "score", "m.oneclass", "new/lying/000.png", "new/upright/001.png", cwd=place
    ).stdout
    for words, stdin in (
        (["list.txt"], ""),
        (["-"], "new/lying/000.png\nnew/upright/001.png\n"),
        (["new/l*/000.png", "new/**/upright/001.png"], ""),
    ):
        done = oneclass("score", "m.oneclass", *words, cwd=place, stdin=stdin)
        assert done.returncode == 0, done.stderr
        assert [r["score"] for r in csv.DictReader(done.stdout.splitlines())] == [
            r["score"] for r in csv.DictReader(wanted.splitlines())
        ]


def test_two_hundred_damaged_files_stop_nothing(place: Path, tmp_path: Path) -> None:
    (tmp_path / "mixed").mkdir()
    damaged = write_damaged(tmp_path / "mixed", 200, seed=1)
    write_images(tmp_path / "mixed/good", stripes(6, seed=2))
    done = oneclass("score", place / "m.oneclass", "mixed", "-o", "run", cwd=tmp_path)
    assert done.returncode == 3
    assert "could not be used" in done.stderr
    assert "run/errors.csv" in done.stderr
    errors = rows_of(tmp_path / "run/errors.csv")
    assert len(errors) == len(damaged)
    assert all(row["reason"] and row["detail"] for row in errors)
    alone = oneclass("score", "m.oneclass", "new/upright", cwd=place)
    good = [row["score"] for row in rows_of(tmp_path / "run/predictions.csv")]
    assert good == [row["score"] for row in csv.DictReader(alone.stdout.splitlines())]


def test_fit_leaves_bad_files_out_and_says_so(place: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "normal", stripes(40, seed=1))
    (tmp_path / "normal/text.png").write_text("not a picture")
    (tmp_path / "normal/empty.png").touch()
    done = oneclass("fit", "normal", "-o", "m.oneclass", *SMALL, cwd=tmp_path)
    assert done.returncode == 3
    assert "2 images could not be used" in done.stderr
    assert (tmp_path / "m.oneclass").read_bytes() == (place / "m.oneclass").read_bytes()


def test_fail_on_anomaly(place: Path) -> None:
    odd = oneclass("score", "m.oneclass", "new/lying", "--fail-on-anomaly", cwd=place)
    assert odd.returncode == 10
    normal = oneclass("score", "m.oneclass", "normal/000.png", "--fail-on-anomaly", cwd=place)
    assert normal.returncode == 0


def test_a_refused_model(place: Path, tmp_path: Path) -> None:
    bad = bytearray((place / "m.oneclass").read_bytes())
    bad[len(bad) // 2] ^= 1
    (tmp_path / "bad.oneclass").write_bytes(bad)
    for command in (["score", "bad.oneclass", "."], ["info", "bad.oneclass"]):
        done = oneclass(*command, cwd=tmp_path)
        assert done.returncode == 4
        assert "refused" in done.stderr
        assert "Traceback" not in done.stderr
    assert oneclass("score", "nowhere", ".", cwd=tmp_path).returncode == 4


@pytest.mark.linux
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fitt"], "Did you mean 'fit'?"),
        (["fit", "normal", "-o", "x", "--layr", "y"], "Did you mean '--layer'?"),
        (["fit", "normal"], "Missing option '-o'"),
        (["fit", "-o", "x"], "Missing argument"),
        (["fit", "normal", "-o", "x", "--nu", "2"], "nu is 2"),
        (["fit", "normal", "-o", "x", "--layer", "blok_8"], "Its layers are: stem"),
        (["fit", "normal", "-o", "x", "--size", "big"], "HEIGHTxWIDTH"),
        (["fit", "normal", "-o", "x", "--backbone", "no.onnx"], "'no.onnx'"),
        (["fit", "nowhere", "-o", "x"], "nowhere"),
        (["fit", "normal", "-o", "no/such/x"], "cannot write no/such/x"),
        (["fit", "normal/000.png", "-o", "x"], "found 1 image."),
        (["score", "m.oneclass", "new", "-o", "m.oneclass"], "cannot write m.oneclass"),
        (["score", "m.oneclass", "new", "--threads", "0"], "threads is 0"),
        (["score", "m.oneclass", "new", "--backbone", "no.onnx"], "'no.onnx'"),
        (["score", "m.oneclass", "hollow", "--fail-on-anomaly"], "no images in hollow"),
        (["score", "m.oneclass", ""], "an empty path"),
        (["fit", "", "-o", "x"], "an empty path"),
        (["fit", "normal", "-o", "x", "--seed", "-1"], "seed is -1"),
        (["fit", "normal", "-o", "x", "--false-alarms", "1e-12"], "40 normal images"),
        (["fit", "normal", "-o", "/dev/null"], "cannot write /dev/null"),
        (["fit", "normal", "-o", "x", "--layer", "+"], "expected NAME"),
        (["fit", "black", "-o", "x", "--backbone", "greyscale"], "Leave black images out"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence(place: Path, words: list[str], message: str) -> None:
    done = oneclass(*words, cwd=place)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (place / "x").exists()


def limit_file_size() -> None:
    """Let every write beyond a few bytes fail, as on a full disk."""
    import resource  # only Linux and macOS have it

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.linux
@pytest.mark.parametrize("command", ["fit", "score"])
def test_a_full_disk(place: Path, tmp_path: Path, command: str) -> None:
    words = {
        "fit": ["fit", place / "normal", "-o", "full.oneclass", *SMALL],
        "score": ["score", place / "m.oneclass", place / "new", "-o", "run"],
    }[command]
    done = oneclass(*words, cwd=tmp_path, preexec_fn=limit_file_size)
    assert done.returncode == 5, done.stderr
    assert "cannot write" in done.stderr
    assert "free some space" in done.stderr
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_failed_run_leaves_no_older_run_that_looks_whole(place: Path, tmp_path: Path) -> None:
    words = ["score", place / "m.oneclass", place / "new/lying", "-o", "run"]
    assert oneclass(*words, cwd=tmp_path).returncode == 0
    assert oneclass(*words, cwd=tmp_path, preexec_fn=limit_file_size).returncode == 5
    assert not (tmp_path / "run/run.json").exists()


@pytest.mark.linux
def test_a_link_is_followed_and_a_long_name_is_fine(place: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.oneclass").symlink_to(tmp_path / "real/m.oneclass")
    for name in ("link.oneclass", "x" * 240 + ".oneclass"):
        done = oneclass("fit", place / "normal", "-o", name, *SMALL, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "link.oneclass").is_symlink()
    assert (tmp_path / "real/m.oneclass").read_bytes() == (place / "m.oneclass").read_bytes()


def test_files_that_are_no_images_are_counted(place: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "n", stripes(3, seed=2))
    (tmp_path / "n/photo.psd").touch()
    done = oneclass("score", place / "m.oneclass", "n", cwd=tmp_path)
    assert "1 file in folders not taken for images: 1 .psd." in done.stderr


def test_results_inside_the_input_are_left_out_and_said(place: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "inc", stripes(5, seed=2))
    np.save(tmp_path / "inc/000000_a.npy", np.zeros(3))
    (tmp_path / "inc/000.png").rename(tmp_path / "inc/000000_a.png")  # the user's own pair
    words = ("score", place / "m.oneclass", "inc", "--heatmaps", "inc/heat", "-o", "inc/run")
    for time in range(3):
        done = oneclass(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert len(rows_of(tmp_path / "inc/run/predictions.csv")) == 5
        assert ("5 heatmaps of oneclass" in done.stderr) == (time > 0)
    (tmp_path / "inc/heat/index.csv").unlink()  # as after a kill
    for numbers in (tmp_path / "inc/heat").glob("*.npy"):  # they take the most room
        numbers.unlink()
    listed = oneclass("check", "inc/**/*.png", "--json", cwd=tmp_path)
    assert json.loads(listed.stdout)["images"] == 5
    assert json.loads(listed.stdout)["ignored"]["heatmaps of oneclass"] == 5
    again = oneclass("score", place / "m.oneclass", "inc", cwd=tmp_path)
    assert "5 images" in again.stderr
    assert "5 heatmaps of oneclass" in again.stderr


def test_heatmaps_are_not_put_among_pictures(place: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "inc", stripes(3, seed=2))
    before = sorted(tmp_path.rglob("*"))
    words = ("score", place / "m.oneclass", "inc", "-o", "run", "--heatmaps", "inc")
    done = oneclass(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "--heatmaps is inc: 000.png lies there, and is no heatmap." in done.stderr
    assert "Give a folder of their own, as inc/heatmaps." in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    for _ in range(2):  # over heatmaps of an earlier run, and beside other files
        done = oneclass(*words[:-1], "inc/heatmaps", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (tmp_path / "inc/heatmaps/notes.txt").touch()
        (tmp_path / "inc/heatmaps/more").mkdir(exist_ok=True)


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "inc", "-o", "new.oneclass", *SMALL),
        ("score", "m.oneclass", "inc"),
        ("update", "m.oneclass", "inc", "-o", "new.oneclass"),
        ("evaluate", "category"),
        ("paper",),
    ],
)
def test_rows_are_not_put_among_pictures(
    place: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    write_images(tmp_path / "inc", stripes(3, seed=2))
    for name in ("m.oneclass", "m.oneclass.rows"):
        shutil.copy(place / name, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "category").mkdir()
    done = oneclass(*words, "--cache", "inc", cwd=tmp_path)
    assert done.returncode == 2
    assert "--cache is inc: 000.png lies there, and rows would be among" in done.stderr
    assert "Give a folder of their own, as inc/cache; 'none' goes without." in done.stderr
    (tmp_path / "category").rmdir()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_cache_that_is_among_pictures_already_is_used_as_it_is(
    place: Path, tmp_path: Path
) -> None:
    write_images(tmp_path / "inc", stripes(3, seed=2))
    words = ("score", place / "m.oneclass", "inc", "--cache")
    assert oneclass(*words, "inc/cache", cwd=tmp_path).returncode == 0
    (kind,) = (tmp_path / "inc/cache").iterdir()
    kind.rename(tmp_path / "inc" / kind.name)  # as versions before left it
    done = oneclass(*words, "inc", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cache: 3 of 3 rows found" in done.stderr


def test_names_send_no_escapes_to_the_terminal(place: Path, tmp_path: Path) -> None:
    (tmp_path / "\x1b[31mred.png").write_text("no image")
    done = oneclass("score", place / "m.oneclass", ".", cwd=tmp_path)
    assert done.returncode == 3
    assert "\x1b" not in done.stderr
    assert "\\x1b[31mred.png" in done.stderr


@pytest.mark.linux
def test_a_pipe_as_model_is_refused_at_once(place: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for model in (tmp_path / "pipe", "/dev/zero"):
        assert oneclass("score", model, "new", cwd=place, timeout=20).returncode == 4


def interrupted(place: Path, tmp_path: Path, number: int) -> tuple[list[dict], str]:
    """What a run of 3,000 images prints until a signal ends it, and what it says."""
    write_images(tmp_path / "many", stripes(3000, seed=5))
    command = [sys.executable, "-m", "oneclass", "score", place / "m.oneclass", "many", "-o", "run"]
    with subprocess.Popen(
        [*map(str, command), "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(number)
        rest, stderr = process.stdout.read(), process.stderr.read()
    assert process.returncode == 128 + number
    assert "Traceback" not in stderr
    return [json.loads(line) for line in [first, *rest.splitlines()]], stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_interrupted_scoring_keeps_what_is_finished(place: Path, tmp_path: Path, name: str) -> None:
    printed, stderr = interrupted(place, tmp_path, getattr(signal, name))
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["complete"] is False
    assert 0 < len(printed) < 3000
    assert record["scored"] == len(rows_of(tmp_path / "run/predictions.csv"))
    assert record["unscored"] == 3000 - record["scored"]
    assert abs(record["scored"] - len(printed)) <= 1
    assert f"interrupted: {3000 - record['scored']} of the 3000 images were not scored." in stderr
    assert "something has changed" not in stderr


@pytest.mark.parametrize("record", ['{"scored": 2999}', '{"scored": 1, "complete": true}'])
def test_interrupted_scoring_takes_no_larger_nor_whole_run_away(
    place: Path, tmp_path: Path, record: str
) -> None:
    (tmp_path / "run").mkdir()
    header = "path,score,p_value,is_anomaly,learnt\n"
    before = {"run.json": record, "predictions.csv": f"{header}all of them"}
    for name, text in before.items():
        (tmp_path / "run" / name).write_text(text)
    printed, stderr = interrupted(place, tmp_path, signal.SIGINT)
    assert "the earlier run in run was kept; what was scored until now is in run-inter" in stderr
    assert "the list is run-interrupted/predictions.csv" in stderr
    assert {file.name: file.read_text() for file in (tmp_path / "run").iterdir()} == before
    there = len(rows_of(tmp_path / "run-interrupted/predictions.csv"))
    assert abs(there - len(printed)) <= 1


def test_info(place: Path) -> None:
    card = json.loads(oneclass("info", "m.oneclass", "--json", cwd=place).stdout)
    assert card["fit"]["n_images"] == 40
    assert card["representation"]["layers"] == [{"grid": 2, "name": "block_4"}]
    assert len(card["representation"]["backbone"]["sha256"]) == 64
    assert card["environment"]["versions"].keys() == {"numpy", "onnxruntime", "pillow"}
    text = oneclass("info", "m.oneclass", cwd=place).stdout
    assert "layers: block_4@2" in text
    here = json.loads(oneclass("info", "--json", cwd=place).stdout)
    assert here["backbones"]["efficientnet-lite0"]["layers"]["block_8"] == "112 x 14 x 14"


def test_check(place: Path, tmp_path: Path) -> None:
    done = oneclass("check", "normal", cwd=place)
    assert done.returncode == 0
    assert "40" in done.stdout
    write_images(tmp_path / "some", stripes(2, seed=1))
    (tmp_path / "some/bad.png").write_text("no")
    done = oneclass("check", tmp_path / "some", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)


def test_hostile_file_names(place: Path, tmp_path: Path) -> None:
    names = ["=cmd.png", "-o.png", "a,b.png", 'q"uote.png', "new\nline.png", "a[1].png", "ü.png"]
    images = stripes(len(names) + 1, seed=6)
    for path, name in zip(
        write_images(tmp_path / "w", images), [*names, os.fsdecode(b"\xff.png")], strict=True
    ):
        path.rename(tmp_path / "w" / name)
    done = oneclass("score", place / "m.oneclass", ".", "-o", "../run", cwd=tmp_path / "w")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "run/predictions.csv")
    assert len(rows) == len(names) + 1
    assert not [row["path"] for row in rows if row["path"].startswith(("=", "+", "-", "@"))]
    lines = (tmp_path / "run/predictions.jsonl").read_text().splitlines()
    found = {os.fsencode(json.loads(line)["path"]).lstrip(b"./") for line in lines}
    assert found == {os.fsencode(name) for name in [*names, os.fsdecode(b"\xff.png")]}


def test_the_model_travels_without_its_images(place: Path, tmp_path: Path) -> None:
    (tmp_path / "m.oneclass").write_bytes((place / "m.oneclass").read_bytes())
    (tmp_path / "new").mkdir()
    (tmp_path / "new/a.png").write_bytes((place / "new/upright/000.png").read_bytes())
    here = oneclass("score", "m.oneclass", "new", cwd=tmp_path)
    there = oneclass("score", "m.oneclass", "new/upright", cwd=place)
    assert here.stdout.splitlines()[1].split(",")[1:] == there.stdout.splitlines()[1].split(",")[1:]
    assert str(place).encode() not in (tmp_path / "m.oneclass").read_bytes()


def test_stdout_closed_early_is_no_bug(place: Path) -> None:
    score = f"{sys.executable} -m oneclass score m.oneclass new --json"
    for command, code in ((f"{score} | head -n 1", 0), (f"{score} -o closed | true", 0)):
        done = shell(f"set -o pipefail; {command}", place)
        assert done.returncode == code, done.stderr
        assert len(done.stdout.splitlines()) <= 1
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
    assert len(rows_of(place / "closed/predictions.csv")) == 12


@pytest.mark.linux
@pytest.mark.parametrize(
    ("redirection", "code"),
    [(">/dev/full", 5), (">&-", 0), ("2>&-", 0), ("2>/dev/full", 0), ("- <&-", 3)],
)
def test_streams_that_are_full_or_closed(place: Path, redirection: str, code: int) -> None:
    done = shell(f"{sys.executable} -m oneclass score m.oneclass new {redirection}", place)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; sys.argv = ['oneclass', *sys.argv[1:]]\n"
        "from oneclass.__main__ import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'onnxruntime', 'sklearn', 'numpy', 'PIL', 'tqdm'}"
        " & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[]\n")


def test_importing_oneclass_loads_nothing_heavy() -> None:
    program = (
        "import sys, oneclass; from oneclass import OneclassError\n"
        "print(sorted({'torch', 'onnxruntime', 'sklearn', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.linux
def test_completion_script() -> None:
    done = oneclass(env={**os.environ, "_ONECLASS_COMPLETE": "bash_source"})
    assert done.returncode == 0
    assert "complete" in done.stdout


def test_a_bug_is_told_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import click

    from oneclass.cli.talk import console

    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(sys, "argv", ["oneclass"])
    assert console.run(broken) == 1
    assert "bug of oneclass" in capsys.readouterr().err


def test_what_is_kept_of_a_model_takes_the_place_of_what_was_kept_before(
    place: Path, tmp_path: Path
) -> None:
    model = tmp_path / "m.oneclass"
    told = [
        oneclass("fit", folder, "-o", model, *SMALL, cwd=place).stderr
        for folder in ("normal", "new/upright", "normal")
    ]
    assert ["in the place of the one that was kept there before" in one for one in told] == [
        False,
        False,
        True,
    ]


def test_a_model_that_is_written_over_is_kept(place: Path, tmp_path: Path) -> None:
    model, kept = tmp_path / "m.oneclass", tmp_path / "m.oneclass.previous"
    first = oneclass("fit", "normal", "-o", model, *SMALL, cwd=place)
    assert "kept" not in first.stderr
    old = model.read_bytes()
    again = oneclass("fit", "new/upright", "-o", model, *SMALL, cwd=place)
    places = f"{kept}, the rows beside it as {kept}.rows"
    assert f"the model that was in {model} is kept as {places} (" in again.stderr
    assert kept.read_bytes() == old
    done = oneclass("update", kept, "new/upright/000.png", "-o", tmp_path / "n.oneclass", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "Not tried" not in done.stderr  # an update looks as the fit did
    last = model.read_bytes()
    done = oneclass("update", model, "normal/001.png", "--no-backup", "--yes", cwd=place)
    assert done.returncode == 0, done.stderr
    assert model.read_bytes() != last
    assert kept.read_bytes() == old
    assert f"note: {kept} is an older model than the one that was replaced now" in done.stderr


def test_rows_do_not_stay_beside_a_model_that_was_fitted_without(
    place: Path, tmp_path: Path
) -> None:
    model, rows = tmp_path / "m.oneclass", tmp_path / "m.oneclass.rows"
    oneclass("fit", "normal", "-o", model, *SMALL, cwd=place)
    old = rows.read_bytes()
    without = ("fit", "new/upright", "-o", model, *SMALL, "--drop-rows")
    said = oneclass(*without, "--no-backup", cwd=place).stderr
    assert f"note: {rows} is of the model that was there before" in said
    assert "older" not in said  # no other model is beside it
    assert rows.read_bytes() == old
    oneclass("fit", "normal", "-o", model, *SMALL, "--no-backup", cwd=place)
    said = oneclass(*without, cwd=place).stderr
    assert f"kept as {model}.previous, the rows beside it as {model}.previous.rows (" in said
    assert not rows.exists()
    assert (tmp_path / "m.oneclass.previous.rows").read_bytes() == old
    refused = oneclass("update", model, "normal", cwd=place)
    assert "the rows of its images are not beside it" in refused.stderr


def test_an_update_asks_before_it_learns_what_is_far_odder(place: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.oneclass"
    oneclass("fit", "normal", "-o", model, *SMALL, cwd=place)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = oneclass("update", model, "new", cwd=place)
    assert done.returncode == 2
    assert "6 images to learn are far odder than any normal one so far" in done.stderr
    assert "new/lying/003.png" in done.stderr
    assert "upright" not in done.stderr
    assert "was not written" in done.stderr
    assert "--yes" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert "added" not in done.stderr  # nothing was
    assert oneclass("update", model, "new/upright", cwd=place).returncode == 0
    done = oneclass("update", model, "new", "--yes", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "6 images added (6 known already)" in done.stderr
    assert "note: all 6 images added were anomalies to the model before" in done.stderr
    assert done.stderr.count("new/lying/003.png") == 1


def test_an_update_names_folders_that_speak_of_defects(place: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.oneclass"
    oneclass("fit", "normal", "-o", model, *SMALL, cwd=place)
    write_images(tmp_path / "more/crack", stripes(3, seed=8))
    write_images(tmp_path / "more/fine", stripes(2, seed=9))
    done = oneclass("update", model, "more", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "       3 more/crack   <- its name speaks of defects\n" in done.stderr
    assert "       2 more/fine\n" in done.stderr
    assert "note: 3 images marked above were learnt as normal." in done.stderr
    again = oneclass("update", model, "more", cwd=tmp_path)
    assert "crack" not in again.stderr  # known already


def test_fit_names_the_folders_that_look_amiss(place: Path, tmp_path: Path) -> None:
    done = oneclass("fit", "normal", "new", "-o", tmp_path / "m", *SMALL, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "learnt from 3 folders:" in done.stderr
    line = next(line for line in done.stderr.splitlines() if "new/lying" in line)
    assert line.split()[0] == "6"
    assert line.endswith("<- looks unlike the rest")
    assert "note: 6 images marked above were learnt as normal." in done.stderr
    alone = oneclass("fit", "normal", "-o", tmp_path / "n", *SMALL, cwd=place)
    assert "learnt from 1 folder" not in alone.stderr


def test_fit_names_the_files_that_speak_of_defects(tmp_path: Path) -> None:
    for i, file in enumerate(write_images(tmp_path / "parts", stripes(24, seed=8))):
        file.rename(file.with_name(f"scratch-{i}.png" if i < 6 else f"part-{i}.png"))
    done = oneclass("fit", "parts", "-o", "m", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    some = ", ".join(str(Path(f"parts/scratch-{i}.png")) for i in range(4))
    told = f"note: 6 images whose names speak of defects were learnt as normal: {some} and 2 more."
    assert told in done.stderr


def test_info_of_a_folder_leads_to_check(place: Path) -> None:
    done = oneclass("info", "normal", cwd=place)
    assert done.returncode != 0
    assert "To look at a folder of images: oneclass check normal" in done.stderr
    assert "before the images" not in done.stderr


def test_info_begins_with_plain_words(place: Path) -> None:
    first = oneclass("info", "m.oneclass", cwd=place).stdout.split("In detail:")[0]
    assert "It has learnt 40 normal images" in first
    assert (
        "It looks at whole images, resized to 64 x 64 pixels, through efficientnet-lite0." in first
    )
    assert "An image is called an anomaly if its score is above" in first
    for word in ("half-space", "nu ", "row", "layer", "grid", "gap", "conformal"):
        assert word not in first


def test_fit_says_what_it_chose_and_what_it_did_not_try(place: Path, tmp_path: Path) -> None:
    done = oneclass("fit", "normal", "-o", tmp_path / "m", *SMALL, cwd=place)
    assert "It looks at whole images" in done.stderr
    assert (
        "Not tried with these settings: patches alone (--rows patches) and both together "
        "(--rows both): a fit each." in done.stderr
    )
    said = re.sub(r"--[a-z]+", "", done.stderr)  # options that are given may be named
    for word in ("half-space", "nu ", "rows ", "layer", "grid", "gap", "conformal"):
        assert word not in said

"""Inputs that do not exist: the rest is not learnt, and no earlier run is lost to a typo."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector
from oneclass.errors import InputError

SMALL = ("--layer", "block_4", "--grid", "2", "--size", "64")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lost")
    write_images(place / "good", stripes(20, seed=1))
    done = oneclass("fit", "good", "-o", "m.oneclass", *SMALL, "--keep-rows", cwd=place)
    assert done.returncode == 0, done.stderr
    (place / "empty").mkdir()
    (place / "gone.txt").write_text("gone_a.png\ngone_b.png\n")
    return place


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize(
    "inputs", [["nodir/"], ["nodir", "nofile.png"], ["no*.png"], ["gone.txt"], ["empty", "nodir"]]
)
def test_a_typo_leaves_an_earlier_run_as_it_is(place: Path, inputs: list[str]) -> None:
    assert oneclass("score", "m.oneclass", "good", "-o", "run", cwd=place).returncode == 0
    before = content(place / "run")
    done = oneclass("score", "m.oneclass", *inputs, "-o", "run", "--heatmaps", "heat", cwd=place)
    assert done.returncode == 2, done.stderr
    assert content(place / "run") == before
    assert not (place / "heat").exists()
    assert "No image was scored." in done.stderr


@pytest.mark.parametrize("inputs", [["table.csv"], ["bad"]])
def test_what_cannot_be_scored_leaves_an_earlier_run_as_it_is(
    place: Path, inputs: list[str]
) -> None:
    (place / "table.csv").write_text("path,label\na.png,good\n")
    (place / "bad").mkdir(exist_ok=True)
    for i in range(9):
        (place / f"bad/{i}.png").write_text("no image")
    assert oneclass("score", "m.oneclass", "good", "-o", "kept", cwd=place).returncode == 0
    before = content(place / "kept")
    done = oneclass("score", "m.oneclass", *inputs, "-o", "kept", cwd=place)
    assert done.returncode == 3, done.stderr
    assert content(place / "kept") == before
    assert "the earlier run in kept was kept; nothing was written." in done.stderr
    assert "kept/errors.csv" not in done.stderr
    assert done.stderr.endswith("No image could be scored.\n")


def test_a_run_that_scored_nothing_is_written_where_none_is_lost(place: Path) -> None:
    (place / "first.png").write_text("no image")
    (place / "second.png").write_text("no image either")
    for name in ("first.png", "second.png"):  # the second replaces the first, which scored nothing
        done = oneclass("score", "m.oneclass", name, "-o", "nothing", cwd=place)
        assert done.returncode == 3, done.stderr
        assert name in (place / "nothing/errors.csv").read_text()
        assert json.loads((place / "nothing/run.json").read_text())["scored"] == 0


def test_score_goes_on_without_what_is_missing_and_does_not_call_it_an_image(place: Path) -> None:
    done = oneclass("score", "m.oneclass", "good", "nodir", "-o", "rest", cwd=place)
    assert done.returncode == 3
    assert len((place / "rest/predictions.csv").read_text().splitlines()) == 21
    assert "no such file or folder:\n  nodir: there is no such file or folder" in done.stderr
    assert "1 image could not" not in done.stderr


@pytest.mark.parametrize("lost", ["nodir", "no*.png", "nofile.png", "./nodir/"])
def test_nothing_is_learnt_from_the_rest(place: Path, lost: str) -> None:
    before = (place / "m.oneclass").read_bytes()
    for words in (["fit", "good", lost, "-o", "m.oneclass"], ["update", "m.oneclass", lost]):
        done = oneclass(*words, cwd=place)
        assert done.returncode == 2, done.stderr
        assert "error: " in done.stderr
        assert (place / "m.oneclass").read_bytes() == before
    with pytest.raises(InputError, match="no"):
        Detector(layer="block_4", grid=2, size=64).fit([place / "good", place / "nodir"])


def test_entries_of_a_list_stay_rows_of_errors(place: Path) -> None:
    done = oneclass("fit", "good", "gone.txt", "-o", "x.oneclass", *SMALL, cwd=place)
    assert done.returncode == 3, done.stderr
    assert "gone_a.png: there is no such file" in done.stderr
    typed = oneclass("fit", "good", "-", "-o", "x", *SMALL, cwd=place, stdin="gone_a.png\n")
    assert typed.returncode == 3, typed.stderr


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.jsonl", "errors.csv", "run.json"])
def test_a_table_that_no_run_wrote_is_not_replaced(place: Path, tmp_path: Path, name: str) -> None:
    """Predictions of another program, say, have the same name."""
    (tmp_path / name).write_text('{"mine": "x"}\n')
    done = oneclass("score", "m.oneclass", "good", "-o", tmp_path, cwd=place)
    assert done.returncode == 2
    assert f"cannot write {tmp_path / name}: what is there already is no" in done.stderr
    assert "Give another folder, or remove that file first." in done.stderr
    assert content(tmp_path) == {name: b'{"mine": "x"}\n'}


@pytest.mark.parametrize("name", ["index.csv", "regions.jsonl"])
def test_an_index_that_is_none_of_heatmaps_is_not_replaced(
    place: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("page,title\n1,mine\n")
    done = oneclass("score", "m.oneclass", "good", "--heatmaps", tmp_path, cwd=place)
    assert done.returncode == 2
    assert f"cannot write {tmp_path / name}: what is there already is no table of" in done.stderr
    assert content(tmp_path) == {name: b"page,title\n1,mine\n"}


def test_tables_do_not_come_among_folders_of_pictures(place: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    shutil.copytree(place / "good", tmp_path / "new/monday")
    before = content(tmp_path / "new/monday")
    scored = ("score", place / "m.oneclass", "new")
    done = oneclass(*scored, "-o", tmp_path / "new", cwd=tmp_path)
    assert done.returncode == 2
    assert "its pictures are scored, and tables would be among the pictures." in done.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["monday"]
    assert content(tmp_path / "new/monday") == before
    assert oneclass(*scored, "-o", "new/run", cwd=tmp_path).returncode == 0


def test_tables_do_not_come_among_pictures(place: Path) -> None:
    before = content(place / "good")
    done = oneclass("score", "m.oneclass", "good", "-o", "good", cwd=place)
    assert done.returncode == 2
    assert "-o is good: 000.png lies there, and tables would be among the pictures." in done.stderr
    assert content(place / "good") == before
    for _ in range(2):  # its own files and heatmaps are no obstacle
        words = ("-o", "both", "--heatmaps", "both")
        done = oneclass("score", "m.oneclass", "good/000.png", *words, cwd=place)
        assert done.returncode == 0, done.stderr

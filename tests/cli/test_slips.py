"""Slips of a first hour: the true reason comes first, and the advice can be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import oneclass
from conftest import stripes, write_images

SMALL = ("--layer", "block_4", "--grid", "2", "--size", "64")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("slips")
    write_images(place / "good", stripes(20, seed=1))
    done = oneclass("fit", "good", "-o", "m.oneclass", *SMALL, cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def said(place: Path, *words: str) -> str:
    done = oneclass(*words, cwd=place)
    assert done.returncode == 2, done.stderr
    assert "Errno" not in done.stderr
    return done.stderr


def test_a_folder_that_is_not_there_is_the_first_thing_said(place: Path) -> None:
    assert said(place, "fit", "goood", "-o", "x").startswith(
        "error: goood: there is no such file or folder"
    )
    both = said(place, "fit", "goood", "bad", "-o", "x")
    assert "goood: there is no such file or folder; check the path (and 1 more" in both


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (("score", "good", "m.oneclass"), "oneclass score m.oneclass good"),
        (("update", "good", "m.oneclass"), "oneclass update m.oneclass good"),
        (("report", "good", "m.oneclass"), "oneclass report m.oneclass good"),
    ],
)
def test_swapped_arguments_are_shown_the_right_way_round(
    place: Path, words: tuple[str, ...], right: str
) -> None:
    assert f"Try: {right}\n" in said(place, *words)


@pytest.mark.parametrize(
    ("word", "ours"), [("predict", "score"), ("learn", "fit"), ("scroe", "score")]
)
def test_commands_by_other_names(place: Path, word: str, ours: str) -> None:
    assert f"'{ours}'" in said(place, word, "m.oneclass", "good")


@pytest.mark.parametrize("option", ["--threshold", "--contamination"])
def test_a_threshold_is_explained_not_taken_for_threads(place: Path, option: str) -> None:
    told = said(place, "score", "m.oneclass", "good", option, "0.5")
    assert f"No such option '{option}'. The threshold comes from the normal images" in told
    assert "--false-alarms 1%" in told
    assert "--threads" not in told
    assert "--out" in said(place, "score", "m.oneclass", "good", "--ot", "0.5")  # others: as ever


def test_a_layer_is_nearly_right(place: Path) -> None:
    assert "Did you mean block_2?" in said(place, "fit", "good", "-o", "x", "--layer", "blok_2")
    assert "Did you mean" not in said(place, "fit", "good", "-o", "x", "--layer", "qqq")


def test_paths_are_joined_once(place: Path) -> None:
    done = oneclass("score", "m.oneclass", "good", "-o", "run/", "--heatmaps", "heat/", cwd=place)
    assert "run/predictions.csv" in done.stderr
    assert "heat/index.csv" in done.stderr
    assert "//" not in done.stderr


def test_nothing_scored_is_not_called_nothing_odd(place: Path) -> None:
    (place / "list.csv").write_text("a,b\n1,2\n")
    done = oneclass("score", "m.oneclass", "list.csv", cwd=place)
    assert done.returncode == 3
    assert "No image could be scored." in done.stderr
    assert "0 anomalies" not in done.stderr


def test_what_cannot_be_read_is_told_in_words(place: Path) -> None:
    assert "nowhere: there is no such folder" in said(place, "report", "m.oneclass", "nowhere")
    oneclass("score", "m.oneclass", "good", "-o", "run", cwd=place)
    assert "labels x.csv: cannot be read (No such file or directory)" in said(
        place, "report", "m.oneclass", "run", "--labels", "x.csv"
    )


def test_train_looks_at_the_folder_before_it_asks_for_a_package(place: Path) -> None:
    assert "no sub-folder with images" in said(place, "train", "good", "-o", "n.onnx")


def test_check_tells_of_sizes_that_differ(tmp_path: Path) -> None:
    write_images(tmp_path / "a", stripes(12, seed=1))
    alike = oneclass("check", "a", cwd=tmp_path)
    assert "sizes" not in alike.stdout
    write_images(tmp_path / "b", stripes(12, seed=2, side=48))
    differ = oneclass("check", "a", "b", cwd=tmp_path)
    assert "2 sizes, from 24 x 24 to 48 x 48: all are resized to one" in differ.stdout

"""Slips of a first hour: the true reason comes first, and the advice can be followed."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from unicodedata import normalize

import click
import numpy as np
import pytest
from click.testing import CliRunner

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, InputError, load
from oneclass.cli import cli
from oneclass.cli.backbone import backbone
from oneclass.cli.demo import typed_program
from oneclass.cli.talk.slips import ARGUMENTS, OTHER_OPTIONS

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
    assert (
        "m.oneclas: cannot be read: No such file or directory. Did you mean m.oneclass?"
        in oneclass("score", "m.oneclas", "good", cwd=place).stderr
    )
    both = said(place, "fit", "goood", "bad", "-o", "x")
    assert (
        "goood: there is no such file or folder; check the path (there is good) (and 1 more" in both
    )


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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("report", "m", "run", "--truth", "x"), "Did you mean '--labels' or '--normal'?"),
        (("fit", "good", "-o", "x", "--rate", "1%"), "Did you mean '--false-alarms'?"),
        (("update", "m", "--remove", "x"), "Did you mean '--forget'?"),
        (("update", "m", "--delete", "x"), "Did you mean '--forget'?"),
        (("score", "m", "good", "--output-dir", "x"), "Did you mean '--out'?"),
        (("train", "good", "-o", "x", "--gpu"), "Did you mean '--device'?"),
        (("train", "good", "-o", "x", "--batch-size", "8"), "Did you mean '--batch'?"),
        (("score", "--model", "m", "good"), "MODEL is an argument"),
        (("fit", "--images", "good", "-o", "x"), "NORMAL is an argument"),
        (("score", "m", "--input", "good"), "INPUT is an argument"),
        (("fit", "good", "-o", "x", "--gpu"), "onnxruntime-gpu"),
        (("fit", "good", "-o", "x", "--batch", "8"), "as many images at a time as suit it"),
        (("fit", "good", "-o", "x", "--epochs", "8"), "'oneclass train' trains a network"),
        (("score", "m", "good", "--labels", "t.csv"), "'oneclass report MODEL RUN --labels"),
        (("score", "m", "good", "--truth", "t.csv"), "'oneclass report MODEL RUN --labels"),
        (("score", "m", "good", "--report", "x"), "'oneclass report MODEL RUN' makes a page"),
        (("fit", "good", "-o", "x", "--overwrite"), "the last version of a model stays"),
        (("fit", "good", "-o", "x", "--recursive"), "the images of all folders in it"),
        (("score", "m", "good", "--heatmpas", "x"), "Did you mean '--heatmaps'?"),
        (("fit", "good", "-o", "x", "--thread", "1"), "Did you mean '--threads'?"),
    ],
)
def test_options_by_other_names(place: Path, words: tuple[str, ...], told: str) -> None:
    error = said(place, *words)
    name = next(word for word in words if word.startswith("--"))
    assert f"No such option {name!r}. " in error
    assert told in error


@pytest.mark.parametrize(
    "words",
    [
        ("score", "m", "good", "--keep-rows"),
        ("score", "m", "good", "--rows", "both"),
        ("fit", "good", "-o", "x", "--verbose"),
        ("fit", "good", "-o", "x", "--resume"),
        ("fit", "good", "-o", "x", "--model-name", "patchcore"),
    ],
)
def test_no_option_is_guessed_that_is_not_near(place: Path, words: tuple[str, ...]) -> None:
    error = said(place, *words)
    assert "No such option" in error
    assert "Did you mean" not in error


def test_what_is_meant_is_there() -> None:
    named: dict[str, click.Parameter] = {}
    for command in cli.commands.values():
        for param in command.params:
            named |= dict.fromkeys([*param.opts, str(param.name)], param)
    assert {option for options in OTHER_OPTIONS.values() for option in options} <= set(named)
    assert {name for names in ARGUMENTS.values() for name in names} <= set(named)


def test_a_layer_is_nearly_right(place: Path) -> None:
    assert "Did you mean block_2?" in said(place, "fit", "good", "-o", "x", "--layer", "blok_2")
    assert "Did you mean" not in said(place, "fit", "good", "-o", "x", "--layer", "qqq")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--halfspaces", "0"), "--halfspaces is 0: expected a whole number of at least 1"),
        (("--halfspaces", "99"), "at most 20 (--halfspaces, in Python n_halfspaces)"),
        (("--false-alarms", "0.0001"), "the rate of false alarms is 0.01 %, but 20 normal"),
        (("--nu", "2"), "--nu is 2.0: expected a number above 0 and at most 1"),
        (("--threads", "0"), "--threads is 0: expected a whole number of at least 1"),
    ],
)
def test_options_are_called_by_their_names(place: Path, words: tuple[str, ...], told: str) -> None:
    error = said(place, "fit", "good", "-o", "x", *SMALL, *words)
    assert told in error
    assert "n_halfspaces is" not in error
    assert "false_alarms" not in error


def test_a_rate_that_scoring_cannot_keep_is_called_by_its_words(place: Path) -> None:
    error = said(place, "score", "m.oneclass", "good", "--unclear", "1%")
    assert (
        "the rate up to which images are unclear is 1 %, but that of false alarms is 5 %" in error
    )


@pytest.mark.parametrize(
    ("n", "rate", "told"), [(30, "4%", "4 %"), (30, "5%", "5 %"), (38, None, "5 %"), (39, None, "")]
)
def test_a_threshold_that_rests_on_one_image_is_told_by_fit_score_and_info(
    n: int, rate: str | None, told: str, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(n, seed=1))
    words = ("fit", "good", "-o", "m", *SMALL, *(["--false-alarms", rate] if rate else []))
    note = f"t {told} the threshold is the score of the oddest of {n} held-out normal images"
    said = [
        oneclass(*words, cwd=tmp_path).stderr,
        oneclass("score", "m", "good", cwd=tmp_path).stderr,
        oneclass("info", "m", cwd=tmp_path).stdout,
    ]
    for text in said:
        assert (note in " ".join(text.split())) == bool(told)


def test_a_model_among_images_is_called_no_image(place: Path) -> None:
    done = oneclass("check", "m.oneclass", cwd=place)
    assert "this is a model of oneclass and no image; give images" in done.stdout


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
    words = ("report", "m.oneclass", "run", "--labels", "x.csv")
    assert "labels x.csv: there is no such file. Expected a CSV file with" in said(place, *words)
    (place / "elsewhere").mkdir()
    words = ("report", "../m.oneclass", "../run", "--labels", "x.csv")
    told = said(place / "elsewhere", *words)
    assert f"labels x.csv: there is no such file here, nor in {place}, where the images" in told
    (place / "y.csv").write_text("path,label\n")
    assert "Did you mean " in said(place / "elsewhere", *words[:-1], "yy.csv")


def test_train_looks_at_the_folder_before_it_asks_for_a_package(place: Path) -> None:
    assert "no sub-folder with images" in said(place, "train", "good", "-o", "n.onnx")


def test_check_tells_of_sizes_that_differ(tmp_path: Path) -> None:
    write_images(tmp_path / "a", stripes(12, seed=1))
    alike = oneclass("check", "a", cwd=tmp_path)
    assert "sizes" not in alike.stdout
    write_images(tmp_path / "b", stripes(12, seed=2, side=48))
    differ = oneclass("check", "a", "b", cwd=tmp_path)
    assert "2 sizes, from 24 x 24 to 48 x 48 (width x height): all are resized" in differ.stdout


def test_nothing_is_printed_before_a_cache_is_refused(place: Path) -> None:
    (place / "file").write_text("x")
    done = oneclass("score", "m.oneclass", "good", "--cache", "file", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cache file: it is no folder. Give a folder" in done.stderr
    assert "cache file: it is no folder" in said(place, "cache", "info", "file")
    assert "a file has that name" in said(place, "score", "m.oneclass", "good", "-o", "file")


def test_a_table_of_nothing_has_its_header(place: Path) -> None:
    (place / "junk.png").write_text("x")
    done = oneclass("score", "m.oneclass", "junk.png", cwd=place)
    assert (done.returncode, done.stdout) == (3, "path,score,p_value,is_anomaly,learnt\n")


def test_all_that_check_is_said_to_name_it_names(place: Path) -> None:
    folder = place / "bad"
    folder.mkdir()
    for i in range(9):
        (folder / f"{i}.png").write_text("x")
    done = oneclass("score", "m.oneclass", "bad", cwd=place)
    assert "6 more (6 x not_an_image); 'oneclass check --all' names them all" in done.stderr
    named = oneclass("check", "bad", "--json", cwd=place).stdout
    assert all(f"{i}.png" in named for i in range(9))


def test_what_a_model_alone_refuses_is_named_by_scoring(place: Path) -> None:
    deep = stripes(5, seed=2).astype(np.uint16) * 200
    write_images(place / "deep", deep)
    done = oneclass("score", "m.oneclass", "deep", cwd=place)
    assert "... and 2 more (2 x bit_depth); 'oneclass score MODEL IMAGES -o RUN'" in done.stderr
    assert "check --all" not in done.stderr
    oneclass("score", "m.oneclass", "deep", "-o", "RUN", cwd=place)
    named = (place / "RUN/errors.csv").read_text()
    assert all(f"deep/00{i}.png" in named for i in range(5))


def test_errors_of_a_run_that_was_kept_back_are_led_to_where_they_can_be(
    place: Path, tmp_path: Path
) -> None:
    flat = np.ones((5, 24, 24), np.uint8) * np.arange(50, 55, dtype=np.uint8)[:, None, None]
    write_images(tmp_path / "flat", flat)
    model = str(place / "m.oneclass")
    run = tmp_path / "run"
    oneclass("score", model, str(place / "good"), "-o", "run", cwd=tmp_path)
    told = oneclass("score", model, "flat", "-o", "run", cwd=tmp_path).stderr
    assert "the earlier run in run was kept; nothing was written." in told
    assert "RUN/errors.csv" not in told
    assert "4.png" not in (run / "errors.csv").read_text()
    assert (
        "2 more (2 x one_colour); the same command with another folder than run behind -o names "
        "them all in its errors.csv\n" in told
    )
    told = oneclass("score", model, "flat", "-o", "other", cwd=tmp_path).stderr
    assert f"see {Path('other/errors.csv')}" in told
    assert "4.png" in (tmp_path / "other/errors.csv").read_text()


def test_a_large_share_is_told_as_it_was_read(place: Path) -> None:
    for rate, told in (("0.5", True), ("50%", False), ("0.1", False)):
        words = ("score", "m.oneclass", "good", "--false-alarms", rate)
        done = oneclass(*words, cwd=place)
        note = "note: --false-alarms 0.5 is 50 %; for 0.5 %, write 0.5%.\n"
        assert done.stderr.count(note) == told, done.stderr


def test_a_name_with_blanks_that_came_apart_is_put_in_quotes(place: Path) -> None:
    write_images(place / "Gut Teile A", stripes(3, seed=2))
    told = said(place, "fit", "Gut", "Teile", "A", "-o", "x.oneclass")
    assert "Gut: there is no such file or folder; check the path (there is 'Gut Teile A': " in told
    told = said(place, "score", "m.oneclass", "Gut", "Teile", "A")
    assert "(there is 'Gut Teile A': put it in quotes)" in told


def test_a_list_of_another_ending_is_told_what_it_is_to_be(place: Path) -> None:
    (place / "list.lst").write_text("good/000.png\nGüte/001.png\n")
    done = oneclass("score", "m.oneclass", "list.lst", cwd=place)
    assert done.returncode == 3
    assert "if it is a list of images, let its name end in .txt" in done.stderr


def test_an_empty_path_in_a_table_has_a_name(place: Path) -> None:
    assert oneclass("score", "m.oneclass", "good", "-o", "run", cwd=place).returncode == 0
    (place / "truth.csv").write_text("path,label\ngood/000.png,no\n,bad\ngone.png,bad\n")
    words = ("report", "m.oneclass", "run", "--without-pictures", "-o", "t.html")
    told = oneclass(*words, "--labels", "truth.csv", cwd=place).stderr
    assert "labels of no scored image: 2: an empty path, gone.png." in told
    assert "read in the table: no as normal." in told


def test_compare_says_which_input_leads_nowhere(place: Path) -> None:
    assert "nowhere: there is no such file" in said(place, "compare", "nowhere")
    for option in ("--test-normal", "--test-odd"):
        done = oneclass("compare", "good", option, "nowhere", cwd=place)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: nowhere: there is no such file or folder")


def test_compare_says_what_it_could_not_read(place: Path) -> None:
    (place / "junk.png").write_text("x")
    done = oneclass("compare", "good", "--rows", "image", "--test-normal", "junk.png", cwd=place)
    assert done.returncode == 3
    assert "1 image could not be used:\n  junk.png: " in done.stderr


def test_verify_knows_the_model_from_the_exported_one(place: Path) -> None:
    told = said(place, "verify", "m.oneclass", "e.onnx", "my pictures")
    assert "Try: oneclass verify e.onnx m.oneclass 'my pictures'\n" in told
    assert "--tolerance is -1" in said(place, "verify", "e", "m", "good", "--tolerance", "-1")
    assert "--tolerance is nan" in said(place, "verify", "e", "m", "good", "--tolerance", "nan")


def test_rows_beside_a_model_are_no_model(place: Path) -> None:
    done = oneclass("score", "m.oneclass.rows", "good", cwd=place)
    assert (done.returncode, done.stdout) == (4, "")
    assert "Give the model beside it: m.oneclass\n" in done.stderr


def test_a_folder_is_no_place_for_a_model(place: Path) -> None:
    told = said(place, "fit", "good", "-o", "good")
    assert "it is a folder, and a file is to be written. Give a file name" in told
    assert "such as good/NAME.oneclass." in told


def test_a_model_is_not_called_like_an_image(place: Path) -> None:
    told = said(place, "fit", "good", "-o", "good/new.PNG")
    assert "good/new.PNG: a model is to be written, and its name ends as an image's" in told
    assert "such as good/new.oneclass." in told
    assert not (place / "good/new.PNG").exists()


@pytest.mark.parametrize("missing", ["run.json", "predictions.jsonl", "errors.csv"])
def test_a_run_says_which_of_its_files_is_missing(place: Path, missing: str) -> None:
    done = oneclass("score", "m.oneclass", "good", "-o", "halved", cwd=place)
    assert done.returncode == 0, done.stderr
    (place / "halved" / missing).unlink()
    told = said(place, "report", "m.oneclass", "halved")
    assert f"halved: holds no complete scoring run: {missing} is missing. Expected a" in told
    names = "run.json and predictions.jsonl and errors.csv are missing"
    assert names in said(place, "report", "m.oneclass", "good")


def test_of_a_word_that_is_nearly_one_of_a_few_it_is_said_which_was_meant(place: Path) -> None:
    near = {
        ("fit", "good", "-o", "x", "--rows", "patch"): "patches",
        ("score", "m.oneclass", "good", "--runtime", "onnxruntim"): "onnxruntime",
        ("compare", "good", "--rows", "images"): "image",
        ("export", "m.oneclass", "-o", "e.onnx", "--format", "onx"): "onnx",
        ("backbone", "import", "n.onnx", "-o", "m.onnx", "--interpolation", "linear"): "bilinear",
    }
    for words, meant in near.items():
        assert f"Did you mean {meant}?" in said(place, *words), words
    with pytest.raises(InputError, match=r"image, patches, both\. Did you mean patches\?"):
        Detector(rows="patch")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["help"], "oneclass --help"),
        (["help", "fit"], "oneclass fit --help"),
        (["help", "backbone", "import"], "oneclass backbone import --help"),
        (["backbone", "help"], "oneclass backbone --help"),
        (["cache", "help", "info"], "oneclass cache info --help"),
        (["fit", "help"], None),
    ],
)
def test_help_leads_to_help(place: Path, words: list[str], told: str | None) -> None:
    done = oneclass(*words, cwd=place)
    assert done.returncode == 2
    if told is None:  # a folder may be called help
        assert "No such command" not in done.stderr
    else:
        assert f"No such command 'help'. Try: {told}\n" in done.stderr


@pytest.mark.parametrize("command", ["info", "prune"])
def test_the_folder_of_the_cache_may_be_named_by_a_variable(place: Path, command: str) -> None:
    told = said(place, "cache", command)
    assert "Missing argument 'DIR'. Give it, or let the environment variable" in told
    assert "ONECLASS_CACHE name it." in told


@pytest.mark.parametrize("size", ["0", "0x64", "64x0", "-3", "64x64x3"])
def test_a_size_is_above_nothing(place: Path, size: str) -> None:
    told = said(place, "fit", "good", "-o", "x", f"--size={size}")
    assert "such as 64x64, or one number for both; each above 0." in told


def test_words_of_a_setting_have_their_dashes(place: Path) -> None:
    told = said(place, "evaluate", "good", "--compare", "rows image")
    assert "with their dashes and all in quotes, such as --compare '--rows image'." in told


def test_a_folder_is_no_model(place: Path) -> None:
    done = oneclass("score", "good", "m.oneclas", cwd=place)
    assert done.returncode == 4
    assert "model good: cannot be read: it is a folder. Give the path of a file" in done.stderr


def test_tiles_say_what_their_size_must_be(place: Path) -> None:
    words = ("fit", "good", "-o", "x", "--rows", "patches", "--tiles", "64", "--size")
    assert "size 100x100: with tiles, height and width are multiples" in said(place, *words, "100")


def test_a_network_is_trained_on_grey_or_on_colour_images(place: Path) -> None:
    words = ("train", "good", "-o", "net.onnx")
    assert "--grey and --colour exclude each other" in said(place, *words, "--grey", "--colour")
    assert "--resume and --restart exclude each other" in said(
        place, *words, "--resume", "--restart"
    )


def test_a_name_of_another_format_is_not_filled_with_onnx(place: Path) -> None:
    assert "add --format openvino" in said(place, "export", "m.oneclass", "-o", "m.xml")
    assert not (place / "m.xml").exists()


def test_predictions_are_not_their_own_truth(place: Path) -> None:
    assert oneclass("score", "m.oneclass", "good", "-o", "run", cwd=place).returncode == 0
    words = ("report", "m.oneclass", "run", "--labels", "run/predictions.csv")
    assert "are the predictions themselves" in said(place, *words)


def test_a_command_that_is_shown_does_not_repeat_what_a_shell_made_of_a_pattern(
    place: Path,
) -> None:
    images = [f"good/{n}.png" for n in range(4)]
    assert "Try: oneclass fit IMAGES -o" in said(place, "fit", *images)
    assert "Try: oneclass fit good -o" in said(place, "fit", "good")
    told = said(place, "fit", "m.oneclass", *images, "-o", "new.oneclass")
    assert "Try: oneclass fit IMAGES -o new.oneclass" in told


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("fit", "good", "-o", "new/"), "new/NAME.oneclass"),
        (("update", "m.oneclass", "good", "-o", "new/"), "new/NAME.oneclass"),
        (("train", "good", "-o", "new/"), "new/NAME.onnx"),
        (("backbone", "import", "e.onnx", "-o", "new/"), "new/NAME.onnx"),
    ],
)
def test_a_folder_to_be_is_no_name_of_a_file(
    place: Path, words: tuple[str, ...], advice: str
) -> None:
    assert f"Give a file name, too, such as {advice}." in said(place, *words)
    assert not (place / "new").exists()


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("export", "m.oneclass", "-o", "new.oneclass"), "Give a name that ends in .onnx."),
        (
            ("export", "m.oneclass", "-o", "new.ONECLASS", "--format", "openvino"),
            "Give a name that ends in .xml.",
        ),
        (("train", "good", "-o", "new.oneclass"), "Give a name that ends in .onnx."),
        (("fit", "good", "-o", "new.onnx"), "Give a name that ends in .oneclass."),
        (("update", "m.oneclass", "good", "-o", "new.onnx"), "Give a name that ends in .oneclass."),
    ],
)
def test_a_model_and_a_network_are_not_called_as_the_other_is(
    place: Path, words: tuple[str, ...], advice: str
) -> None:
    assert advice in said(place, *words)
    assert not list(place.glob("new*.o*"))


@pytest.mark.parametrize("name", ["page", "page.htm.txt"])
def test_a_page_is_called_as_browsers_want_it(place: Path, name: str) -> None:
    told = said(place, "report", "m.oneclass", "no_run", "-o", name)
    assert f"-o {name}: a page's name ends in .html" in told
    assert f"Give {name}.html or the like." in told


def test_the_demo_names_a_program_that_the_shell_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "oneclass"
    program.touch()
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", "")
    assert typed_program() == str(program)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "__main__.py"), "demo"])
    assert typed_program() == "oneclass"
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typed_program() == "oneclass"
    monkeypatch.chdir(tmp_path.parent)
    typed = Path(tmp_path.name) / "oneclass"
    monkeypatch.setattr(sys, "argv", [str(typed), "demo"])
    assert typed_program() == str(typed)


@pytest.mark.parametrize(
    ("words", "there"),
    [
        (("fit", "good", *SMALL), "photo.png"),
        (("fit", "good", *SMALL), "labels.csv"),
        (("update", "m.oneclass", "--forget", "good/000.png"), "photo.png"),
        (("report", "m.oneclass", "run", "--without-pictures"), "other.oneclass"),
        (("report", "m.oneclass", "run", "--without-pictures"), "labels.csv"),
        (("report", "m.oneclass", "run", "--without-pictures"), "mine.html"),
        (("export", "m.oneclass"), "labels.csv"),
        (("backbone", "import", "net.onnx"), "photo.png"),
    ],
)
def test_no_other_kind_of_file_is_written_over(
    place: Path, words: tuple[str, ...], there: str
) -> None:
    first = next(iter(sorted((place / "good").iterdir()))).read_bytes()
    (place / "photo.png").write_bytes(first)
    (place / "labels.csv").write_text("path,label\n")
    (place / "mine.html").write_text("<!doctype html>\n<title>mine</title>\n")
    (place / "other.oneclass").write_bytes((place / "m.oneclass").read_bytes())
    assert oneclass("score", "m.oneclass", "good", "-o", "run", cwd=place).returncode == 0
    before = (place / there).read_bytes()
    told = said(place, *words, "-o", there)
    assert f"cannot write {there}: what is there already is no " in told
    assert (place / there).read_bytes() == before
    assert not (place / f"{there}.previous").exists()


def test_a_page_and_a_model_are_written_over_their_like(place: Path) -> None:
    assert oneclass("score", "m.oneclass", "good", "-o", "run", cwd=place).returncode == 0
    for _ in range(2):
        words = ("report", "m.oneclass", "run", "--without-pictures", "-o", "page.html")
        assert oneclass(*words, cwd=place).returncode == 0
    (place / "empty").write_bytes(b"")
    assert oneclass("fit", "good", "-o", "empty", *SMALL, cwd=place).returncode == 0


@pytest.mark.parametrize(
    ("rate", "told"),
    [("0,01", "Write 0.01, with a point."), ("1,5%", "Write 1.5%, with a point."), ("5", "5%")],
)
def test_a_rate_with_a_comma_is_corrected(place: Path, rate: str, told: str) -> None:
    assert told in said(place, "score", "m.oneclass", "good", "--false-alarms", rate)


def test_a_file_of_a_run_is_no_run(place: Path) -> None:
    assert oneclass("score", "m.oneclass", "good", "-o", "run", cwd=place).returncode == 0
    told = said(place, "report", "m.oneclass", "run/predictions.csv")
    assert "run/predictions.csv: is a file. Give the folder of the run: run." in told
    assert "runn: there is no such folder. Did you mean run?" in said(
        place, "report", "m.oneclass", "runn"
    )


def test_words_taken_for_defects_are_told(place: Path) -> None:
    assert oneclass("score", "m.oneclass", "good", "-o", "run", cwd=place).returncode == 0
    (place / "truth.csv").write_text("path,label\ngood/000.png,prima\ngood/001.png,prima\n")
    words = ("report", "m.oneclass", "run", "--without-pictures", "-o", "t.html")
    told = oneclass(*words, "--labels", "truth.csv", cwd=place).stderr
    assert "taken for names of defects: prima (2)." in told
    assert "note: all images with a label are anomalies. Is every word of the table right?" in told


def test_too_few_images_for_the_usual_rate_are_told(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(7, seed=1))
    told = oneclass("fit", "good", "-o", "m", *SMALL, cwd=tmp_path).stderr
    note = "note: so few images support no lower rate of false alarms than one in 8; 5"
    assert told.count(note) == 1
    assert "UserWarning" not in told  # that is for those who call fit in Python


def test_the_lowest_rate_that_is_told_can_be_asked_for(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(16, seed=1))
    words = ("fit", "good", "-o", "m.oneclass", *SMALL)
    assert "than one in 17; 5" in oneclass(*words, cwd=tmp_path).stderr
    assert oneclass(*words, "--false-alarms", "5.89%", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (("good/",), "oneclass fit good/ -o good.oneclass"),
        (("new.oneclass", "my parts"), "oneclass fit 'my parts' -o new.oneclass"),
        ((), "oneclass fit FOLDER -o FOLDER.oneclass"),
    ],
)
def test_a_fit_that_was_not_told_what_to_write(
    place: Path, words: tuple[str, ...], right: str
) -> None:
    assert f"Try: {right}\n" in said(place, "fit", *words)


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (("score", "m.oneclass"), "oneclass score m.oneclass FOLDER"),
        (("score",), "oneclass score MODEL FOLDER"),
        (("export", "my m.oneclass"), "oneclass export 'my m.oneclass' -o 'my m.onnx'"),
        (
            ("export", "--format", "openvino", "m.oneclass"),
            "oneclass export m.oneclass -o m.xml --format openvino",
        ),
        (
            ("backbone", "export", "nets.mine:Net"),
            "oneclass backbone export nets.mine:Net -o Net.onnx",
        ),
        (("train", "good/"), "oneclass train good/ -o good.onnx"),
        (("backbone", "import", "net.mat"), "oneclass backbone import net.mat -o net.onnx"),
        (
            ("backbone", "import", "net.onnx"),
            "oneclass backbone import net.onnx -o net-backbone.onnx",
        ),
    ],
)
def test_a_command_that_lacks_something_is_shown_whole(words: tuple[str, ...], right: str) -> None:
    done = CliRunner().invoke(cli, list(words))
    assert done.exit_code == 2
    assert f"Try: {right}\n" in done.output


def test_output_is_out_in_every_command_that_has_it() -> None:
    nested = [(cli, cli.commands), (backbone, backbone.commands)]
    commands = [(group, one) for group, known in nested for one in known.values()]
    having = [(g, one) for g, one in commands if any("--out" in p.opts for p in one.params)]
    assert len(having) >= 9
    for group, command in having:
        ahead = [] if group is cli else [str(group.name)]
        wrong = [*ahead, str(command.name), "--output", "x", "--no-such-option"]
        told = CliRunner().invoke(cli, wrong).output
        assert "'--no-such-option'" in told
        assert "--output" not in told


def test_a_path_to_forget_that_is_not_there_is_told_once_before_anything_else(
    place: Path,
) -> None:
    for words in (
        ("update", "m.oneclass"),
        ("update", "no.oneclass", "good"),
        ("update", "no", "-o", "x"),
    ):
        told = said(place, *words, "--forget", "goood")
        assert told.startswith("error: goood: there is no such file or folder")
        assert told.count("goood") == 1


def test_endings_are_all_told_where_no_image_was_found_and_few_where_one_was(place: Path) -> None:
    first = str(next(iter(sorted((place / "good").iterdir()))))
    one = said(place, "fit", first, "-o", "x")
    assert "found 1 image. Give at least 2" in one
    assert ".png, .jpg, .tif and others." in one
    assert ".webp" not in one
    (place / "without_images").mkdir(exist_ok=True)
    assert ".webp" in said(place, "fit", "without_images", "-o", "x")


def test_info_says_what_has_the_bits(place: Path) -> None:
    told = oneclass("info", "m.oneclass", cwd=place).stdout
    assert "20 normal images, about 24 x 24 pixels large, whose pixels have 8 bits a chan" in told
    assert "(each judged by a part of the model that had not learnt it)" in told


def test_what_was_not_tried_is_tried_on_the_same_folder(place: Path) -> None:
    told = oneclass("fit", "good", "-o", "n.oneclass", cwd=place).stderr
    assert "To see them side by side: oneclass compare good\n" in told


@pytest.mark.parametrize(
    "words", [("--layer", "block_4@2"), ("--size", "64"), ("--halfspaces", "3")]
)
def test_compare_is_not_named_for_what_it_does_not_take(place: Path, words: tuple) -> None:
    told = oneclass("fit", "good", "-o", "n.oneclass", *words, cwd=place).stderr
    assert "oneclass compare" not in told
    assert (
        "Not tried with these settings: patches alone (--rows patches) and both together (--rows "
        "both): a fit each.\n" in told
    )


def test_python_saves_over_no_other_kind_of_file(place: Path, tmp_path: Path) -> None:
    detector = load(place / "m.oneclass")
    (tmp_path / "labels.csv").write_text("path,label\n")
    with pytest.raises(InputError, match=r"labels.csv: what is there already is no model"):
        detector.save(tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == "path,label\n"
    for _ in range(2):
        detector.save(tmp_path / "own.oneclass")


def test_what_people_try_of_the_class() -> None:
    with pytest.raises(AttributeError, match=r"Use oneclass.load\(file\)"):
        _ = Detector.load
    with pytest.raises(TypeError, match=r"Detector\(\).fit\('good/'\)"):
        Detector("good/")  # type: ignore[call-arg, misc]
    assert "nu" in inspect.signature(Detector).parameters
    assert not hasattr(Detector, "nothing")


def test_one_argument_alone_is_the_model_or_the_images(place: Path) -> None:
    assert "Try: oneclass score MODEL good" in said(place, "score", "good")
    assert "Try: oneclass score m.oneclass FOLDER" in said(place, "score", "m.oneclass")
    told = said(place, "report", "m.oneclass")
    assert "It is the folder that 'oneclass score -o FOLDER' wrote." in told
    assert "Try: oneclass report m.oneclass RUN_DIR" in told
    assert "Try: oneclass report MODEL good" in said(place, "report", "good")


def test_a_fit_without_a_file_to_write_is_not_told_to_write_over_a_model(place: Path) -> None:
    told = said(place, "fit", "m.oneclass", "good")
    assert "m.oneclass is a model already. To teach it more images, use 'oneclass update'." in told
    assert "Try: oneclass fit good -o good.oneclass" in told
    assert "Try: oneclass fit good -o new.oneclass" in said(place, "fit", "new.oneclass", "good")


def test_the_help_says_what_a_time_looks_like(place: Path) -> None:
    for words, example in (
        (("serve", "token", "add", "--help"), "When it ends, such as 90d or 12h."),
        (("serve", "--help"), "Age at which predictions and their images go, such as 365d."),
    ):
        shown = oneclass(*words, cwd=place).stdout
        assert example in " ".join(shown.split())


def test_a_model_is_nothing_to_learn_from(place: Path) -> None:
    told = said(place, "fit", "m.oneclass", "good", "-o", "new.oneclass")
    assert "m.oneclass is a model, and fit learns from images." in told
    assert "Try: oneclass fit good -o new.oneclass" in told
    assert "Try: oneclass fit FOLDER -o new" in said(place, "fit", "m.oneclass", "-o", "new")
    assert not (place / "new.oneclass").exists()
    told = said(place, "compare", "m.oneclass", "good")
    assert (
        "m.oneclass is a model, and compare learns from images. Try: oneclass compare good" in told
    )


def test_the_folder_of_the_cache_is_shown_as_one_that_may_be_left_out(place: Path) -> None:
    for command in ("info", "prune"):
        told = oneclass("cache", command, "--help", cwd=place).stdout
        assert f"cache {command} [OPTIONS] [DIR]" in told


def test_an_empty_folder_beside_others_and_a_file_named_twice_are_told(tmp_path: Path) -> None:
    good = write_images(tmp_path / "good", stripes(20, seed=1))
    (tmp_path / "empty").mkdir()
    fit = oneclass("fit", "good", "empty", "-o", "m.oneclass", *SMALL, cwd=tmp_path)
    assert fit.returncode == 0
    assert "no image in empty.\n" in fit.stderr
    one = str(good[0].relative_to(tmp_path))
    done = oneclass("score", "m.oneclass", one, one, one, "empty", cwd=tmp_path)
    assert f"given more than once, and counted once: {one}.\n" in done.stderr
    assert "no image in empty.\n" in done.stderr
    assert " among 1 image" in done.stderr


@pytest.mark.linux
def test_a_model_is_found_by_both_spellings_of_a_letter(place: Path) -> None:
    content = (place / "m.oneclass").read_bytes()
    (place / normalize("NFD", "größe.oneclass")).write_bytes(content)
    assert load(place / normalize("NFC", "größe.oneclass")).digest == content[-32:].hex()


def test_help_says_that_a_stream_of_paths_is_read_to_its_end() -> None:
    told = " ".join(CliRunner().invoke(cli, ["score", "--help"]).output.split())
    assert "Nothing is scored before stdin ends: for images that keep coming" in told


@pytest.mark.linux
@pytest.mark.parametrize(
    "words",
    [
        ("score", "m.oneclass", "pipe.png"),
        ("score", "m.oneclass", "good", "pipe.png", "-o", "run"),
        ("fit", "pipe.png", "good", "-o", "x.oneclass", *SMALL),
        ("update", "m.oneclass", "pipe.png"),
        ("report", "m.oneclass", "pipe.png"),
        ("info", "pipe.png"),
    ],
)
def test_a_pipe_is_no_image_and_nobody_waits_for_who_writes_into_it(
    place: Path, words: tuple[str, ...]
) -> None:
    if not (place / "pipe.png").exists():
        os.mkfifo(place / "pipe.png")
    done = oneclass(*words, cwd=place, timeout=60)
    assert done.returncode in (2, 3, 4), done.stderr
    assert "pipe.png" in done.stderr
    assert "Did you mean pipe.png" not in done.stderr


@pytest.mark.parametrize(
    ("command", "name", "has"),
    [
        (("score", "MODEL", "GOOD", "-o"), "z.csv", "predictions.csv"),
        (("score", "MODEL", "GOOD", "--heatmaps"), "heat.png", "index.csv"),
        (("evaluate", "SET", "-o"), "table.md", "table.md"),
    ],
)
def test_a_folder_is_not_called_like_a_file(
    command: tuple[str, ...], name: str, has: str, place: Path, tmp_path: Path
) -> None:
    for part in ("train/good", "test/good", "test/odd"):
        write_images(tmp_path / "set" / part, stripes(4, seed=1))
    named = {
        "MODEL": place / "m.oneclass",
        "GOOD": tmp_path / "set" / "train" / "good",
        "SET": tmp_path / "set",
    }
    done = oneclass(*(named.get(word, word) for word in command), name, cwd=tmp_path)
    assert done.returncode == 2
    own = name.partition(".")[0]
    told = (
        f"is {name}: expected a folder, and that is the name of a file. Give a folder, as {own}; "
    )
    assert f"{told}{Path(own) / has} will be in it." in done.stderr
    assert not (tmp_path / name).exists()
    (tmp_path / name).mkdir()
    again = oneclass(*(named.get(word, word) for word in command), name, cwd=tmp_path)
    assert "expected a folder" not in again.stderr

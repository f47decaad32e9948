"""What `update` says before and after it learns: which images, how many of them, where they lie."""

from __future__ import annotations

import shutil
import sys
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, load
from oneclass.cli import cli
from oneclass.cli.talk import console
from oneclass.detector.updating import Update

SMALL = ("--layer", "block_4", "--grid", "2", "--size", "64")
LITTLE = 0.1
"""The share of another pattern with which images are anomalies, and not far odder than all."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and odd images in `bad_parts`: 2 far odder than any normal one, 2 a little odd."""
    place = tmp_path_factory.mktemp("update")
    images = stripes(40, seed=1)
    write_images(place / "good", images)
    done = oneclass("fit", "good", "-o", "m.oneclass", *SMALL, cwd=place)
    assert done.returncode == 0, done.stderr
    upright, lying = stripes(6, seed=2)[:4], stripes(6, seed=3, upright=False)[:4]
    share = np.array([1.0, 1.0, LITTLE, LITTLE])[:, None, None]
    mixed = (1 - share) * upright + share * lying
    write_images(place / "more/bad_parts", mixed.astype(np.uint8))
    write_images(place / "more/fine", stripes(4, seed=4))
    return place


def test_all_that_the_model_calls_anomalies_are_named_before_they_are_learnt(place: Path) -> None:
    before = (place / "m.oneclass").read_bytes()
    done = oneclass("update", "m.oneclass", "more", cwd=place)
    assert done.returncode == 2
    assert "2 images to learn are far odder than any normal one so far (score):" in done.stderr
    assert (
        "The model calls 4 of the 8 images anomalies: these, and 2 more, less odd:\n"
        "  more/bad_parts/002.png\n" in done.stderr
    )
    assert "All 4 are in more/bad_parts, and its name speaks of defects.\n" in done.stderr
    assert all(done.stderr.count(f"bad_parts/00{n}.png") == 1 for n in range(4))
    assert "fine" not in done.stderr
    assert "give those alone that are normal" in done.stderr
    assert (place / "m.oneclass").read_bytes() == before


def test_names_that_speak_of_defects_come_first_and_the_others_can_be_listed(
    place: Path, tmp_path: Path
) -> None:
    write_images(tmp_path / "new", stripes(24, seed=7, upright=False))
    (tmp_path / "new/023.png").rename(tmp_path / "new/NG_23.png")
    done = oneclass("update", place / "m.oneclass", "new", "-o", "n.oneclass", cwd=tmp_path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    first = lines[next(i for i, line in enumerate(lines) if "far odder" in line) + 1]
    assert first.endswith("new/NG_23.png   <- its name, or its folder's, speaks of defects")
    assert "lists each of them" in done.stderr
    assert f"oneclass score {place / 'm.oneclass'} IMAGES -o run lists" in done.stderr


def test_where_anomalies_lay_is_told_after_they_were_learnt(place: Path) -> None:
    less = [f"more/bad_parts/00{n}.png" for n in range(2, 4)]
    words = ("update", "m.oneclass", *less, "more/fine", "-o", "n.oneclass")
    done = oneclass(*words, cwd=place)
    assert done.returncode == 2
    asked = "2 images to learn are called anomalies, and names speak of defects (score):\n"
    assert asked in done.stderr
    assert all(done.stderr.count(name) == 1 for name in less)
    assert not (place / "n.oneclass").exists()
    one = oneclass("update", "m.oneclass", less[0], "more/fine", "-o", "n.oneclass", cwd=place)
    asked = "1 image to learn is called an anomaly, and a name speaks of defects (score):\n"
    assert asked in one.stderr
    done = oneclass(*words, "--yes", cwd=place)
    assert done.returncode == 0, done.stderr
    assert (
        "note: 2 of the 6 images added were anomalies to the model before, and none of them is one "
        "to it now. Both are in more/bad_parts, and its name speaks of defects. Any that"
        in done.stderr
    )


@pytest.mark.parametrize(
    "words", [("empty",), ("--forget", "empty"), ("more", "--forget", "empty")]
)
def test_a_folder_without_an_image_stops_an_update(place: Path, words: tuple[str, ...]) -> None:
    (place / "empty").mkdir(exist_ok=True)
    (place / "empty/notes.txt").touch()
    done = oneclass("update", "m.oneclass", *words, cwd=place)
    assert done.returncode == 2
    assert "no images in empty" in done.stderr


def test_new_files_whose_names_speak_of_defects_are_named_after_an_update(
    place: Path, tmp_path: Path
) -> None:
    for file in ("m.oneclass", "m.oneclass.rows"):
        shutil.copy(place / file, tmp_path)
    paths = write_images(tmp_path / "new", stripes(4, seed=77))
    for path in paths[:3]:
        path.rename(path.with_name(f"bad_{path.name}"))
    done = oneclass("update", "m.oneclass", "new", "--yes", cwd=tmp_path)
    told = "note: 3 images whose names speak of defects were learnt as normal: new/bad_000.png, "
    assert f"{told}new/bad_001.png, new/bad_002.png." in done.stderr


def test_who_is_asked_does_not_wait_for_the_learning(place: Path) -> None:
    """What the model finds odd is known when the images are read: nothing is learnt before."""
    stages: list[str] = []

    class NoError(Exception):
        pass

    def refuse(did: Update) -> None:
        assert (did.added, len(did.odd), len(did.called)) == (8, 2, 4)
        assert [folder.path.name for folder in did.folders] == ["bad_parts", "fine"]
        raise NoError

    detector = load(place / "m.oneclass")
    before = detector.model
    with pytest.raises(NoError):
        detector.update(place / "more", stage=stages.append, before=refuse)
    assert stages == ["opening the rows that were learnt", "reading images"]
    assert detector.model is before


@pytest.mark.parametrize(
    ("method", "mine", "other"),
    [
        ("update", ("update", "m.oneclass", "a", "--yes"), ("update", "m.oneclass", "b", "--yes")),
        ("fit", ("fit", "a", "-o", "m.oneclass", *SMALL), ("update", "m.oneclass", "b", "--yes")),
        ("update", ("update", "k.oneclass", "a", "--yes", "-o", "m.oneclass"),
         ("update", "m.oneclass", "b", "--yes")),
        ("update", ("update", "m.oneclass", "a", "--yes", "--no-backup"),
         ("fit", "b", "-o", "m.oneclass", *SMALL)),
        ("fit", ("fit", "a", "-o", "new.oneclass", *SMALL),
         ("fit", "b", "-o", "new.oneclass", *SMALL)),
    ],
    ids=["two updates", "a fit", "into another", "over a fit", "a new one"],
)  # fmt: skip
def test_of_two_commands_at_once_the_second_to_write_is_refused(
    place: Path,
    tmp_path: Path,
    method: str,
    mine: tuple[str, ...],
    other: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    for name in ("m.oneclass", "k.oneclass"):
        shutil.copy(place / "m.oneclass", tmp_path / name)
        shutil.copy(place / "m.oneclass.rows", tmp_path / f"{name}.rows")
    for k in "ab":
        write_images(tmp_path / k, stripes(24, seed=ord(k)))
    real = getattr(Detector, method)
    found: dict[str, bytes] = {}

    def slow(*given: Any, **named: Any) -> Any:
        done = real(*given, **named)
        meanwhile = oneclass(*other, cwd=tmp_path)
        assert meanwhile.returncode == 0, meanwhile.stderr
        found.update(content(tmp_path))
        return done

    monkeypatch.setattr(Detector, method, slow)
    monkeypatch.setattr(sys, "argv", ["oneclass", *mine])
    monkeypatch.chdir(tmp_path)
    before = content(tmp_path)
    assert console.run(cli) == 4
    assert "Run the same command again" in capsys.readouterr().err
    assert content(tmp_path) == found
    if "new.oneclass" not in found:
        assert found["m.oneclass.previous"] == before["m.oneclass"]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_an_image_cannot_be_learnt_and_forgotten(place: Path) -> None:
    before = (place / "m.oneclass").read_bytes()
    words = ("update", "m.oneclass", "more/fine", "--forget", place / "more/fine/001.png", "--yes")
    done = oneclass(*words, cwd=place)
    assert done.returncode == 2
    assert "1 image is to be learnt and to be forgotten: more/fine/001.png. Give" in done.stderr
    assert (place / "m.oneclass").read_bytes() == before


def test_what_was_kept_of_a_model_is_not_written_over(place: Path, tmp_path: Path) -> None:
    for name in ("m.oneclass", "m.oneclass.rows"):
        stem = name.replace("m.oneclass", "m.oneclass.previous")
        shutil.copy(place / name, tmp_path / stem)
    words = ("update", "m.oneclass.previous", place / "more/fine", "--yes")
    done = oneclass(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "m.oneclass.previous is what was kept of m.oneclass when" in done.stderr
    assert "else update m.oneclass." in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "m.oneclass.previous",
        "m.oneclass.previous.rows",
    ]
    assert oneclass(*words, "-o", "n.oneclass", cwd=tmp_path).returncode == 0


def test_copies_that_were_learnt_before_are_counted(place: Path, tmp_path: Path) -> None:
    images = stripes(20, seed=1)
    for k in range(3):
        write_images(tmp_path / "good" / str(k), images + np.uint8(k))
    write_images(tmp_path / "new", images + np.uint8(3))
    done = oneclass("fit", "good", "-o", "m.oneclass", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = oneclass("update", "m.oneclass", "new", "--yes", cwd=tmp_path)
    assert "  new/000.png, and 3 learnt before, whose names are not kept\n" in done.stderr
    assert "(learnt before)" not in done.stderr


def test_what_an_update_says_of_images_that_it_learnt_is_what_the_new_model_says(
    place: Path, tmp_path: Path
) -> None:
    """To be learnt makes no image normal: among many, one alone moves the half-spaces little."""
    images = stripes(100, seed=1)
    write_images(tmp_path / "good", images)
    upright, lying = stripes(9, seed=2), stripes(9, seed=3, upright=False)
    shares = np.linspace(0.05, 1, 9)[:, None, None]
    odd = write_images(tmp_path / "odd", ((1 - shares) * upright + shares * lying).astype(np.uint8))
    words = ("fit", "good", "-o", "m.oneclass", *SMALL, "--halfspaces", "1")
    assert oneclass(*words, cwd=tmp_path).returncode == 0
    seen = set()
    for files in ([odd[2]], [odd[4]], odd, odd[:2], odd[3:6]):
        names = [str(file.relative_to(tmp_path)) for file in files]
        words = ("m.oneclass", *names, "--yes", "-o", "n.oneclass")
        told = oneclass("update", *words, cwd=tmp_path).stderr.replace("\n", " ")
        before, after = (verdicts(tmp_path / f"{k}.oneclass", files) for k in "mn")
        now = [new for new, old in zip(after, before, strict=True) if old]
        n, left = len(now), sum(now)
        if not n:
            assert "to the model before" not in told
            continue
        if n == 1:
            said = "an anomaly to the model before, and is " + (
                "still called one." if left else "none to it now."
            )
        elif not left:
            said = "anomalies to the model before, and none of them is one to it now."
        elif left == 1:
            said = "anomalies to the model before, and 1 of them is still called one."
        else:
            which = "all" if left == n else left
            said = f"the model before, and {which} of them are still called anomalies."
        assert said in told
        assert ("If it has a defect, take it out with --forget." in told) == (n == 1)
        assert ("Any that has a defect: take it out with --forget." in told) == (n > 1)
        seen.add((n == 1, left > 0))
    assert (True, True) in seen
    assert len(seen) > 1


def verdicts(model: Path, files: list[Path]) -> list[bool]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that they were learnt
        return [prediction.is_anomaly for prediction in load(model).score(files).predictions]


def test_an_update_tells_python_what_it_still_calls_an_anomaly(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [place / f"more/bad_parts/00{n}.png" for n in range(4)]

    def nothing_yet(did: Update) -> None:
        assert did.still is None

    detector = load(place / "m.oneclass")
    with pytest.warns(UserWarning, match="far odder"):
        did = detector.update(files, before=nothing_yet)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = detector.score(files).predictions
    still = [(p.path, p.score, p.learnt) for p in said if p.is_anomaly]
    assert [(p.path, p.score, p.learnt) for p in did.still] == still
    # Of more images than are kept whole nothing is known, and nothing is said.
    module, lines = import_module("oneclass.cli.update"), list[str]()
    monkeypatch.setattr(module, "say", lines.append)
    module._say_called(replace(did, still=None))
    assert "and were learnt as normal." in lines[0]


def test_forget_takes_all_that_follow_it(place: Path, tmp_path: Path) -> None:
    for name in ("m.oneclass", "m.oneclass.rows"):
        shutil.copy(place / name, tmp_path / name)
    gone = sorted((place / "good").iterdir())[:3]
    more = place / "more/fine"
    done = oneclass("update", "m.oneclass", more, "--forget", *gone, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 images added, 3 forgotten." in done.stderr
    never = place / "more/bad_parts/000.png"
    done = oneclass("update", "m.oneclass", "--forget", more / "000.png", never, cwd=tmp_path)
    assert done.returncode == 3
    assert "0 images added, 1 forgotten." in done.stderr
    assert "nothing to forget" in done.stderr


@pytest.mark.parametrize(
    ("words", "normal", "odd", "test"),
    [
        ("a --test-odd b c --test-normal d e --seed 3", ["a"], ["b", "c"], ["d", "e"]),
        ("a --test-odd b --test-odd c d", ["a"], ["b", "c", "d"], []),
        ("--test-odd=b a -- --c", ["a", "--c"], ["b"], []),
        ("a --test-odd - c -- b", ["a", "b"], ["-", "c"], []),
        ("--seed 3 a b", ["a", "b"], [], []),
    ],
)
def test_an_option_for_images_takes_all_up_to_the_next(
    words: str, normal: list[str], odd: list[str], test: list[str]
) -> None:
    given = cli.commands["compare"].make_context("compare", words.split()).params
    assert [list(given[name]) for name in ("normal", "test_odd", "test_normal")] == [
        normal,
        odd,
        test,
    ]


def test_images_that_no_option_may_take_are_asked_for(place: Path) -> None:
    done = oneclass("compare", "--test-odd", "bad", "good", cwd=place)
    assert done.returncode == 2
    assert "It stands first: --test-normal and --test-odd take all behind them." in done.stderr
    done = oneclass("update", "--forget", "a.png", "m.oneclass", cwd=place)
    assert done.returncode == 2
    assert "It stands first: --forget takes all behind it." in done.stderr

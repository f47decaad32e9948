"""Ways of looking, side by side, on images that none of them has learnt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from commands import oneclass
from conftest import stripes, write_images
from oneclass import InputError
from oneclass.cli import cli
from oneclass.cli.measuring.compare import COLUMNS, _say_notes, _say_what_it_means
from oneclass.cli.talk import showing
from oneclass.results import comparing


def test_each_way_is_told_with_what_it_finds() -> None:
    odd = stripes(10, seed=3, upright=False)
    found = list(comparing.compare(stripes(40, seed=1), views=("image",), odd=odd))
    (one,) = found
    assert one.rows == "image"
    assert one.auroc == 1.0
    assert one.found == 1.0
    assert one.false_alarms <= 0.25
    assert one.promised == 0.05
    assert one.milliseconds > 0
    assert 1 < one.kilobytes < 3000
    assert 0 < one.spread < 10
    again = next(comparing.compare(stripes(40, seed=1), views=("image",), odd=odd))
    assert (again.spread, again.false_alarms) == (one.spread, one.false_alarms)


def test_what_is_tested_on_is_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def spy(view, parts, *rest) -> None:  # type: ignore[no-untyped-def]
        learnt, held = parts.learn.items, parts.normal.items
        seen.append((len(learnt), len(held)))
        assert not {a.tobytes() for a in learnt} & {a.tobytes() for a in held}

    monkeypatch.setattr(comparing, "_one", spy)
    images = stripes(30, seed=1)
    list(comparing.compare(images, views=("image", "patches")))
    list(comparing.compare(images, views=("image",), normal=list(stripes(7, seed=2))))
    assert seen == [(24, 6), (24, 6), (30, 7)]


def test_what_is_ahead_is_told_before_it_begins(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(20, seed=1))
    words = ("compare", "good", "--rows", "image", "--rows", "patches")
    said = oneclass(*words, cwd=tmp_path).stderr
    ahead = (
        "2 ways of looking, one after the other: image, patches. 16 images to learn from, 4 to "
        "test on"
    )
    assert said.startswith(f"{ahead}.\n")
    (tmp_path / "good/broken.png").write_bytes(b"no image")
    said = oneclass(*words, cwd=tmp_path).stderr
    assert said.startswith(f"{ahead}; 1 cannot be read.\n")
    assert said.count("broken.png") == 1
    assert "ways of looking" not in oneclass(*words[:4], cwd=tmp_path).stderr


def test_stages_say_which_way_is_under_way() -> None:
    told: list[str] = []
    list(comparing.compare(stripes(20, seed=1), views=("image", "patches"), stage=told.append))
    assert "image (1 of 2): scoring" in told
    assert "patches (2 of 2): scoring" in told
    told.clear()
    list(comparing.compare(stripes(20, seed=1), views=("image",), stage=told.append))
    assert "image: scoring" in told


def test_more_false_alarms_than_promised_are_said(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(40, seed=1))
    write_images(tmp_path / "other", stripes(12, seed=3, upright=False))
    words = ("compare", "good", "--rows", "image", "--test-normal")
    done = oneclass(*words, "other", cwd=tmp_path)
    assert "More false alarms than promised, and not by chance: image." in done.stderr
    write_images(tmp_path / "more", stripes(12, seed=2))
    done = oneclass(*words, "more", cwd=tmp_path)
    assert "More false alarms" not in done.stderr


def test_too_many_in_one_folder_are_not_laid_to_its_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "good", stripes(12, seed=1))
    monkeypatch.setattr(comparing.Compared, "too_many", True)
    words = ["compare", str(tmp_path / "good"), "--rows", "image"]
    told = CliRunner().invoke(cli, words).stderr
    assert "More false alarms than promised: image." in told
    assert "another --seed" in told
    assert "camera" not in told
    assert "not by chance" not in told
    write_images(tmp_path / "more", stripes(12, seed=2))
    told = CliRunner().invoke(cli, [*words, "--test-normal", str(tmp_path / "more")]).stderr
    assert "same camera, same parts?" in told


@pytest.mark.parametrize(("share", "told"), [(0.1333, True), (0.05, False)])
def test_more_than_promised_by_chance_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, told: bool
) -> None:
    write_images(tmp_path / "good", stripes(12, seed=1))
    monkeypatch.setattr(comparing, "_called", lambda predictions: share)
    monkeypatch.setattr(comparing.Compared, "too_many", False)
    said = CliRunner().invoke(cli, ["compare", str(tmp_path / "good"), "--rows", "image"]).stderr
    assert ("by chance, maybe: image." in said) == told
    assert "To learn so" not in said  # where there is no choice


def test_too_few_to_hold_some_back() -> None:
    with pytest.raises(InputError, match="hold some back: 9, and 10 are needed"):
        list(comparing.compare(stripes(9, seed=1)))


@pytest.mark.parametrize(
    ("kind", "folders", "told"),
    [("normal", ["none"], "none, and so none to test on"),
     ("odd", ["none", "nothing"], "none, nothing, and so none to find")],
)  # fmt: skip
def test_empty_folders_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, folders: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"there is no image in {told}. Give files"):
        comparing.compare(stripes(20, seed=1), **{kind: folders})  # type: ignore[arg-type]


def test_no_line_of_progress_comes_into_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would in a log, to which both streams go."""
    monkeypatch.setattr(showing, "FIRST_LINE", 0.0)
    monkeypatch.setattr(showing, "BEAT", 0.01)
    write_images(tmp_path / "good parts", stripes(20, seed=1))
    views = ("--rows", "image", "--rows", "patches")
    done = CliRunner().invoke(cli, ["compare", str(tmp_path / "good parts"), *views])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    table = lines.index(next(line for line in lines if line.split()[:1] == ["rows"]))
    assert any(line.startswith("compare: ") for line in lines[:table])
    assert [line.split()[0] for line in lines[table : table + 3]] == ["rows", "image", "patches"]
    assert not any(line.startswith("compare: ") for line in lines[table:])
    told = "\n".join(lines[table + 3 :])
    assert "False alarms: of 4 normal images that were not learnt, each of which is 25 %." in told
    assert "Spread: how far apart the scores of normal images lie" in told
    assert "Found:" not in told
    assert "AUROC:" not in told
    for column in ("Promised: ", "ms/image", "kB: ", "fit s"):
        assert column in told
    assert lines[-1].startswith("No odd image was given, and normal ones cannot show which way")
    assert lines[-1].endswith(f"oneclass fit '{tmp_path}/good parts' -o FILE.oneclass")


def one_way(rows: str, spread: float, false: float, found: float | None) -> comparing.Compared:
    """Of what is found half is its AUROC above a coin's."""
    n_odd = 0 if found is None else 50
    area = None if found is None else (1 + found) / 2
    return comparing.Compared(rows, spread, false, 0.05, 40, n_odd, found, area, 1, 1, 1, rows)


@pytest.mark.parametrize(
    ("heads", "told"),
    [
        (("ms/image", "fit s", "kB"), "ms/image to score one, fit s to learn. kB: the size"),
        (("ms/image", "fit s"), "ms/image to score one, fit s to learn."),
        (("ms/image",), "On this machine: ms/image to score one."),
        ((), "smaller is better."),
    ],
)
def test_no_column_is_explained_that_was_left_out(
    heads: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _say_what_it_means([one_way("image", 1, 0.0, None)], ["good"], drawn=True, heads=heads)
    said = capsys.readouterr().err
    assert told in said
    assert all(head in said for head in heads)
    assert not any(head in said for head in {"ms/image", "fit s", "kB"} - set(heads))


@pytest.mark.parametrize(
    ("found", "best"),
    [
        ([("image", 1.5, 0.05, 1.0), ("patches", 1.4, 0.1, 0.96), ("both", 1.4, 0, 0.98)], "both"),
        ([("image", 1.5, 0.05, 1.0), ("patches", 1.4, 0.1, 0.96)], "image"),
        ([("image", 1.5, 0.5, 1.0), ("patches", 1.4, 0.05, 0.5)], "patches"),
        ([("image", 1.5, 0.0, 0.9), ("patches", 1.4, 0.0, 0.9)], "patches"),
        ([("image", 1.5, 0.5, 1.0), ("patches", 1.4, 0.4, 0.5)], None),
        ([("image", 1.5, 0.075, 0.9), ("patches", 1.4, 0.1, 0.8)], "image"),
    ],
)
def test_one_way_and_its_command_are_named(
    found: list[tuple[str, float, float, float | None]],
    best: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _say_what_it_means([one_way(*figures) for figures in found], ["good"], drawn=True)
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if "do not show for certain" not in line][-1]
    if best is None:
        assert told == "No way kept the promise, so none is named the best."
    else:
        reasons = ("has ", "finds the most for its false alarms, ", "is the only one that kept")
        assert told.startswith(tuple(f"{best} {reason}" for reason in reasons))
        assert told.endswith(f"oneclass fit good -o FILE.oneclass --rows {best}")


@pytest.mark.parametrize(
    ("areas", "n", "near"),
    [
        ((0.764, 0.854, 0.5), 12, "image"),
        ((0.764, 0.99, 0.7), 400, None),
        ((0.985, 0.99, 0.7), 400, "image"),
        ((0.9, 0.9, 0.9), 50, "image and both"),
    ],
)
def test_a_better_way_is_no_certain_one_where_few_pictures_show_it(
    areas: tuple[float, ...], n: int, near: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = [
        comparing.Compared(rows, spread, 0.0, 0.05, n, n, area, area, 1, 1, 1, rows)
        for rows, spread, area in zip(
            ("image", "patches", "both"), (1.5, 1.4, 1.6), areas, strict=True
        )
    ]
    _say_what_it_means(ways, ["good"], drawn=False)
    said = capsys.readouterr().err.splitlines()
    by = "finds the most for its false alarms, " if near else "has the highest AUROC of "
    assert any(line.startswith(f"patches {by}") for line in said)
    doubt = [line for line in said if "do not show for certain" in line]
    assert doubt == (
        [
            f"{n} odd images and {n} normal ones do not show for certain that it is better than "
            f"{near}: give more of them."
        ]
        if near
        else []
    )


@pytest.mark.parametrize(
    ("found", "false", "areas", "n", "best"),
    [
        ((0.125, 0.5), (0.0, 0.0), (0.89, 0.883), 24, "both"),  # the same AUROC, but for chance
        ((0.125, 0.5), (0.0, 0.0), (0.99, 0.7), 400, "image"),  # AUROC is for certain higher
        ((1.0, 1.0), (0.125, 0.0417), (1.0, 1.0), 24, "both"),
        ((0.5, 0.52), (0.0, 0.042), (0.89, 0.9), 24, "image"),  # more found, and more false alarms
    ],
)
def test_of_ways_that_auroc_cannot_tell_apart_the_one_that_finds_most_is_named(
    found: tuple[float, float],
    false: tuple[float, float],
    areas: tuple[float, float],
    n: int,
    best: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ways = [
        comparing.Compared(*one, n, n, share, area, 1, 1, 1, "")
        for one, share, area in zip(
            (("image", 1.4, false[0], 0.05), ("both", 1.5, false[1], 0.05)),
            found,
            areas,
            strict=True,
        )
    ]
    _say_what_it_means(ways, ["good"], drawn=False)
    told = capsys.readouterr().err
    assert told.count("To learn so: ") == 1
    assert told.partition("To learn so: ")[2].splitlines()[0].endswith(f"--rows {best}")


@pytest.mark.parametrize(
    ("found", "areas", "by", "left"),
    [
        (
            (0.35, 0.3, 0.3),
            (0.647, 0.911, 0.914),
            "both finds the most for its false alarms, 30 % for 0 %, of those that kept the "
            "promise, but for those clearly behind in AUROC (of equal ones,",
            "image found 35 % for 0 %, but puts all images in a clearly worse order (AUROC 0.647; "
            "both 0.914)",
        ),
        (
            (0.35, 0.3, 0.3),
            (0.647, 0.7, 0.99),
            "both has the highest AUROC of those that kept the promise. image found",
            "image found 35 % for 0 %, but puts all images in a clearly worse order (AUROC 0.647; "
            "both 0.990)",
        ),
        ((0.2, 0.3, 0.3), (0.647, 0.911, 0.914), "of those that kept the promise (of", None),
    ],
)
def test_no_way_is_said_to_find_the_most_where_the_table_shows_another(
    found: tuple[float, ...],
    areas: tuple[float, ...],
    by: str,
    left: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ways = [
        comparing.Compared(rows, 1.5, false, 0.05, 40, 40, share, area, 1, 1, 1, "")
        for rows, false, share, area in zip(
            ("image", "patches", "both"), (0.0, 0.025, 0.0), found, areas, strict=True
        )
    ]
    _say_what_it_means(ways, ["-"], drawn=False)
    said = capsys.readouterr().err
    assert by in said
    assert ("clearly worse order" in said) == (left is not None)
    assert left is None or left in said
    assert "To learn so: oneclass fit IMAGES -o FILE.oneclass --rows both\n" in said


def test_of_ways_that_find_equally_much_none_alone_is_said_to_find_the_most(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shares = {"image": 0.88, "patches": 0.9, "both": 0.9}
    ways = [one_way(rows, 1.5, 0.0, share) for rows, share in shares.items()]
    _say_what_it_means(ways, ["good"], drawn=True)
    said = capsys.readouterr().err
    most = "patches finds the most for its false alarms, 90 % for 0 %, and both as many, of those"
    assert most in said


def test_where_no_way_finds_anything_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    ways = [
        comparing.Compared(rows, 1.5, 0.0, 0.05, 24, 2, 0.0, area, 1, 1, 1, "")
        for rows, area in (("image", 0.9), ("both", 0.8))
    ]
    _say_what_it_means(ways, ["good"], drawn=True)
    told = capsys.readouterr().err
    assert "No way finds any of the 2 odd images at its rate, so none is named the best" in told
    assert "oneclass fit good -o FILE.oneclass\n" in told
    assert "--rows image" not in told


@pytest.mark.parametrize("spreads", [(1.0, 2.0), (2.0, 1.0)])
def test_without_odd_images_no_way_is_the_best(
    spreads: tuple[float, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """A small spread of normal images is no sign of what is found."""
    ways = [one_way("image", spreads[0], 0.0, None), one_way("both", spreads[1], 0.0, None)]
    _say_what_it_means(ways, ["good"], drawn=True)
    told = capsys.readouterr().err.splitlines()[-1]
    assert "none is named the best: give --test-odd a few bad parts" in told
    assert told.endswith("fit goes by the size of the pictures: oneclass fit good -o FILE.oneclass")
    assert "--rows image" not in told


@pytest.mark.parametrize(
    ("shares", "told", "untold"),
    [
        ((0.05, 0.0), [", of those that kept the promise ("], "Above"),
        (
            (0.075, 0.05),
            [
                "by chance, maybe: image.",
                "of those that kept the promise or missed it by chance, maybe (",
            ],
            "No way",
        ),
        (
            (0.075, 0.1),
            [
                "No way stayed within the promised share here; in so few images that may be "
                "chance: image, patches.\n",
                ", of these (",
            ],
            "that kept",
        ),
        (
            (0.075, 0.5),
            ["image is the only one of which that may be chance.\nTo learn so"],
            "kept the promise",
        ),
    ],
)
def test_no_way_is_said_to_keep_a_promise_that_it_did_not_keep(
    shares: tuple[float, float], told: list[str], untold: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = [one_way("image", 1.4, shares[0], 0.9), one_way("patches", 1.5, shares[1], 0.9)]
    _say_what_it_means(ways, ["good"], drawn=True)
    said = capsys.readouterr().err
    assert all(words in said for words in told), said
    assert untold not in said
    assert said.count("by chance, maybe: ") + said.count("may be chance: ") <= 1


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.1, "; image is the only one of which that may be chance.\n"),
        (0.05, "\nimage is the only one that kept the promise. "),
    ],
)
def test_the_only_way_is_no_best_of_several(
    share: float, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the table shows of the others, a higher AUROC, asks for a word."""
    ways = [
        replace(one_way("image", 1.4, share, 0.9), auroc=0.731),
        replace(one_way("patches", 1.5, 0.6, 0.9), auroc=0.702),
        replace(one_way("both", 1.5, 0.5, 0.9), auroc=0.766),
    ]
    _say_what_it_means(ways, ["good"], drawn=True)
    said = capsys.readouterr().err
    assert told in said
    assert (
        "both has a higher AUROC (0.766; image 0.731), but calls 50 % of the normal images "
        "anomalies. To learn so: oneclass fit good -o FILE.oneclass --rows image\n"
    ) in said
    assert "patches has" not in said
    assert "highest" not in said


@pytest.mark.parametrize(
    ("areas", "told"),
    [
        ((0.2, 0.31, 0.25), "The normal images score higher than the odd ones, so no way"),
        ((0.5, 0.48, 0.52), "No way tells 40 odd images from 40 normal ones better than a coin"),
        ((0.2, 0.48, 0.5), "No way tells 40 odd images from 40 normal ones better than a coin"),
        ((0.2, 0.5, 0.7), None),
    ],
)
def test_no_way_is_named_where_odd_images_score_no_higher(
    areas: tuple[float, ...], told: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = [
        comparing.Compared(rows, 1.5, 0.0, 0.05, 40, 40, 0.1, area, 1, 1, 1, rows)
        for rows, area in zip(("image", "patches", "both"), areas, strict=True)
    ]
    _say_what_it_means(ways, ["good"], drawn=False)
    last = capsys.readouterr().err.splitlines()[-1]
    assert ("oneclass fit" in last) == (told is None)
    assert told is None or last.startswith(told)
    if told is not None and told.startswith("The normal"):
        assert "were the folders swapped?" in last
        _say_what_it_means(ways[:1], ["good"], drawn=False)
        assert "were the folders swapped?" in capsys.readouterr().err


def test_a_note_of_all_ways_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    ways = [one_way("image", 1.4, 0, None), one_way("patches", 1.5, 0, None)]
    _say_notes([replace(ways[0], notes=("a.", "b.")), replace(ways[1], notes=("a.",))])
    assert capsys.readouterr().err == "note: a.\nnote: image: b.\n"


def test_what_the_fit_notes_is_passed_on(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(30, seed=1))
    write_images(tmp_path / "again", stripes(30, seed=1)[:6])
    write_images(tmp_path / "more", stripes(4, seed=2))
    words = ("good", "again", "--test-normal", "more", "--rows", "image")
    done = oneclass("compare", *words, cwd=tmp_path)
    assert done.stderr.count("note: 36 images show about 30 different pictures") == 1
    done = oneclass("compare", *words, "--json", cwd=tmp_path)
    assert "36 images show about 30" in json.loads(done.stdout)["notes"][0]


def test_the_images_that_are_tested_on_are_not_learnt_and_it_is_said(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(30, seed=1))
    write_images(tmp_path / "known", stripes(30, seed=1)[:10])
    words = ("compare", "good", "--rows", "image", "--test-normal")
    told = oneclass(*words, "known", cwd=tmp_path).stderr
    assert "note: 10 images to learn from are also given to test on: they were left out" in told
    assert "False alarms: of 10 normal images that were not learnt" in told
    done = oneclass(*words, "good", cwd=tmp_path)
    assert done.returncode == 2
    assert "all 30 images to learn from are also given to test on" in done.stderr
    assert "or no --test-normal" in done.stderr
    done = oneclass(*words[:-1], cwd=tmp_path)
    assert done.returncode == 0


def test_what_is_known_is_shown_when_it_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_then_none(*_: object, **__: object) -> Iterator[comparing.Compared]:
        yield comparing.Compared("image", 1, 0.25, 0.05, 4, 0, None, None, 1, 1, 1, "--rows image")
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "compare", one_then_none)
    done = CliRunner().invoke(cli, ["compare", "good"])
    assert "       image         25 %          5 %" in done.output


def test_odd_images_in_folders_of_good_ones_are_told_with_the_line_that_takes_them_so(
    tmp_path: Path,
) -> None:
    write_images(tmp_path / "cells/train/good", stripes(20, seed=1))
    write_images(tmp_path / "cells/test/good", stripes(5, seed=2))
    write_images(tmp_path / "cells/test/crack", stripes(3, seed=3, upright=False))
    words = ("compare", "cells/train/good", "--rows", "image")
    done = oneclass(*words, "--test-odd", "cells/test", cwd=tmp_path)
    told = (
        "note: 5 of the 8 odd images lie in a folder whose name speaks of good parts (5 in "
        "cells/test/good), and count as odd. If they are normal: oneclass "
    )
    line = "compare cells/train/good --test-normal cells/test/good --test-odd cells/test/crack\n"
    assert told + line in done.stderr
    again = oneclass(*line.split(), "--rows", "image", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "of good parts" not in again.stderr
    assert "Found: of 3 odd images" in again.stderr
    done = oneclass(*words, "--test-odd", "cells/test", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["good_folders"] == ["cells/test/good"]
    done = oneclass(*words, "--test-odd", "cells/test/good", cwd=tmp_path)
    assert "and count as odd. If they are normal, leave them out of --test-odd.\n" in done.stderr


def test_odd_images_named_one_by_one_or_in_a_folder_that_is_learnt_are_meant_so(
    tmp_path: Path,
) -> None:
    write_images(tmp_path / "line/good", stripes(20, seed=1))
    write_images(tmp_path / "line/more/good", stripes(2, seed=4))
    write_images(tmp_path / "bad", stripes(3, seed=3, upright=False))
    names = sorted(str(file.relative_to(tmp_path)) for file in (tmp_path / "line/good").iterdir())
    words = ("compare", "--rows", "image", "line/good", "--test-odd", "bad")
    for odd in (names[:1], names[:2], ["./" + names[0]]):
        done = oneclass(*words, *odd, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"Found: of {3 + len(odd)} odd images" in done.stderr
        assert "of good parts" not in done.stderr
    done = oneclass(*words, names[0], "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["good_folders"] == []
    done = oneclass(*words, names[0], "line/more", cwd=tmp_path)
    assert "note: 2 of the 6 odd images lie in a folder whose name speaks of good" in done.stderr
    assert "If they are normal, leave them out of --test-odd.\n" in done.stderr
    (tmp_path / "odd.txt").write_text(names[0])  # and learnt from, as all others are
    done = oneclass(*words, "odd.txt", cwd=tmp_path)
    assert "Found: of 4 odd images" in done.stderr
    assert "of good parts" not in done.stderr


def test_a_folder_whose_name_speaks_of_defects_is_marked_as_by_fit(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(20, seed=1))
    write_images(tmp_path / "good/scratch", stripes(3, seed=2))
    done = oneclass("compare", "good", "--rows", "image", cwd=tmp_path)
    assert "good/scratch   <- its name speaks of defects" in done.stderr
    done = oneclass("compare", "good", "--rows", "image", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["suspect_folders"] == [str(Path("good/scratch"))]


def test_the_command(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(20, seed=1))
    write_images(tmp_path / "bad", stripes(4, seed=3, upright=False))
    done = oneclass("compare", "good", "--rows", "image", "--test-odd", "bad", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.splitlines()
    assert head.split()[:2] == ["rows", "false"]
    assert row.split()[0] == "image"
    assert "100 %" in row
    assert "Found: of 4 odd images. AUROC: the chance" in done.stderr
    about = " ".join(oneclass("compare", "--help").stdout.split()).partition("In the table: ")[2]
    for column in COLUMNS[1:]:
        assert column.head in about
    as_json = oneclass("compare", "good", "--rows", "image", "--json", cwd=tmp_path)
    assert json.loads(as_json.stdout)["auroc"] is None


@pytest.mark.parametrize("kind", ["blank", "broken"])
def test_where_no_image_to_test_on_is_left_it_is_said_and_no_rate_of_none(
    tmp_path: Path, kind: str
) -> None:
    write_images(tmp_path / "good", stripes(20, seed=1))
    write_images(tmp_path / "bad", stripes(4, seed=3, upright=False))
    write_images(tmp_path / "others", stripes(4, seed=4))
    write_images(
        tmp_path / "left",
        np.ones((4, 24, 24), np.uint8) * np.arange(50, 54, dtype=np.uint8)[:, None, None],
    )
    for file in (tmp_path / "left").iterdir() if kind == "broken" else ():
        file.write_bytes(b"no picture")

    def run(*words: str) -> str:
        done = oneclass(
            "compare", "good", "--rows", "image", "--rows", "both", *words, cwd=tmp_path
        )
        return done.stderr

    told = run("--test-normal", "left", "--test-odd", "bad")
    assert "False alarms: none of the normal images to test on could be scored" in told
    assert "Give --test-normal other images that can be." in told
    assert "Found: of 4 odd images.\n" in told
    assert "No normal image was scored, so no way is named the best." in told
    assert "of 0 " not in told
    assert "100 %" not in told
    told = run("--test-odd", "left")
    assert "Found: none of the odd images could be scored" in told
    assert "No odd image was scored, and normal ones cannot show" in told
    told = run("--test-normal", "others", "--test-odd", "bad")  # as it is advised to
    assert "none of the" not in told
    words = ("compare", "good", "--rows", "image", "--test-normal", "left", "--json")
    record = json.loads(oneclass(*words, cwd=tmp_path).stdout, parse_constant=pytest.fail)
    assert record["false_alarms"] is None


def test_of_pictures_that_are_shrunk_it_is_said_that_tiles_were_not_tried(tmp_path: Path) -> None:
    small = np.random.default_rng(0).integers(0, 256, (10, 10, 12), np.uint8)
    for side, told in ((960, True), (256, False)):
        folder = tmp_path / str(side)
        folder.mkdir()
        for number, image in enumerate(small):
            enlarged = Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)
            enlarged.save(folder / f"{number}.png")
        words = ("compare", str(side), "--rows", "image", "--rows", "patches")
        done = oneclass(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (
            "Not tried: tiles. Patches saw these pictures shrunk to about 640 pixels on their "
            "shorter side; tiles see all their pixels, and take about 4 times as long. To learn "
            "so: oneclass fit 960 --tiles 640 -o FILE.oneclass\n" in done.stderr
        ) == told
        assert ("'oneclass evaluate DIR --compare \"--tiles 640\"'." in done.stderr) == told
        assert "tiles" not in oneclass(*words[:4], cwd=tmp_path).stderr

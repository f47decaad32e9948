"""Ways of looking, side by side, on images that none of them has learnt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import InputError
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

    def spy(view, learnt, held, *rest) -> None:  # type: ignore[no-untyped-def]
        seen.append((len(learnt), len(held)))
        assert not {a.tobytes() for a in learnt} & {a.tobytes() for a in held}

    monkeypatch.setattr(comparing, "_one", spy)
    images = stripes(30, seed=1)
    list(comparing.compare(images, views=("image", "patches")))
    list(comparing.compare(images, views=("image",), normal=list(stripes(7, seed=2))))
    assert seen == [(24, 6), (24, 6), (30, 7)]


def test_more_false_alarms_than_promised_are_said(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(40, seed=1))
    write_images(tmp_path / "other", stripes(12, seed=3, upright=False))
    words = ("compare", "good", "--rows", "image", "--test-normal")
    done = oneclass(*words, "other", cwd=tmp_path)
    assert "More false alarms than promised, and not by chance: image." in done.stderr
    done = oneclass(*words, "good", cwd=tmp_path)
    assert "More false alarms" not in done.stderr


def test_too_few_to_hold_some_back() -> None:
    with pytest.raises(InputError, match="9 normal images: at least 10"):
        list(comparing.compare(stripes(9, seed=1)))


def test_the_command(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(20, seed=1))
    write_images(tmp_path / "bad", stripes(4, seed=3, upright=False))
    done = oneclass("compare", "good", "--rows", "image", "--test-odd", "bad", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.splitlines()
    assert head.split()[:2] == ["rows", "false"]
    assert row.split()[0] == "image"
    assert "100.0 %" in row
    as_json = oneclass("compare", "good", "--rows", "image", "--json", cwd=tmp_path)
    assert json.loads(as_json.stdout)["auroc"] is None

"""What a file held before it was written anew is kept beside it, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oneclass.system.files import kept_previous, previous


def names(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


@pytest.fixture(params=["links", "copies"])
def pairs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Path, Path]]:
    if request.param == "copies":

        def refuse(*_: object) -> None:
            raise OSError

        monkeypatch.setattr(os, "link", refuse)
    model, rows = tmp_path / "m.oneclass", tmp_path / "m.oneclass.rows"
    return [(model, previous(model)), (rows, previous(rows, ".rows"))]


def write(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def test_the_last_version_is_kept(pairs: list[tuple[Path, Path]], tmp_path: Path) -> None:
    (model, _), (rows, _) = pairs
    with kept_previous(pairs) as kept:
        write(model, "1")
        write(rows, "r1")
    assert kept == []
    for version in "23":
        with kept_previous(pairs) as kept:
            write(model, version)
            write(rows, "r" + version)
    assert names(tmp_path) == {
        "m.oneclass": "3",
        "m.oneclass.previous": "2",
        "m.oneclass.previous.rows": "r2",
        "m.oneclass.rows": "r3",
    }
    assert [path.name for path in kept] == ["m.oneclass.previous", "m.oneclass.previous.rows"]


def test_the_same_again_keeps_the_one_before(
    pairs: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    model = pairs[0][0]
    for version in "122":
        with kept_previous(pairs) as kept:
            write(model, version)
    assert kept == []
    assert names(tmp_path) == {"m.oneclass": "2", "m.oneclass.previous": "1"}


def test_rows_of_an_older_model_do_not_stay(pairs: list[tuple[Path, Path]], tmp_path: Path) -> None:
    model, rows = pairs[0][0], pairs[1][0]
    write(model, "1")
    write(rows, "r1")
    with kept_previous(pairs):
        write(model, "2")
        rows.unlink()
    with kept_previous(pairs):
        write(model, "3")
    assert names(tmp_path) == {"m.oneclass": "3", "m.oneclass.previous": "2"}


def test_a_failure_changes_nothing(pairs: list[tuple[Path, Path]], tmp_path: Path) -> None:
    for version in "12":
        with kept_previous(pairs):
            write(pairs[0][0], version)
    before = names(tmp_path)
    with pytest.raises(KeyboardInterrupt), kept_previous(pairs):
        raise KeyboardInterrupt
    assert names(tmp_path) == before

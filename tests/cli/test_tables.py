"""Tables fit into the terminal, whatever its width; files and programs get the whole of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from categories import make_category
from conftest import stripes, write_images
from oneclass import InputError
from oneclass.cli import cli
from oneclass.cli.measuring import compare, evaluate
from oneclass.cli.talk.tables import Column, Layout, layout

TABLES = [compare.COLUMNS, evaluate.COLUMNS]


def left_out(table: Layout) -> list[str]:
    return [c.head for c, width in zip(table.columns, table.widths, strict=True) if not width]


@pytest.mark.parametrize("columns", TABLES, ids=["compare", "evaluate"])
def test_no_line_is_wider_than_the_terminal(columns: tuple[Column, ...]) -> None:
    least = sum(column.narrow for column in columns if not column.order)
    before: list[str] = [column.head for column in columns]
    for room in range(least, 200):
        table = layout(columns, room)
        assert len(table.head()) <= room
        assert set(left_out(table)) <= set(before)  # a wider window shows no fewer
        before = left_out(table)
        told = table.left_out() or ""
        assert all(name in told for name in before)
    assert before == []


@pytest.mark.parametrize("columns", TABLES, ids=["compare", "evaluate"])
def test_files_and_programs_get_all_columns(columns: tuple[Column, ...]) -> None:
    table = layout(columns, None)
    assert [*table.widths] == [column.wide for column in columns]
    assert table.left_out() is None


@pytest.mark.parametrize("columns", TABLES, ids=["compare", "evaluate"])
def test_heads_stay_apart(columns: tuple[Column, ...]) -> None:
    for room in range(40, 140):
        table = layout(columns, room)
        shown = [c for c in columns if c.head not in left_out(table)]
        assert table.head().split() == " ".join(c.head for c in shown).split()


def in_a_terminal(columns: int, words: list[str], folder: Path) -> list[str]:
    """What a program prints into a terminal of that width, line by line."""
    import fcntl
    import struct
    import termios

    mine, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with (folder / "said.txt").open("w") as said:
        command = [sys.executable, "-m", "oneclass", *words]
        done = subprocess.run(
            command, stdout=its, stderr=said, cwd=folder, env=environment, check=False
        )
    os.close(its)
    assert done.returncode == 0, (folder / "said.txt").read_text()
    content = b""
    while True:
        try:
            more = os.read(mine, 65536)
        except OSError:  # so Linux says that the other end is closed
            more = b""
        if not more:
            break
        content += more
    os.close(mine)
    return content.decode().splitlines()


@pytest.mark.linux
def test_compare_in_narrow_terminals(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(20, seed=1))
    words = ["compare", "good", "--rows", "image", "--threads", "1"]
    for columns, absent in ((60, ["kB", "fit s"]), (80, []), (120, [])):
        head, line = in_a_terminal(columns, words, tmp_path)
        assert max(map(len, (head, line))) < columns
        assert len(head) == len(line)
        said = (tmp_path / "said.txt").read_text()
        assert ("No room in this window for: " in said) == bool(absent)
        for name in ("kB", "fit s"):
            assert (name in head) == (name not in absent)


def test_what_is_refused_gets_no_head_of_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "is_terminal", lambda _: True)  # where lines come at once
    make_category(tmp_path / "parts")
    good = tmp_path / "parts/train/good"
    shutil.rmtree(good)
    good.mkdir()
    for words in (["evaluate", tmp_path / "parts"], ["compare", good]):
        done = CliRunner().invoke(cli, [*map(str, words)], standalone_mode=False)
        assert isinstance(done.exception, InputError)
        assert done.stdout == ""


@pytest.mark.linux
def test_evaluate_in_narrow_terminals(tmp_path: Path) -> None:
    make_category(tmp_path / "parts")
    words = ["evaluate", "parts", "--layer", "block_2@7", "--threads", "1"]
    words += ["--compare", "--layer block_2@4 --nu 0.2"]
    for columns in (60, 80, 119):
        lines = in_a_terminal(columns, words, tmp_path)
        assert max(map(len, lines)) < columns
        assert lines[0].split()[:2] == ["category", "AUROC"]
        for line in lines:  # intervals do not run into each other
            assert all(word.count("-") < 2 for word in line.split() if "--" not in word)
        assert "  with --layer block_2@4 --nu 0.2" in lines
        said = (tmp_path / "said.txt").read_text()
        assert ("No room in this window for: AP" in said) == (columns < 105)

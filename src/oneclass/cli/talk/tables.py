"""Tables that fit into the terminal: narrower, and where that does not do, with fewer columns."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from oneclass.cli.talk.console import is_terminal


@dataclass(frozen=True)
class Column:
    """A column of a table whose lines are printed one by one, as soon as they are known.

    Attributes:
        head: its first line.
        wide: characters, where there is room.
        narrow: the fewest characters; a blank before it is among them.
        order: columns with larger numbers go first where there is no room; 0 stays.
    """

    head: str
    wide: int
    narrow: int
    order: int = 0


@dataclass(frozen=True)
class Layout:
    """How wide each column of a table is shown.

    Attributes:
        columns: all of them.
        widths: characters for each; 0 for a column that is left out.
        room: characters a line; None for a file or a program.
    """

    columns: Sequence[Column]
    widths: Sequence[int]
    room: int | None

    def line(self, cells: Sequence[str]) -> str:
        """One text a column, those that are left out among them, as a line."""
        shown = (f"{cell:>{w}}" for cell, w in zip(cells, self.widths, strict=True) if w)
        return "".join(shown)

    def head(self) -> str:
        """The first line."""
        return self.line([column.head for column in self.columns])

    def heads(self) -> list[str]:
        """Of the columns that are shown."""
        return [c.head for c, w in zip(self.columns, self.widths, strict=True) if w]

    def left_out(self) -> str | None:
        """A sentence that names the columns for which there was no room."""
        names = [c.head for c, w in zip(self.columns, self.widths, strict=True) if not w]
        if not names:
            return None
        return (
            f"No room in this window for: {', '.join(names)}. A wider one shows them, and so does "
            "--json."
        )


def layout(columns: Sequence[Column], room: int | None) -> Layout:
    """The widths for so many characters a line; None is a file or a program, which take all."""
    wide = [column.wide for column in columns]
    if room is None or sum(wide) <= room:
        return Layout(columns, wide, room)
    widths = [column.narrow for column in columns]
    for i in sorted(range(len(columns)), key=lambda i: -columns[i].order):
        if sum(widths) > room and columns[i].order:
            widths[i] = 0
    return Layout(columns, widths, room)


def room() -> int | None:
    """Characters a line of the terminal that data goes to; None where there is no terminal."""
    # One less: some terminals begin a new line behind the last character already.
    return shutil.get_terminal_size().columns - 1 if is_terminal(sys.stdout) else None

"""Tables and lists of names for a terminal, with a line for what is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from oneclass.system.names import count, plain

SHOWN = 5
ROWS = 8
"""The most names, and rows of a table, that the text shows unless it is to show all."""
ALL = " (--all names them all)"
WIDTH = 14
"""Of names in tables, unless one is longer."""


def width_of(tables: Iterable[Mapping[str, int]]) -> int:
    """Of the names in tables, so that the numbers of all stand in one column."""
    return max([WIDTH, *(len(key) + 1 for table in tables for key in table)])


def table(name: str, table: Mapping[str, int], width: int, every: bool) -> list[str]:
    """A line for each row, the first with the table's name; more than `ROWS` only if `every`."""
    shown = len(table) if every else ROWS
    rows = [f"  {'':8}{key:<{width}}{n:>7}" for key, n in list(table.items())[:shown]]
    if rows:
        rows[0] = f"  {name:<8}" + rows[0][10:]
    return rows + [f"        {line}" for line in more(len(table), name, shown=shown)]


def names(given: Iterable[object], most: int) -> list[str]:
    """A line for each of the first names, and one for the others."""
    shown = [f"    {plain(str(name))}" for name in given]
    return shown[:most] + more(len(shown), f"file{ALL}", f"files{ALL}", shown=most)


def more(n: int, one: str, many: str | None = None, *, shown: int) -> list[str]:
    """A line on those that are not shown, where there are some."""
    return [f"  ... and {count(n - shown, f'more {one}', many and f'more {many}')}"] * (n > shown)

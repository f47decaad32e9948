"""Tables, written once as texts and shown as Markdown or on a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

from oneclass.report.markup import text

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headings, and lines of as many texts."""


def markdown(table: Table) -> str:
    """A table in Markdown, a line for each of its lines."""
    headings, lines = table
    rows = [headings, ["---"] * len(headings), *lines]
    return "".join(f"| {' | '.join(_escaped(cell) for cell in row)} |\n" for row in rows)


def html(table: Table, *, words: Collection[str], groups: Collection[str] = ()) -> str:
    """A table on a page; lines that begin alike come together, for narrow screens.

    Args:
        table: of texts.
        words: headings of columns that hold words; the others hold numbers.
        groups: a first column with such a heading becomes a line above those that share its text.
    """
    headings, lines = table
    kinds = ["name" if heading in words else "number" for heading in headings]
    grouped = headings[0] in groups
    body = ""
    for title, group in groupby(lines, key=lambda line: line[0] if grouped else ""):
        if grouped:
            span = len(headings) - 1
            body += (
                f'<tr class="group"><th colspan="{span}" scope="colgroup">{text(title)}</th></tr>'
            )
        body += "".join(_row("td", kinds[grouped:], line[grouped:]) for line in group)
    return (
        f'<div class="scroll"><table><thead>{_row("th", kinds[grouped:], headings[grouped:])}'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def bullets(sentences: Sequence[str]) -> str:
    """A list of sentences on a page; nothing for none."""
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
    return items and f"<ul>{items}</ul>"


def _row(tag: str, kinds: Sequence[str], cells: Sequence[str]) -> str:
    pairs = zip(kinds, cells, strict=True)
    inner = "".join(f'<{tag} class="{kind}">{text(cell)}</{tag}>' for kind, cell in pairs)
    return f"<tr>{inner}</tr>"


def _escaped(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())

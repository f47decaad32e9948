"""Outside text, plots and the packages' own templates, on their way into a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources


def text(given: str) -> str:
    """Outside text for the inside of an element or an attribute."""
    return escape(given.encode("utf-8", "backslashreplace").decode(), quote=True)


def asset(name: str, package: str = "oneclass.report") -> str:
    """A file of a package, as text."""
    return (resources.files(package) / name).read_text(encoding="utf-8")


def figure(title: str, svg: str, caption: str) -> str:
    """A plot with its heading and what to see in it."""
    return (
        f'<figure class="plot"><h3>{text(title)}</h3>{svg}'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def definitions(lines: Sequence[tuple[str, str]]) -> str:
    """Names and what they stand for, one below the other."""
    return "<dl>" + "".join(f"<dt>{text(a)}</dt><dd>{text(b)}</dd>" for a, b in lines) + "</dl>"

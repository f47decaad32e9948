"""Outside text and the package's own templates, on their way into the page."""

from __future__ import annotations

from html import escape
from importlib import resources


def text(given: str) -> str:
    """Outside text for the inside of an element or an attribute."""
    return escape(given.encode("utf-8", "backslashreplace").decode(), quote=True)


def asset(name: str) -> str:
    """A file of this package, as text."""
    return (resources.files("oneclass.report") / name).read_text(encoding="utf-8")

"""Names: in the order that people expect, as a terminal may show them, and near-misses of them."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_NUMBER = re.compile(r"(\d+)")


def plain(text: str) -> str:
    """A name as a terminal may show it: line ends, escapes and stray bytes are spelt out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def natural_key(name: str | Path) -> tuple[tuple[str | int, ...], str]:
    """Sort key under which ``img2`` comes before ``img10``; ties by the exact name."""
    text = str(name)
    parts = _NUMBER.split(text.casefold())
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), text


def as_spelt_here(path: Path) -> Path:
    """The path as it is; if there is none, one that reads the same: ü may be two characters."""
    if os.path.lexists(path):
        return path
    others = (Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD"))
    return next((other for other in others if os.path.lexists(other)), path)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean block_2?`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""

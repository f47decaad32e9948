"""Names: in the order that people expect, as a terminal may show them, near-misses, and counts."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from math import ceil, floor, log10
from pathlib import Path, PurePath

_PERCENT = re.compile(r"(?<=\d) %")
SEARCHED = 10_000
"""Names of a folder among which one like a missing one is looked for."""
ALIKE = 0.75
"""So like, as difflib counts, that a slip of the finger may have made the one of the other."""
SHOWN = 3
"""Names of many that a sentence has, unless there is room for more."""
_NUMBER = re.compile(r"(\d+)")
_SEPARATOR = re.compile(f"[/{re.escape(os.sep)}]")


def plain(text: str) -> str:
    """A name as a terminal may show it: line ends, escapes and stray bytes are spelt out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def spelt_out(text: str) -> str:
    """A name as UTF-8 can hold it, for records, tables and pages: its stray bytes are spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()


def some_names(names: Sequence[str], most: int = SHOWN) -> str:
    """The first names, as a terminal may show them, and how many more there are."""
    more = len(names) - most
    shown = ", ".join(map(plain, names[:most]))
    return f"{shown} and {more} more" if more > 0 else shown


def count(n: int, one: str, many: str | None = None) -> str:
    """`3 images`, `1 image`."""
    return f"{n} {plural(n, one, many)}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """The word that goes with a number: `images`, `image`."""
    return one if n == 1 else many or one + "s"


def some_of(n: int, total: int, one: str, many: str | None = None) -> str:
    """`3 of the 8 images`, `all 8 images`, `the image`: n of some, at least one."""
    if n == total == 1:
        return f"the {one}"
    words = count(total, one, many)
    return f"all {words}" if n == total else f"{n} of the {words}"


def percent(share: float) -> str:
    """`5 %`, `0.571 %`: a rate as all sentences have it."""
    return f"{round(100 * share, 9) + 0.0:.3g} %"  # 1e-18, or -0, is how a computer says nothing


def percent_up(share: float) -> str:
    """The same, rounded up: what is told as the lowest rate can be asked for."""
    step = 10.0 ** (floor(log10(share)) - 2)
    return percent(ceil(share / step - 1e-9) * step)


def unbroken(sentence: str) -> str:
    """With a space before each % that no line is broken at: for pages, where lines are short."""
    return _PERCENT.sub("\N{NO-BREAK SPACE}%", sentence)


def natural_key(name: str | PurePath) -> tuple[tuple[str | int, ...], str]:
    """Sort key under which ``img2`` comes before ``img10``; ties by the exact name."""
    text = str(name)
    parts = _NUMBER.split(text.casefold())
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), text


def as_spelt_here(path: Path) -> Path:
    """The path as it is; if there is none, one that reads the same: ü may be two characters.

    Each folder on the way may be spelt in its own way.
    """
    if str(path).isascii() or os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[len(found.parts) :]:
        there = next((one for s in spellings(part) if os.path.lexists(one := found / s)), None)
        if there is None:
            return path
        found = there
    return found


def spellings(text: str) -> tuple[str, ...]:
    """A text as it is, and with each letter as one character, and with its accents apart."""
    return (text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD")))


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """` Did you mean block_2?`, or nothing where no known word is near.

    Args:
        word: as it was written.
        known: words that it may stand for.
        cutoff: how near one must be, of `difflib`: from 0 to 1, the same word.
    """
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=cutoff)
    return f" Did you mean {near[0]}?" if near else ""


def near_path(path: Path) -> str:
    """`parts/good`, if that is there and nearly called like a path that is not; else nothing."""
    missing = next((p for p in (*reversed(path.parents), path) if not os.path.lexists(p)), None)
    if missing is None:
        return ""
    try:
        with os.scandir(missing.parent) as entries:
            names = [entry.name for entry in islice(entries, SEARCHED)]
    except OSError:
        return ""
    near = difflib.get_close_matches(missing.name, names, n=1, cutoff=ALIKE)
    other = missing.parent / near[0] / path.relative_to(missing) if near else path
    return plain(str(other)) if os.path.lexists(other) else ""


def told_apart(paths: Sequence[str]) -> list[str]:
    """Each path as short as it may be among the others: its name, with folders where names collide.

    Args:
        paths: with the separators of this system or with slashes.

    Returns:
        For each its last parts, joined by slashes: as many as no other path shares, or all.
    """
    parts = [_SEPARATOR.split(path) for path in paths]
    shown = [own[-1] for own in parts]
    depth = 1
    while True:
        by_name: dict[str, set[str]] = {}
        for path, name in zip(paths, shown, strict=True):
            by_name.setdefault(name, set()).add(path)
        depth += 1
        alike = [
            i for i, name in enumerate(shown) if len(by_name[name]) > 1 and len(parts[i]) >= depth
        ]
        if not alike:
            return shown
        for i in alike:
            shown[i] = "/".join(parts[i][-depth:])

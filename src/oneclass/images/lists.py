"""A list of paths: what its bytes say, and what is no list at all.

A wrong guess here is dear: taken for a list, a text in another encoding can ask for every image of
the machine. So what contradicts itself is refused whole.
"""

from __future__ import annotations

import io
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from oneclass.system.places import place
from oneclass.system.texts import SAMPLE, as_utf8

_EVERYTHING = re.compile(r"([A-Za-z]:)?[\s./\\*?]*")
END_OF_DOS = b"\x1a"
"""What `copy a.txt+b.txt list.txt` leaves at the end of a list on Windows."""
_NO_CONTROLS = bytes({0, 9, 10, 13, *range(32, 127), *range(128, 256)})


def entries(data: bytes, base: Path, *, comments: bool) -> tuple[Iterable[str], bool]:
    """The paths of a list, one a line or separated by NUL, and whether they are literal.

    Args:
        data: a text in UTF-8, or in what its byte-order mark says; file names may hold any bytes.
        base: where relative paths start: it decides whether a line end belongs to a name.
        comments: whether a line that begins with # is none.

    Returns:
        The paths, to go through once, for there may be millions; and whether NUL separated them:
        then nothing in them is a pattern.

    Raises:
        ValueError: this is no list; the message says why.
    """
    data = as_utf8(data).removesuffix(END_OF_DOS)
    text = data.rstrip(b"\0")
    if 10 * len(text[:SAMPLE].translate(None, _NO_CONTROLS)) > len(text[:SAMPLE]):
        raise ValueError("its content is no text; write one path a line, in UTF-8")
    if b"\0" in text:
        return list(_between_zeros(text)), True
    if text and text != data and (b"\n" not in text or os.path.lexists(base / os.fsdecode(text))):
        return [os.fsdecode(text)], True
    lines = text.replace(b"\r", b"\n") if b"\n" not in text else text
    found = (os.fsdecode(line.rstrip(b"\r\n")) for line in io.BytesIO(lines))
    return (
        line for line in found if line.strip() and not (comments and line.lstrip().startswith("#"))
    ), False


def _between_zeros(text: bytes) -> Iterator[str]:
    if text.count(b"\n") > text.count(b"\0"):
        raise ValueError("it has a zero byte amid its lines; write one path a line, in UTF-8")
    if text.startswith(b"\0") or b"\0\0" in text or b"\0\n" in text or b"\n\0" in text:
        raise ValueError(
            "it has zero bytes beside each other or beside line ends, so it is no list of paths; "
            "write one path a line, in UTF-8"
        )
    for name in text.split(b"\0"):
        yield os.fsdecode(name)


def is_everything(entry: str) -> bool:
    """Whether an entry is but dots, slashes and stars: all that there is, and hardly meant.

    In whatever way it is written: /tmp/.., sub/../* and file:/// are such.
    """
    if entry.lower().startswith("file://"):
        with suppress(ValueError):
            entry = str(place(entry))
    return any(_EVERYTHING.fullmatch(way) for way in (entry, os.path.normpath(entry)))


def is_root(folder: Path) -> bool:
    """Whether a folder is the whole file system, by whatever links."""
    real = Path(os.path.realpath(folder))
    return real == real.parent


def advice(entry: str, otherwise: str = "check the path") -> str:
    """What to do about an entry that leads nowhere."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]", entry):
        return "an address has two slashes; in Python give it as a text, for Path takes one away"
    if entry.startswith("~"):
        return "only a shell knows what ~ stands for; write the folder out"
    if entry.strip()[:1] in "\"'" and entry.strip()[:1] == entry.strip()[-1:]:
        return "write it without the quotes"
    if entry != entry.strip():
        return "it begins or ends with a blank; take that away where it is not part of the name"
    if "\\" in entry and os.sep == "/":
        return "write / instead of \\"
    if re.search(r"\.[A-Za-z0-9]+[\"']?\s*[\t,;]", entry):
        return "write one path a line, and nothing else in it"
    if re.search(r"[\r\n]", entry):
        return "it has a line end within; write one path a line"
    if any(unicodedata.category(c) == "Cf" for c in entry):
        return f"it has an invisible character (as in {entry!a}); write it anew"
    if not entry.isprintable() and any("\udc80" <= c <= "\udcff" for c in entry):
        return "its bytes are no UTF-8; if a list names it, save the list as UTF-8"
    return otherwise

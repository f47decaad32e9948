"""Text files of people and their programs: the encoding by its mark, tables by their header.

Windows writes UTF-16 where one redirects output, spreadsheets write semicolons and tabs. A
byte-order mark is obeyed; without one a text is UTF-8, and what cannot be is refused in a sentence.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import unicodedata
from pathlib import Path

_MARKS = (  # UTF-32's begins like UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WORKBOOKS = (b"PK\3\4", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""How files of spreadsheet programs begin: the present ones, which are ZIP archives, and xls."""
SAMPLE = 4096
SEPARATORS = ",;\t"
SAVE_AS_UTF8 = "save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)"


def as_utf8(data: bytes) -> bytes:
    """The bytes of a text whose mark says what it is, as UTF-8 without a mark; others as they are.

    Raises:
        ValueError: it is UTF-16 or UTF-32 without a mark, damaged, or a spreadsheet program's own.
    """
    if data.startswith(_WORKBOOKS):
        raise ValueError(
            "it is a workbook or an archive, and no text; save its sheet as CSV (UTF-8) from the "
            "program that made it"
        )
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            body = data.removeprefix(mark)
            if encoding == "utf-8":
                return body
            try:
                return body.decode(encoding).encode()
            except UnicodeError:
                raise ValueError(f"it is damaged {encoding.upper()}; {SAVE_AS_UTF8}") from None
    if _wide(data[:SAMPLE]):
        raise ValueError(f"it looks like UTF-16 or UTF-32 without its mark; {SAVE_AS_UTF8}")
    return data


def _wide(sample: bytes) -> bool:
    """Whether zero bytes lie as in Western text of two or four bytes a character.

    Names of three letters with a zero behind each come nearest: a quarter of their bytes is zero.
    """
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    one_sided = 10 * min(even, odd) <= max(even, odd) and 3 * (even + odd) >= len(sample)
    return len(sample) > 3 and (one_sided or 2 * (even + odd) > len(sample))


def read_text(file: Path) -> str:
    """A whole text file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no UTF-8, and no mark says what else.
    """
    try:
        return as_utf8(file.read_bytes()).decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is not UTF-8; {SAVE_AS_UTF8}") from None


def read_table(file: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """A table with a header; between its cells commas, semicolons or tabs, as in the header.

    Returns:
        The columns' names, in small letters, and for each row that is not empty the number of the
        line that it ends in and its cells by column; cells that are missing are empty.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text, or no table.
    """
    text = read_text(file)
    first = text.partition("\n")[0].strip()
    if first.lower().startswith(("sep=", "#type ")):  # Excel's and PowerShell's own first lines
        text = "\n" + text.partition("\n")[2]
        first = text.lstrip("\n").partition("\n")[0]
    if first.startswith(("[", "{")):
        raise ValueError("it looks like JSON; save it as a table (CSV)")
    separator = max(SEPARATORS, key=first.count)
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True
        )
        lines = [
            (reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise ValueError(f"it is no table: {error}") from None
    if not lines:
        return [], []
    columns = [name.strip().lower() for name in lines[0][1]]
    return columns, [
        (number, dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False)))
        for number, cells in lines[1:]
    ]


def same_name(path: str) -> str:
    """A path in the form that all spellings of it share: one system writes ü as two characters."""
    try:
        return unicodedata.normalize("NFC", os.path.normpath(path))
    except ValueError:
        return path


def why(error: Exception) -> str:
    """What an error says to people: of the system's ones the words, without number and path."""
    return (isinstance(error, OSError) and error.strerror) or str(error)

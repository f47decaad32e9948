"""What the truth was, where somebody knows it: from a table, or from folders."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

from oneclass.detector.predictions import Prediction
from oneclass.errors import InputError
from oneclass.system.names import as_spelt_here, near_path, some_names
from oneclass.system.texts import read_table, same_name, why

NORMAL, ANOMALY = "normal", "anomaly"
FALSE_ALARM, MISSED = "false-alarm", "missed"
NO, YES = frozenset({"0", "false", "no", "negative"}), frozenset({"1", "true", "yes", "positive"})
"""Answers to the question whether it is an anomaly."""
NORMAL_WORDS = NO | frozenset(
    {"normal", "good", "ok", "okay", "fine", "pass", "passed", "accept", "accepted", "clean"}
    | {"good part", "good parts", "no defect", "no defects", "defect free", "without defect"}
    | {"no anomaly", "no anomalies", "not defective", "non defective", "not anomalous"}
    | {"i.o.", "i.o", "io", "in ordnung", "gut", "gutteil", "gutteile", "fehlerfrei"}
    | {"bon", "bonne", "conforme", "sans défaut", "sans défauts"}
    | {"bueno", "buena", "sin defecto", "sin defectos"}
    | {"buono", "buona", "senza difetto", "senza difetti"}
)
ANOMALY_WORDS = YES | frozenset(
    {"anomaly", "anomalous", "anomalies", "abnormal", "bad", "bad part", "bad parts", "not good"}
    | {"defect", "defects", "defective", "ng", "nok", "not ok", "no good", "not normal", "unclean"}
    | {"fail", "failed", "reject", "rejected", "not accepted", "not clean"}
    | {"n.i.o.", "n.i.o", "nio", "nicht in ordnung", "nicht gut", "schlecht", "schlechtteil"}
    | {"schlechtteile", "defekt", "mauvais", "mauvaise", "non conforme", "no conforme"}
    | {"malo", "mala", "defectuoso", "defectuosa", "no bueno", "non buono"}
    | {"cattivo", "cattiva", "difettoso", "difettosa"}
)
"""Anomalies of no kind; any other name of a defect is the kind of an anomaly."""
NO_WORDS = frozenset(
    {"", "maybe", "n/a", "na", "nan", "none", "null", "perhaps", "skip", "test", "todo", "train"}
    | {"unclear", "undefined", "unknown", "unlabeled", "unlabelled", "unsure"}
)
"""What stands in tables where nobody knows, or where something else is told."""
NEAR = 0.8
"""So like a word for normal, as difflib counts, that it may be one that was mistyped."""
SHORT = {"gd": "good"}
"""What may be short for a word for normal."""
ONE_SLIP = 4
"""Letters from which on a word with one letter more or less, or two turned round, is near."""
LETTERS = 2
"""So many at least has the name of a defect."""
SHOWN_KINDS, SAID = 10, 100
"""Kinds and letters that a message repeats."""
HERE = Path()
EXPECTED = "Expected a CSV file with the columns path and label."
ASKING = ("anomaly", "is_anomaly")
"""Columns whose names say what true means there."""
COLUMNS = ("label", "class", "anomaly", "is_anomaly", "truth")


class Truth(dict[str, bool]):
    """For each scored image of which the truth is known, whether it is an anomaly.

    Attributes:
        kinds: the kind of each anomaly that has one, such as scratch.
        answers: words such as true of a column that does not say what is true, as they were read.
        unmatched: what the table names besides: no image that was scored.
    """

    def __init__(self, known: Mapping[str, bool] | None = None) -> None:
        super().__init__(known or {})
        self.kinds: dict[str, str] = {}
        self.unmatched: tuple[str, ...] = ()
        self.answers: Mapping[str, str] = {}

    def word(self, path: str) -> str:
        """What is known of an image: normal, the kind of anomaly, anomaly, or nothing."""
        if path not in self:
            return ""
        return self.kinds.get(path, ANOMALY) if self[path] else NORMAL

    def mistake(self, prediction: Prediction) -> str:
        """`FALSE_ALARM`, `MISSED`, or nothing: right, unclear, or unknown."""
        odd = self.get(prediction.path)
        if odd is None or prediction.is_unclear or odd == prediction.is_anomaly:
            return ""
        return MISSED if odd else FALSE_ALARM

    def apart(self, predictions: Sequence[Prediction]) -> tuple[list[Prediction], list[Prediction]]:
        """Those of normal images, and those of anomalies."""
        known = [p for p in predictions if p.path in self]
        return [p for p in known if not self[p.path]], [p for p in known if self[p.path]]


def from_folders(
    predictions: Sequence[Prediction], normal: Sequence[str], base: Path = HERE
) -> Truth:
    """Images in some folders are normal, all others are anomalies.

    A folder is looked for from here, then from where the images were scored; where none of them
    lies there, all folders of that name among those of the images are meant.

    Args:
        predictions: of the run.
        normal: the folders (or files) of normal images.
        base: the folder in which they were scored.

    Returns:
        For each path whether it is an anomaly.

    Raises:
        InputError: none of the images lies in one of these folders.
    """
    truth = Truth({prediction.path: True for prediction in predictions})
    for given in normal:
        members = _within(given, predictions, base) or _called(given, predictions)
        if not members:
            folders = dict.fromkeys(os.path.dirname(p.path) or "." for p in predictions)  # noqa: PTH120
            raise InputError(
                f"--normal {given}: none of the {len(predictions)} scored images lies there; they "
                f"lie in {some_names(list(folders))}. Give a folder that was scored and "
                "holds normal images alone."
            )
        truth.update(dict.fromkeys(members, False))
    return truth


def _within(given: str, predictions: Sequence[Prediction], base: Path) -> list[str]:
    """The paths that lie in a folder, which is seen from here or from where they were scored."""
    places = [Path(same_name(place)) for place in _places(given, base)]
    return [
        p.path
        for p in predictions
        if any(
            Path(same_name(real)).is_relative_to(q)
            for real in _places(p.path, base)
            for q in places
        )
    ]


def _called(given: str, predictions: Sequence[Prediction]) -> list[str]:
    """The paths of which one folder, or several in a row, have this name."""
    name = Path(same_name(given)).parts
    found = []
    for prediction in predictions:
        folders = Path(same_name(prediction.path)).parts[:-1]
        starts = range(len(folders) - len(name) + 1)
        if any(folders[i : i + len(name)] == name for i in starts if name):
            found.append(prediction.path)
    return found


def from_csv(predictions: Sequence[Prediction], file: Path, base: Path = HERE) -> Truth:
    """A table with the columns `path` and `label`: normal or anomaly (or 0 or 1, good or bad, ...).

    Another word is the kind of an anomaly, such as scratch, unless it says nothing (unknown, n/a),
    is a number, or looks like a mistyped word for normal. A path is taken as it was scored, or as
    relative to the table's folder; letters that can be written in two ways (an umlaut as one
    character or as two) are the same.

    Args:
        predictions: of the run.
        file: the table, as seen from here or else from where the images were scored.
        base: the folder in which they were scored.

    Returns:
        For each path that the table names whether it is an anomaly.

    Raises:
        InputError: the table cannot be read, a word in it is none of those, it contradicts itself,
            or it names none of the scored images.
    """
    file = _table(file, base)
    exact, alike = _scored(predictions, base)
    truth, unmatched = Truth(), []
    said: dict[str, tuple[int, str]] = {}
    answers: dict[str, str] = {}
    for number, path, word in _rows(file, answers):
        # As strings, since a path may be given in any way that the system takes.
        beside = os.path.join(file.parent, path)  # noqa: PTH118
        places = [*_places(path, base), _real(beside)]
        found = next((exact[place] for place in places if place in exact), None)
        spelt = [same_name(place) for place in places]
        found = found or next((alike[place] for place in spelt if place in alike), [])
        for name in found or places[:1]:
            before, first = said.setdefault(name, (number, word))
            if first != word:
                raise InputError(
                    f"labels {file}: {path} is {first} in line {before} and {word} in line "
                    f"{number}. Keep one of the lines."
                )
        truth.update(dict.fromkeys(found, word != NORMAL))
        if word not in (NORMAL, ANOMALY):
            truth.kinds.update(dict.fromkeys(found, word))
        unmatched += [] if found else [path]
    if not truth:
        raise InputError(
            f"labels {file}: names none of the {len(predictions)} scored images. Paths are taken "
            f"as they were scored ({predictions[0].path}), or relative to {file.parent}; the table "
            f"names {unmatched[0] if unmatched else 'nothing'}."
        )
    truth.unmatched, truth.answers = tuple(dict.fromkeys(unmatched)), answers
    return truth


def _table(file: Path, base: Path) -> Path:
    """Where the table lies: as seen from here, or else from where the images were scored.

    Raises:
        InputError: in neither place.
    """
    places = [as_spelt_here(file), as_spelt_here(base / file)]
    for place in places:
        if place.exists():
            return place
    near = next(filter(None, map(near_path, places)), "")
    meant = f" Did you mean {near}?" if near else ""
    if file.is_absolute() or _real(str(places[0])) == _real(str(places[1])):
        raise InputError(f"labels {file}: there is no such file.{meant} {EXPECTED}")
    raise InputError(
        f"labels {file}: there is no such file here, nor in {base}, where the images were "
        f"scored.{meant} {EXPECTED}"
    )


def told_unmatched(truth: Truth) -> str:
    """How many rows of the table name no scored image, and the first of them."""
    names = some_names([name or "an empty path" for name in truth.unmatched])
    return f"{len(truth.unmatched):,}: {names}"


def told_answers(truth: Truth) -> str:
    """How words such as true were read: `true as anomaly, false as normal`."""
    return ", ".join(f"{word} as {meant}" for word, meant in truth.answers.items())


def told_kinds(truth: Truth) -> str:
    """The words of the table that were taken for names of defects, with how many images of each."""
    kinds = Counter(truth.kinds.values()).most_common()
    return some_names([f"{kind} ({n:,})" for kind, n in kinds], SHOWN_KINDS)


def _rows(file: Path, answers: dict[str, str]) -> Iterator[tuple[int, str, str]]:
    """Line number, path, and `NORMAL`, `ANOMALY` or the kind of anomaly, of each row.

    Args:
        file: the table.
        answers: where words such as true are noted, unless the column says what they answer.
    """
    try:
        columns, rows = read_table(file)
    except (OSError, ValueError) as error:
        raise InputError(f"labels {file}: cannot be read ({why(error)}). {EXPECTED}") from error
    found = [name for name in COLUMNS if name in columns]
    if not found or "path" not in columns:
        raise InputError(
            f"labels {file}: found {', '.join(columns)[:SAID] or 'no rows'}. Expected a header "
            f"with path and one of {', '.join(COLUMNS)}."
        )
    if found[0] == "is_anomaly" and "p_value" in columns:
        raise InputError(
            f"labels {file}: are the predictions themselves, which agree with themselves always. "
            "Give a table with the truth in a column called label."
        )
    for number, row in rows:
        word = normalize("NFC", row[found[0]].strip().lower())
        try:
            meant = _meant(word)
        except ValueError as problem:
            raise InputError(f"labels {file}, line {number}: {problem}") from problem
        if word in YES | NO and found[0] not in ASKING:
            answers[word] = meant
        yield number, row["path"], meant


def _meant(word: str) -> str:
    """`NORMAL`, `ANOMALY`, or the kind of anomaly that a word names.

    Raises:
        ValueError: it names none.
    """
    plain = " ".join(re.split(r"[\s_-]+", word)).strip()
    if word in NORMAL_WORDS or plain in NORMAL_WORDS:
        return NORMAL
    if word in ANOMALY_WORDS or plain in ANOMALY_WORDS:
        return ANOMALY
    near = _near(plain)
    # A letter alone may stand for anything, and G and B for the opposite.
    if near or word in NO_WORDS or sum(map(str.isalpha, word)) < LETTERS:
        hint = f" Did you mean {near}?" if near else ""
        raise ValueError(
            f"{word!r} is no label.{hint} Expected one of {', '.join(sorted(NORMAL_WORDS))} for "
            f"normal images, and of {', '.join(sorted(ANOMALY_WORDS))} for anomalies, or the name "
            "of a defect, such as scratch. Leave out the lines of images that nobody judged."
        )
    return word


def _near(word: str) -> str:
    """The word for normal that may have been meant by one that is none; nothing without one."""
    if word in SHORT:
        return SHORT[word]
    # Of as many words: defectos are none that someone forgot to call sin defectos.
    known = sorted(one for one in NORMAL_WORDS if one.count(" ") == word.count(" "))
    near = difflib.get_close_matches(word, known, n=1, cutoff=NEAR)
    return next(iter(near), "") or next((one for one in known if _one_slip(word, one)), "")


def _one_slip(word: str, known: str) -> bool:
    """Whether one letter too many or too few, or two turned round, made the one of the other.

    Not another letter: a line is not fine, nor a cut gut.
    """
    longer, shorter = sorted((word, known), key=len, reverse=True)
    if len(known) < ONE_SLIP:
        return False
    if len(longer) == len(shorter) + 1:
        return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
    turned = (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1))
    return known in turned


def _scored(
    predictions: Sequence[Prediction], base: Path
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The scored paths by where they lead, and by that in the spelling that all share."""
    exact: dict[str, list[str]] = {}
    alike: dict[str, list[str]] = {}
    for prediction in predictions:
        for real in _places(prediction.path, base):
            exact.setdefault(real, []).append(prediction.path)
            alike.setdefault(same_name(real), []).append(prediction.path)
    return exact, alike


def _places(path: str, base: Path) -> list[str]:
    """Where a path leads from here, and from where the images were scored; once, if that is one."""
    there = os.path.join(base, path)  # noqa: PTH118
    return list(dict.fromkeys((_real(path), _real(there))))


def _real(path: str) -> str:
    """Where a path leads; bytes that are no UTF-8 as predictions.csv writes them."""
    with suppress(ValueError):  # a zero byte, which no path holds
        path = os.path.realpath(path)
    return path.encode("utf-8", "backslashreplace").decode()

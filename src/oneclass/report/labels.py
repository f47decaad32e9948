"""What the truth was, where somebody knows it: from a table, or from folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

from oneclass.detector.predictions import Prediction
from oneclass.errors import InputError
from oneclass.images.tables import from_windows, read_labels
from oneclass.report.words import ANOMALY, NO, NORMAL, YES, meaning
from oneclass.system.names import as_spelt_here, count, near_path, plain, some_names, spelt_out
from oneclass.system.texts import same_name

FALSE_ALARM, MISSED = "false-alarm", "missed"
SHOWN_KINDS = 10
"""Kinds that a message repeats."""
HERE = Path()
EXPECTED = "Expected a CSV file with the columns path and label."
ASKING = ("anomaly", "is_anomaly", "defect")
"""Columns whose names say what true means there."""
COLUMNS = ("label", "labels", "class", "anomaly", "is_anomaly", "defect", "truth", "ground_truth")


class Truth(dict[str, bool]):
    """For each scored image of which the truth is known, whether it is an anomaly.

    Attributes:
        kinds: the kind of each anomaly that has one, such as scratch.
        answers: words such as true of a column that does not say what is true, as they were read.
        unmatched: what the table names besides: no image that was scored.
        namesakes: for those of them that name several scored images alike, these images' paths.
    """

    def __init__(self, known: Mapping[str, bool] | None = None) -> None:
        super().__init__(known or {})
        self.kinds: dict[str, str] = {}
        self.unmatched: tuple[str, ...] = ()
        self.namesakes: Mapping[str, Sequence[str]] = {}
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
        members = _in(given, predictions, base) or _in(from_windows(given), predictions, base)
        if not members:
            folders = dict.fromkeys(os.path.dirname(p.path) or "." for p in predictions)  # noqa: PTH120
            raise InputError(
                f"--normal {given}: none of the {len(predictions)} scored images lies there; they "
                f"lie in {some_names(list(folders))}. Give a folder that was scored and "
                "holds normal images alone."
            )
        truth.update(dict.fromkeys(members, False))
    return truth


def _in(given: str, predictions: Sequence[Prediction], base: Path) -> list[str]:
    """The paths that lie in a folder, or, if there are none, in one of that name."""
    return _within(given, predictions, base) or _called(given, predictions)


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

    `images.tables` has what else the columns may be called.

    Another word is the kind of an anomaly, such as scratch, unless it says nothing (unknown, n/a),
    is a number, or looks like a mistyped word for normal or for unknown. A path is taken as it was
    scored, or as relative to the table's folder; where no image is called so, as it would be
    written on Windows, with backslashes between folders, or as the name that one image alone has.
    Letters that can be written in two ways (an umlaut as one character or as two) are the same.

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
    scored = _Scored(predictions, base)
    truth, unmatched = Truth(), []
    said: dict[str, tuple[int, str]] = {}
    answers: dict[str, str] = {}
    for number, path, word in _rows(file, answers):
        found = scored.find(path, file.parent)
        for name in found or _places(path, base)[:1]:
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
    truth.unmatched, truth.answers = tuple(dict.fromkeys(unmatched)), answers
    truth.namesakes = {path: same for path in truth.unmatched if (same := scored.called(path))}
    if not truth:
        raise InputError(
            f"labels {file}: names none of the {len(predictions)} scored images. Paths are taken "
            f"as they were scored ({predictions[0].path}), relative to {file.parent}, or as a name "
            f"that one image alone has; the table names {unmatched[0] if unmatched else 'nothing'}."
            f"{_told_namesakes(truth)}"
        )
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
    return f"{len(truth.unmatched):,}: {names}.{_told_namesakes(truth)}"


def _told_namesakes(truth: Truth) -> str:
    """A sentence, with a blank before it, on the first name that several images have, if any."""
    if not truth.namesakes:
        return ""
    name, same = next(iter(truth.namesakes.items()))
    return (
        f" {count(len(same), 'scored image')} are called {plain(name)}: {some_names(same)}. Write "
        "each into the table with its folders, as it is written here."
    )


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
    table = read_labels(file, COLUMNS)
    if table.column == "is_anomaly" and "p_value" in table.columns:
        raise InputError(
            f"labels {file}: are the predictions themselves, which agree with themselves always. "
            "Give a table with the truth in a column called label."
        )
    for number, path, label in table.rows:
        word = normalize("NFC", label.strip().lower())
        try:
            meant = meaning(word)
        except ValueError as problem:
            raise InputError(f"labels {file}, line {number}: {problem}") from problem
        if word in YES | NO and table.column not in ASKING:
            answers[word] = meant
        yield number, path, meant


class _Scored:
    """The images of a run, to be found by the paths of a table.

    Args:
        predictions: of the run.
        base: the folder in which they were scored.
    """

    def __init__(self, predictions: Sequence[Prediction], base: Path) -> None:
        self._base = base
        self._exact: dict[str, list[str]] = {}
        self._alike: dict[str, list[str]] = {}
        self._called: dict[str, list[str]] = {}
        for prediction in predictions:
            for real in _places(prediction.path, base):
                self._exact.setdefault(real, []).append(prediction.path)
                self._alike.setdefault(same_name(real), []).append(prediction.path)
            name = os.path.basename(same_name(prediction.path))  # noqa: PTH119
            self._called.setdefault(name, []).append(prediction.path)

    def find(self, path: str, beside: Path) -> list[str]:
        """The scored paths that a path of a table means; none where it was not scored.

        Args:
            path: as it stands there; as a string, since it may be given in any way the system
                takes.
            beside: the table's folder.
        """
        for way in dict.fromkeys((path, from_windows(path))):
            places = [*_places(way, self._base), _real(os.path.join(beside, way))]  # noqa: PTH118
            found = [self._exact[place] for place in places if place in self._exact]
            spelt = [same_name(place) for place in places]
            found += [self._alike[place] for place in spelt if place in self._alike]
            if found:
                return found[0]
        # A name alone means the one image of that name, unless another file is called so.
        called = self._called.get(same_name(path), [])
        alone = len(called) == 1 and not any(map(os.path.lexists, places))
        return called if alone else []

    def called(self, path: str) -> Sequence[str]:
        """The scored paths of this name, where it is a name alone and several have it."""
        same = self._called.get(same_name(path), [])
        return same if len(same) > 1 else ()


def _places(path: str, base: Path) -> list[str]:
    """Where a path leads from here, and from where the images were scored; once, if that is one."""
    there = os.path.join(base, path)  # noqa: PTH118
    return list(dict.fromkeys((_real(path), _real(there))))


def _real(path: str) -> str:
    """Where a path leads; bytes that are no UTF-8 as predictions.csv writes them."""
    with suppress(ValueError):  # a zero byte, which no path holds
        path = os.path.realpath(path)
    return spelt_out(path)

"""What the truth was, where somebody knows it: from a table, or from folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from oneclass.detector.predictions import Prediction
from oneclass.errors import InputError
from oneclass.system.texts import read_table, same_name, why

NORMAL_WORDS = frozenset({"normal", "good", "ok", "0", "false", "no", "negative"})
ANOMALY_WORDS = frozenset(
    {"anomaly", "anomalous", "anomalies", "bad", "defect", "defective", "ng", "nok"}
    | {"1", "true", "yes", "positive"}
)
SHOWN = 3
COLUMNS = ("label", "class", "anomaly", "is_anomaly", "truth")


class Truth(dict[str, bool]):
    """For each scored image of which the truth is known, whether it is an anomaly.

    Attributes:
        unmatched: what the table names besides: no image that was scored.
    """

    unmatched: tuple[str, ...] = ()


def from_folders(predictions: Sequence[Prediction], normal: Sequence[str]) -> Truth:
    """Images in some folders are normal, all others are anomalies.

    Args:
        predictions: of the run.
        normal: the folders (or files) of normal images.

    Returns:
        For each path whether it is an anomaly.

    Raises:
        InputError: none of the images lies in one of these folders.
    """
    places = [Path(_real(place)) for place in normal]
    truth = Truth()
    for prediction in predictions:
        path = Path(_real(prediction.path))
        truth[prediction.path] = not any(path.is_relative_to(place) for place in places)
    paths = [_real(prediction.path) for prediction in predictions]
    for given in normal:
        place = Path(_real(given))
        if not any(Path(path).is_relative_to(place) for path in paths):
            raise InputError(
                f"--normal {given}: none of the {len(predictions)} scored images lies there. "
                "Give a folder that was scored and holds normal images alone."
            )
    return truth


def from_csv(predictions: Sequence[Prediction], file: Path) -> Truth:
    """A table with the columns `path` and `label`: normal or anomaly (or 0 or 1, good or bad, ...).

    A path is taken as it was scored, or as relative to the table's folder; letters that can be
    written in two ways (an umlaut as one character or as two) are the same.

    Returns:
        For each path that the table names whether it is an anomaly.

    Raises:
        InputError: the table cannot be read, a word in it is none of those, it contradicts itself,
            or it names none of the scored images.
    """
    exact, alike = _scored(predictions)
    truth, unmatched = Truth(), []
    said: dict[str, tuple[int, bool]] = {}
    for number, path, is_anomaly in _rows(file):
        # As strings, since a path may be given in any way that the system takes.
        places = [_real(path), _real(os.path.join(file.parent, path))]  # noqa: PTH118
        found = next((exact[place] for place in places if place in exact), None)
        spelt = [same_name(place) for place in places]
        found = found or next((alike[place] for place in spelt if place in alike), [])
        for name in found or places[:1]:
            before, word = said.setdefault(name, (number, is_anomaly))
            if word != is_anomaly:
                raise InputError(
                    f"labels {file}: {path} is {_word(word)} in line {before} and "
                    f"{_word(is_anomaly)} in line {number}. Keep one of the lines."
                )
        truth.update(dict.fromkeys(found, is_anomaly))
        unmatched += [] if found else [path]
    if not truth:
        raise InputError(
            f"labels {file}: names none of the {len(predictions)} scored images. Paths are taken "
            f"as they were scored ({predictions[0].path}), or relative to {file.parent}; the table "
            f"names {unmatched[0] if unmatched else 'nothing'}."
        )
    truth.unmatched = tuple(dict.fromkeys(unmatched))
    return truth


def told_unmatched(truth: Truth) -> str:
    """How many rows of the table name no scored image, and the first of them."""
    names = ", ".join(truth.unmatched[:SHOWN])
    return f"{len(truth.unmatched):,}: {names}{' ...' if len(truth.unmatched) > SHOWN else ''}"


def _rows(file: Path) -> Iterator[tuple[int, str, bool]]:
    """Line number, path and whether it is an anomaly, of each row."""
    try:
        columns, rows = read_table(file)
    except (OSError, ValueError) as error:
        raise InputError(
            f"labels {file}: cannot be read ({why(error)}). Expected a CSV file with the columns "
            "path and label."
        ) from error
    found = [name for name in COLUMNS if name in columns]
    if not found or "path" not in columns:
        raise InputError(
            f"labels {file}: found {', '.join(columns) or 'no rows'}. Expected a header with path "
            f"and one of {', '.join(COLUMNS)}."
        )
    for number, row in rows:
        word = row[found[0]].strip().lower()
        if word not in NORMAL_WORDS | ANOMALY_WORDS:
            raise InputError(
                f"labels {file}, line {number}: {word!r} is no label. Expected normal or anomaly "
                f"(or {', '.join(sorted(NORMAL_WORDS - {'normal'}))}; "
                f"{', '.join(sorted(ANOMALY_WORDS - {'anomaly'}))})."
            )
        yield number, row["path"], word in ANOMALY_WORDS


def _scored(
    predictions: Sequence[Prediction],
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The scored paths by where they lead, and by that in the spelling that all share."""
    exact: dict[str, list[str]] = {}
    alike: dict[str, list[str]] = {}
    for prediction in predictions:
        real = _real(prediction.path)
        exact.setdefault(real, []).append(prediction.path)
        alike.setdefault(same_name(real), []).append(prediction.path)
    return exact, alike


def _real(path: str) -> str:
    """Where a path leads; bytes that are no UTF-8 as predictions.csv writes them."""
    with suppress(ValueError):  # a zero byte, which no path holds
        path = os.path.realpath(path)
    return path.encode("utf-8", "backslashreplace").decode()


def _word(is_anomaly: bool) -> str:
    return "an anomaly" if is_anomaly else "normal"

"""What the truth was, where somebody knows it: from a table, or from folders."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from oneclass.detector.predictions import Prediction
from oneclass.errors import InputError

NORMAL_WORDS = frozenset({"normal", "good", "ok", "0", "false", "no", "negative"})
ANOMALY_WORDS = frozenset(
    {"anomaly", "anomalous", "anomalies", "bad", "defect", "defective", "ng", "nok"}
    | {"1", "true", "yes", "positive"}
)
COLUMNS = ("label", "class", "anomaly", "is_anomaly", "truth")
Truth = dict[str, bool]


def from_folders(predictions: Sequence[Prediction], normal: Sequence[str]) -> Truth:
    """Images in some folders are normal, all others are anomalies.

    Args:
        predictions: of the run.
        normal: the folders (or files) of normal images.

    Returns:
        For each path whether it is an anomaly.

    Raises:
        InputError: none of the images lies in one of the folders.
    """
    places = [Path(os.path.realpath(place)) for place in normal]
    truth = {}
    for prediction in predictions:
        path = Path(os.path.realpath(prediction.path))
        truth[prediction.path] = not any(path.is_relative_to(place) for place in places)
    if all(truth.values()):
        raise InputError(
            f"--normal {', '.join(normal)}: none of the {len(predictions)} scored images lies "
            "there. Give a folder that was scored and holds normal images alone."
        )
    return truth


def from_csv(predictions: Sequence[Prediction], file: Path) -> Truth:
    """A table with the columns `path` and `label`: normal or anomaly (or 0 or 1, good or bad, ...).

    A path is taken as it was scored, or as relative to the table's folder.

    Returns:
        For each path that the table names whether it is an anomaly.

    Raises:
        InputError: the table cannot be read, a word in it is none of those, or it names none of the
            scored images.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"labels {file}: cannot be read ({error}). Expected a CSV file with the columns path "
            "and label."
        ) from error
    found = [] if not table else [name for name in COLUMNS if name in table[0]]
    if not found or "path" not in table[0]:
        given = ", ".join(str(name) for name in table[0]) if table else "no rows"
        raise InputError(
            f"labels {file}: found {given}. Expected a header with path and one of "
            f"{', '.join(COLUMNS)}."
        )
    by_path = {}
    for number, row in enumerate(table, 2):
        word = (row[found[0]] or "").strip().lower()
        if word not in NORMAL_WORDS | ANOMALY_WORDS:
            raise InputError(
                f"labels {file}, line {number}: {word!r} is no label. Expected normal or anomaly "
                f"(or {', '.join(sorted(NORMAL_WORDS - {'normal'}))}; "
                f"{', '.join(sorted(ANOMALY_WORDS - {'anomaly'}))})."
            )
        for place in (Path(row["path"] or ""), file.parent / (row["path"] or "")):
            by_path[os.path.realpath(place)] = word in ANOMALY_WORDS
    real = {p.path: os.path.realpath(p.path) for p in predictions}
    truth = {path: by_path[place] for path, place in real.items() if place in by_path}
    if not truth:
        raise InputError(
            f"labels {file}: names none of the {len(predictions)} scored images. Paths are taken "
            f"as they were scored, or relative to {file.parent}."
        )
    return truth

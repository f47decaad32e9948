"""What a scoring run leaves on disk: predictions, errors, and a record of how they came about."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from oneclass.detector.estimator import Detector
from oneclass.detector.predictions import UNCLEAR, Prediction
from oneclass.errors import ImageError, InputError
from oneclass.system.files import make_folder, translated_errors, whole_file
from oneclass.system.host.machine import environment
from oneclass.system.names import count, near_path, plural
from oneclass.system.texts import why

COLUMNS = ("path", "score", "p_value", "is_anomaly")
VERDICT = "verdict"
"""One column more where an unclear rate was asked for: anomaly, unclear or fine."""
LEARNT = "learnt"
"""The last column: true where the model learnt from the picture; models of before do not know."""
PAGE = "report.html"
"""Where 'oneclass report' writes its page, unless told otherwise."""
OLDER_PAGE = '<p class="banner" id="older" hidden>'
OLDER_PAGE_SHOWN = OLDER_PAGE.replace(" hidden", "")
EXPECTED = "Expected a folder that 'oneclass score MODEL IMAGES -o FOLDER' wrote."
READ = ("run.json", "predictions.jsonl", "errors.csv")
"""The files of a run that are read again; predictions.csv is for people."""
ERROR_COLUMNS = ("path", "reason", "detail")
SPREADSHEET_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def record_of(
    detector: Detector,
    predictions: Sequence[Prediction],
    errors: Sequence[ImageError],
    *,
    started: datetime,
    finished: bool,
    unscored: int = 0,
) -> dict[str, Any]:
    """What run.json says of a scoring run that ends now.

    Args:
        detector: that scored.
        predictions, errors: of the images.
        started: in UTC.
        finished: whether all images were scored.
        unscored: images that a signal left.
    """
    three = detector.model.unclear is not None
    return {
        "command": sys.argv[1:],
        "folder": str(Path.cwd()),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
        "complete": finished,
        **({} if finished else {"unscored": unscored}),
        "model_sha256": detector.digest,
        "card": detector.card,
        "seed": detector.seed,
        **detector.computed_by,
        "images": len(predictions) + len(errors),
        "scored": len(predictions),
        "anomalies": sum(p.is_anomaly for p in predictions),
        **({"unclear": sum(p.is_unclear for p in predictions)} if three else {}),
        "learnt": sum(p.learnt for p in predictions),
        "errors": len(errors),
        "drift": detector.drift(predictions),
        "environment": environment(),
    }


def write_run(
    folder: Path,
    predictions: Sequence[Prediction],
    errors: Sequence[ImageError],
    record: dict[str, Any],
) -> None:
    """Write predictions.csv, predictions.jsonl, errors.csv and, last, run.json.

    Each file appears whole or not at all; where run.json stands, the others are complete. It names
    their digests: of two runs that write to one folder at the same time, neither passes for whole.
    Where the record counts `unclear` images, each prediction has its verdict as a word, too.

    Raises:
        InputError: the folder cannot be made or written to.
        StorageError: the disk is full.
    """
    _end_older(folder)
    verdict = "unclear" in record
    as_csv, as_json = partial(csv_line, verdict=verdict), partial(json_line, verdict=verdict)
    content = {
        "predictions.csv": map(_line, chain([header(verdict=verdict)], map(as_csv, predictions))),
        "predictions.jsonl": map(_line, map(as_json, predictions)),
        "errors.csv": [_errors_csv(errors)],
    }
    _write_all(folder, content, record)


def write_record(folder: Path, errors: Sequence[ImageError], record: dict[str, Any]) -> None:
    """Write errors.csv and, last, run.json, where the predictions are in files of another kind.

    Raises:
        InputError, StorageError: as for `write_run`.
    """
    _end_older(folder)
    _write_all(folder, {"errors.csv": [_errors_csv(errors)]}, record)


def _end_older(folder: Path) -> None:
    """Make the folder; a run that is there is over from here on."""
    make_folder(folder)
    with translated_errors(folder):
        (folder / "run.json").unlink(missing_ok=True)
        _show_age(folder / PAGE)


def _errors_csv(errors: Sequence[ImageError]) -> bytes:
    return csv_text(ERROR_COLUMNS, ((e.name, e.reason, e.detail) for e in errors))


def _write_all(
    folder: Path, content: Mapping[str, Iterable[bytes]], record: dict[str, Any]
) -> None:
    digests = {name: _write(folder / name, pieces) for name, pieces in content.items()}
    told = json.dumps({**record, "sha256": digests}, indent=2, sort_keys=True)
    _write(folder / "run.json", [_line(told)])


def scored_in(folder: Path) -> int:
    """How many images the run in this folder scored; 0 where no run was written to its end."""
    found = _of_record(folder, "scored")
    return found if isinstance(found, int) else 0


def is_whole(folder: Path) -> bool:
    """Whether a run lies in this folder that scored some images, and that no signal ended early."""
    return scored_in(folder) > 0 and _of_record(folder, "complete") is True


def _of_record(folder: Path, name: str) -> Any:
    """What run.json in this folder says; None where it says nothing or is not there."""
    file = folder / "run.json"
    try:
        return json.loads(file.read_bytes())[name] if file.exists() else None
    except (OSError, KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Run:
    """What a scoring run left on disk.

    Attributes:
        record: run.json.
        predictions: in the order of the images.
        errors: (path, reason, detail) of each image that could not be used.
    """

    record: dict[str, Any]
    predictions: tuple[Prediction, ...]
    errors: tuple[tuple[str, str, str], ...]

    @property
    def folder(self) -> Path:
        """Where the images were scored; the present folder, where that is not recorded."""
        folder = self.record.get("folder")
        return Path(folder) if isinstance(folder, str) else Path()

    @property
    def interrupted(self) -> str | None:
        """A sentence where a signal left images unscored; how many is not in older records."""
        if self.record.get("complete", True):
            return None
        left = self.record.get("unscored")
        n = (
            "some images were"
            if left is None
            else f"{count(left, 'image')} {plural(left, 'was', 'were')}"
        )
        return f"Scoring was interrupted: {n} not scored."


def read_run(folder: Path) -> Run:
    """Read what `write_run` wrote.

    Raises:
        InputError: the folder holds no complete run, or a file of it was changed.
    """
    if not folder.is_dir():
        if folder.is_file():
            raise InputError(f"{folder}: is a file. Give the folder of the run: {folder.parent}.")
        near = near_path(folder)
        there = f" Did you mean {near}?" if near else ""
        raise InputError(f"{folder}: there is no such folder.{there} {EXPECTED}")
    if (folder / "predictions").is_dir() and not (folder / "predictions.jsonl").exists():
        raise InputError(
            f"{folder}: holds a run of 'score --parquet', whose predictions are a table in "
            f"{folder / 'predictions'}. Read it with what reads Parquet, or score into another "
            "folder without --parquet for what is read here."
        )
    if missing := [name for name in READ if not (folder / name).exists()]:
        are = f"{' and '.join(missing)} {plural(len(missing), 'is', 'are')}"
        raise InputError(f"{folder}: holds no complete scoring run: {are} missing. {EXPECTED}")
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        for name in ("predictions.jsonl", "errors.csv"):
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if digest != record.get("sha256", {}).get(name, digest):
                raise ValueError(f"{name} was changed, or is of another run than run.json")
        lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
        predictions = tuple(_prediction(**json.loads(line)) for line in lines)
        with (folder / "errors.csv").open(encoding="utf-8", newline="") as file:
            errors = tuple((path, reason, detail) for path, reason, detail in csv.reader(file))
        if len(predictions) != record["scored"] or len(errors) - 1 != record["errors"]:
            raise ValueError("the numbers of lines are not those of run.json")
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"{folder}: holds no complete scoring run ({why(error)}). {EXPECTED}"
        ) from error
    return Run(record, predictions, errors[1:])


def json_line(prediction: Prediction, *, verdict: bool = False) -> str:
    """One prediction as one line of JSON; bytes of a file name that are no UTF-8 stay escaped."""
    told: dict[str, Any] = {name: getattr(prediction, name) for name in COLUMNS}
    if verdict:
        told[VERDICT] = prediction.verdict
    if prediction.learnt:  # models of before do not know, so nothing is said of others
        told[LEARNT] = True
    return json.dumps(told)


def csv_line(prediction: Prediction, *, verdict: bool = False) -> str:
    """One prediction as one line of CSV, below `header`; numbers with all digits."""
    odd = truth_cell(prediction.is_anomaly)
    cells = [safe_cell(prediction.path), repr(prediction.score), repr(prediction.p_value), odd]
    learnt = "true" if prediction.learnt else ""
    return _csv([*cells, *([prediction.verdict] if verdict else []), learnt])


def header(*, verdict: bool = False) -> str:
    """The first line of predictions.csv."""
    return ",".join([*COLUMNS, *([VERDICT] if verdict else []), LEARNT])


def _prediction(verdict: str = "", **given: Any) -> Prediction:
    return Prediction(**given, is_unclear=verdict == UNCLEAR)


def safe_cell(path: str) -> str:
    """A path that no spreadsheet runs as a formula: ./=a.png is the same file as =a.png."""
    return f"./{path}" if path.startswith(SPREADSHEET_FORMULA) else path


def truth_cell(holds: bool) -> str:
    """`true` or `false`: as all tables and JSON have it."""
    return "true" if holds else "false"


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A CSV file whose first column holds paths, as UTF-8."""
    lines = [_csv(header), *(_csv((safe_cell(path), *cells)) for path, *cells in rows)]
    return "".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace")


def _show_age(page: Path) -> None:
    """Let a page about an older run say that it is older."""
    if page.is_file() and (content := page.read_bytes()).count(OLDER_PAGE.encode()) == 1:
        with whole_file(page) as file:
            file.write(content.replace(OLDER_PAGE.encode(), OLDER_PAGE_SHOWN.encode()))


def _csv(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    # With both line ends as terminator, csv quotes a cell that holds either.
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n")


def _line(text: str) -> bytes:
    # A file name may hold bytes that are no UTF-8; the files stay valid UTF-8 all the same.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _write(path: Path, pieces: Iterable[bytes]) -> str:
    """Write a file whole; its SHA-256."""
    digest = hashlib.sha256()
    with whole_file(path) as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()

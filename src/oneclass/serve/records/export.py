"""All predictions as a table: CSV, or Parquet with the package pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from oneclass.detector.predictions import Prediction
from oneclass.errors import InputError, MissingDependencyError
from oneclass.results.runs import csv_line, csv_text, header, truth_cell
from oneclass.serve.records.database import Database, Row
from oneclass.serve.records.predictions import verdict
from oneclass.system.files import check_replaces, whole_file
from oneclass.system.host.machine import pip_install

COLUMNS = (
    "path",
    "score",
    "p_value",
    "is_anomaly",
    "id",
    "at",
    "model",
    "version",
    "model_sha256",
    "image_sha256",
    "source",
    "false_alarms",
    "seconds",
    "review",
    "verdict",
    "learnt",
)
QUERY = (
    "SELECT p.path, p.score, p.p_value, p.is_anomaly, p.id, p.at, v.name, v.number, v.digest, "
    "p.image, p.source, p.false_alarms, p.seconds, p.review, p.is_unclear, p.learnt "
    "FROM prediction p JOIN version v ON v.id = p.version_id"
)
AT_A_TIME = 5000
PARQUET = ".parquet"


def check_name(file: Path) -> None:
    """See that the name says what is to be written.

    Raises:
        InputError: it ends in neither .csv nor .parquet, or something that no export wrote is
            there, such as somebody's own table.
    """
    if file.suffix.lower() not in (".csv", PARQUET):
        raise InputError(f"{file}: expected a name that ends in .csv or {PARQUET}.")
    csv = ",".join(COLUMNS[:5]).encode()
    check_replaces(file, "exported table", b"PAR1" if file.suffix.lower() == PARQUET else csv)


def export(database: Database, file: Path) -> int:
    """Write all predictions with their last review, whole or not at all; how many.

    Args:
        database: that holds them.
        file: Parquet where it ends in .parquet, else CSV.

    Raises:
        InputError: the place cannot be written to.
        MissingDependencyError: Parquet needs pyarrow.
        StorageError: the disk is full.
    """
    rows = database.each(f"{QUERY} ORDER BY p.id")
    if file.suffix.lower() == PARQUET:
        return _parquet(rows, file)
    n_lines = 0
    with whole_file(file) as out:
        for piece in csv_lines(rows):
            out.write(piece)
            n_lines += 1
    return n_lines - 1


def of_source(database: Database, source: str) -> Iterator[bytes]:
    """The predictions of one source as CSV, a line at a time, the oldest first."""
    yield from csv_lines(database.each(f"{QUERY} WHERE p.source = ? ORDER BY p.id", (source,)))


def of_model(database: Database, name: str) -> Iterator[bytes]:
    """The predictions of a model as CSV, a line at a time, the oldest first."""
    yield from csv_lines(
        database.each(f"{QUERY} WHERE v.name = ? AND v.deletion_id IS NULL ORDER BY p.id", (name,))
    )


def as_predictions(database: Database, numbers: Sequence[int]) -> bytes:
    """Predictions by their ids, in that order, as `oneclass score` writes predictions.csv.

    Raises:
        KeyError: there is no prediction of an id, which is its argument.
    """
    found: dict[int, Prediction] = {}
    three = False
    for first in range(0, len(numbers), AT_A_TIME):
        some = numbers[first : first + AT_A_TIME]
        rows = database.rows(
            "SELECT p.id, p.path, p.score, p.p_value, p.is_anomaly, p.is_unclear, p.learnt, "
            "json_extract(v.card, '$.unclear') IS NOT NULL AS three "
            "FROM prediction p JOIN version v ON v.id = p.version_id "
            f"WHERE p.id IN ({', '.join('?' * len(some))})",
            some,
        )
        three = three or any(row["three"] for row in rows)
        for number, path, score, p_value, odd, unclear, learnt, _ in rows:
            told = (bool(odd), bool(unclear), bool(learnt))
            found[number] = Prediction(path, score, p_value, *told)
    lines = [header(verdict=three), *(csv_line(found[i], verdict=three) for i in numbers)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def csv_lines(rows: Iterator[Row]) -> Iterator[bytes]:
    """The header and a line for each row; numbers with all digits, no cell a formula."""
    first = csv_text(COLUMNS, [])
    yield first
    for row in rows:
        yield csv_text(COLUMNS, [_cells(row)])[len(first) :]


def _cells(row: Row) -> list[str]:
    path, score, p_value, odd, number, at, *more, unclear, learnt = row
    # As in predictions.csv, where an older model file does not know: true, or nothing.
    rest = [*more, verdict(odd, unclear), "true" if learnt else None]
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    numbers = [repr(score), repr(p_value), truth_cell(odd), str(number), when]
    return [path, *numbers, *("" if cell is None else str(cell) for cell in rest)]


def _parquet(rows: Iterator[Row], file: Path) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError(
            f"{file}: Parquet needs the package pyarrow. {pip_install('parquet')}; or write a .csv."
        ) from error
    kinds: dict[str, Any] = {"at": pyarrow.timestamp("us", "UTC"), "is_anomaly": pyarrow.bool_()}
    kinds["learnt"] = pyarrow.bool_()
    kinds |= dict.fromkeys(("score", "p_value", "false_alarms", "seconds"), pyarrow.float64())
    kinds |= dict.fromkeys(("id", "version"), pyarrow.int64())
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    n = 0
    with whole_file(file) as out, pyarrow.parquet.ParquetWriter(out, schema) as writer:
        while some := [dict(zip(COLUMNS, row, strict=True)) for row in islice(rows, AT_A_TIME)]:
            for values in some:
                values["verdict"] = verdict(values["is_anomaly"], values["verdict"])
                values["is_anomaly"] = bool(values["is_anomaly"])
                values["learnt"] = None if values["learnt"] is None else bool(values["learnt"])
                values["at"] = datetime.fromtimestamp(values["at"], UTC)
            writer.write_table(pyarrow.Table.from_pylist(some, schema))
            n += len(some)
    return n

"""Predictions of many images as Parquet files that appear whole; a later run goes on behind them.

    DIR/predictions/_parts.json                         what was asked: model, rates, images
    DIR/predictions/000000000000-000000010000.parquet   images 0 to 9,999, in their order
    DIR/predictions/000000010000-000000020000.parquet   ...

What reads the folder as one table passes over names that begin with _.

Each image has a row, also one that could not be read: then `reason` and `detail` say why, and the
score is null.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oneclass.detector.estimator import Detector
from oneclass.detector.predictions import Prediction
from oneclass.errors import ImageError, InputError, MissingDependencyError
from oneclass.images.sources import Progress, Sources
from oneclass.system.files import translated_errors, whole_file
from oneclass.system.host.machine import pip_install
from oneclass.system.names import spelt_out
from oneclass.system.paths import From
from oneclass.system.places import Remote
from oneclass.system.texts import why

FOLDER, ASKED, ASKED_BEFORE = "predictions", "_parts.json", "parts.json"
"""The last one is of earlier versions, whose runs can be gone on with."""
IMAGES_A_PART = 10_000
"""A minute or two of work is what a kill may cost; and files stay few."""
_NAME = re.compile(r"(\d{12})-(\d{12})\.parquet")


class PredictionParts:
    """The parts of a run: those that an earlier one finished, and those that are written now.

    Attributes:
        n_finished: images in parts that were there.
    """

    def __init__(self, run: Path, detector: Detector, sources: Sources) -> None:
        """Find what an earlier run of the same model on the same images has left.

        Args:
            run: the folder of the run; the parts lie below it.
            detector: that scores.
            sources: all images.

        Raises:
            InputError: the parts that are there are of another model, of other rates or of other
                images; or the place cannot be written to.
            MissingDependencyError: pyarrow is not installed.
        """
        self._arrow, self.folder, self._sources = _pyarrow(), run / FOLDER, sources
        self._three = detector.model.unclear is not None
        with translated_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._check(_asked(detector, sources))
        self._finished = _chain(_names(self.folder))
        self.n_finished = self._finished[-1][1] if self._finished else 0
        self._start, self._results = self.n_finished, list[Prediction | ImageError]()

    def results(self, detector: Detector, progress: Progress) -> Iterator[Prediction | ImageError]:
        """What became of each image: read from the parts, then scored, which writes further parts.

        Raises:
            InputError: a part that was there cannot be read; or the place cannot be written to.
            StorageError: the disk is full.
        """
        for start, stop in self._finished:
            yield from self._read(start, stop)
        done, total = self.n_finished, len(self._sources)
        rest = replace(
            self._sources,
            items=From(self._sources.items, done),
            names=From(self._sources.names, done),
        )
        for result in detector.score_each(rest, progress=lambda n, _: progress(done + n, total)):
            self._results.append(result)
            if len(self._results) == IMAGES_A_PART:
                self.finish()
            yield result

    def finish(self) -> None:
        """Write what is not written yet as a last part."""
        if not self._results:
            return
        stop = self._start + len(self._results)
        schema = self._schema()
        table = self._arrow.Table.from_pylist([self._row(one) for one in self._results], schema)
        with whole_file(self._file(self._start, stop)) as out:
            self._arrow.parquet.write_table(table, out)
        self._start, self._results = stop, []

    def _check(self, asked: dict[str, Any]) -> None:
        places = [self.folder / name for name in (ASKED, ASKED_BEFORE)]
        file = next((place for place in places if place.exists()), None)
        if file is None:
            file = places[0]
            with whole_file(file) as out:
                out.write(json.dumps(asked, indent=2).encode())
            return
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: cannot be read ({why(error)}). {_ELSE}") from error
        if different := [name for name in asked if known.get(name) != asked[name]]:
            told = " and ".join(_told(name, known.get(name), asked[name]) for name in different)
            raise InputError(f"{self.folder}: holds parts of another run: {told}. {_ELSE}")

    def _file(self, start: int, stop: int) -> Path:
        return self.folder / f"{start:012}-{stop:012}.parquet"

    def _schema(self) -> Any:
        arrow = self._arrow
        kinds = {"path": arrow.string(), "score": arrow.float64(), "p_value": arrow.float64()}
        kinds["is_anomaly"] = kinds["learnt"] = arrow.bool_()
        texts = (*(("verdict",) if self._three else ()), "reason", "detail")
        return arrow.schema(list({**kinds, **dict.fromkeys(texts, arrow.string())}.items()))

    def _row(self, result: Prediction | ImageError) -> dict[str, Any]:
        """A line of the table; what is not there is null."""
        if isinstance(result, ImageError):
            return {
                "path": spelt_out(result.name),
                "reason": result.reason,
                "detail": result.detail,
            }
        row = {name: getattr(result, name) for name in ("score", "p_value", "is_anomaly", "learnt")}
        return {"path": spelt_out(result.path), **row, "verdict": result.verdict}

    def _read(self, start: int, stop: int) -> Iterator[Prediction | ImageError]:
        file = self._file(start, stop)
        try:
            with file.open("rb") as opened:
                rows = self._arrow.parquet.read_table(opened).to_pylist()
            if len(rows) != stop - start:
                raise ValueError(f"{len(rows)} rows")
        except (OSError, ValueError) as error:  # pyarrow's own are of these kinds
            raise InputError(
                f"{file}: cannot be read ({why(error)}). Remove it and repeat the command: its "
                "images are scored again."
            ) from error
        for name, row in zip(From(self._sources.names, start), rows, strict=False):
            if row["score"] is None:
                yield ImageError(name, row["reason"], row["detail"])
            else:
                odd, unclear = row["is_anomaly"], row.get("verdict") == "unclear"
                learnt = bool(row.get("learnt"))  # parts of before do not say
                yield Prediction(name, row["score"], row["p_value"], odd, unclear, learnt)


def _told(name: str, there: Any, now: Any) -> str:
    """What is asked otherwise; digests tell people nothing."""
    words = {"model_sha256": "another model", "names_sha256": "other names of images"}
    return words.get(name) or f"{name} ({there} there, {now} now)"


def refuse_parts(run: Path) -> None:
    """Refuse to write predictions of another kind beside parts, which would seem to be of the run.

    Raises:
        InputError: parts are there.
    """
    folder = run / FOLDER
    if any((folder / name).exists() for name in (ASKED, ASKED_BEFORE)):
        raise InputError(
            f"{folder}: holds predictions of a run with --parquet. Give another folder, go on with "
            "--parquet, or remove it first."
        )


def refuse_run(run: Path) -> None:
    """Refuse to write parts beside predictions of a run without --parquet.

    Raises:
        InputError: such predictions are there.
    """
    for name in ("predictions.csv", "predictions.jsonl"):
        if (run / name).exists():
            raise InputError(
                f"{run / name}: is of a run without --parquet. Give another folder, or remove it "
                "first."
            )


_ELSE = "Give another folder, or remove the parts to begin anew."


def _asked(detector: Detector, sources: Sources) -> dict[str, Any]:
    digest = hashlib.sha256()
    for name in sources.names:
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
    return {
        "model_sha256": detector.digest,
        "false_alarms": detector.model.false_alarms,
        "unclear": detector.model.unclear,
        "images": len(sources),
        "names_sha256": digest.hexdigest(),
    }


def _names(folder: Path) -> list[str]:
    with translated_errors(folder):
        if isinstance(folder, Remote):
            return [name for name, _ in folder.entries()]
        return [path.name for path in folder.iterdir()]


def _chain(names: Sequence[str]) -> list[tuple[int, int]]:
    """(start, stop) of parts, each of which begins where the one before it ends, from 0 on."""
    after: dict[int, int] = {}
    for match in filter(None, map(_NAME.fullmatch, names)):
        start, stop = int(match[1]), int(match[2])
        if stop > start:
            after[start] = max(stop, after.get(start, 0))
    found, at = [], 0
    while at in after:
        found.append((at, after[at]))
        at = after[at]
    return found


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError(
            f"Parquet needs the package pyarrow. {pip_install('parquet')}"
        ) from error
    return pyarrow

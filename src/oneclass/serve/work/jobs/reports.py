"""Reports on what a version said: `oneclass report`'s page, of a run made of the records."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from oneclass.conformal.drift import drift
from oneclass.detector.estimator import Detector
from oneclass.detector.files.loading import load
from oneclass.detector.predictions import Prediction
from oneclass.errors import ImageError
from oneclass.images.sources import Progress
from oneclass.results.runs import record_of, write_run
from oneclass.serve.records import summaries
from oneclass.serve.records.database import Database
from oneclass.serve.records.versions import Version
from oneclass.serve.web.words import for_people, percent, reviewed
from oneclass.serve.work.keeping import Keeping
from oneclass.system.files import translated_errors
from oneclass.system.names import plural

LAST = 5000
"""Predictions in a report: as many as its table has."""
MOST_FOLDERS, LONGEST_NAME = 120, 255
"""Characters of an image's folders, and of its name, that a page tells: thousands are on it."""
FORGOTTEN = 7 * 86_400.0
"""Seconds after which a report is removed; another one is made in a minute."""
NAMING = (
    "Where several images have one name, the number behind it is that of the verdict: on the "
    "server that gave it, the address of its page ends in /p/ and the number."
)
_NUMBERED = re.compile(r" \(\d+\)$")


class Reports:
    """Finds what a report is of, and where it lies.

    Args:
        folder: for the pages.
        database: that holds the predictions.
        keeping: the images.
    """

    def __init__(self, folder: Path, database: Database, keeping: Keeping) -> None:
        self._folder, self._database, self._keeping = folder, database, keeping
        with translated_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def file(self, job: int) -> Path:
        """Where the page that a job makes lies, once it is there."""
        return self._folder / f"{job}.html"

    def request(self, job: int, version: Version) -> dict[str, Any]:
        """What `write` is asked for: the last predictions and failures of a version."""
        rows = summaries.latest(self._database, version.id, LAST)
        since = rows[-1]["at"] if rows else time.time()
        failures = summaries.failures(self._database, version.id, since, LAST)
        return {
            "rate": rows[0]["false_alarms"] if rows else version.false_alarms,
            "notes": [
                *rates_in_words([row["false_alarms"] for row in rows], version.false_alarms),
                *copies_in_words([row["image"] for row in rows]),
            ],
            "called": f"{version.name}, version {version.number}",
            "page": str(self.file(job)),
            "predictions": [
                {**dict(row), "image": str(self._keeping.place(row["image"]))} for row in rows
            ],
            "failures": [tuple(row) for row in failures],
        }

    def clear(self) -> None:
        """Remove what programs that were stopped had on its way; none runs now."""
        for place in self._folder.iterdir():
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            elif place.suffix == ".part":
                with suppress(OSError):
                    place.unlink()

    def tidy(self) -> None:
        """Remove pages that are older than a week."""
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > FORGOTTEN:
                    file.unlink()


def write(request: dict[str, Any], show: Progress) -> dict[str, Any]:
    """Make a run of predictions, and write the page about it.

    Verdicts stand as they were given, beside what people said of them since; where the rate of
    false alarms was changed meanwhile, the page says so, and each counts by its own.
    Images that are no longer kept are counted and not shown.

    Args:
        request: of `Reports.request`, with the `model` file and `threads`.
        show: called with (images read, images in all).

    Raises:
        OneclassError: it cannot be written; the message says why.
    """
    from oneclass.report import write_report  # the server itself needs none of it

    model, page, rows = Path(request["model"]), Path(request["page"]), request["predictions"]
    detector = load(model, threads=request["threads"], false_alarms=request["rate"])
    with translated_errors(page.parent), TemporaryDirectory(dir=page.parent) as temporary:
        folder = Path(temporary) / "verdicts"  # the page names it
        folder.mkdir()
        names = names_of([(row["path"], row["id"]) for row in rows])
        places = {name: _held(row, folder) for name, row in zip(names, rows, strict=True)}
        predictions = [
            Prediction(
                name,
                row["score"],
                row["p_value"],
                bool(row["is_anomaly"]),
                bool(row["is_unclear"]),
                bool(row["learnt"]),
            )
            for name, row in zip(names, rows, strict=True)
        ]
        errors = [
            ImageError(path, reason, for_people(detail))
            for path, reason, detail in request["failures"]
        ]
        started = datetime.fromtimestamp(rows[-1]["at"], UTC)
        record = record_of(detector, predictions, errors, started=started, finished=True)
        took = rows[0]["at"] - rows[-1]["at"]
        told = {**record, "command": ["serve"], "folder": str(folder), "seconds": round(took, 3)}
        told |= {"notes": request["notes"], "drift": _drift(detector, rows)}
        told["naming"] = NAMING if any(map(_NUMBERED.search, names)) else ""
        told["as_they_came"] = True
        told["rates"] = list(Counter(row["false_alarms"] for row in rows).items())
        write_run(folder, predictions, errors, told)
        made = write_report(
            detector,
            model,
            folder,
            page,
            reviews=_reviews(names, predictions, rows),
            name=request["called"],
            pictures=any(place.exists() for place in places.values()),
            places=places,
            progress=show,
        )
    return {"images": made.n_scored, "shown": made.n_tiles - made.n_missing, "bytes": made.size}


def _drift(detector: Detector, rows: Sequence[dict[str, Any]]) -> str | None:
    """As `Detector.drift`, but each image by the rate that it was scored at."""
    new = [row for row in rows if not row["learnt"]]
    return drift(
        np.array([row["p_value"] for row in new]),
        np.array([row["false_alarms"] for row in new]),
        len(detector.normal_scores),
        all_new=len(new) == len(rows),
    )


def rates_in_words(given: Sequence[float], now: float) -> list[str]:
    """What a reader must know of rates of false alarms that were changed.

    Args:
        given: by which each verdict was given, the newest first.
        now: for images to come.
    """
    counts = Counter(given)
    if not counts:
        return []
    found = []
    if len(counts) > 1:
        told = ", ".join(f"{n:,} at {percent(rate)}" for rate, n in counts.items())
        found.append(
            "The rate of false alarms was changed while these images came, and verdicts stand as "
            f"they were given: {told}. The lines in this page's plots, and what it says of the "
            f"model, are of the last one, {percent(given[0])}."
        )
    if now != given[0]:
        found.append(
            f"Since the last image the rate of false alarms was set to {percent(now)}: for images "
            "to come. The verdicts here stand as they were given."
        )
    return found


def copies_in_words(images: Sequence[str]) -> list[str]:
    """That some images are pictures that came more than once, if any are.

    Args:
        images: their digests.
    """
    again = len(images) - len(set(images))
    if not again:
        return []
    return [
        f"{again:,} of these {len(images):,} images {plural(again, 'is', 'are')} the same "
        f"{plural(again, 'file', 'files')} as another one here, sent again: this page counts "
        "each time that one came, and Monitor counts it once."
    ]


def _reviews(
    names: Sequence[str], predictions: Sequence[Prediction], rows: Sequence[dict[str, Any]]
) -> dict[str, str]:
    """What people said, in words, by the names of the images."""
    return {
        name: reviewed(row["review"], prediction.verdict)
        for name, prediction, row in zip(names, predictions, rows, strict=True)
        if row["review"]
    }


def names_of(given: Sequence[tuple[str, int]]) -> list[str]:
    """What a report calls images: each by another name.

    Args:
        given: path as a client gave it, and number of the verdict, which is no other one's.

    Returns:
        For each its folders of `folders_of` and its file, with slashes; behind a name that several
        have, the number: `bad/part04.jpg (5)`.
    """
    folders = folders_of([path for path, _ in given])
    files = [_parts(path)[-1][-LONGEST_NAME:] for path, _ in given]
    names = ["/".join([*own, file]) for own, file in zip(folders, files, strict=True)]
    often = Counter(names)
    return [
        # One that ends like this itself has its number, too: it may be how another is told apart.
        f"{name} ({number})" if often[name] > 1 or _NUMBERED.search(name) else name
        for name, (_, number) in zip(names, given, strict=True)
    ]


def folders_of(paths: Sequence[str]) -> list[list[str]]:
    """The folders that each image came in, outermost first.

    Args:
        paths: as clients gave them. Whole ones, such as those of watched folders, are told from
            the innermost folder that all whole ones share: where a server keeps it is no reader's
            business.

    Returns:
        For each the innermost ones, of up to `MOST_FOLDERS` characters together.
    """
    apart = [_parts(path)[:-1] for path in paths]
    whole = [own for own in apart if _is_whole(own)]
    low, high = min(whole, default=[]), max(whole, default=[])
    same = list(takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))
    # Pages name the folder of an image, also where all lie in one.
    n_outside = len(same) - 1 if len(same) in map(len, whole) else len(same)
    found = []
    for own in apart:
        inner: list[str] = []
        for one in reversed(own[n_outside:] if _is_whole(own) else own):
            if len("/".join([one, *inner])) > MOST_FOLDERS:
                break
            inner = [one, *inner] if one else inner
        found.append(inner)
    return found


def _parts(path: str) -> list[str]:
    return re.split(r"[/\\]", path.rstrip("/\\"))


def _is_whole(folders: Sequence[str]) -> bool:
    return bool(folders) and (folders[0] == "" or folders[0].endswith(":"))


def _held(row: dict[str, Any], folder: Path) -> Path:
    """Where a kept image stays as long as the report takes, under the number of its verdict."""
    place = folder / str(row["id"])
    with suppress(FileNotFoundError):
        try:
            os.link(row["image"], place)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            shutil.copyfile(row["image"], place)
    return place

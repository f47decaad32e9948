"""Jobs as a program of its own: it can be stopped at any time, and its memory goes with it.

    python -m oneclass.serve.work.jobs.program < request.json

One line of JSON comes out for each step: {"done", "total"} where there is a count, {"stage"} where
there is none, and at the end {"result"} or {"error"}.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from oneclass.detector.estimator import Detector
from oneclass.detector.files.loading import load
from oneclass.errors import ImageError, OneclassError
from oneclass.images.check import check
from oneclass.images.reading import probe
from oneclass.images.sources import Sources
from oneclass.serve.work.jobs import kinds, reports

NICE = 5
"""Scoring goes first."""
WRITING = "writing the model"
KEPT = 50
"""Rarer sizes or formats that are named, and images of each."""
Result = dict[str, Any]


def run(request: dict[str, Any]) -> Result:
    """Do what a job asks for.

    Args:
        request: `kind` "check", "fit", "update" or "report", and what that needs.

    Raises:
        OneclassError: it cannot be done; the message says why.
    """
    ways = {"check": _check, "fit": _fit, "update": _update, "report": _report}
    return ways[request["kind"]](request)


def _check(request: dict[str, Any]) -> Result:
    found = check(request["folder"], progress=_show).to_json()
    return {**found, "unusual": _unusual(Path(request["folder"]))}


def _unusual(folder: Path) -> dict[str, list[str]]:
    """Images of another size or format than most: which, by size and by format."""
    sizes, formats = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for file in sorted(folder.iterdir()):
        with suppress(ImageError):
            header = probe(file)
            sizes[f"{header.width} x {header.height} pixels"].append(str(file))
            formats[header.format].append(str(file))
    found: dict[str, list[str]] = {}
    for by in (sizes, formats):
        usual = max(by, key=lambda kind: len(by[kind]), default=None)
        rarer = sorted((kind for kind in by if kind != usual), key=lambda kind: len(by[kind]))
        found |= {kind: by[kind][:KEPT] for kind in rarer[:KEPT]}
    return found


def _fit(request: dict[str, Any]) -> Result:
    detector = Detector(threads=request["threads"], **request["settings"])
    detector.fit(request["folder"], progress=_show, stage=_stage)
    _stage(WRITING)
    detector.save(request["out"], rows=True)
    return {
        "images": detector.card["fit"]["n_images"],
        "errors": _errors(detector.errors),
        "kinds": kinds.measured(sorted(Path(request["folder"]).iterdir())),
    }


def _update(request: dict[str, Any]) -> Result:
    detector = load(request["model"], threads=request["threads"])
    n_before, n_learning = len(request["before"]), len(request["images"])
    total = n_before + n_learning + len(request["reviewed"])

    def show(done: int, _: int) -> None:
        _show(n_before + done, total)

    before = _judged(detector, request["before"], 0, total)
    update = detector.update(request["images"], progress=show, stage=_stage)
    _stage(WRITING)
    detector.save(request["out"], rows=True)
    return {
        "added": update.added,
        "known": update.known,
        "errors": _errors(update.errors),
        "before": [(i, p, taught) for i, _, p, taught in before],
        "compared": _judged(detector, request["reviewed"], n_before + n_learning, total),
    }


def _judged(
    detector: Detector, reviewed: list[tuple[int, str]], already: int, total: int
) -> list[tuple[int, float, float, bool | None]]:
    """(id, score, p-value, whether it has learnt it) by a version for what was reviewed."""
    known = detector.model.learnt is not None
    sources = Sources([Path(file) for _, file in reviewed], [str(i) for i, _ in reviewed])
    results = detector.score_each(sources, progress=lambda done, _: _show(already + done, total))
    return [
        (int(result.path), result.score, result.p_value, result.learnt if known else None)
        for result in results
        if not isinstance(result, ImageError)
    ]


def _report(request: dict[str, Any]) -> Result:
    return reports.write(request, _show)


def _errors(errors: tuple[ImageError, ...]) -> list[dict[str, str]]:
    return [
        {"path": error.path.name, "reason": error.reason, "detail": error.detail}
        for error in errors
    ]


def _show(done: int, total: int) -> None:
    _say({"done": done, "total": total})


def _stage(words: str) -> None:
    _say({"stage": words})


def _say(fact: Result) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read a request, do it, and say what came of it."""
    # What Detector warns a program of, the pages say in words of their own.
    warnings.filterwarnings("ignore", category=UserWarning, module="__main__")
    if hasattr(os, "nice"):
        os.nice(NICE)
    try:
        _say({"result": run(json.load(sys.stdin))})
    except OneclassError as error:
        _say({"error": str(error)})
    except MemoryError:
        _say({"error": "the memory did not suffice. Learn from fewer or smaller images."})


if __name__ == "__main__":
    main()

"""Jobs as a program of its own: it can be stopped at any time, and its memory goes with it.

    python -m oneclass.serve.work.jobs.program < request.json

One line of JSON comes out for each step: {"done", "total"} where there is a count, {"stage"} where
there is none, and at the end {"result"} or {"error"}.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from oneclass.detector.estimator import Detector
from oneclass.detector.files.loading import load
from oneclass.errors import ImageError, InputError, OneclassError
from oneclass.images.check import check
from oneclass.images.folders import expand
from oneclass.images.reading import probe
from oneclass.images.sources import Sources
from oneclass.serve.work.jobs import kinds, reports, sets
from oneclass.serve.work.lessons import knows
from oneclass.system.names import count, natural_key, plural

NICE = 5
"""Scoring goes first."""
WRITING = "writing the model"
NAMED = 1000
"""Images that were learnt and have names that speak of defects, that are named."""
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
    folder = Path(request["folder"])
    found = check(folder, progress=_show).to_json()
    unread = {error["path"] for error in found["errors"]}
    files = [file for file in sorted(folder.iterdir()) if str(file) not in unread]
    names = sets.sent_as(folder)
    odd = _called_odd(folder, request["odd"])
    in_order = sorted(odd, key=lambda file: natural_key(names.get(file.name, file.name)))
    return {
        **found,
        "unusual": _unusual(files) | _rarer(found),
        "odd": list(map(str, in_order)),
        "odd_as": {
            str(file): {key: said[key] for key in ("path", "model")} for file, said in odd.items()
        },
    }


def _called_odd(folder: Path, odd: Mapping[str, dict[str, Any]]) -> dict[Path, dict[str, Any]]:
    """Files of a folder of which somebody said that they are really odd, and what is known of that.

    Args:
        folder: of a set.
        odd: by the digests of such pictures, as `Reviews.called_odd` has it.
    """
    sizes = {said["bytes"] for said in odd.values()}
    found = {}
    for file in sorted(folder.iterdir()):
        if not odd or not (None in sizes or file.stat().st_size in sizes):
            continue
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest in odd:
            found[file] = odd[digest]
    return found


def _unusual(files: list[Path]) -> dict[str, list[str]]:
    """Images of another size or format than most: which, by size and by format.

    Where no size is that of most, as of parts that differ, none is rarer: a list of nearly all
    would help nobody.
    """
    sizes, formats = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for file in files:
        with suppress(ImageError):
            header = probe(file)
            sizes[f"{header.width} x {header.height} pixels"].append(str(file))
            formats[header.format].append(str(file))
    found: dict[str, list[str]] = {}
    for by in (sizes, formats):
        ranked = sorted(by, key=lambda kind: len(by[kind]))
        if ranked and 2 * len(by[ranked[-1]]) > sum(map(len, by.values())):
            found |= {kind: by[kind] for kind in ranked[:-1]}
    return found


def _rarer(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """Images of another depth or colour than most, as a check told it, in the pages' words."""
    kinds = sorted(found["rarer"], key=lambda kind: len(found["rarer"][kind]))
    return {
        {"RGB": "in colour", "grey": "in grey"}.get(kind, kind): found["rarer"][kind]
        for kind in kinds
    }


def _fit(request: dict[str, Any]) -> Result:
    folder, anyway = Path(request["folder"]), set(request.get("anyway", ()))
    odd = _called_odd(folder, request["odd"])
    left_out = [file for file in odd if file.name not in anyway]
    files = [file for file in expand(folder).paths if file not in set(left_out)]
    if left_out and len(files) < sets.LEAST:
        raise InputError(_too_few(len(files), len(left_out)))
    detector = Detector(threads=request["threads"], **request["settings"])
    detector.fit(files, progress=_show, stage=_stage)
    _stage(WRITING)
    detector.save(request["out"], rows=True)
    names, suspect = sets.sent_as(folder), sets.arrived(folder)
    doubtful = {*suspect.files, *(name for some in suspect.folders.values() for name in some)}
    doubtful -= {Path(error.path).name for error in detector.errors}
    doubted = [names.get(file.name, file.name) for file in files if file.name in doubtful]
    doubted.sort(key=natural_key)
    return {
        "images": detector.card["fit"]["n_images"],
        "errors": [
            error | {"path": names.get(error["path"], error["path"])}
            for error in _errors(detector.errors)
        ],
        "kinds": kinds.measured(files),
        "left_out": sorted((names.get(f.name, f.name) for f in left_out), key=natural_key),
        "taught": [
            (image, knows(detector.model, Path(kept)))
            for image, kept in request["reviewed"].items()
        ],
        "n_suspect": len(doubted),
        "suspect": doubted[:NAMED],
    }


def _too_few(n: int, left_out: int) -> str:
    """That nothing can be learnt from n images, as those that are really odd are left out."""
    them = f"{count(left_out, 'image')} that somebody called really odd"
    return (
        f"{count(n, 'image is', 'images are')} left to learn from, since {them} "
        f"{plural(left_out, 'is', 'are')} left out: at least {sets.LEAST} are needed. Add others, "
        f"or tick {plural(left_out, 'it', 'some of them')} to be learnt all the same."
    )


def _update(request: dict[str, Any]) -> Result:
    detector = load(request["model"], threads=request["threads"])
    n_before, n_learning = len(request["before"]), len(request["images"])
    total = n_before + n_learning + len(request["reviewed"])

    def show(done: int, _: int) -> None:
        _show(n_before + done, total)

    before = _judged(detector, request["before"], 0, total)
    odd = {Path(file): name for file, name in request["forget"].items()}
    update = detector.update(request["images"], forget=list(odd), progress=show, stage=_stage)
    kept = {Path(error.path) for error in update.errors}
    left_out = [name for file, name in odd.items() if file not in kept]
    if not request["images"] and not left_out:
        raise InputError("nothing that it learnt is called really odd any more.")
    _stage(WRITING)
    detector.save(request["out"], rows=True)
    return {
        "added": update.added,
        "known": update.known,
        "left_out": left_out,
        "errors": _errors(error for error in update.errors if Path(error.path) not in odd),
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


def _errors(errors: Iterable[ImageError]) -> list[dict[str, str]]:
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


def _answer() -> None:
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


def main() -> None:
    """Read a request, do it, and say what came of it; end at once when nobody listens any more."""
    try:
        _answer()
    except BrokenPipeError:  # the server was killed, and begins the job again
        # What Python would write at the end goes nowhere, instead of failing once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()

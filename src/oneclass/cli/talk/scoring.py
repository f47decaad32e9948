"""How `score` goes through the images, and what it leaves where."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneclass.cli.talk.console import is_terminal, print_data, progress, say
from oneclass.errors import ImageError, StorageError
from oneclass.system.host import signals
from oneclass.system.names import count, plural, some_of
from oneclass.system.places import place

Stopped = KeyboardInterrupt | StorageError | None
"""What ended a run early, if anything did."""
AS_DRAWN = (
    "Images are scored as their heatmaps are drawn: without --heatmaps, or with a folder on a disk "
    "that has room, all are scored."
)
"""Behind the error where there is no room for a heatmap."""
BROKEN_OFF = "-interrupted"
"""Of a folder's name, for what was scored of a run that must not replace a larger one."""

if TYPE_CHECKING:
    from oneclass.detector.estimator import Detector
    from oneclass.detector.predictions import Prediction, Scored
    from oneclass.images.sources import Progress, Sources
    from oneclass.results.heatmaps import HeatmapFolder
    from oneclass.results.parts import PredictionParts


def score_into(
    out: str | None,
    heatmaps: str | None,
    detector: Detector,
    sources: Sources,
    *,
    parquet: bool,
    as_json: bool,
    started: datetime,
) -> tuple[Scored, list[ImageError], Stopped, str | None]:
    """Score all, and leave in the two folders what is asked for.

    So it does where a signal, or a full disk under the heatmaps, ends it early.

    Returns:
        As `_score_all` does, and the folder that the run is in.
    """
    from oneclass.results import runs
    from oneclass.results.folders import check_run_folder
    from oneclass.results.parts import PredictionParts, refuse_parts, refuse_run
    from oneclass.system.files import make_folder

    if out is not None:
        (refuse_run if parquet else refuse_parts)(place(out))
        check_run_folder(place(out))
    heat = None if heatmaps is None else _heatmap_folder(detector, place(heatmaps))
    parts = None
    if out is not None and parquet:
        parts = PredictionParts(place(out), detector, sources)
        if parts.n_finished:
            known = plural(parts.n_finished, "was", "were")
            which = some_of(parts.n_finished, len(sources), "image")
            say(f"{which} {known} scored before.")
    elif out is not None:
        make_folder(place(out))
    verdict = detector.model.unclear is not None
    to_line: Callable[[Prediction], str] | None = None
    if as_json:
        to_line = partial(runs.json_line, verdict=verdict)
    elif out is None:
        to_line = partial(runs.csv_line, verdict=verdict)
    header = runs.header(verdict=verdict) if out is None and not as_json else None
    results = partial(_results, detector, sources, heat, parts)
    predictions, errors, stopped = _score_all(
        results, sources, to_line, header, keep=out is not None or heat is not None
    )
    with signals.shielded():
        if heat is not None:
            stopped = _end_heatmaps(heat, stopped)
        if out is not None:
            left = unscored(sources, predictions, errors)
            whole = stopped is None
            record = runs.record_of(
                detector, predictions, errors, started=started, finished=whole, unscored=left
            )
            if parts is None:
                out = _write_run(out, predictions, errors, record)
            else:
                parts.finish()
                runs.write_record(place(out), errors, record)
    return predictions, errors, stopped, out


def _end_heatmaps(heat: HeatmapFolder, stopped: Stopped) -> Stopped:
    """Write the index, and say what became of older heatmaps; what stopped the run, if anything.

    A disk that is full there does not keep the scores from being written elsewhere.
    """
    from oneclass.results.folders import INDEX

    try:
        heat.finish()
    except StorageError as full:
        say(f"{heat.folder} holds no {INDEX} of the heatmaps in it: there is no room for one.")
        stopped = stopped or full
    if heat.n_replaced:
        n = count(heat.n_replaced, "earlier heatmap")
        say(f"{n} in {heat.folder} {plural(heat.n_replaced, 'was', 'were')} replaced.")
    return stopped


def unscored(sources: Sources, predictions: Scored, errors: list[ImageError]) -> int:
    """How many images were left; what leads nowhere is among the errors, and is no image."""
    return len(sources) - len(predictions) - (len(errors) - len(sources.errors))


def _write_run(
    out: str, predictions: Scored, errors: list[ImageError], record: dict[str, Any]
) -> str | None:
    """Write the run and say what became of an earlier one; the folder that it is in, if any.

    It is kept where nothing was scored now, or where this run was broken off and it had more or
    was whole.
    """
    from oneclass.results import runs
    from oneclass.system.files import make_folder

    folder = place(out)
    before = runs.scored_in(folder)
    if not predictions and before:
        say(f"the earlier run in {out} was kept; nothing was written.")
        return None
    larger = before > len(predictions) or runs.is_whole(folder)
    if not record["complete"] and larger:
        beside = out.rstrip("/\\") + BROKEN_OFF
        make_folder(place(beside))
        runs.write_run(place(beside), predictions, errors, record)
        say(f"the earlier run in {out} was kept; what was scored until now is in {beside}.")
        return beside
    replaced = (folder / "run.json").exists()
    runs.write_run(folder, predictions, errors, record)
    if replaced:
        say(f"the earlier run in {out} was replaced.")
    return out


def _score_all(
    results: Callable[[Progress], Iterator[Prediction | ImageError]],
    sources: Sources,
    to_line: Callable[[Prediction], str] | None,
    header: str | None,
    *,
    keep: bool,
) -> tuple[Scored, list[ImageError], Stopped]:
    """The predictions, the errors, and what left the end unscored.

    Prints the header, once it is sure that there is something to score with, and each prediction
    as `to_line` makes it, while somebody reads; with nobody reading and nothing to `keep`, it ends.
    """
    from oneclass.detector.predictions import Scored

    predictions = Scored(sources.names)
    errors = list(sources.errors)
    quiet = to_line is not None and is_terminal(sys.stdout)
    try:
        with progress("score", quiet=quiet) as show:
            for index, result in enumerate(results(show)):
                if index == 0 and header is not None and not print_data(header):
                    to_line = None
                if isinstance(result, ImageError):
                    errors.append(result)
                    continue
                predictions.add(index, result)
                if to_line is not None and not print_data(to_line(result)):
                    to_line = None
                if to_line is None and not keep:
                    which = some_of(index + 1, len(sources), "image")
                    say(f"nobody reads on: {which} {plural(index + 1, 'was', 'were')} looked at.")
                    break
    except (KeyboardInterrupt, StorageError) as stopped:
        if isinstance(stopped, StorageError) and not predictions:
            raise
        return predictions, errors, stopped
    return predictions, errors, None


def _heatmap_folder(detector: Detector, folder: Path) -> HeatmapFolder:
    from oneclass.results.heatmaps import HeatmapFolder

    _ = detector.heat_scale  # refuses a model without maps before any work is done
    return HeatmapFolder(folder)


def _results(
    detector: Detector,
    sources: Sources,
    heat: HeatmapFolder | None,
    parts: PredictionParts | None,
    show: Progress,
) -> Iterator[Prediction | ImageError]:
    """Each image's prediction; its heatmap, or its part, is written on the way."""
    if parts is not None:
        yield from parts.results(detector, show)
        return
    if heat is None:
        yield from detector.score_each(sources, progress=show)
        return
    from oneclass.results.heatmaps import draw_each

    for result in draw_each(detector, sources, show):
        if isinstance(result, ImageError):
            yield result
        else:
            try:
                heat.add(result)
            except StorageError as full:
                raise StorageError(f"{full} {AS_DRAWN}") from full
            yield result.prediction

"""What a fit, scoring and heatmaps cost beside the bare network, in processor time.

    export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
    ONECLASS_DATA=/path/to/data python benchmarks/bench_heatmaps.py [--write] [SET ...]
    ... python benchmarks/bench_heatmaps.py --rows patches --size 448 --learnt 200 deeppcb

For each set, at default settings and for whole images alone, or as asked: milliseconds of processor
time an image of ONNX Runtime's sessions on arrays that are ready, of the package around them (files
to predictions), and with heatmaps (PNG, map, regions) written; one thread. The four are run in
turn, and of each the quickest round counts: other work on the machine only adds to it.
The second table has each part by itself; the third the fit beside its own reading, resizing and
network, the median of `--fits`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from oneclass import Detector, images
from oneclass.backbones.session import LayerSession
from oneclass.images.sources import Sources, gather
from oneclass.representations import Representation, WholeAndPatches
from oneclass.results.heatmaps import Drawn, HeatmapFolder, draw_each
from oneclass.results.overlay import outline, overlay, picture
from oneclass.results.png import png
from oneclass.system.host.machine import environment
from patch_sets import Pictures, pictures

SETS = ("deeppcb", "magnetic_tile", "elpv_mono")
RESULTS = Path(__file__).parent / "results" / "heatmaps.json"
LEARNT, SCORED, READY, TRIES = 60, 12, 6, 8


def milliseconds(work: Callable[[], object], n: int) -> float:
    """Processor time of one of n images, of the process and of the system for it."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start) / n


class Runs:
    """The same pictures by the bare network, scored, explained, and with heatmaps written."""

    def __init__(self, detector: Detector, files: list[str], folder: Path) -> None:
        self._detector, self._files, self._folder = detector, files, folder
        representation = detector.model.representation
        self._parts: tuple[Representation, ...] = (representation,)
        if isinstance(representation, WholeAndPatches):
            two = (representation.whole, representation.patches)
            self._parts = two[1:] if representation.one_pass else two
        self._ready = [
            [self._prepared(part, file) for part in self._parts] for file in files[:READY]
        ]

    def _prepared(self, part: Any, file: str) -> Any:
        pixels = images.read(file, at_least=part.preprocessing.at_least)
        return part.prepare(pixels, self._detector.pixel_scale)[None]

    def bare(self) -> None:
        for index in range(len(self._files)):
            for part, planes in zip(self._parts, self._ready[index % READY], strict=True):
                part.session(planes)

    def parts(self) -> dict[str, float]:
        """Milliseconds of an image for what scoring is made of, each by itself."""
        model, files = self._detector.model, self._files[:READY]
        made_by, margin = model.representation, self._parts[-1].preprocessing.at_least
        pixels = [images.read(file, at_least=margin) for file in files]
        ready = [made_by.prepare(one, self._detector.pixel_scale)[None] for one in pixels]
        rows = [made_by.rows(one)[0] for one in ready]
        scale = self._detector.pixel_scale
        works: dict[str, Callable[[], object]] = {
            "reading": lambda: [images.read(file, at_least=margin) for file in files],
            "resizing": lambda: [made_by.prepare(one, scale) for one in pixels],
            "network": lambda: [
                part.session(planes)
                for some in self._ready[: len(files)]
                for part, planes in zip(self._parts, some, strict=True)
            ],
            "rows": lambda: [made_by.rows(one) for one in ready],
            "score": lambda: [model.judge("", row) for row in rows],
            "score and map": lambda: [model.explain("", row) for row in rows],
        }
        works |= self._drawing(pixels, [model.explain("", row) for row in rows])
        found = {
            name: min(milliseconds(work, len(files)) for _ in range(TRIES))
            for name, work in works.items()
        }
        return found | {"rows": found["rows"] - found["network"]}

    def _drawing(self, pixels: list[Any], found: list[Any]) -> dict[str, Callable[[], object]]:
        detector = self._detector
        sizes = [one.shape[:2] for one in pixels]
        shown = [picture(one, detector.pixel_scale) for one in pixels]
        threshold = detector.pixel_threshold

        def drawn() -> list[Any]:
            return [
                outline(
                    overlay(image, one.anomaly_map, detector.heat_scale),
                    one.regions(threshold, size),
                    size,
                )
                for image, one, size in zip(shown, found, sizes, strict=True)
            ]

        ready = [np.asarray(one) for one in drawn()]
        return {
            "picture": lambda: [picture(one, detector.pixel_scale) for one in pixels],
            "overlay": drawn,
            "PNG": lambda: [png(one, ("Software", "")) for one in ready],
        }

    def scored(self) -> None:
        list(self._detector.score_each(gather(self._files)))

    def explained(self) -> None:
        list(self._detector.explain_each(gather(self._files)))

    def drawn(self) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            heat = HeatmapFolder(Path(place))
            for one in draw_each(self._detector, gather(self._files)):
                assert isinstance(one, Drawn), one
                heat.add(one)
            heat.finish()


def fit_beside(
    found: Pictures, given: dict[str, Any], learnt: int, turns: int
) -> tuple[Detector, float]:
    """A fit, and how many times as long it takes as its own reading, resizing and network.

    These are timed in the fit, by the thread that does them: what slows one slows the other. The
    median of so many turns.
    """
    order = np.random.default_rng(0).permutation(found.train)[:learnt]
    files = [str(found.files[i]) for i in np.sort(order)]
    detector = Detector(threads=1, **given)
    ratios = []
    for _ in range(turns):
        with own_time(
            (Sources, "pixels"), (Representation, "prepare"), (LayerSession, "__call__")
        ) as spent:
            fitted = milliseconds(lambda: detector.fit(files), 1)
        ratios.append(fitted / (1000 * sum(spent)))
    return detector, float(np.median(ratios))


@contextmanager
def own_time(*methods: tuple[type, str]) -> Iterator[list[float]]:
    """Seconds of processor time of each call of some methods, none of which calls another."""
    spent: list[float] = []

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            start = time.thread_time()
            try:
                return work(*given, **named)
            finally:
                spent.append(time.thread_time() - start)

        return run

    with ExitStack() as stack:
        for owner, name in methods:
            plain = getattr(owner, name)
            stack.callback(setattr, owner, name, plain)
            setattr(owner, name, timed(plain))
        yield spent


def measure(name: str, given: dict[str, Any], asked: argparse.Namespace) -> dict[str, Any]:
    found, rounds = pictures(name), asked.rounds
    detector, fit_ratio = fit_beside(found, given, asked.learnt, asked.fits)
    half = asked.scored // 2
    tested = [str(found.files[i]) for i in (*found.normal[:half], *found.odd[:half])]
    runs = Runs(detector, tested, asked.folder)
    ways = {
        "bare": runs.bare,
        "scored": runs.scored,
        "explained": runs.explained,
        "drawn": runs.drawn,
    }
    for way in ways.values():
        way()
    detector.stages.seconds.clear()
    n = len(tested)
    times = [{way: milliseconds(work, n) for way, work in ways.items()} for _ in range(rounds)]
    stages = {stage: 1000 * s / (3 * rounds * n) for stage, s in detector.stages.seconds.items()}
    quickest = {way: min(one[way] for one in times) for way in ways}
    return {
        "set": name,
        "rows": detector.card["representation"]["kind"],
        "pixels": detector.card["representation"]["preprocessing"]["size"],
        "milliseconds": quickest,
        "ratios": {way: quickest[way] / quickest["bare"] for way in ways},
        "stages_wall_ms": stages,
        "parts": runs.parts(),
        "learnt": asked.learnt,
        "fit_ratio": fit_ratio,
        "rounds": rounds,
    }


def table(results: list[dict[str, Any]]) -> str:
    head = (
        "| set | looked at | bare network, ms | scored | with maps in memory | "
        "with heatmaps written |\n"
        "|" + "---|" * 6
    )
    lines = [
        f"| {r['set']} | {r['rows']}, {r['pixels'][0]} x {r['pixels'][1]} | "
        f"{r['milliseconds']['bare']:.1f} | "
        + " | ".join(f"{r['ratios'][way]:.2f} x" for way in ("scored", "explained", "drawn"))
        + " |"
        for r in results
    ]
    return "\n".join([head, *lines])


def table_of_parts(results: list[dict[str, Any]]) -> str:
    """Milliseconds of processor time an image, each part by itself."""
    names = list(results[0]["parts"])
    lines = ["| set | looked at | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for one in results:
        cells = " | ".join(f"{one['parts'][name]:.1f}" for name in names)
        lines.append(f"| {one['set']} | {one['rows']} | {cells} |")
    return "\n".join(lines)


def table_of_fits(results: list[dict[str, Any]]) -> str:
    lines = [
        "| set | looked at | learnt from | fit, of reading, resizing and network |",
        "|---" * 4 + "|",
    ]
    for one in results:
        cells = f"{one['rows']} | {one['learnt']} | {one['fit_ratio']:.2f} x"
        lines.append(f"| {one['set']} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(variable) != "1":
            raise SystemExit(f"set {variable}=1: the package's products must have one thread, too")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where heatmaps are written, and removed again")
    parser.add_argument("--rows", choices=["image", "patches", "both"])
    parser.add_argument("--size", type=int, help="pixels a side")
    parser.add_argument("--learnt", type=int, default=LEARNT, help="images that the fit learns")
    parser.add_argument("--scored", type=int, default=SCORED, help="images of a round")
    parser.add_argument("--fits", type=int, default=1, help="how often that is done")
    parser.add_argument("--write", action="store_true", help="keep the figures in results/")
    asked = parser.parse_args()
    results = []
    size = {} if asked.size is None else {"size": (asked.size, asked.size)}
    ways = [{"rows": rows} for rows in ((asked.rows,) if asked.rows else (None, "image"))]
    for name in asked.sets:
        for way in ways:
            results.append(measure(name, {**way, **size}, asked))
            print(table(results[-1:]), flush=True)
    print(table(results), table_of_parts(results), table_of_fits(results), sep="\n\n")
    if asked.write:
        kept = {"machine": environment(), "results": results}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

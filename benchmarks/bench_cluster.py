"""What a cluster costs on one machine: `local:2` beside one process with two threads.

    python benchmarks/bench_cluster.py [--rows 1000000] [--images 400] [--work NAME ...]

Both do the same work on the same two cores, each twice and in turns. Where others use the machine,
the ratio of processor time (of this process, the scheduler in it, and the workers) says more than
that of the clock; both are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client
from threadpoolctl import threadpool_limits

from oneclass import Detector
from oneclass.cluster import connected, rows_of
from oneclass.cluster.crew import crew_of
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Sources, gather
from oneclass.representations import Representation
from oneclass.representations.extraction import extract
from oneclass.svm import nu_path
from photographs import photograph, sheet
from svm_clock import machine
from svm_rows import NUS, synthetic

RESULTS = Path(__file__).parent / "results/cluster.json"
COLUMNS, PART, TOL = 1280, 50_000, 1e-4
SIDES = ("one process, two threads", "local:2")
TASKS = 2000
WORK = ("overhead", "extraction", "solving")


def both(here: Callable[[], Any], there: Callable[[], Any], client: Client) -> dict[str, Any]:
    """Clock and processor seconds of the two ways, each the better of two, in turns."""
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    values = {}
    for _ in range(2):
        for side, work in zip(SIDES, (here, there), strict=True):
            began, spent = time.perf_counter(), processor_seconds(client)
            values[side] = work()
            used = processor_seconds(client) - spent
            found[side].append((time.perf_counter() - began, used))
    best = {side: tuple(map(min, zip(*times, strict=True))) for side, times in found.items()}
    return {
        "seconds": {side: best[side][0] for side in SIDES},
        "processor_seconds": {side: best[side][1] for side in SIDES},
        "values": values,
    }


def processor_seconds(client: Client) -> float:
    """Of this process and of all workers, until now."""
    return time.process_time() + sum(client.run(time.process_time).values())


def solving(client: Client, n_rows: int) -> dict[str, Any]:
    """The 21 nu over rows in a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npy"
        rows = np.lib.format.open_memmap(file, "w+", np.float32, (n_rows, COLUMNS))
        for part, start in enumerate(range(0, n_rows, PART)):
            rows[start : start + PART] = synthetic(min(PART, n_rows - start), COLUMNS, part)
        del rows
        sent: list[dict[str, Any]] = []

        def here() -> dict[str, Any]:
            with threadpool_limits(2):
                path = nu_path(np.load(file, mmap_mode="r"), NUS, tol=TOL)
            return {"passes": path.n_passes, "gap": float(path.dual_gap.max())}

        def there() -> dict[str, Any]:
            lying = rows_of(file, client=client)
            path = nu_path(lying, NUS, tol=TOL)
            sent[:] = [vars(one) for one in lying.traffic]
            return {"passes": path.n_passes, "gap": float(path.dual_gap.max())}

        return {"rows": n_rows, **both(here, there, client), "sent": sent}


def extraction(client: Client, n_images: int) -> dict[str, Any]:
    """Photographs of 1600 x 1200 to rows of the default layers."""
    with tempfile.TemporaryDirectory() as folder:
        sheets = [sheet(seed) for seed in range(2)]
        for i in range(n_images):
            photograph(sheets, i).save(Path(folder) / f"{i:05}.jpg", quality=90)
        sources = gather(folder)
        made = Detector(rows="image").fit(list(sources.items[:8])).model
        what = made.representation, made.scale

        def rows(cluster: Client | None) -> int:
            return count(sources, *what, cluster)

        for cluster in (None, client):
            rows(cluster)  # opens the network
        return {"images": n_images, **both(lambda: rows(None), lambda: rows(client), client)}


def count(
    sources: Sources, representation: Representation, scale: PixelScale, cluster: Client | None
) -> int:
    with crew_of(cluster, 2, []) as workers:
        return sum(1 for _ in extract(sources, representation, scale, workers=workers))


def overhead(client: Client) -> dict[str, float]:
    """Milliseconds of a task that does nothing, of many and of one alone."""
    client.gather(client.map(abs, range(100), pure=False))
    began, spent = time.perf_counter(), processor_seconds(client)
    client.gather(client.map(abs, range(TASKS), pure=False))
    used = processor_seconds(client) - spent
    many = time.perf_counter() - began
    began = time.perf_counter()
    for i in range(50):
        client.submit(abs, i, pure=False).result()
    alone = time.perf_counter() - began
    return {
        "ms_a_task": 1e3 * many / TASKS,
        "processor_ms_a_task": 1e3 * used / TASKS,
        "ms_alone": 1e3 * alone / 50,
    }


def table(found: dict[str, Any]) -> str:
    lines = ["| work | | one process, two threads | local:2 | ratio |", f"|{' --- |' * 5}"]
    for name in ("solving", "extraction"):
        one = found[name]
        what = f"{one['rows']:,} x {COLUMNS:,}" if name == "solving" else f"{one['images']} images"
        for kind in ("seconds", "processor_seconds"):
            here, there = (one[kind][side] for side in SIDES)
            lines.append(
                f"| {name}, {what} | {kind.replace('_', ' ')} | {here:.2f} | {there:.2f} | "
                f"{there / here:.2f} |"
            )
    cost = found["overhead"]
    lines += [
        "",
        f"A task that does nothing: {cost['ms_a_task']:.2f} ms by the clock, "
        f"{cost['processor_ms_a_task']:.2f} ms of processor time, {cost['ms_alone']:.1f} ms alone.",
    ]
    sent = found["solving"]["sent"]
    for kind in ("survey", "score", "gather"):
        some = [one for one in sent if one["what"] == kind]
        out, back = (max(one[way] for one in some) / 1e6 for way in ("out", "back"))
        lines.append(f"{kind}: {len(some)} passes, at most {out:.2f} MB out and {back:.2f} MB back")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--work", nargs="+", choices=WORK, default=WORK, help="kept: the others'")
    args = parser.parse_args()
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with connected("local:2") as client:
        ways = {
            "overhead": lambda: overhead(client),
            "extraction": lambda: extraction(client, args.images),
            "solving": lambda: solving(client, args.rows),
        }
        for name in args.work:
            found[name] = {**ways[name](), "load": os.getloadavg()[0]}
    found["machine"] = machine()
    found.pop("load", None)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()

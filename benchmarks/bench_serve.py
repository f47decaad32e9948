"""How fast `oneclass serve` is beside `oneclass score`, how long answers take, how much memory.

    python benchmarks/bench_serve.py IMAGES [--rows image] [--rounds 5] [--minutes 10]

IMAGES is a folder; half of its images are learnt (whole images, unless --rows is given), all are
scored. In each round the same files are scored by `Detector.score_each` (what `oneclass score`
does, the model loaded) and by a server with eight clients, each of which sends one image and waits.
Then requests come at random moments, at 80 % of the rate that was found. With --minutes this goes
on so long: the answers are then looked for in the database, and memory is compared between the
second and the last tenth of it.

Prints a table and writes benchmarks/results/serve.json. The clients run on the same cores. On a
machine that does other work the processor time an image says more than the rates.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import threading
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from oneclass import Detector
from oneclass.images.sources import gather
from serve_load import MODEL, Answers, Scorer, Server, ask_all, ask_at

RESULTS = Path(__file__).parent / "results" / "serve.json"
CLIENTS, LOAD = 8, 0.8
SAMPLE = 1.0


def first_score(data: Path, image: bytes) -> dict[str, float]:
    """From the command to the first answer."""
    began = time.perf_counter()
    server = Server(data)
    server.wait()
    ask_all(server.port, [image], 1)
    found = {"seconds": time.perf_counter() - began, "cpu": server.cpu}
    server.end()
    return found


def beside(server: Server, scorer: Scorer, images: list[bytes], rounds: int) -> dict[str, Any]:
    """The same files by both, in turns."""
    ask_all(server.port, images, CLIENTS)
    turns = []
    for _ in range(rounds):
        plain = scorer.score()
        cpu = server.cpu
        came = ask_all(server.port, images, CLIENTS)
        assert not came.failures, came.failures[:3]
        turns.append((plain["seconds"], plain["cpu"], came.seconds, server.cpu - cpu))
    seconds, cpu, serve_seconds, serve_cpu = np.array(turns).T / len(images)
    return {
        "images": len(images),
        "rounds": rounds,
        "score_rate": float(1 / np.median(seconds)),
        "serve_rate": float(1 / np.median(serve_seconds)),
        "rate_ratio": float(np.median(seconds / serve_seconds)),
        "rate_ratios": (seconds / serve_seconds).tolist(),
        "score_cpu": float(cpu.sum() / rounds),
        "serve_cpu": float(serve_cpu.sum() / rounds),
        "cpu_ratio": float(cpu.sum() / serve_cpu.sum()),
    }


def latency(came: Answers) -> dict[str, Any]:
    """Quantiles in seconds."""
    median, p99 = np.quantile(came.latencies, [0.5, 0.99])
    return {
        "answers": len(came.latencies),
        "failures": came.failures[:20],
        "median": float(median),
        "p99": float(p99),
        "ratio": float(p99 / median),
    }


def soak(
    server: Server, data: Path, images: list[bytes], rate: float, minutes: float
) -> dict[str, Any]:
    """Requests for a while; memory, and whether each answer is on the disk."""
    memory: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(SAMPLE):
            memory.append(server.memory)

    looking = threading.Thread(target=look)
    looking.start()
    came = ask_at(server.port, images, rate, 60 * minutes, seed=2)
    over.set()
    looking.join()
    with sqlite3.connect(data / "oneclass.sqlite3") as connection:
        kept = dict(connection.execute("SELECT id, score FROM prediction"))
    lost = sum(kept.get(number) != score for number, score in came.scores.items())
    tenth = max(1, len(memory) // 10)
    early, late = np.median(memory[tenth : 2 * tenth]), np.median(memory[-tenth:])
    return {
        **latency(came),
        "minutes": minutes,
        "rate": rate,
        "lost": lost,
        "memory_early": float(early),
        "memory_late": float(late),
        "memory_most": max(memory),
        "memory_growth": float(late / early - 1),
    }


def measure(
    folder: Path, rows: str, n: int, rounds: int, seconds: float, minutes: float
) -> dict[str, Any]:
    """All of it, for the images of one folder."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        files = [Path(item) for item in gather(folder).items][:n]
        images = [file.read_bytes() for file in files]
        model = work / "model.oneclass"
        Detector(rows=rows).fit(files[::2]).save(model)
        data = work / "data"
        server = Server(data)
        server.wait()
        server.ask("PUT", f"/api/v1/models/{MODEL}/file", model.read_bytes())
        server.end()
        found: dict[str, Any] = {"start": first_score(data, images[0])}
        server, scorer = Server(data), Scorer(model, files)
        server.wait()
        found["beside"] = beside(server, scorer, images, rounds)
        scorer.end()
        rate = LOAD * found["beside"]["serve_rate"]
        if seconds:
            found["paced"] = {
                "rate": rate,
                **latency(ask_at(server.port, images, rate, seconds, 1)),
            }
        if minutes:
            some = list(islice(cycle(images), len(images)))
            found["soak"] = soak(server, data, some, rate, minutes)
        server.end()
        return found


def table(found: dict[str, Any]) -> str:
    """As Markdown."""
    one, start = found["beside"], found["start"]
    lines = [
        "| what | `oneclass score` | `oneclass serve`, 8 clients | share |",
        "|---|---|---|---|",
        f"| images a second | {one['score_rate']:.1f} | {one['serve_rate']:.1f} "
        f"| {one['rate_ratio']:.2f} |",
        f"| processor time an image, ms | {1e3 * one['score_cpu']:.2f} "
        f"| {1e3 * one['serve_cpu']:.2f} | {one['cpu_ratio']:.2f} |",
        "",
        f"First score: {start['seconds']:.2f} s after the start ({start['cpu']:.2f} s of "
        "processor time).",
    ]
    for name in ("paced", "soak"):
        if name in found:
            part = found[name]
            lines.append(
                f"At {part['rate']:.1f} images a second: median {1e3 * part['median']:.0f} ms, "
                f"99 % within {1e3 * part['p99']:.0f} ms ({part['ratio']:.1f} times), "
                f"{part['answers']} answers, {len(part['failures'])} failures."
            )
    if "soak" in found:
        part = found["soak"]
        lines.append(
            f"After {part['minutes']:g} minutes {part['lost']} answers were lost; memory "
            f"{part['memory_early'] / 1e6:.0f} -> {part['memory_late'] / 1e6:.0f} MB "
            f"({100 * part['memory_growth']:+.1f} %), {part['memory_most'] / 1e6:.0f} MB at most."
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--rows", default="image", help="what is judged: image, patches, both")
    parser.add_argument("--most", type=int, default=300, help="images to take from the folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30, help="for the latencies")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--name", help="of these images, in the results; default the folder's")
    asked = parser.parse_args()
    found = measure(
        asked.images, asked.rows, asked.most, asked.rounds, asked.seconds, asked.minutes
    )
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept[asked.name or asked.images.name] = found
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()

"""The results of bench_extraction.py and bench_decoding.py as tables in docs/speed.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from svm_tables import END, START, table, verdict

DECODING = Path(__file__).parent / "results" / "decoding.json"


def render(results: dict[str, Any], page: Path) -> None:
    """Replace what stands between the two marks of the page."""
    text = page.read_text(encoding="utf-8")
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    made = [make(results[name]) for name, make in MAKERS.items() if name in results]
    if DECODING.exists():
        made.append(decoding(json.loads(DECODING.read_text(encoding="utf-8"))))
    page.write_text("\n\n".join([head + START, *made, END + tail]), encoding="utf-8")


def target(what: str, found: float, wanted: float, form: str) -> str:
    return f"Target, {what}: {wanted:{form}}; measured {found:{form}}: {verdict(found >= wanted)}."


def stage_table(stages: dict[str, float]) -> str:
    lines = [
        [name, f"{1e3 / rate:.3f}", f"{rate:,.0f}"]
        for name, rate in sorted(stages.items(), key=lambda item: item[1])
    ]
    return table(["stage alone, one core", "ms an image", "images/s"], lines)


def small(result: dict[str, Any]) -> str:
    rates, ratios = result["rates"], result["ratios"]
    lines = [
        [name, f"{rate:.0f}", f"{rates['from files'] / rate:.2f}"] for name, rate in rates.items()
    ]
    bare = {b: ratios[f"from files / bare session, batch {b}"] for b in (1, 4, 16, 32)}
    others = ", ".join(f"{found:.2f} at {batch}" for batch, found in bare.items())
    product, network = result["product_gflops"], result["network_gflops"]
    return "\n\n".join(
        [
            "### Small PNG files, held in memory by the system",
            table(["what", "images/s", "ours is times as fast"], lines),
            target("of the bare session at its best batch", min(bare.values()), 0.95, ".2f"),
            f"By batch of the bare session: {others} (medians over the rounds).",
            target("bf16 against torch eager", ratios["bf16 / torch eager"], 8, ".1f"),
            f"The network takes {result['operations_an_image'] / 1e9:.2f} billion operations an "
            f"image, so one image a core computes {network['float32']:.0f} GFLOP/s in fp32 and "
            f"{network['bfloat16']:.0f} in bf16; big matrix products reach "
            f"{product['float32']:.0f} and {product['bfloat16']:.0f} here.",
            stage_table(result["stages_one_core"]),
        ]
    )


def photographs(result: dict[str, Any]) -> str:
    stages = {k: v for k, v in result["stages_one_core"].items() if k != "read"}
    slowest = min(stages, key=lambda name: stages[name])
    lines = [[name, f"{rate:.0f}"] for name, rate in result["rates"].items()]
    return "\n\n".join(
        [
            f"### 2,000 photographs, JPEG of 1600 x 1200, {result['kilobytes']:.0f} kB each",
            table(["what", "images/s"], lines),
            target("of the usual loop", result["ratios"]["from files"], 4, ".1f"),
            f"The slowest stage: {slowest}.",
            stage_table(result["stages_one_core"]),
        ]
    )


def accuracy(result: dict[str, Any]) -> str:
    names = list(next(iter(result["auroc"].values())))
    lines, worst = [], 0.0
    for task, found in result["auroc"].items():
        shift = result["largest_shift_same_precision"][task]
        means = {name: found[name]["mean"] for name in names}
        cells = (f"{means[name]:.4f} ± {found[name]['sd']:.4f}" for name in names)
        lines.append([task, *cells, f"{shift:.1e}"])
        worst = max(worst, abs(means["openvino bf16"] - means["onnxruntime fp32"]))
    return "\n\n".join(
        [
            "### What precision and runtime change",
            table(["MNIST task, AUROC", *names, "largest shift, fp32 to fp32"], lines),
            "Means and standard deviations over five seeds of the clustering. The shift is that "
            "of scores by one model on ONNX Runtime and on OpenVINO, both in fp32, in standard "
            "deviations of its normal scores.",
            f"AUROC of bf16 is at most {worst:.4f} from that of fp32, which is less than what "
            "another seed changes. Without clusters, by the paper's protocol (one half-space, "
            "the mean over 21 nu, three trials):",
            *_protocol(result["protocol"]),
        ]
    )


def _protocol(result: dict[str, dict[str, float]]) -> list[str]:
    names = list(next(iter(result.values())))
    lines = [[task, *(f"{found[name]:.4f}" for name in names)] for task, found in result.items()]
    gaps = [abs(found["openvino bf16"] - found["onnxruntime fp32"]) for found in result.values()]
    return [
        table(["task and layer, AUROC", *names], lines),
        f"Target, AUROC of bf16 within .002 of fp32: farthest {max(gaps):.4f}: "
        f"{verdict(max(gaps) <= 0.002)}.",
    ]


def memory(result: dict[str, Any]) -> str:
    sizes = [name for name in result if name != "machine"]
    lines = [
        [
            f"{int(n):,}",
            f"{result[n]['megabytes']:.0f}",
            f"{result[n]['seconds']:.0f}",
        ]
        for n in sizes
    ]
    growth = result["100000"]["megabytes"] / result["1000"]["megabytes"] - 1
    return "\n\n".join(
        [
            "### Peak memory of `oneclass score MODEL FOLDER -o RUN`",
            table(["images", "MB", "seconds"], lines),
            f"Target, at 100,000 images within 10 % of that at 1,000: {100 * growth:+.1f} %: "
            f"{verdict(growth <= 0.1)}.",
        ]
    )


def cold(result: dict[str, Any]) -> str:
    lines = [[name, f"{seconds:.3f}"] for name, seconds in result["stages"].items()]
    return "\n\n".join(
        [
            "### `oneclass score` on one image, from a cold start",
            f"The whole process: median {result['median']:.2f} s, slowest of nine "
            f"{result['slowest']:.2f} s (target: under 1 s). The last of them said:",
            table(["what", "s"], lines),
        ]
    )


def latency(result: dict[str, Any]) -> str:
    lines = [
        [name, f"{found['median_ms']:.1f}", f"{found['p99_ms']:.1f}"]
        for name, found in result.items()
        if name != "machine"
    ]
    return "\n\n".join(
        [
            "### One image at a time, in a process that runs already",
            table(["what", "median, ms", "p99, ms"], lines),
        ]
    )


def peers(result: dict[str, Any]) -> str:
    lines = [[name, f"{seconds:.1f}"] for name, seconds in result["seconds"].items()]
    return "\n\n".join(
        [
            "### Peers: fit to 512 files, score 256",
            table(["what", "s"], lines),
            "anomalib's PatchCore and PaDiM run in an environment of their own, with the same "
            "weights: [beside anomalib](#beside-anomalib). imgad 0.6 was not compared.",
        ]
    )


def decoding(results: dict[str, Any]) -> str:
    lines = []
    for task, found in results.items():
        for line in found:
            lines.append(
                [
                    task,
                    "all of it" if line["margin"] is None else str(line["margin"]),
                    f"{line['decoded_per_second_and_core']:.0f}",
                    f"{line['least_cosine']:.4f}",
                    f"{line['median_shift']:.2f}",
                    f"{line['largest_shift']:.2f}",
                    f"{line['auroc']:.3f} ± {line['auroc_sd_over_seeds']:.3f}",
                ]
            )
    head = ["images", "margin", "decoded/s, one core", "least cosine", "median shift",
            "largest shift", "AUROC ± sd over seeds"]  # fmt: skip
    return "\n\n".join(["### How much of a JPEG is decoded", table(head, lines)])


MAKERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "small": small,
    "photographs": photographs,
    "accuracy": accuracy,
    "memory": memory,
    "cold": cold,
    "latency": latency,
    "peers": peers,
}

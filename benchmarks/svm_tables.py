"""The results of bench_svm.py as tables in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from svm_beyond import beyond
from svm_markdown import hardware, table, verdict
from svm_robust_tables import clusters, robust

START, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def render(results: dict[str, Any], page: Path) -> None:
    """Replace what stands between the two marks of the page."""
    text = page.read_text()
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    parts = [make(results[name]) for name, make in MAKERS.items() if name in results]
    page.write_text("\n\n".join([head + START, *parts, END + tail]))


def peers(result: dict[str, Any]) -> str:
    n_rows, n_columns = result["shape"]
    lines = [
        [
            "**oneclass** (21 nu)",
            f"{result['seconds']:.2f}",
            "1",
            f"{result['largest_gap']:.1e}",
        ]
    ]
    for peer in result["peers"]:
        note = "21 nu" if peer["n_nus"] == 21 else f"{peer['n_nus']} nu timed, scaled to 21"
        ratio = peer["seconds"] / result["seconds"]
        lines.append(
            [
                f"{peer['name']} ({note})",
                f"{peer['seconds']:.2f}",
                f"{ratio:.1f}",
                f"{peer['largest_excess']:.1e}",
            ]
        )
    return "\n\n".join(
        [
            f"### {n_rows:,} x {n_columns:,}: {result['rows']}",
            f"`{result['command']}`; {result['n_passes']} passes at tol = 1e-6.",
            table(["solver", "seconds", "times ours", "largest excess over the optimum"], lines),
            limit_lines(result),
            targets(result),
        ]
    )


def limit_lines(result: dict[str, Any]) -> str:
    limits, (n_rows, n_columns) = result["limits"], result["shape"]
    read = 4 * n_rows * n_columns * result["n_passes"] / result["seconds"] / 1e9
    flops = limits["product_gflops"] / limits["product_gflops_big"]
    busy = limits["product_seconds"] * result["n_passes"] / result["seconds"]
    return (
        f"Limits of the machine in the same run ({hardware(limits)}): matrix "
        f"product {limits['product_gflops_big']:.0f} GFLOP/s, reading memory "
        f"{limits['memory_gb_per_s']:.1f} GB/s. One pass's product with 21 columns runs at "
        f"{limits['product_gflops']:.0f} GFLOP/s ({100 * flops:.0f} % of the former). All passes "
        f"read {read:.1f} GB/s over the whole solve "
        f"({100 * read / limits['memory_gb_per_s']:.0f} % of the latter); as many bare products "
        f"would take {100 * busy:.0f} % of our time."
    )


WANTED = {
    2048: {"libsvm, kernel='linear'": 300, "liblinear -s 21": 10, "Gram + libsvm": 3},
    20_180: {"liblinear -s 21": 15},
}


def targets(result: dict[str, Any]) -> str:
    lines = [
        [
            "largest relative gap",
            "1e-6",
            f"{result['largest_gap']:.1e}",
            verdict(result["largest_gap"] <= 1e-6),
        ]
    ]
    for peer in result["peers"]:
        wanted = WANTED[result["shape"][0]].get(peer["name"])
        ratio = peer["seconds"] / result["seconds"]
        if wanted:
            lines.append(
                [
                    f"against {peer['name']}",
                    f"{wanted} x",
                    f"{ratio:.1f} x",
                    verdict(ratio >= wanted),
                ]
            )
        shift = peer["largest_auroc_shift"]
        if shift is not None:
            name = "AUROC, largest difference from libsvm at tol 1e-9"
            lines.append([name, ".001", f"{shift:.5f}", verdict(shift <= 0.001)])
    return table(["target", "wanted", "measured", ""], lines)


def mapped(result: dict[str, Any]) -> str:
    runs, width = result["results"], result["n_columns"]
    lines = [
        [
            f"{run['n_rows']:,}",
            f"{run['seconds']:.2f}",
            str(run["n_passes"]),
            f"{run['largest_gap']:.1e}",
            f"{run['peak_gb']:.3f}",
            f"{run['pass_seconds'] / run['floor_seconds']:.2f}",
            f"{run['per_million']:.2f}",
        ]
        for run in runs
    ]
    last = runs[-1]
    moved = 4 * last["n_rows"] * width / last["pass_seconds"] / 1e9
    flops = 2 * 21 * last["n_rows"] * width / last["pass_seconds"] / 1e9
    head = [
        "rows",
        "seconds",
        "passes",
        "largest gap",
        "peak GB",
        "pass / (read + product)",
        "seconds a pass and million rows",
    ]
    lines_of_limits = (
        f"Limits in the same run ({hardware(result['machine'])}): reading the file "
        f"{last['read_gb_per_s']:.1f} GB/s, matrix product "
        f"{result['machine']['product_gflops_big']:.0f} GFLOP/s, memory "
        f"{result['machine']['memory_gb_per_s']:.1f} GB/s. At {last['n_rows']:,} rows a pass reads "
        f"{moved:.1f} GB/s ({100 * moved / last['read_gb_per_s']:.0f} % of reading alone) and "
        f"multiplies at {flops:.0f} GFLOP/s, were all 21 columns open in each."
    )
    return "\n\n".join(
        [
            f"### {result.get('rows', 'Memory-mapped float32')}, {width:,} columns, 21 nu at "
            "tol = 1e-4",
            f"`{result['command']}`; synthetic rows; each size in a process of its own.",
            table(head, lines),
            lines_of_limits,
            mapped_targets(runs, result.get("passes", 20)),
        ]
    )


def mapped_targets(runs: list[dict[str, Any]], passes: int) -> str:
    last = runs[-1]
    lines = [
        ["largest gap", "1e-4", f"{last['largest_gap']:.1e}", verdict(last["largest_gap"] <= 1e-4)],
        ["passes", str(passes), str(last["n_passes"]), verdict(last["n_passes"] <= passes)],
        ["peak memory", "0.5 GB", f"{last['peak_gb']:.3f} GB", verdict(last["peak_gb"] < 0.5)],
    ]
    for run in runs:
        if run["n_rows"] == 100_000 and run is not last:
            change = last["peak_gb"] / run["peak_gb"] - 1
            name = "memory against 100,000 rows"
            lines.append([name, "5 %", f"{100 * change:+.1f} %", verdict(abs(change) <= 0.05)])
    ratio = last["pass_seconds"] / last["floor_seconds"]
    lines.append(["pass / (read + product)", "1.5 x", f"{ratio:.2f} x", verdict(ratio <= 1.5)])
    return table([f"target at {last['n_rows']:,} rows", "wanted", "measured", ""], lines)


def union(result: dict[str, Any]) -> str:
    cells = {
        (line["nu"], line["scale"], line["n_halfspaces"], line["task"]): line["auroc"]
        for line in result["table"]
    }
    counts = sorted({key[2] for key in cells})
    groups = sorted({(key[0], key[1], key[3]) for key in cells}, key=lambda key: (key[2], key[:2]))
    lines = [
        [task, f"{nu:g}", scale, *(f"{cells[nu, scale, count, task]:.4f}" for count in counts)]
        for nu, scale, task in groups
    ]
    return "\n\n".join(
        [
            "### AUROC of the union of half-spaces",
            f"`{result['command']}`; {result['rows']}. Scale: the score is w.x - rho as it is "
            "(raw), divided by the length of w (norm), or by rho (offset).",
            table(["task", "nu", "scale", *(f"{count:,}" for count in counts)], lines),
        ]
    )


MAKERS = {
    "robust": robust,
    "beyond": beyond,
    "small": peers,
    "wide": peers,
    "clusters": clusters,
    "mapped": mapped,
    "mapped-spread": mapped,
    "union": union,
}

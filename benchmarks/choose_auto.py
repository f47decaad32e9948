"""Measure what choosing a layer, a number of half-spaces and nu without anomalies loses.

    ONECLASS_DATA=/path/to/data python benchmarks/choose_auto.py --cache DIR --write

Tasks of choose_defaults.py, up to 200 normal images and 100 + 100 to test; and two made textures
with local defects. Per criterion: the AUROC of what it picks, of the default and of the best in
hindsight. Writes benchmarks/results/auto.json; with --write, the tables go into docs/auto.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choose_defaults import Data, Task, data_sets
from oneclass.backbones import DEFAULT, Backbone
from oneclass.detector.choosing import layer_candidates
from oneclass.detector.collecting import DEFAULT_LAYER, choose_n_halfspaces
from oneclass.detector.criteria import (
    CRITERIA,
    NUS,
    Criteria,
    Preference,
    SplitRows,
    choose_from_rows,
    halfspace_candidates,
    judge,
    preferred,
    split_of,
)
from oneclass.images.scale import choose_scale
from oneclass.representations import SeparateLayers
from oneclass.representations.copies import altered
from oneclass.rows.layers import Layers
from oneclass.statistics import auroc
from oneclass.svm import fit_halfspaces, halfspace_scores

SCALE = choose_scale("uint8", 0, 255)
SIZES, N_TEST = (50, 200), 100
MARGINS = (0.0, 0.02, 0.05, 0.1)
PAGE = Path(__file__).parent.parent / "docs/auto.md"


def textures() -> Data:
    """Woven and grainy pictures; an anomaly has a blurred spot of a twelfth of its side."""
    random, images, tasks = np.random.default_rng(0), [], []
    for word in ("woven", "grainy"):
        start = len(images)
        for i in range(400):
            y, x = np.mgrid[:128, :128] + random.uniform(0, 16, 2)[:, None, None]
            wave = np.sin(x / 2) * np.sin(y / 2) if word == "woven" else 0
            image = 128 + 50 * wave + random.normal(0, 25, (128, 128))
            if i >= 300:
                top, left = random.integers(8, 100, 2)
                image[top : top + 11, left : left + 11] = image[
                    top : top + 11, left : left + 11
                ].mean()
            images.append(image.clip(0, 255).astype(np.uint8))
        train, normal, odd = (
            np.arange(start + a, start + b) for a, b in ((0, 200), (200, 300), (300, 400))
        )
        tasks.append(Task("made", word, train, normal, odd))
    return Data("made", images, tasks)


def sets() -> Iterator[Data]:
    yield from data_sets()
    yield textures()


def rows_of(representation: SeparateLayers, planes: list[Any]) -> NDArray[np.float32]:
    batches = [representation.rows(planes[i : i + 16]) for i in range(0, len(planes), 16)]
    return np.concatenate(batches)


def parts_of(task: Task, data: Data, n: int, found: dict[Any, Any], make: Any) -> SplitRows:
    train = task.train[:n]
    first, second, held = (train[part] for part in split_of(len(train)))
    rows = {}
    key = (tuple(train[:50]), n)
    if key not in found:
        copies = []
        for index in held:
            planes = make.prepare(data.images[index], SCALE)
            copies.append(altered(planes, np.random.default_rng([0, int(index)])))
        found[key] = {kind: rows_of(make, [c[kind] for c in copies]) for kind in copies[0]}
    rows = found["rows"]
    return SplitRows(rows[first], rows[second], rows[held], found[key])


def hindsight(rows: dict[str, Any], k: int | None, nu: float) -> float:
    train = rows["train"]
    n_halfspaces = min(choose_n_halfspaces(k, len(train)), len(train))
    fitted = fit_halfspaces(train, n_halfspaces, nu=nu, seed=0)
    normal, odd = (
        -halfspace_scores(rows[p], fitted.coef, fitted.offset)[0] for p in ("normal", "odd")
    )
    return auroc(normal, odd)


def measure(
    task: Task, parts: SplitRows, rows: Any, n: int, layers: dict[str, Any]
) -> dict[str, Any]:
    """The AUROC and the criteria of each layer, and of each k and nu with the default layer."""
    lines: dict[str, Any] = {}
    for layer, take in layers.items():
        own = parts.of(take)
        everything = np.concatenate(
            [rows[task.train[:n]], rows[task.normal[:N_TEST]], rows[task.anomalous[:N_TEST]]]
        )
        some = take(everything)
        m, t = len(task.train[:n]), len(task.normal[:N_TEST])
        cut = {"train": some[:m], "normal": some[m : m + t], "odd": some[m + t :]}
        settings: list[tuple[int | None, float]] = [(None, 0.1)]
        if layer == DEFAULT_LAYER:
            settings += [(k, 0.1) for k in halfspace_candidates(m) if k] + [
                (None, v) for v in NUS[1:]
            ]
        for k, nu in settings:
            judged = judge(own, k, nu)
            what = "layer" if (k, nu) == (None, 0.1) else "halfspaces" if k else "nu"
            name = {"layer": layer, "halfspaces": str(k), "nu": str(nu)}[what]
            lines[f"{what} {name}"] = {**judged.to_json(), "auroc": hindsight(cut, k, nu)}
    choice = choose_from_rows(parts, layers, "auto", "auto", default_nu=0.1, seed=0)
    assert choice.layer
    some = layers[choice.layer](everything)
    cut = {"train": some[:m], "normal": some[m : m + t], "odd": some[m + t :]}
    auto = {
        "layer": choice.layer,
        "n_halfspaces": choice.n_halfspaces,
        "nu": choice.nu,
        "auroc": hindsight(cut, choice.n_halfspaces, choice.nu),
    }
    return {"data": task.data, "task": task.name, "n": m, "auto": auto, "lines": lines}


def picks(results: list[dict[str, Any]], what: str) -> dict[str, Any]:
    """For each rule: its mean AUROC, and its mean and worst loss to the best in hindsight."""
    default = f"layer {DEFAULT_LAYER}"
    table: dict[str, list[tuple[str, float, float]]] = {}
    for result in results:
        lines = {k: v for k, v in result["lines"].items() if k.startswith(what) or k == default}
        base, best = lines[default]["auroc"], max(v["auroc"] for v in lines.values())
        table.setdefault("default", []).append((result["data"], base, best - base))
        found = {
            name: Criteria(**{criterion: line[criterion] for criterion in CRITERIA})
            for name, line in lines.items()
        }
        for criterion, checked in product(CRITERIA, (False, True)):
            for margin in () if checked and criterion == "self_made" else MARGINS:
                value = lines[preferred(found, default, Preference(criterion, margin, checked))][
                    "auroc"
                ]
                name = f"{criterion}{' checked' * checked}, margin {margin}"
                table.setdefault(name, []).append((result["data"], value, best - value))
    out = {}
    for name, entries in table.items():
        groups: dict[str, list[tuple[float, float]]] = {}
        for data, value, loss in entries:
            groups.setdefault(data, []).append((value, loss))
        mean = [
            float(np.mean([np.mean([e[i] for e in g]) for g in groups.values()])) for i in (0, 1)
        ]
        by_set = {d: float(np.mean([e[1] for e in g])) for d, g in groups.items()}
        out[name] = {
            "auroc": mean[0],
            "loss": mean[1],
            "worst": max(e[2] for e in entries),
            "loss_by_set": by_set,
        }
    return out


def left_out(results: list[dict[str, Any]], what: str) -> dict[str, float]:
    """For each data set, what the rule that the other sets would have chosen loses on it."""
    losses = {}
    for data in sorted({r["data"] for r in results}):
        others = picks([r for r in results if r["data"] != data], what)
        rule = min(others, key=lambda name: others[name]["loss"])
        losses[f"{data} ({rule})"] = picks(results, what)[rule]["loss_by_set"][data]
    return losses


def together(results: list[dict[str, Any]]) -> str:
    """Markdown: all three settings chosen at once, against the default, a line a task."""
    default = f"layer {DEFAULT_LAYER}"
    out = [
        "### all three at once",
        "",
        "| task | n | chosen | auto | default | best single change |",
    ]
    out.append("|---|---|---|---|---|---|")
    gains: dict[str, list[float]] = {}
    for r in results:
        auto, base = r["auto"], r["lines"][default]["auroc"]
        best = max(line["auroc"] for line in r["lines"].values())
        chosen = f"`{auto['layer']}`, {auto['n_halfspaces'] or 'one per 12'}, {auto['nu']}"
        name = f"{r['data']} {r['task']}"
        out.append(
            f"| {name} | {r['n']} | {chosen} | {auto['auroc']:.3f} | {base:.3f} | {best:.3f} |"
        )
        gains.setdefault(r["data"], []).append(auto["auroc"] - base)
    words = ", ".join(f"{data} {np.mean(g):+.3f}" for data, g in gains.items())
    mean = np.mean([np.mean(g) for g in gains.values()])
    return "\n".join([*out, "", f"Auto less default: {words}; mean over the sets {mean:+.3f}.", ""])


def text_of(tables: dict[str, Any]) -> str:
    out = []
    for what, lines in tables.items():
        out += [
            f"### {what}",
            "",
            "| rule | mean AUROC | mean loss | worst loss |",
            "|---|---|---|---|",
        ]
        out += [
            f"| {name} | {v['auroc']:.3f} | {v['loss']:.3f} | {v['worst']:.3f} |"
            for name, v in sorted(lines.items(), key=lambda item: item[1]["loss"])
        ]
        out.append("")
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for rows")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/auto.md")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    started = time.time()
    backbone = Backbone.open(DEFAULT)
    candidates = layer_candidates(backbone)
    results = []
    for data in sets():
        make = SeparateLayers(backbone, Layers.once(one for some in candidates for one in some))
        layers = {str(some): partial(make.columns.take, layers=some) for some in candidates}
        used = {
            int(i)
            for t in data.tasks
            for part in (t.train[: max(SIZES)], t.normal[:N_TEST], t.anomalous[:N_TEST])
            for i in part
        }
        order = sorted(used)
        file = arguments.cache / f"auto-{data.name}-values.npy"
        if not file.exists():
            np.save(file, rows_of(make, [make.prepare(data.images[i], SCALE) for i in order]))
        rows = np.zeros((len(data.images), make.n_columns), np.float32)
        rows[order] = np.load(file)
        found: dict[Any, Any] = {"rows": rows}
        for task in data.tasks:
            for n in SIZES:
                parts = parts_of(task, data, n, found, make)
                results.append(measure(task, parts, rows, n, layers))
                print(f"{time.time() - started:5.0f} s {task.data} {task.name} {n}", flush=True)
    keep(results, arguments.write)


def keep(results: list[dict[str, Any]], write: bool) -> None:
    tables = {what: picks(results, what) for what in ("layer", "halfspaces", "nu")}
    out = {
        "command": "python benchmarks/choose_auto.py --cache DIR --write",
        "data": sorted({r["data"] for r in results}),
        "tables": tables,
        "tasks": results,
    }
    (Path(__file__).parent / "results/auto.json").write_text(json.dumps(out, indent=1) + "\n")
    held = {what: left_out(results, what) for what in tables} if len(out["data"]) > 1 else {}
    text = together(results) + "\n" + text_of(tables)
    for what, losses in held.items():
        words = "; ".join(f"{name}: {loss:.3f}" for name, loss in losses.items())
        text += f"\nLeft out, {what}: {words}.\n"
    print(text)
    if write and PAGE.exists():
        head, _, rest = PAGE.read_text().partition("<!-- tables -->")
        tail = rest.partition("<!-- end of tables -->")[2]
        PAGE.write_text(f"{head}<!-- tables -->\n{text}\n<!-- end of tables -->{tail}")


if __name__ == "__main__":
    main()

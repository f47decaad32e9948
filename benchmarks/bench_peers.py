"""anomalib's PatchCore and PaDiM beside ours: the same weights, pictures, measures, one thread.

    ONECLASS_DATA=/path/to/data python benchmarks/bench_peers.py [--write] [SET ...]

anomalib runs in an environment of its own, which this makes once (5.6 GB, ONECLASS_PEERS names
another place): pins of torch and torchvision that import together, then anomalib. Its network is
timm's tf_efficientnet_lite0 with the weights of the embedded one; the script checks that both give
the same maps. Every tool runs in a process of its own, with one thread; costs are processor time.

"same rows": 224 x 224, block_4 + block_10, patches. "as it comes": ours with its defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.backbones import DEFAULT, Backbone
from oneclass.evaluation.pixels import PixelMeasures, count_pixels
from oneclass.statistics import auroc, auroc_interval
from patch_sets import Pictures, pictures

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "peers.json"
PLACE = Path(os.environ.get("ONECLASS_PEERS", Path(tempfile.gettempdir()) / "oneclass-peers"))
PINS = (("torch==2.14.1", "torchvision==0.29.1"), ("anomalib==2.7.0",))
LAYERS = ("block_4", "block_10")
SIDE = 224
WAYS: dict[str, dict[str, Any]] = {
    "oneclass, patches, same rows": {"rows": "patches", "side": SIDE},
    "oneclass, as it comes": {"rows": None, "side": None},
    "anomalib PatchCore, 1 %": {"method": "patchcore", "side": SIDE},
    "anomalib PaDiM": {"method": "padim", "side": SIDE},
}
SETS = ("magnetic_tile", "elpv_mono", "deeppcb")
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def environment() -> Path:
    """The Python of the peers' environment, made where it isn't there yet."""
    python = PLACE / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = PLACE / "ready"
    if not ready.exists():
        venv.create(PLACE, with_pip=True)
        for pins in PINS:
            subprocess.run([python, "-m", "pip", "install", "-q", *pins], check=True)
        ready.touch()
    return python


def write_network(folder: Path) -> dict[str, Any]:
    """The embedded network's weights in order, an example of its maps, and its preprocessing."""
    import onnx
    from onnx import numpy_helper

    network = Backbone.open(DEFAULT)
    graph = onnx.load_from_string(network.model).graph
    weights = [
        numpy_helper.to_array(one).astype(np.float32)
        for one in graph.initializer
        if ".weight" in one.name or ".bias" in one.name
    ]
    np.savez(folder / "weights.npz", **{f"{i:03}": one for i, one in enumerate(weights)})
    pixels = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    maps = network.session(LAYERS, threads=1)(pixels)
    np.savez(folder / "example.npz", input=pixels, **dict(zip(LAYERS, maps, strict=True)))
    preprocessing = network.spec.preprocessing
    return {
        "weights": str(folder / "weights.npz"),
        "example": str(folder / "example.npz"),
        "mean": preprocessing.mean,
        "std": preprocessing.std,
    }


class Drawn:
    """Some pictures of a set, by seed, as folders of links.

    Attributes:
        train, test: the folders.
        masks: for the names in test the number of the odd picture; None for normal ones.
    """

    def __init__(self, found: Pictures, seed: int, n_train: int, n_test: int, place: Path) -> None:
        rng = np.random.default_rng(seed)
        self.found, self.masks = found, dict[str, int | None]()
        self.train, self.test = place / "train", place / "test"
        for folder in (self.train, self.test):
            folder.mkdir()
        for index in rng.permutation(found.train)[:n_train]:
            self._link(self.train, int(index))
        for indices in (found.normal, found.odd):
            for index in np.sort(rng.permutation(indices)[:n_test]):
                name = self._link(self.test, int(index))
                self.masks[name] = int(index - found.odd[0]) if index in found.odd else None

    def _link(self, folder: Path, index: int) -> str:
        file = self.found.files[index]
        name = f"{index:05}{file.suffix}"
        (folder / name).symlink_to(file.resolve())
        return name


def run(way: str, drawn: Drawn, network: dict[str, Any], seed: int) -> dict[str, Any]:
    """One way on one draw, in a process of its own."""
    asked = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        job = {
            **network, **asked, "seed": seed, "train": str(drawn.train), "test": str(drawn.test),
            "out": folder, "result": f"{folder}/result.npz",
        }  # fmt: skip
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(job))
        python = environment() if "method" in asked else Path(sys.executable)
        script = HERE / ("peers_anomalib.py" if "method" in asked else "peers_oneclass.py")
        subprocess.run([python, script, file], check=True, env={**os.environ, **ONE})
        told = json.loads(Path(job["result"]).with_suffix(".json").read_text())
        with np.load(job["result"]) as maps:
            found = measured(told.pop("scores"), maps, drawn)
        return {"way": way, "seed": seed, **told, **found}


def measured(scores: dict[str, float], maps: Any, drawn: Drawn) -> dict[str, Any]:
    """The same measures for all: image AUROC with its interval, pixel AUROC and AU-PRO."""
    normal = np.array([scores[name] for name, number in drawn.masks.items() if number is None])
    odd = np.array([scores[name] for name, number in drawn.masks.items() if number is not None])
    found = {"auroc": auroc(normal, odd), "interval": auroc_interval(normal, odd)}
    found |= {"train": len(list(drawn.train.iterdir())), "normal": len(normal), "odd": len(odd)}
    if not drawn.found.masks:
        return found

    def marked() -> Any:
        for name, number in drawn.masks.items():
            mask = None if number is None else drawn.found.mask(number)
            yield maps[name], SHAPE if mask is None else mask.shape, mask

    pixels = PixelMeasures(count_pixels(marked)).of(range(len(odd)))
    assert pixels is not None
    return found | {
        "pixel_auroc": pixels.auroc.value,
        "au_pro_30": pixels.au_pro_30.value,
        "au_pro_5": pixels.au_pro_5.value,
    }


SHAPE = (320, 320)
"""To which the maps of normal pictures are enlarged; masks have their longer side there."""


def table(results: list[dict[str, Any]]) -> str:
    head = (
        "| set | learnt from | way | image AUROC (95 %) | pixel AUROC | AU-PRO 30 % | AU-PRO 5 % | "
        "fit, CPU s | CPU ms an image, with map | peak MB | learnt, kB |\n|" + "---|" * 11
    )
    lines = [
        f"| {r['set']} | {r['train']} | {r['way']} | {r['auroc']:.3f} ({r['interval'][0]:.3f} to "
        f"{r['interval'][1]:.3f}) | {_or_nothing(r, 'pixel_auroc')} | {_or_nothing(r, 'au_pro_30')}"
        f" | {_or_nothing(r, 'au_pro_5')} | {r['fit_cpu_seconds']:.0f} | "
        f"{r['cpu_ms_an_image']:.0f} | {r['peak_megabytes']:.0f} | {r['learnt_kilobytes']:.0f} |"
        for r in results
    ]
    return "\n".join([head, *lines])


def means(results: list[dict[str, Any]]) -> str:
    """A line a way: the means over the draws of each set, and where they range."""
    drawn: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for one in results:
        drawn.setdefault((one["set"], one["train"], one["way"]), []).append(one)
    lines = ["| set | learnt from | way | draws | image AUROC | AU-PRO 30 % |", "|" + "---|" * 6]
    for (name, train, way), some in sorted(drawn.items()):
        cells = [
            f"{np.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" if v else ""
            for v in ([one[key] for one in some if key in one] for key in ("auroc", "au_pro_30"))
        ]
        lines.append(f"| {name} | {train} | {way} | {len(some)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def keep(result: dict[str, Any]) -> None:
    """Put one run into results/, in the place of one of the same way on the same draw."""
    which = ("set", "train", "normal", "odd", "way", "seed")
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    others = [one for one in known if any(one[key] != result[key] for key in which)]
    RESULTS.write_text(json.dumps([*others, result], indent=1) + "\n", encoding="utf-8")


def _or_nothing(result: dict[str, Any], name: str) -> str:
    return f"{result[name]:.3f}" if name in result else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--train", type=int, default=120, help="normal pictures to learn from")
    parser.add_argument("--test", type=int, default=60, help="test pictures, normal and odd each")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="of the draws")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--write", action="store_true", help="add the figures to those in results/")
    asked = parser.parse_args()
    environment()
    results: list[dict[str, Any]] = []
    for seed in asked.seeds:
        for name in asked.sets:
            with tempfile.TemporaryDirectory() as folder:
                network = write_network(Path(folder))
                found = pictures(name)
                drawn = Drawn(found, seed, asked.train, asked.test, Path(folder))
                for way in asked.ways:
                    results.append({"set": name, **run(way, drawn, network, seed)})
                    print(table(results[-1:]).splitlines()[-1], flush=True)
                    if asked.write:
                        keep(results[-1])
    print(table(results))
    if asked.write:
        print(means(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()

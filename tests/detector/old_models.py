"""Models of older versions, kept in tests/data/models with what these versions said of pictures.

`python tests/detector/old_models.py FOLDER` writes both with the oneclass that it finds: those here
were written before modules moved into rooms, "both" before whole images beside patches had standard
deviations. It is run again only when the format of the file changes, and then beside the old ones.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import oneclass
from oneclass.system.host.portable import cpu_name

FOLDER = Path(__file__).parents[1] / "data" / "models"
SMALL: dict[str, Any] = {"size": (32, 32), "n_halfspaces": 2}
MODELS: dict[str, tuple[int, dict[str, Any]]] = {
    "grey": (40, {"backbone": "greyscale"}),
    "grey16": (12, {"backbone": "greyscale", "size": (12, 10)}),
    "grey-split": (2000, {"backbone": "greyscale", "size": (8, 8), "n_halfspaces": 3}),
    "layer": (24, {"layer": "block_2@2", **SMALL}),
    "joined": (24, {"layer": "block_2@4+block_4@2", **SMALL, "nu": 0.3, "false_alarms": 0.2}),
    "mapless": (12, {"layer": "pool", "size": (64, 64), "n_halfspaces": 1}),
    "patches": (12, {"rows": "patches", "layer": "block_2", **SMALL}),
    "both": (12, {"rows": "both", "layer": "block_2", **SMALL}),
    "float16": (24, {"layer": "block_3@2", **SMALL, "row_dtype": "float16"}),
}
"""By name: how many normal pictures, and the settings."""


def picture(name: str, *, upright: bool = True, deep: bool = False) -> NDArray[Any]:
    """(16, 16) noisy stripes, uint8 or uint16; the name decides, by hash and whole numbers alone.

    So they are the same pictures wherever and whenever they are made.
    """
    noise = np.frombuffer(hashlib.shake_256(name.encode()).digest(257), np.uint8)
    wave = (np.arange(16) + noise[256] % 6) % 6 < 3
    image = 30 + 150 * wave[None, :] + noise[:256].reshape(16, 16) % 64
    image = image if upright else image.T
    return (image * 150 + 7).astype(np.uint16) if deep else image.astype(np.uint8)


def normal(name: str, n: int) -> list[NDArray[Any]]:
    return [picture(f"{name} {i}", deep=name == "grey16") for i in range(n)]


def new(name: str) -> list[NDArray[Any]]:
    """Four normal pictures and four others that no model has learnt."""
    return [picture(f"{name} new {i}", upright=i < 4, deep=name == "grey16") for i in range(8)]


def said_by(detector: oneclass.Detector, name: str) -> dict[str, Any]:
    """Scores, p-values, verdicts, and the map of the last picture: numbers in hex, bit for bit."""
    predictions = detector.score(new(name)).predictions
    said: dict[str, Any] = {
        "scores": [p.score.hex() for p in predictions],
        "p_values": [p.p_value.hex() for p in predictions],
        "anomalies": [p.is_anomaly for p in predictions],
    }
    if name != "mapless":
        (explained,) = detector.explain(new(name)[-1:])
        said["map"] = [value.hex() for value in explained.anomaly_map.ravel().tolist()]
        said["shape"] = list(explained.anomaly_map.shape)
        said["offset"] = float(explained.offset).hex()
    return said


def write(folder: Path) -> None:
    said = {}
    for name, (n, settings) in MODELS.items():
        file = folder / f"{name}.oneclass"
        detector = oneclass.Detector(**settings).fit(normal(name, n))
        detector.save(file, rows=name == "float16")
        said[name] = said_by(oneclass.load(file), name)
    record = {"made_on": made_on(), "said": said}
    (folder / "said.json").write_text(json.dumps(record, indent=0) + "\n", encoding="utf-8")


def made_on() -> dict[str, str]:
    """All that the last bits of a network's rows may depend on."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "cpu": cpu_name(),
        "instructions": hashlib.sha256(flags.encode()).hexdigest()[:16],
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


if __name__ == "__main__":
    write(Path(sys.argv[1]))

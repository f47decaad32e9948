"""One file: judging where oneclass is not installed.

A model is written as one ONNX graph (`oneclass export`), and a short program judges by
it with ONNX Runtime, numpy and Pillow alone: `examples/onnxruntime_only.py`. It says what oneclass
says. Needs the extra `export`; [all about the file](../export.md).
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from oneclass import Detector
from oneclass.datasets.textures import KINDS, texture_parts

PROGRAM = Path(__file__).with_name("onnxruntime_only.py")
NEW = ("brick-05", "grass-05", "gravel-05")


def main(folder: Path) -> tuple[Detector, dict[Path, str]]:
    """Learn, export, judge by both and tell; return the detector and the images to show."""
    parts = texture_parts(seed=0)  # arrays (85, 85), by the names of files
    folder.mkdir(parents=True, exist_ok=True)
    model, exported = folder / "textures.oneclass", folder / "textures.onnx"
    normal = [part for name, part in parts.items() if name.startswith("normal/")]
    detector = Detector(rows="patches").fit(np.stack(normal))
    detector.save(model)
    command = [sys.executable, "-m", "oneclass", "export", model, "-o", exported]
    subprocess.run([str(word) for word in command], check=True)

    files = []
    for name in NEW:
        for kind in KINDS:
            files.append(folder / f"{name}-{kind}.png")
            Image.fromarray(parts[f"incoming/{kind}/{name}.png"]).save(files[-1])
    told = subprocess.run(
        [sys.executable, str(PROGRAM), str(exported), *map(str, files)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = [line for line in told.splitlines() if not line.startswith(" ")]
    largest = 0.0
    captions = {}
    for line, prediction in zip(csv.reader(lines), detector.score(files), strict=True):
        path, score, p_value, verdict = line
        largest = max(largest, abs(float(score) - prediction.score))
        assert (verdict == "anomaly") == prediction.is_anomaly
        print(f"{Path(path).name}  {float(score):+.4f}  p {float(p_value):.3f}  {verdict}")
        captions[Path(path)] = f"p {float(p_value):.3f}"
    print(f"every verdict is oneclass's own; the scores are within {largest:.6f} of its own")
    return detector, captions


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "one_file"))

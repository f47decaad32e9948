"""Write AlexNet's convolutions as a MatConvNet file, to try the importer on real weights.

    python tools/alexnet_to_mat.py alexnet_conv.npz alexnet.mat
    oneclass backbone import alexnet.mat -o alexnet.onnx

The .npz holds convN.weight (outputs, inputs, height, width) and convN.bias of BVLC's AlexNet, and
mean_bgr_256 (3, 256, 256). Caffe's networks take BGR, MatConvNet's RGB, so the first filters and
the mean are turned round; the mean image is resized to the input's 227 x 227, as whole images are.
Needs scipy.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

PADS = (0, 2, 1, 1, 1)
LRN = np.array([5, 1, 1e-4 / 5, 0.75])  # Caffe divides alpha by the window, MatConvNet does not
SIDE = 227


def layers(weights: Any) -> list[dict[str, Any]]:
    """conv1 to pool5, in MatConvNet's axes: filters (height, width, inputs, outputs)."""
    found: list[dict[str, Any]] = []
    for number, pad in enumerate(PADS, 1):
        filters = weights[f"conv{number}.weight"].transpose(2, 3, 1, 0)
        if number == 1:
            filters = filters[:, :, ::-1]
        cells = np.empty((1, 2), object)
        cells[0, 0], cells[0, 1] = filters, weights[f"conv{number}.bias"][None]
        stride = 4.0 if number == 1 else 1.0
        found += [
            {
                "type": "conv",
                "name": f"conv{number}",
                "weights": cells,
                "pad": pad,
                "stride": stride,
            },
            {"type": "relu", "name": f"relu{number}"},
        ]
        if number < 3:
            found.append({"type": "lrn", "name": f"norm{number}", "param": LRN})
        if number in (1, 2, 5):
            pool = {"pool": [3, 3], "stride": 2, "pad": 0, "method": "max"}
            found.append({"type": "pool", "name": f"pool{number}", **pool})
    return found


def mean_image(bgr: np.ndarray) -> np.ndarray:
    """(227, 227, 3) RGB of (3, n, n) BGR."""
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in bgr[::-1]]
    small = [np.asarray(p.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for p in planes]
    return np.stack(small, axis=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("npz", type=Path)
    parser.add_argument("mat", type=Path)
    args = parser.parse_args()
    with np.load(args.npz) as weights:
        chain = layers(weights)
        normalization = {
            "imageSize": np.array([SIDE, SIDE, 3.0]),
            "averageImage": mean_image(weights["mean_bgr_256"]),
            "interpolation": "bilinear",
            "border": np.array([256.0 - SIDE] * 2),
        }
    cells = np.empty((1, len(chain)), object)
    cells[0] = chain
    scipy.io.savemat(args.mat, {"layers": cells, "meta": {"normalization": normalization}})


if __name__ == "__main__":
    main()

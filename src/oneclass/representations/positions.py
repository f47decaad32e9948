"""Positions of a layer's maps as parts of rows.

ONNX Runtime does it, by a graph of a kilobyte: it takes a third of the time that numpy does, which
makes float16 of one value after the other. tools/write_positions.py writes the graph.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from oneclass.backbones.onnx_file import cut
from oneclass.backbones.refusals import out_of_memory
from oneclass.system import offline
from oneclass.system.arrays import Planes, Rows


def positions(maps: Planes, grid: tuple[int, int], length: float, dtype: str) -> Rows:
    """Each position averaged with its neighbours, 3 x 3, on a grid at least as fine, scaled.

    Beyond the maps' edge their last line stands for what is missing. Between positions values are
    interpolated linearly.

    Args:
        maps: (n, c, h, w) float32.
        grid: (height, width), at least h and w.
        length: that each position is given; 0 where it is shorter than 1e-18, and not finite where
            its values, or their squares, are not.
        dtype: float16 or float32.

    Returns:
        (n, height, width, c) of that dtype; of an image to the same bits, alone and with others.

    Raises:
        MemoryError: it does not fit.
    """
    shape = np.array([len(maps), *grid, maps.shape[1]])
    given = {"maps": maps, "shape": shape, "share": np.array(length, np.float32)}
    try:
        (made,) = _session(dtype).run(None, given)
    except Exception as error:  # the runtime's errors share no base class of their own
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise
    found: Rows = made
    return found


@cache
def _session(dtype: str) -> Any:
    """The graph, ended at one of its outputs; threads share it."""
    ort = offline.onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    file = resources.files("oneclass.representations") / "positions.onnx"
    return ort.InferenceSession(
        cut(file.read_bytes(), [dtype]), options, providers=["CPUExecutionProvider"]
    )

"""The paper's data sets, or what stands in for them, each as one array of grey images.

mnist           handwritten digits
mnist_download  these, from the network
xray            freight containers under X-ray, empty and not
xray_simulated  such images, computed
textures        parts of textures for the demo, some of them damaged
faces           faces with identities, male and female
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DataSet:
    """Grey images and what is in them.

    Attributes:
        name: of the data set in the paper: "MNIST", "X-RAY" or "CASIA".
        images: (n, h, w) uint8.
        labels: (n,) strings: "0" to "9"; "empty", "non-empty"; "male", "female".
        found: what was found and where, as a sentence.
        stand_in: what it is instead of the paper's data; empty for the paper's own.
        simulated: whether the images were computed.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.str_]
    found: str
    stand_in: str = ""
    simulated: bool = False

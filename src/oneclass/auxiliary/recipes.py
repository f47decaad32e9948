"""How long, how fast and from where a network is trained."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from oneclass.errors import InputError

WARM_UP = 0.05


@dataclass(frozen=True, slots=True)
class Recipe:
    """Gradient descent on the softmax loss.

    Attributes:
        epochs: passes over the training images.
        batch: images a step, over all processes.
        optimiser: "sgd", with momentum, or "adamw" (Loshchilov and Hutter 2019).
        learning_rate: the largest one.
        schedule: "steps": a tenth after half of the epochs, a hundredth after three quarters
            (the paper's 150 / 75 / 75); "cosine": up in the first twentieth, then down to zero
            along a cosine.
        initialisation: "normal": standard normal weights, the paper's; "he": normal with variance
            2 / fan-in (He et al. 2015), which keeps the scale of activations from layer to layer;
            a tenth of that for the last linear layer, so that all classes begin alike; "own": the
            weights that an imported network comes with.
        momentum: of "sgd".
        weight_decay: acts on all parameters.
        head_rate: of the last linear layer, as a multiple of the others' learning rate. Its input
            has thousands of values that are all positive, so a step that suits the normalised
            convolutions is far too long for it.
        label_smoothing: in [0, 1): share of the target that is spread over all classes.
        distort: in [0, 1]: strength of random shifts, scales and turns of the training images;
            1 is up to a tenth of the side, a tenth of the size, ten degrees.
        flip: mirror half of the training images left to right.
    """

    epochs: int
    batch: int
    optimiser: str
    learning_rate: float
    schedule: str
    initialisation: str
    momentum: float = 0.9
    weight_decay: float = 5e-4
    head_rate: float = 1.0
    label_smoothing: float = 0.0
    distort: float = 0.0
    flip: bool = False

    def rate(self, progress: float) -> float:
        """The learning rate when `progress`, in [0, 1), of all steps are done."""
        if self.schedule == "steps":
            return self.learning_rate * (1 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01)
        if progress < WARM_UP:
            return self.learning_rate * (0.1 + 0.9 * progress / WARM_UP)
        return self.learning_rate * (
            (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


PRESETS = {
    # Section 4.2 of the paper; it does not print the batch size.
    "paper": Recipe(300, 128, "sgd", 1e-2, "steps", "normal"),
    # docs/training.md has the figures.
    "quick": Recipe(
        epochs=14,
        batch=32,
        optimiser="adamw",
        learning_rate=1e-3,
        schedule="cosine",
        initialisation="he",
        weight_decay=0.05,
        head_rate=0.03,
        label_smoothing=0.1,
        distort=0.5,
    ),
}


def preset(name: str) -> Recipe:
    """One of `PRESETS`.

    Raises:
        InputError: no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"preset {name!r}: expected one of {', '.join(PRESETS)}.")
    return PRESETS[name]

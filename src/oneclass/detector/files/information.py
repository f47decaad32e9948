"""What `oneclass info` tells: of a model, plainly and in detail, and of this installation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.backbones import EMBEDDED_SHA256, Backbone
from oneclass.conformal.calibration import Calibration
from oneclass.detector.files import modelfile
from oneclass.detector.settings import BOTH, GREYSCALE, IMAGE, PATCHES, VIEWS
from oneclass.rows.layers import Layer
from oneclass.system.host.machine import environment

OTHERS = {IMAGE: "whole images", PATCHES: "patches", BOTH: "both together"}
"""What `--rows` may be, in words."""


def model_card(file: Path) -> dict[str, Any]:
    """The card of a model file, its digest, the sizes of its arrays, and this environment.

    Needs neither the backbone nor a network runtime.

    Raises:
        ModelFileError: the file is refused.
    """
    card, arrays, digest = modelfile.read(file)
    return {
        "file": str(file),
        "sha256": digest,
        "bytes": file.stat().st_size,
        **card,
        "arrays": {
            name: f"{array.dtype} {' x '.join(map(str, array.shape))}"
            for name, array in sorted(arrays.items())
        },
        "environment": environment(),
    }


def plainly(file: Path) -> list[str]:
    """What a model is, in a few sentences.

    Raises:
        ModelFileError: the file is refused.
    """
    card, arrays, _ = modelfile.read(file)
    try:
        scores = Calibration(np.sort(np.asarray(arrays["normal_scores"], np.float64)))
        return summary(card, scores.threshold(card["false_alarms"]))
    except (KeyError, TypeError, ValueError, IndexError):
        return []  # of a version that wrote other cards: the details have what there is


def installation() -> dict[str, Any]:
    """Versions, processor, and for each embedded backbone its record and its layers' shapes."""
    backbones = {name: _backbone(name) for name in EMBEDDED_SHA256}
    return {"environment": environment(), "backbones": backbones}


def _backbone(name: str) -> dict[str, Any]:
    backbone = Backbone.open(name)
    shapes = {layer: " x ".join(map(str, shape)) for layer, shape in backbone.shapes().items()}
    return {**backbone.spec.to_json(), "layers": shapes}


def outline(facts: Any, indent: str = "") -> str:
    """Nested facts as indented `name: value` lines."""
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", outline(value, indent + "  ")]
        elif isinstance(value, (list, tuple)):
            lines.append(f"{indent}{name}: {', '.join(_figure(v) for v in value) or 'none'}")
        else:
            lines.append(f"{indent}{name}: {_figure(value)}")
    return "\n".join(lines)


def _figure(value: Any) -> str:
    if isinstance(value, dict):  # a layer and its grid, written as --layer takes it
        return str(Layer(**value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def looks_at(card: Mapping[str, Any]) -> str:
    """A sentence on what the model looks at, and how large."""
    made = card["representation"]
    if made["kind"] == GREYSCALE:
        return f"It looks at the raw pixels of whole images, resized to {_size(made)} pixels."
    through = f"through {made['backbone']['name']}"
    tiles = made.get("tiles")
    cut = f" in tiles of {tiles[1]} x {tiles[0]}," if tiles else ""
    view = VIEWS.get(made["kind"], IMAGE)
    if view == BOTH:
        return (
            f"It looks at whole images, resized to {_size(made['whole'])} pixels, and at their "
            f"patches, at {_size(made)} pixels,{cut} {through}."
        )
    what = "patches of the images" if view == PATCHES else "whole images"
    return f"It looks at {what}, resized to {_size(made)} pixels,{cut} {through}."


def _size(made: Mapping[str, Any]) -> str:
    height, width = made["preprocessing"]["size"]
    return f"{width} x {height}"


def not_tried(card: Mapping[str, Any]) -> str | None:
    """A sentence on the ways of looking that the fit left aside; None for raw pixels."""
    kind = card["representation"]["kind"]
    if kind == GREYSCALE:
        return None
    chosen = VIEWS.get(kind, IMAGE)
    rest = [f"{words} (--rows {word})" for word, words in OTHERS.items() if word != chosen]
    return f"Not tried: {' and '.join(rest)}. 'oneclass compare FOLDER' shows them side by side."


def summary(card: Mapping[str, Any], threshold: float) -> list[str]:
    """The sentences with which `oneclass info` begins.

    Args:
        card: of the model.
        threshold: of its scores.
    """
    fit, calibration = card["fit"], card["calibration"]
    n_images, n_pictures = fit["n_images"], fit.get("n_pictures", fit["n_images"])
    learnt = f"It has learnt {n_images:,} normal images"
    if n_pictures < n_images:
        learnt += f" of about {n_pictures:,} different pictures"
    promise = calibration.get("promise") or calibration["guarantee"]
    lowest = calibration["lowest_false_alarms"]
    return [
        learnt + f", {_depth(card['pixel_scale']['depth'])}.",
        looks_at(card),
        f"An image is called an anomaly if its score is above {threshold:.4g}. {promise}",
        f"The lowest rate of false alarms that so many images support is {100 * lowest:.2g} %.",
    ]


def _depth(depth: str) -> str:
    words = {"uint8": "8 bits a pixel", "uint16": "16 bits a pixel"}
    return words.get(depth, "with fractions as pixels")

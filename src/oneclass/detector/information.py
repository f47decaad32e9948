"""What `oneclass info` tells: of a model, and of this installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oneclass.backbones import EMBEDDED_SHA256, Backbone
from oneclass.detector import modelfile
from oneclass.rows.layers import Layer
from oneclass.system.machine import environment


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

"""A trained network as a backbone file: ONNX, with all that belongs to it in its metadata."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from oneclass.backbones import Backbone, Preprocessing
from oneclass.errors import OneclassError
from oneclass.files import whole_file

OPSET = 17
PARITY = 1e-4


class _Layers(nn.Module):
    """A network whose outputs are those of all its outermost parts, in the order they ran."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.names: list[str] = []
        self._found: list[torch.Tensor] = []
        for name, part in network.named_children():
            part.register_forward_hook(lambda _m, _i, out, name=name: self._keep(name, out))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.names, self._found = [], []
        logits = self.network(images)
        if not self._found or self._found[-1] is not logits:
            self._keep("logits", logits)
        return tuple(self._found)

    def _keep(self, name: str, out: object) -> None:
        if isinstance(out, torch.Tensor) and out.shape[:1] and name not in self.names:
            self.names.append(name)
            self._found.append(out)


def export(
    network: nn.Module,
    preprocessing: Preprocessing,
    record: dict[str, Any],
    images: NDArray[np.float32],
    file: Path,
) -> float:
    """Write `network` as a backbone and see that ONNX Runtime computes what torch does.

    Args:
        network: trained; its outermost parts become the named layers.
        preprocessing: what it expects of its input.
        record: name, licence, source, classes, recipe, data: stored in the file's metadata.
        images: (n, channels, height, width) real images, prepared, to compare the two on.
        file: to write, whole or not at all.

    Returns:
        The largest difference between the two over all layers, relative to the layer's largest
        value.

    Raises:
        OneclassError: they differ by more than 1e-4.
        MissingDependencyError: the package onnx is not installed.
    """
    layers = _Layers(network.cpu().float().eval())
    with torch.no_grad():
        # The classic memory order, so that the file does not depend on the one used in training.
        batch = torch.from_numpy(np.ascontiguousarray(images))
        layers.to(memory_format=torch.contiguous_format)
        expected = [out.numpy() for out in layers(batch)]
    data = _with_metadata(
        _traced(layers, batch), {**record, "preprocessing": preprocessing.to_json()}
    )
    backbone = Backbone(data, file=str(file))
    found = backbone.session(layers.names)(images)
    worst = max(
        float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30))
        for a, b in zip(expected, found, strict=True)
    )
    if worst > PARITY:
        raise OneclassError(
            f"{file}: ONNX Runtime's layers differ from torch's by {worst:.1e} of their largest "
            f"value, more than {PARITY:g}. Nothing was written."
        )
    with whole_file(file) as out:
        out.write(data)
    return worst


def _traced(layers: _Layers, batch: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    axes = {"images": {0: "batch", 2: "height", 3: "width"}}
    with warnings.catch_warnings():
        # torch's newer exporter needs two more packages and names the layers less plainly.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            layers,
            (batch[:2],),
            buffer,
            dynamo=False,
            input_names=["images"],
            output_names=layers.names,
            dynamic_axes=axes | {name: {0: "batch"} for name in layers.names},
            opset_version=OPSET,
        )
    return buffer.getvalue()


def _with_metadata(model: bytes, record: dict[str, Any]) -> bytes:
    import onnx

    loaded = onnx.load_model_from_string(model)
    onnx.helper.set_model_props(loaded, {"oneclass": json.dumps(record, sort_keys=True)})
    data: bytes = loaded.SerializeToString(deterministic=True)
    return data

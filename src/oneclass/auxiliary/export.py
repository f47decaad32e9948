"""A trained network as a backbone file: ONNX, with all that belongs to it in its metadata."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn

from oneclass.auxiliary.networks import made_by
from oneclass.backbones import Backbone, Preprocessing
from oneclass.backbones.onnx_file import with_metadata
from oneclass.backbones.session import METADATA_KEY
from oneclass.errors import InputError, OneclassError
from oneclass.system.files import whole_file

OPSET = 17
PARITY = 1e-4


class _Layers(nn.Module):
    """A network whose outputs are those of some of its parts, in the order they ran.

    Args:
        network: whose parts they are.
        layers: names of parts, as in `named_modules`; none for all outermost ones and the output.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str] = ()) -> None:
        super().__init__()
        self.network = network
        self.names: list[str] = []
        self._found: list[torch.Tensor] = []
        self._with_output = not layers
        parts = dict(network.named_modules() if layers else network.named_children())
        if unknown := [name for name in layers if name not in parts]:
            named = [name for name in parts if name]
            raise InputError(
                f"layer {unknown[0]!r}: the network has no such part. "
                + (f"Its parts are: {', '.join(named)}." if named else "It has none: leave it out.")
            )
        for name in layers or parts:
            # A bare number would be taken for one of the tracer's own names.
            shown = f"part_{name}" if name.isdecimal() else name
            parts[name].register_forward_hook(
                lambda _m, _i, out, shown=shown: self._keep(shown, out)
            )

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.names, self._found = [], []
        logits = self.network(images)
        if self._with_output and (not self._found or self._found[-1] is not logits):
            self._keep("logits", logits)
        return tuple(self._found)

    def _keep(self, name: str, out: object) -> None:
        if isinstance(out, torch.Tensor) and out.shape[:1] and name not in self.names:
            self.names.append(name)
            self._found.append(out)


def export_module(
    path: str,
    file: Path,
    preprocessing: Preprocessing,
    *,
    weights: Path | None = None,
    layers: Sequence[str] = (),
    record: dict[str, Any],
) -> float:
    """Write a torch module of a user's own as a backbone.

    Args:
        path: `package.module:name` of the module, or of a function that returns it.
        file: to write, whole or not at all.
        preprocessing: what the module expects of its input; one mean and one std are for all the
            channels of its first convolution.
        weights: a safetensors file, or a state dict of torch; None for those that it has.
        layers: names of parts that become the named layers; none for all outermost ones.
        record: name, licence, source.

    Returns:
        See `export_network`.

    Raises:
        InputError: nothing at the path, weights that do not fit, unknown layers, or a module that
            does not take such images.
        OneclassError: ONNX Runtime does not compute what torch does.
    """
    network = made_by(path)
    if weights is not None:
        _load_weights(network, weights)
    first = next((part for part in network.modules() if isinstance(part, nn.Conv2d)), None)
    preprocessing = preprocessing.of_channels(first.in_channels if first else None)
    images = np.random.default_rng(0).standard_normal((2, *preprocessing.shape)).astype(np.float32)
    try:
        return export_network(network, preprocessing, record, images, file, layers=layers)
    except OneclassError:
        raise
    except (RuntimeError, ValueError, TypeError) as error:
        shape = " x ".join(map(str, preprocessing.shape))
        raise InputError(
            f"module {path}: cannot be exported for images of {shape} "
            f"({str(error).partition(chr(10))[0]}). Is --size right, and are there as many values "
            "of --mean as the input has channels?"
        ) from error


def _load_weights(network: nn.Module, file: Path) -> None:
    try:
        if file.suffix == ".safetensors":
            state = safetensors.torch.load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except FileNotFoundError as error:
        raise InputError(f"weights {file}: there is no such file; check the path.") from error
    except Exception as error:  # torch and safetensors raise whatever a damaged file leads to
        # torch's advice is to read such a file all the same, and run whatever is in it.
        told = "it is no state dict" if "weights_only" in str(error) else str(error)
        raise InputError(
            f"weights {file}: do not fit the module, or cannot be read "
            f"({' '.join(told.split())[:300]}). Expected a safetensors file, or a state dict "
            "saved with torch.save(module.state_dict(), ...)."
        ) from error


def export_network(
    network: nn.Module,
    preprocessing: Preprocessing,
    record: dict[str, Any],
    images: NDArray[np.float32],
    file: Path,
    *,
    layers: Sequence[str] = (),
) -> float:
    """Write `network` as a backbone and see that ONNX Runtime computes what torch does.

    Args:
        network: trained.
        preprocessing: what it expects of its input.
        record: name, licence, source, classes, recipe, data: stored in the file's metadata.
        images: (n, channels, height, width) real images, prepared, to compare the two on.
        file: to write, whole or not at all.
        layers: names of parts that become the named layers; none for all outermost ones.

    Returns:
        The largest difference between the two over all layers, relative to the layer's largest
        value.

    Raises:
        InputError: an unknown layer, or none that gives one tensor an image.
        OneclassError: they differ by more than 1e-4.
        MissingDependencyError: the package onnx is not installed.
    """
    traced = _Layers(network.cpu().float().eval(), layers)
    with torch.no_grad():
        # The classic memory order, so that the file does not depend on the one used in training.
        batch = torch.from_numpy(np.ascontiguousarray(images))
        traced.to(memory_format=torch.contiguous_format)
        expected = [out.numpy() for out in traced(batch)]
    if not expected or any(len(out) != len(images) for out in expected):
        named = ", ".join(layers or traced.names) or "none"
        raise InputError(
            f"layers ({named}): expected parts that give one tensor with a row for each image. "
            "Name others with --layer."
        )
    told = json.dumps({**record, "preprocessing": preprocessing.to_json()}, sort_keys=True)
    data = with_metadata(_traced(traced, batch), METADATA_KEY, told)
    backbone = Backbone(data, file=str(file))
    found = backbone.session(traced.names)(images)
    worst = max(
        float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30))
        for a, b in zip(expected, found, strict=True)
    )
    if worst > PARITY:
        raise OneclassError(
            f"{file}: ONNX Runtime's layers differ from torch's by {worst:.1e} of their largest "
            f"value, more than {PARITY:g}. Nothing was written. Export the network from its torch "
            "module, without operators that the two round differently, or use other versions."
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

"""A training's whole state on disk: tensors in safetensors, the rest in JSON, no pickle.

Two files make one checkpoint: `checkpoint-<digest>.safetensors` is written first, and
`checkpoint.json`, which names it, is renamed into place last. So a kill at any point leaves the old
checkpoint or the new one. safetensors itself has no checksum; the digest is checked when it is
read.

All that is random in training is drawn from (seed, epoch, step), so the position in the run is the
state of every random generator and of the sampler as well.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oneclass.errors import InputError, ModelFileError
from oneclass.system.files import translated_errors, whole_file

FILE = "checkpoint.json"
VERSION = 1


@dataclass
class Position:
    """Where a run stands.

    Attributes:
        epoch, step: the next ones, from 0.
        seen, loss, correct: images, sum of losses and of hits in this epoch so far.
        seconds: spent on training so far, over all parts of the run.
        history: one record a finished epoch.
    """

    epoch: int = 0
    step: int = 0
    seen: int = 0
    loss: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def exists(folder: Path) -> bool:
    """Whether the folder of a run holds a checkpoint."""
    return (folder / FILE).is_file()


def save(
    folder: Path,
    position: Position,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    settings: dict[str, Any],
) -> None:
    """Write a checkpoint in place of the last one.

    Raises:
        StorageError: the disk is full; the last checkpoint is still there.
    """
    from safetensors.torch import save as to_bytes

    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    plain: dict[str, Any] = {}
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            key = f"optimiser.{index}.{name}"
            (tensors if isinstance(value, torch.Tensor) else plain)[key] = value
    data = to_bytes({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    tensor_file = f"checkpoint-{digest[:16]}.safetensors"
    with whole_file(folder / tensor_file) as file:
        file.write(data)
    record = {
        "version": VERSION,
        "position": asdict(position),
        "settings": settings,
        "optimiser": plain,
        "tensors": tensor_file,
        "sha256": digest,
    }
    with whole_file(folder / FILE) as file:
        file.write(json.dumps(record, indent=1, sort_keys=True).encode())
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != tensor_file:
            with translated_errors(old):
                old.unlink(missing_ok=True)


def read_record(folder: Path) -> dict[str, Any]:
    """What checkpoint.json holds.

    Raises:
        ModelFileError: it is damaged, or of another version.
    """
    try:
        record: dict[str, Any] = json.loads((folder / FILE).read_bytes())
        if record["version"] != VERSION:
            raise ValueError(f"version {record['version']}, expected {VERSION}")
        Position(**record["position"])
        str(record["tensors"]), str(record["sha256"]), dict(record["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"checkpoint {folder / FILE}: damaged or made by another version ({error}). "
            "Start anew with --restart."
        ) from error
    return record


def read_into(
    folder: Path,
    record: dict[str, Any],
    network: nn.Module,
    optimiser: torch.optim.Optimizer | None = None,
) -> Position:
    """Put a checkpoint's state into a network and, if one is given, its optimiser.

    Raises:
        ModelFileError: the tensors are missing or damaged.
    """
    from safetensors.torch import load as from_bytes

    file = folder / Path(record["tensors"]).name
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"checkpoint {folder / FILE}: its tensors {file.name} cannot be read ({error}). "
            "Start anew with --restart."
        ) from error
    if hashlib.sha256(data).hexdigest() != record["sha256"]:
        raise ModelFileError(
            f"checkpoint {file}: damaged: its SHA-256 is not the recorded one. "
            "Start anew with --restart, or copy it again."
        )
    tensors = from_bytes(data)
    part = "network."
    network.load_state_dict(
        {name.removeprefix(part): t for name, t in tensors.items() if name.startswith(part)}
    )
    if optimiser is not None:
        _read_into_optimiser(optimiser, {**tensors, **record["optimiser"]})
    return Position(**record["position"])


def check_same(recorded: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    """Refuse to go on with other data or settings than a run was begun with.

    Raises:
        InputError: they differ; the message names each difference.
    """
    differences = [
        f"{key} was {recorded.get(key)!r} and is now {asked.get(key)!r}"
        for key in sorted(recorded.keys() | asked.keys())
        if recorded.get(key) != asked.get(key)
    ]
    if differences:
        raise InputError(
            f"the run in {folder} was begun otherwise: {'; '.join(differences)}. Give the same "
            "data and settings, or start anew with --restart."
        )


def _read_into_optimiser(optimiser: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for key, value in saved.items():
        part, _, rest = key.partition(".")
        if part == "optimiser":
            index, _, name = rest.partition(".")
            state.setdefault(int(index), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})

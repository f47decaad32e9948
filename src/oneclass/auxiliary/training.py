"""What `oneclass train` does, from a folder of sub-categories to a backbone file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oneclass import __version__
from oneclass.auxiliary import checkpoint
from oneclass.auxiliary.batches import Data
from oneclass.auxiliary.export import export_network
from oneclass.auxiliary.loop import Show, train_network, write_metrics
from oneclass.auxiliary.machine import Machine, choose_machine, processes
from oneclass.auxiliary.networks import MALE_5045, initialise, make_network
from oneclass.auxiliary.pixelfile import PixelFile, data_digest, mean_and_std, write_pixels
from oneclass.auxiliary.recipes import Recipe
from oneclass.auxiliary.subcategories import Labelled, hold_out, keep_large
from oneclass.backbones import Preprocessing
from oneclass.backbones.onnx_file import ONNX_START
from oneclass.errors import ImageError, InputError
from oneclass.system import offline
from oneclass.system.files import check_replaces, check_writable, translated_errors
from oneclass.system.names import count, plural

PIXELS = "pixels.npy"
COMPILED = "compiled"
PARITY_IMAGES = 16


@dataclass(frozen=True)
class TrainingOptions:
    """What a user may ask of a training.

    Attributes:
        recipe: the schedule; its name is `preset`.
        preset: "paper", "quick", or either with changes.
        network: "male-5045" or an import path.
        size: (height, width) in pixels.
        channels: 1, 3, or None for what the images have.
        min_images: that a sub-category needs.
        seed: of all that is random.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32" or "bf16".
        compiled: None for yes on a GPU, no on a processor.
        checkpoint_seconds: between two checkpoints.
    """

    recipe: Recipe
    preset: str = "quick"
    network: str = MALE_5045
    size: tuple[int, int] = (100, 100)
    channels: int | None = None
    min_images: int = 2
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    compiled: bool | None = None
    checkpoint_seconds: float = 120.0


@dataclass(frozen=True)
class Trained:
    """What came out.

    Attributes:
        file: the backbone.
        record: what its metadata holds.
        history: one record an epoch.
        seconds: of training.
        parity: the largest relative difference between torch and ONNX Runtime.
        errors: images that could not be used.
        notes: what was left out, and why.
    """

    file: Path
    record: dict[str, Any]
    history: list[dict[str, Any]]
    seconds: float
    parity: float
    errors: tuple[ImageError, ...]
    notes: tuple[str, ...]


def train_backbone(
    labelled: Labelled,
    options: TrainingOptions,
    file: Path,
    folder: Path,
    *,
    begin: str,
    show_reading: Callable[[int, int], None],
    show: Show,
    say: Callable[[str], None],
) -> Trained | None:
    """Train on labelled images and write a backbone.

    Args:
        labelled: files and their sub-categories.
        options: the settings.
        file: of the backbone to write.
        folder: for checkpoints and metrics.
        begin: "new" (refused where the folder holds a run), "resume", or "restart".
        show_reading, show, say: progress.

    Returns:
        What came out; None in every process but the first of several.

    Raises:
        InputError: data or settings that cannot be trained on, or differ from a resumed run's.
        StorageError, ModelFileError, DivergedError: see `loop.train_network` and `checkpoint`.
    """
    with processes(options.device) as (rank, world):
        machine = choose_machine(options.device, options.precision, options.compiled, rank, world)
        check_writable(file, ".onnx")
        check_replaces(file, "ONNX file", ONNX_START)
        with translated_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        offline.keep_compiled(folder / COMPILED)
        resume = _begin(folder, begin)
        pixel_file = _read(labelled, options, folder, machine, show_reading)
        try:
            return _train_and_export(
                labelled, options, pixel_file, file, folder, machine,
                resume=resume, show=show, say=say,
            )  # fmt: skip
        finally:
            if rank == 0:
                del pixel_file
                with suppress(PermissionError):  # Windows, where something still maps it
                    (folder / PIXELS).unlink(missing_ok=True)
                with suppress(OSError):  # torch makes it even where nothing is compiled
                    (folder / COMPILED).rmdir()


def _train_and_export(
    labelled: Labelled,
    options: TrainingOptions,
    pixel_file: PixelFile,
    file: Path,
    folder: Path,
    machine: Machine,
    *,
    resume: bool,
    show: Show,
    say: Callable[[str], None],
) -> Trained | None:
    names, kept, note = _large_enough(labelled, pixel_file, options.min_images)
    data, classes = _data(pixel_file, names, kept, options.seed)
    recipe = _fitting_batch(options.recipe, len(data.train), machine.world)
    digest = data_digest(pixel_file, kept, names)
    channels = data.pixels.shape[1]
    settings = _settings(options, recipe, machine, digest, len(classes), channels)
    network = make_network(options.network, len(classes), channels=channels, size=options.size)
    initialise(network, recipe.initialisation, seed=options.seed)
    if resume:
        checkpoint.check_same(checkpoint.read_record(folder)["settings"], settings, folder)
    if machine.rank == 0:
        say(_what(options, data, classes, machine, network))
    position = train_network(
        network, data, recipe, machine, folder, settings,
        seed=options.seed, checkpoint_seconds=options.checkpoint_seconds, resume=resume,
        show=show, say=say,
    )  # fmt: skip
    if machine.rank != 0:
        return None
    write_metrics(folder, position)
    record = {
        "name": file.stem,
        "licence": "",
        "source": f"trained by oneclass {__version__} on {count(len(data.train), 'image')}",
        "classes": classes,
        "training": {
            "settings": settings,
            "images": len(data.train),
            "held_out": len(data.held_out),
            "history": [{k: v for k, v in r.items() if k != "seconds"} for r in position.history],
        },
    }
    mean, std = data.mean, data.std
    preprocessing = Preprocessing(options.size, "bilinear", mean, std)
    some = data.pixels[data.train[:PARITY_IMAGES]]
    scale = [np.array(v, np.float32)[None, :, None, None] for v in (mean, std)]
    images = ((some.astype(np.float32) / 255 - scale[0]) / scale[1]).astype(np.float32)
    parity = export_network(network, preprocessing, record, images, file)
    notes = (*labelled.notes, *([note] if note else []))
    errors = (*labelled.errors, *pixel_file.errors)
    return Trained(file, record, position.history, position.seconds, parity, errors, notes)


def _begin(folder: Path, begin: str) -> bool:
    """Whether there is a checkpoint to go on from."""
    there = checkpoint.exists(folder)
    if there and begin == "new":
        raise InputError(
            f"{folder} holds a run already. Go on with it with --resume, throw it away with "
            "--restart, or give another -o."
        )
    return there and begin == "resume"


def _read(
    labelled: Labelled,
    options: TrainingOptions,
    folder: Path,
    machine: Machine,
    progress: Callable[[int, int], None],
) -> PixelFile:
    """Prepare all images once; the other processes map the first one's file."""
    found: list[PixelFile | None] = [None]
    if machine.rank == 0:
        found = [
            write_pixels(
                labelled.paths, options.size, options.channels, folder / PIXELS, progress=progress
            )
        ]
    if machine.world > 1:
        shared = [replace(found[0], pixels=np.empty(0, np.uint8)) if found[0] else None]
        torch.distributed.broadcast_object_list(shared)
        assert shared[0] is not None
        pixels = np.load(folder / PIXELS, mmap_mode="r")[: len(shared[0].kept)]
        found = [replace(shared[0], pixels=pixels)]
    assert found[0] is not None
    return found[0]


def _large_enough(
    labelled: Labelled, pixel_file: PixelFile, min_images: int
) -> tuple[list[str], NDArray[np.intp], str | None]:
    """Names and positions of the images whose sub-category has enough readable ones."""
    names = [labelled.subcategories[index] for index in pixel_file.kept]
    large, note = keep_large(names, at_least=min_images)
    kept = np.flatnonzero(large)
    return [names[index] for index in kept], kept, note


def _data(
    pixel_file: PixelFile, names: list[str], kept: NDArray[np.intp], seed: int
) -> tuple[Data, list[str]]:
    """The images split into those to train on and those held out, and the classes in order."""
    classes = list(dict.fromkeys(names))
    number = {name: index for index, name in enumerate(classes)}
    labels = np.full(len(pixel_file.pixels), -1, np.int64)
    labels[kept] = [number[name] for name in names]
    held = hold_out(labels[kept], seed=seed)
    train_on, held_out = kept[~held], kept[held]
    mean, std = mean_and_std(pixel_file.pixels, train_on)
    return Data(pixel_file.pixels, labels, train_on, held_out, mean, std), classes


def _fitting_batch(recipe: Recipe, n: int, world: int) -> Recipe:
    """A batch that the images can fill and the processes can share evenly."""
    batch = min(recipe.batch, n) // world * world
    if n < 2 * world:
        raise InputError(
            f"there {plural(n, 'is', 'are')} {count(n, 'image')} to train on, and each of the "
            f"{world} processes needs at least 2 a step. Give more images, or fewer processes."
        )
    if batch < 2 * world:
        who = f"each of the {world} processes" if world > 1 else "a step"
        raise InputError(
            f"--batch is {recipe.batch}, and {who} needs at least 2 images: expected "
            f"{2 * world} or more."
        )
    return replace(recipe, batch=batch)


def _settings(
    options: TrainingOptions,
    recipe: Recipe,
    machine: Machine,
    digest: str,
    n_classes: int,
    channels: int,
) -> dict[str, Any]:
    """All that the result depends on: a resumed run must share it."""
    return {
        "preset": options.preset,
        **recipe.to_json(),
        "network": options.network,
        "subcategories": n_classes,
        "size": list(options.size),
        "channels": channels,
        "seed": options.seed,
        "device": machine.device.type,
        "processes": machine.world,
        "precision": "bf16" if machine.bf16 else "fp32",
        "data_sha256": digest,
    }


def _what(
    options: TrainingOptions,
    data: Data,
    classes: list[str],
    machine: Machine,
    network: torch.nn.Module,
) -> str:
    weights = sum(parameter.numel() for parameter in network.parameters())
    return (
        f"training {options.network} ({weights / 1e6:.1f} million weights) to tell {len(classes)} "
        f"sub-categories apart: {count(len(data.train), 'image')} to train on, "
        f"{len(data.held_out)} held out, on {machine.device} in "
        f"{'bf16' if machine.bf16 else 'fp32'}."
    )

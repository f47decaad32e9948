"""The training itself: plain PyTorch, on one processor, one GPU, or many of either.

All that is random is drawn from (seed, epoch, step): the order of the images, their distortion and
what the network itself may draw. So a run that is killed and resumed takes the same steps, and on a
processor ends with the same bits.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from oneclass.auxiliary import checkpoint
from oneclass.auxiliary.checkpoint import Position
from oneclass.auxiliary.networks import head_of
from oneclass.auxiliary.recipes import Recipe
from oneclass.errors import InputError, OneclassError, StorageError
from oneclass.files import whole_file

METRICS = "metrics.jsonl"
Show = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Data:
    """What is trained on.

    Attributes:
        pixels: (n, channels, height, width) uint8.
        labels: (n,) the sub-category of each image.
        train, held_out: indices of the images to train on, and to measure accuracy on.
        mean, std: of each channel, intensities in [0, 1].
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    train: NDArray[np.intp]
    held_out: NDArray[np.intp]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Machine:
    """Where and how a run computes.

    Attributes:
        device: "cpu", "cuda:0", ...
        bf16: whether the network computes in bfloat16; its weights stay float32.
        compiled: whether torch.compile translates it first.
        rank, world: this process among all of a run (see torchrun).
    """

    device: torch.device
    bf16: bool
    compiled: bool
    rank: int = 0
    world: int = 1


class DivergedError(InputError):
    """The loss or a weight is no number any more."""


def train(
    network: nn.Module,
    data: Data,
    recipe: Recipe,
    machine: Machine,
    folder: Path,
    settings: dict[str, Any],
    *,
    seed: int,
    checkpoint_seconds: float,
    resume: bool,
    show: Show,
    say: Callable[[str], None],
) -> Position:
    """Train `network` in place until the recipe's last epoch.

    Args:
        network: on its way from the initialisation, or to be filled from the checkpoint.
        data: the images.
        recipe: the schedule.
        machine: the device.
        folder: for checkpoints and metrics.jsonl.
        settings: what a resumed run must share with its first part; stored in checkpoints.
        seed: of order and distortion.
        checkpoint_seconds: time between two checkpoints; there is one after each epoch too.
        resume: go on from the checkpoint in `folder`.
        show: called with (images done, images in all, a note) now and then.
        say: called with one sentence an epoch.

    Returns:
        The position at the end, with the history.

    Raises:
        StorageError: out of memory, with the batch size to try; or the disk is full.
        DivergedError: the loss is no number; the last good checkpoint is kept.
        KeyboardInterrupt: after writing a checkpoint.
    """
    network.to(machine.device, memory_format=torch.channels_last)
    optimiser = _optimiser(network, recipe)
    position = Position()
    if resume:
        position = checkpoint.restore(folder, checkpoint.read_record(folder), network, optimiser)
    worker = _parallel(network, machine)

    def save() -> None:
        _check_numbers(network, position, folder)
        if machine.rank == 0:
            checkpoint.save(folder, position, network, optimiser, settings)

    with stopping_softly() as stopped, translated_memory_errors(recipe, machine):
        while position.epoch < recipe.epochs:
            _one_epoch(
                network, worker, optimiser, data, recipe, machine, position,
                seed=seed, checkpoint_seconds=checkpoint_seconds, save=save, stopped=stopped,
                show=show,
            )  # fmt: skip
            _finish_epoch(network, data, recipe, machine, position)
            save()
            if machine.rank == 0:
                write_metrics(folder, position)
                say(sentence(position.history[-1], recipe.epochs))
    return position


def _one_epoch(
    network: nn.Module,
    worker: Callable[..., torch.Tensor],
    optimiser: torch.optim.Optimizer,
    data: Data,
    recipe: Recipe,
    machine: Machine,
    position: Position,
    *,
    seed: int,
    checkpoint_seconds: float,
    save: Callable[[], None],
    stopped: threading.Event,
    show: Show,
) -> None:
    """Take the steps of the rest of the epoch that `position` is in."""
    network.train()
    steps = len(data.train) // recipe.batch
    totals = torch.tensor(
        [position.loss, position.correct], device=machine.device, dtype=torch.float64
    )
    began = last = time.perf_counter()
    before = position.seconds

    def settle() -> None:
        position.loss, position.correct = totals[0].item(), int(totals[1].item())
        position.seconds = before + time.perf_counter() - began

    for step, images, labels, torch_seed in _batches(
        data, recipe, machine, position.epoch, position.step, seed
    ):
        done = position.epoch * steps + step
        torch.manual_seed(torch_seed)  # of what the network itself draws, such as dropout
        for group in optimiser.param_groups:
            group["lr"] = group["share"] * recipe.rate(done / (recipe.epochs * steps))
        with torch.autocast(machine.device.type, torch.bfloat16, enabled=machine.bf16):
            logits = worker(images)
            loss = cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            totals[0] += loss * len(labels)
            totals[1] += (logits.argmax(1) == labels).sum()
        position.step, position.seen = step + 1, position.seen + len(labels)
        if machine.device.type == "cpu" or step % 20 == 0 or step + 1 == steps:
            settle()
            note = (
                f"epoch {position.epoch + 1}/{recipe.epochs}, "
                f"loss {position.loss / position.seen:.3f}, "
                f"accuracy {position.correct / position.seen:.3f}"
            )
            show((done + 1) * recipe.batch, recipe.epochs * steps * recipe.batch, note)
        if not math.isfinite(position.loss) or stopped.is_set():
            settle()
            save()  # refuses where a number is none
            raise KeyboardInterrupt
        if time.perf_counter() - last > checkpoint_seconds:
            settle()
            save()
            last = time.perf_counter()
    settle()


def _batches(
    data: Data, recipe: Recipe, machine: Machine, epoch: int, first: int, seed: int
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor, int]]:
    """(step, images, labels, seed) of this process's part of each batch, one batch ahead.

    The last images of an epoch's order that fill no batch are left to the next epochs.
    """
    order = np.random.default_rng([seed, epoch]).permutation(data.train)

    def load(step: int) -> tuple[int, torch.Tensor, torch.Tensor, int]:
        batch = order[step * recipe.batch : (step + 1) * recipe.batch]
        rng = np.random.default_rng([seed, epoch, step])
        mine = slice(machine.rank, None, machine.world)
        torch_seed = int(rng.integers(2**62))
        warps = _warps(rng, len(batch), recipe)[mine]
        images, labels = _to_device(data, batch[mine], machine)
        return step, _distorted(images, warps, recipe), labels, torch_seed

    steps = range(first, len(order) // recipe.batch)
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(load, step) for step in steps[:1]]
        for step in steps:
            ready = ahead.pop().result()
            if step + 1 in steps:
                ahead.append(pool.submit(load, step + 1))
            yield ready


def _to_device(
    data: Data, indices: NDArray[np.intp], machine: Machine
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised images, channels last, and their labels."""
    pixels = torch.from_numpy(data.pixels[indices]).to(machine.device, non_blocking=True)
    labels = torch.from_numpy(data.labels[indices]).to(machine.device, non_blocking=True)
    shape = (1, len(data.mean), 1, 1)
    mean, std = (torch.tensor(v, device=machine.device).view(shape) for v in (data.mean, data.std))
    images = (pixels.float() / 255 - mean) / std
    return images.contiguous(memory_format=torch.channels_last), labels


def _warps(rng: np.random.Generator, n: int, recipe: Recipe) -> NDArray[np.float32]:
    """(n, 2, 3) affine maps: a turn, a scale, a shift, and a mirror image for half of them."""
    turn, scale, across, down = rng.uniform(-1, 1, (4, n)) * recipe.distort
    angle, zoom = np.deg2rad(10) * turn, 1 + 0.1 * scale
    mirror = np.where(rng.random(n) < 0.5, -1, 1) if recipe.flip else np.ones(n)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    # In grid_sample's coordinates the image spans -1 to 1, so a tenth of its side is 0.2.
    rows = [[cos * mirror, -sin, 0.2 * across], [sin * mirror, cos, 0.2 * down]]
    return np.array(rows, np.float32).transpose(2, 0, 1)


def _distorted(images: torch.Tensor, warps: NDArray[np.float32], recipe: Recipe) -> torch.Tensor:
    if not recipe.distort and not recipe.flip:
        return images
    grid = affine_grid(
        torch.from_numpy(warps).to(images.device), list(images.shape), align_corners=False
    )
    warped = grid_sample(images, grid, padding_mode="border", align_corners=False)
    return warped.contiguous(memory_format=torch.channels_last)


def _finish_epoch(
    network: nn.Module, data: Data, recipe: Recipe, machine: Machine, position: Position
) -> None:
    """Measure, write down the epoch, and step to the next."""
    accuracy = None
    if machine.rank == 0 and len(data.held_out):
        accuracy = measure_accuracy(network, data, machine, recipe.batch)
    position.history.append(
        {
            "epoch": position.epoch + 1,
            "loss": position.loss / max(position.seen, 1),
            "accuracy": position.correct / max(position.seen, 1),
            "held_out_accuracy": accuracy,
            "images": position.seen,
            "seconds": round(position.seconds, 3),
        }
    )
    position.epoch, position.step = position.epoch + 1, 0
    position.seen, position.loss, position.correct = 0, 0.0, 0


def measure_accuracy(network: nn.Module, data: Data, machine: Machine, batch: int) -> float:
    """The share of the held-out images whose sub-category the network tells."""
    network.eval()
    hits = 0
    for start in range(0, len(data.held_out), batch):
        chosen = data.held_out[start : start + batch]
        images, labels = _to_device(data, chosen, machine)
        with (
            torch.no_grad(),
            torch.autocast(machine.device.type, torch.bfloat16, enabled=machine.bf16),
        ):
            hits += int((network(images).argmax(1) == labels).sum())
    return hits / len(data.held_out)


def sentence(record: dict[str, Any], epochs: int) -> str:
    """One finished epoch, for people."""
    held_out = record["held_out_accuracy"]
    told = "" if held_out is None else f", held-out accuracy {held_out:.3f}"
    return (
        f"epoch {record['epoch']}/{epochs}: loss {record['loss']:.3f}, "
        f"accuracy {record['accuracy']:.3f}{told}"
    )


def write_metrics(folder: Path, position: Position) -> None:
    """Write metrics.jsonl: one line an epoch, the whole history each time."""
    with whole_file(folder / METRICS) as file:
        file.write("".join(json.dumps(record) + "\n" for record in position.history).encode())


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """With the parameters in two groups: the head's, and all others."""
    head = head_of(network)
    own = [] if head is None else list(head.parameters())
    theirs = {id(parameter) for parameter in own}
    others = [p for p in network.parameters() if id(p) not in theirs]
    groups = [{"params": others, "share": 1.0}, {"params": own, "share": recipe.head_rate}]
    groups = [group for group in groups if group["params"]]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=rate, weight_decay=decay)
    return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, weight_decay=decay)


def _parallel(network: nn.Module, machine: Machine) -> Callable[..., torch.Tensor]:
    """The network as the loop calls it: compiled, and over all processes, where asked for."""
    worker: Callable[..., torch.Tensor] = network
    if machine.world > 1:
        devices = [machine.device] if machine.device.type == "cuda" else None
        worker = nn.parallel.DistributedDataParallel(network, device_ids=devices)
    return torch.compile(worker) if machine.compiled else worker


def _check_numbers(network: nn.Module, position: Position, folder: Path) -> None:
    """Refuse to save what is no number."""
    sound = all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())
    if sound and math.isfinite(position.loss):
        return
    kept = "The last good checkpoint is kept" if checkpoint.exists(folder) else "Nothing was saved"
    raise DivergedError(
        f"training diverged in epoch {position.epoch + 1}, step {position.step}: the loss is "
        f"{position.loss:g}{'' if sound else ' and a weight is not finite'}. {kept}. Try a "
        "smaller --learning-rate with --restart, or --precision fp32."
    )


@contextmanager
def stopping_softly() -> Iterator[threading.Event]:
    """Ctrl-C and a termination signal ask the loop to stop after its step, not within it."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # signals can be handled in the main thread only
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stopped.set()) for number in signals]
    try:
        yield stopped
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def translated_memory_errors(recipe: Recipe, machine: Machine) -> Iterator[None]:
    """Say which batch size to try where the memory does not suffice."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error).lower()
        out_of_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if isinstance(error, OneclassError) or not (
            out_of_memory or "alloc" in text or "out of memory" in text
        ):
            raise
        smaller = recipe.batch // 2
        advice = f"try --batch {smaller}" if smaller >= 2 * machine.world else "use smaller images"
        raise StorageError(
            f"{recipe.batch} images a step do not fit into the memory of {machine.device}: "
            f"{advice}."
        ) from error

"""The training itself: plain PyTorch, on one processor, one GPU, or many of either.

All that is random is drawn from (seed, epoch, step): the order of the images, their distortion and
what the network itself may draw. So a run that is killed and resumed takes the same steps, and on a
processor ends with the same bits.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from oneclass.auxiliary import checkpoint
from oneclass.auxiliary.batches import Data, batches, to_device
from oneclass.auxiliary.checkpoint import Position
from oneclass.auxiliary.machine import Machine
from oneclass.auxiliary.networks import head_of
from oneclass.auxiliary.recipes import Recipe
from oneclass.errors import InputError, OneclassError, StorageError
from oneclass.system.files import whole_file
from oneclass.system.host import signals

METRICS = "metrics.jsonl"
Show = Callable[[int, int, str], None]


class DivergedError(InputError):
    """The loss or a weight is no number any more."""


def train_network(
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
        position = checkpoint.read_into(folder, checkpoint.read_record(folder), network, optimiser)
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

    for step, images, labels, torch_seed in batches(
        data, recipe, machine, position.epoch, position.step, seed
    ):
        done = position.epoch * steps + step
        torch.manual_seed(torch_seed)  # of what the network itself draws, such as dropout
        for group in optimiser.param_groups:
            group["lr"] = group["share"] * recipe.rate(done / (recipe.epochs * steps))
        totals += _step(worker, optimiser, images, labels, recipe, machine)
        position.step, position.seen = step + 1, position.seen + len(labels)
        if machine.device.type == "cpu" or step % 20 == 0 or step + 1 == steps:
            settle()
            every = recipe.epochs * steps * recipe.batch
            show((done + 1) * recipe.batch, every, _note(position, recipe.epochs))
        if not math.isfinite(position.loss) or stopped.is_set():
            settle()
            save()  # refuses where a number is none
            raise KeyboardInterrupt
        if time.perf_counter() - last > checkpoint_seconds:
            settle()
            save()
            last = time.perf_counter()
    settle()


def _step(
    worker: Callable[..., torch.Tensor],
    optimiser: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: Recipe,
    machine: Machine,
) -> torch.Tensor:
    """One step of gradient descent: (2,) the sum of the losses, and how many were told right."""
    with torch.autocast(machine.device.type, torch.bfloat16, enabled=machine.bf16):
        logits = worker(images)
        loss = cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    with torch.no_grad():
        return torch.stack([loss.float() * len(labels), (logits.argmax(1) == labels).sum().float()])


def _note(position: Position, epochs: int) -> str:
    """Where an epoch stands, for people."""
    return (
        f"epoch {position.epoch + 1}/{epochs}, loss {position.loss / position.seen:.3f}, "
        f"accuracy {position.correct / position.seen:.3f}"
    )


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
        images, labels = to_device(data, chosen, machine)
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
    with signals.handled(stopped.set):
        yield stopped


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

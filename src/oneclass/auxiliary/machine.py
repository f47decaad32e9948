"""Where a training computes: the device, its precision, and one process or many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from oneclass.errors import InputError


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


def choose_machine(
    device_name: str, precision: str, compiled: bool | None, rank: int, world: int
) -> Machine:
    """What the options mean on this machine.

    Args:
        device_name: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32" or "bf16".
        compiled: None for yes on a GPU, no on a processor.
        rank, world: as for `Machine`.

    Raises:
        InputError: a device or precision that is unknown or not there.
    """
    name = device_name
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(f"cuda:{rank}" if name == "cuda" and world > 1 else name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).partition("\n")[0]
        raise InputError(
            f"device {device_name!r} cannot be used ({first}). Expected auto, cpu, cuda or cuda:N."
        ) from error
    if device.type == "cuda":
        bf16_pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        bf16_pays = bool(torch.cpu._is_avx512_bf16_supported())
    bf16 = bf16_pays if precision == "auto" else precision == "bf16"
    translated = device.type == "cuda" if compiled is None else compiled
    return Machine(device, bf16, translated, rank, world)


@contextmanager
def processes(device: str) -> Iterator[tuple[int, int]]:
    """This process's rank and their number: 0 and 1, or what torchrun says."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield 0, 1
        return
    gpus = device != "cpu" and torch.cuda.is_available()
    torch.distributed.init_process_group("nccl" if gpus else "gloo")
    try:
        yield torch.distributed.get_rank(), world
    finally:
        torch.distributed.destroy_process_group()

"""Networks that train in a second."""

from __future__ import annotations

import os
from collections import OrderedDict

import torch
from torch import nn


def make(n_classes: int) -> nn.Module:
    """Two small layers for 16 x 16 grey images; with batch normalisation, dropout and a pool."""
    return nn.Sequential(
        OrderedDict(
            C1=nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
            P1=nn.MaxPool2d(4),
            FC2=nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(8 * 16, n_classes)),
        )
    )


def plain(n_classes: int) -> nn.Module:
    """Without anything that depends on the other images of a batch, or on chance."""
    return nn.Sequential(
        OrderedDict(
            C1=nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()),
            FC2=nn.Sequential(nn.Flatten(), nn.Linear(8 * 256, n_classes)),
        )
    )


class Hungry(nn.Module):
    """Runs out of memory in training."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(256, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")
        return self.head(x.flatten(1))


class Poisoned(nn.Module):
    """Gives no numbers from the step on that the environment names."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(256, n_classes)
        self.steps = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        bad = self.training and self.steps > int(os.environ.get("POISONED_FROM", "0"))
        return self.head(x.flatten(1)) * (float("nan") if bad else 1.0)


def wrong(n_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(256, n_classes + 1))


def nothing(n_classes: int) -> int:
    return n_classes

"""Layers of a network: as users write them, as records keep them, as columns of rows.

A text names them as NAME or NAME@GRID, joined by "+", such as block_2@7+block_14@2: the whole map
of a layer, or the map averaged to GRID x GRID positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from oneclass.errors import InputError
from oneclass.system.arrays import Planes


class Layer(NamedTuple):
    """One layer; its text is NAME or NAME@GRID.

    Attributes:
        name: the backbone's.
        grid: positions a side that are left of its map; None for the map as it is.
    """

    name: str
    grid: int | None = None

    def __str__(self) -> str:
        return self.name if self.grid is None else f"{self.name}@{self.grid}"


class Layers(tuple[Layer, ...]):
    """Layers in the order in which they are joined; their text is what --layer takes."""

    __slots__ = ()

    def __new__(cls, layers: Iterable[tuple[str, int | None]]) -> Layers:
        return super().__new__(cls, (Layer(*layer) for layer in layers))

    @classmethod
    def parse(cls, text: str, known: Callable[[str], bool], grid: int | None = None) -> Layers:
        """What a text such as "block_2@7+block_14@2" asks for.

        Args:
            text: what a user wrote.
            known: whether a network has a layer of that name: a name that looks like this itself
                is taken as it is.
            grid: for layers without a grid of their own.

        Raises:
            InputError: a grid that is no number, the same layer twice, or a grid that no layer
                takes.
        """
        layers: list[Layer] = []
        grid_used = grid is None
        for part in [text] if known(text) else text.split("+"):
            name, at, cells = part.rpartition("@")
            if (part and not at) or known(part):
                layers.append(Layer(part, grid))
                grid_used = True
            elif name and cells.isdecimal():
                layers.append(Layer(name, int(cells)))
            else:
                raise InputError(f"layer {part!r}: expected NAME or NAME@GRID, such as block_2@7.")
        if len({layer.name for layer in layers}) < len(layers):
            raise InputError(f"layer {text!r} names one layer twice. Name each once.")
        if not grid_used:
            raise InputError(
                f"grid {grid}: the layers {text} have grids of their own, behind the @. Leave "
                f"the grid out, or name a layer without one, such as layer {layers[0].name} "
                f"with grid {grid}."
            )
        return cls(layers)

    @classmethod
    def once(cls, layers: Iterable[tuple[str, int | None]]) -> Layers:
        """Each layer once, in the order in which they first come."""
        return cls(dict.fromkeys(layers))

    @classmethod
    def from_json(cls, records: Iterable[dict[str, Any]]) -> Layers:
        """Read a model's record.

        Raises:
            KeyError, TypeError: it makes no sense.
        """
        return cls((record["name"], record["grid"]) for record in records)

    def to_json(self) -> list[dict[str, Any]]:
        return [layer._asdict() for layer in self]

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self]

    def __str__(self) -> str:
        return "+".join(map(str, self))


@dataclass(frozen=True)
class SideBySide:
    """Several layers in one row, the values of each as the network gave them.

    Attributes:
        layers: in the order of their columns.
        widths: how many columns each one has.
    """

    layers: Layers
    widths: tuple[int, ...]

    def take(self, rows: Planes, layers: Iterable[Layer]) -> Planes:
        """The rows that some of the layers make: the same bits as if they had been made alone.

        Args:
            rows: (n, sum of the widths) float32.
            layers: some of these.

        Returns:
            As `join` makes them.
        """
        ends = np.cumsum(self.widths)
        places = {
            layer: slice(int(end) - width, int(end))
            for layer, width, end in zip(self.layers, self.widths, ends, strict=True)
        }
        return join([np.ascontiguousarray(rows[:, places[layer]]) for layer in layers])


def join(parts: Sequence[Planes]) -> Planes:
    """Rows of several layers: each layer weighs the same, and the whole has unit length.

    Args:
        parts: (n, d_i) float32 for each layer.

    Returns:
        (n, sum of d_i) float32; zero where any layer is all zero: such a row has no direction, and
        a part of it would not be comparable with whole ones.
    """
    units = [unit(part, len(parts)) for part in parts]
    rows = np.concatenate(units, axis=1)
    rows[~np.all([part.any(axis=1) for part in units], axis=0)] = 0
    return rows


def unit(values: Planes, n_layers: int, share: float = 1.0) -> Planes:
    """(..., d) scaled along the last axis to length sqrt(share / n_layers).

    Zero where all is zero.
    """
    norms = np.sqrt(np.einsum("...d,...d->...", values, values, dtype=np.float64))
    weights = np.zeros_like(norms)
    np.divide(1, norms * math.sqrt(n_layers / share), out=weights, where=norms > 0)
    scaled: Planes = values * weights.astype(np.float32)[..., None]
    return scaled

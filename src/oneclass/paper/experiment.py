"""Every representation on every task of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from oneclass.backbones import Backbone
from oneclass.datasets import DataSet
from oneclass.errors import InputError
from oneclass.paper.protocol import Cell, Draw, draw, measure, used_by
from oneclass.paper.rows import extract_rows
from oneclass.paper.tables import TABLE_1
from oneclass.representations import GREYSCALE, Greyscale, Representation, SeparateLayers
from oneclass.representations.extraction import Workers
from oneclass.rows.layers import Layers

EXAMPLE = "efficientnet-lite0:block_14@2"


class Shown(Protocol):
    """What shows progress: called with (images done, images in all), or told what begins."""

    def __call__(self, done: int, total: int, /) -> None: ...
    def stage(self, name: str) -> None: ...


Show = Callable[[str], AbstractContextManager[Shown]]


@dataclass(frozen=True)
class NetworkLayers:
    """Layers of one network, or grey-scale.

    Attributes:
        network: its short name.
        names: what each layer is called in the tables: `network:layer`.
        layers: of the network, opened; None for grey-scale, whose size is the data set's own.
    """

    network: str
    names: tuple[str, ...]
    layers: SeparateLayers | None

    def on(self, data: DataSet) -> Representation:
        """What makes rows of the data set's images."""
        height, width = data.images.shape[1:]
        return self.layers or Greyscale((height, width))


@dataclass(frozen=True)
class Job:
    """A data set, and the images drawn from it for each of its tasks."""

    data: DataSet
    draws: tuple[Draw, ...]


def open_representations(texts: Sequence[str]) -> list[NetworkLayers]:
    """Open the networks that are asked for, each once.

    Args:
        texts: `greyscale` or `BACKBONE:LAYER`, each once; the layer may have a grid.

    Raises:
        InputError: an unknown network or layer, or one name for two of them.
        ModelFileError: a network's file is damaged.
    """
    found = []
    for backbone, layers in _grouped(texts).items():
        if backbone == GREYSCALE:
            found.append(NetworkLayers(GREYSCALE, (GREYSCALE,), None))
            continue
        network = Backbone.open(backbone)
        pairs = [Layers.parse(layer, network.has_layer) for layer in layers]
        if joined := [layer for layer, parts in zip(layers, pairs, strict=True) if len(parts) > 1]:
            raise InputError(
                f"layer {joined[0]!r}: the paper's representations are single layers. Name one."
            )
        short = short_name(backbone)
        if any(short == other.network for other in found):
            raise InputError(
                f"two networks would both be called {short!r} in the tables; one of them is "
                f"{backbone!r}. Rename a file."
            )
        names = tuple(f"{short}:{layer}" for layer in layers)
        opened = SeparateLayers(network, [parts[0] for parts in pairs])
        found.append(NetworkLayers(short, names, opened))
    return found


def short_name(backbone: str) -> str:
    """What a backbone is called in the tables: an ONNX file without its folder and ending."""
    return Path(backbone).name.removesuffix(".onnx")


def draw_job(
    data: DataSet, numbers: Sequence[int], *, trials: int, seed: int
) -> tuple[Job, list[InputError]]:
    """Draw the images of a data set's tasks.

    Args:
        data: the images.
        numbers: of the tasks in Table 1; those of other data sets are passed over.
        trials: training sets a task.
        seed: of all draws.

    Returns:
        What is drawn, and an error for each task that there are too few images for.
    """
    draws, problems = [], []
    for task in TABLE_1:
        if task.number in numbers and task.data == data.name:
            try:
                draws.append(draw(task, data, trials=trials, seed=seed))
            except InputError as error:
                problems.append(error)
    return Job(data, tuple(draws)), problems


def run_job(
    job: Job,
    networks: Sequence[NetworkLayers],
    *,
    workers: Workers | None = None,
    cache: Path | None,
    show: Show,
) -> list[Cell]:
    """Every representation on every task of one data set, in the order of Table 1.

    Args:
        job: the data set and what is drawn from it.
        networks: with the layers of each.
        workers: threads, or a cluster's; None for a thread on each core.
        cache: folder of the row store, or None.
        show: gives, for a title, a context with a function that shows progress.

    Raises:
        InputError: an image has no row.
    """
    used = used_by(job.draws)
    cells = []
    for one in networks:
        with show(f"{job.data.name} {one.network}") as progress:
            rows, passed = extract_rows(
                job.data.images,
                used,
                one.on(job.data),
                workers=workers,
                cache=cache,
                progress=progress,
            )
            for name, own in zip(one.names, rows, strict=True):
                for drawn in job.draws:
                    progress.stage(f"task {drawn.task.number} with {name}")
                    cells.append(measure(drawn, name, own, used, passed))
    return sorted(cells, key=lambda cell: cell.task)


def _grouped(texts: Sequence[str]) -> dict[str, list[str]]:
    """The layers that are wanted of each backbone; grey-scale has one without a name."""
    found: dict[str, list[str]] = {}
    for text in texts:
        backbone, _, layer = text.rpartition(":")
        if text == GREYSCALE:
            backbone, layer = text, ""
        elif not backbone:
            raise InputError(
                f"representation {text!r}: expected {GREYSCALE}, or BACKBONE:LAYER such as "
                f"{EXAMPLE}."
            )
        if layer in found.setdefault(backbone, []):
            raise InputError(f"representation {text!r} is given twice. Give each once.")
        found[backbone].append(layer)
    return found

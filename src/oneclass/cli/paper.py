"""`oneclass paper`: the paper's tasks on the data that there is, beside the paper's figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.console import progress, say
from oneclass.errors import InputError

if TYPE_CHECKING:
    from oneclass.datasets import DataSet
    from oneclass.paper.protocol import Cell
    from oneclass.representation import Greyscale, PretrainedLayers

EMBEDDED = "efficientnet-lite0:block_14@2"


@click.command(short_help="Run the paper's tasks beside its figures.")
@click.option("--mnist", metavar="DIR", help="The four IDX files.  [default: 5,000 digits]")
@click.option("--xray", metavar="DIR", help="empty/ and non-empty/, or one .npz of N x 9 x 32.")
@click.option("--faces", metavar="DIR", help="male/ and female/, a folder an identity.")
@click.option(
    "--representation",
    "representations",
    multiple=True,
    metavar="NAME",
    help=f"greyscale, or BACKBONE:LAYER; may be given again.  [default: greyscale and {EMBEDDED}]",
)
@click.option("--tasks", metavar="N,...", help="Of Table 1.  [default: those with data]")
@click.option("--trials", type=int, default=3, show_default=True, help="Training sets a task.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all draws.")
@click.option("-o", "--out", metavar="DIR", help="Folder for table.md and results.json.")
def paper(
    mnist: str | None,
    xray: str | None,
    faces: str | None,
    representations: Sequence[str],
    tasks: str | None,
    trials: int,
    seed: int,
    out: str | None,
) -> int:
    """Run the protocol of the paper on its tasks, and print our figures beside the paper's.

    Tasks run for which there is data: 1 to 4 on MNIST, 5 and 6 on X-ray images of freight, 7 on
    faces. Where there are fewer images than in the paper, the sets shrink, and the table says so.
    """
    from oneclass.paper import output
    from oneclass.runs import make_folder

    if trials < 1:
        raise InputError(f"trials is {trials}: expected at least 1.")
    if out is not None:
        make_folder(Path(out))
    data = _load(mnist, xray, faces)
    wanted = _tasks(tasks, data)
    names = representations or ("greyscale", EMBEDDED)
    notes = [f"Seed {seed}, {trials} training sets a task, 21 nu from 0.01 to 0.99."]
    notes += [f"{d.name}: {d.stand_in}." for d in data.values() if d.stand_in]
    settings = {"seed": seed, "trials": trials, "representations": list(names)}
    cells: list[Cell] = []
    for found in data.values():
        mine = [number for number in wanted if _data_of(number) == found.name]
        if mine:
            cells += _run(found, mine, names, trials=trials, seed=seed)
            cells.sort(key=lambda cell: (cell.task, names.index(cell.representation)))
            if out is not None:  # what is finished is on disk, whatever comes next
                _write(
                    Path(out), output.markdown(cells, notes), output.as_json(cells, notes, settings)
                )
    click.echo(output.markdown(cells, notes), nl=False)
    return 0


def _load(mnist: str | None, xray: str | None, faces: str | None) -> dict[str, DataSet]:
    from oneclass.datasets.faces import load_faces
    from oneclass.datasets.mnist import load_mnist, load_mnist_5k
    from oneclass.datasets.xray import load_xray

    found = [load_mnist(Path(mnist)) if mnist is not None else load_mnist_5k()]
    found += [load_xray(Path(xray))] if xray is not None else []
    found += [load_faces(Path(faces))] if faces is not None else []
    for data in found:
        say(data.found)
    return {data.name: data for data in found}


def _data_of(number: int) -> str:
    from oneclass.paper.tables import TABLE_1

    return TABLE_1[number - 1].data


def _tasks(text: str | None, data: dict[str, DataSet]) -> list[int]:
    from oneclass.paper.tables import TABLE_1

    there = [task.number for task in TABLE_1 if task.data in data]
    if text is None:
        return there
    numbers = [part.strip() for part in text.split(",")]
    known = {str(task.number) for task in TABLE_1}
    if wrong := [part for part in numbers if part not in known]:
        raise InputError(f"task {wrong[0]!r}: expected numbers from 1 to {len(known)}.")
    for number in map(int, numbers):
        if number not in there:
            raise InputError(
                f"task {number} needs {_data_of(number)} images: give a folder of them "
                "(--xray for tasks 5 and 6, --faces for task 7)."
            )
    return sorted(set(map(int, numbers)))


def _run(
    data: DataSet, numbers: Sequence[int], names: Sequence[str], *, trials: int, seed: int
) -> list[Cell]:
    """Every representation on the tasks of one data set."""
    from oneclass.paper.protocol import draw, extract_rows, measure, used_by
    from oneclass.paper.tables import TABLE_1

    draws = [draw(TABLE_1[number - 1], data, trials=trials, seed=seed) for number in numbers]
    used = used_by(draws)
    cells = []
    for backbone, layers in _grouped(names).items():
        representation = _representation(backbone, layers, data.images.shape[1:])
        with progress(f"{data.name} {backbone}") as show:
            rows = extract_rows(data.images, used, representation, show)
        for layer, own in zip(layers, rows, strict=True):
            name = f"{backbone}:{layer}" if layer else backbone
            cells += [measure(drawn, name, own, used) for drawn in draws]
    return cells


def _grouped(names: Sequence[str]) -> dict[str, list[str]]:
    """The layers that are wanted of each backbone; grey-scale has one without a name."""
    found: dict[str, list[str]] = {}
    for name in names:
        backbone, _, layer = name.rpartition(":")
        if name == "greyscale":
            backbone, layer = name, ""
        elif not backbone:
            raise InputError(
                f"representation {name!r}: expected greyscale, or BACKBONE:LAYER such as "
                f"{EMBEDDED}."
            )
        if layer in found.setdefault(backbone, []):
            raise InputError(f"representation {name!r} is given twice. Give each once.")
        found[backbone].append(layer)
    return found


def _representation(
    backbone: str, layers: Sequence[str], size: tuple[int, ...]
) -> Greyscale | PretrainedLayers:
    from oneclass.backbones import Backbone
    from oneclass.representation import Greyscale, PretrainedLayers, parse_layers

    if backbone == "greyscale":
        return Greyscale((size[0], size[1]))
    network = Backbone.open(backbone)
    pairs = [parse_layers(network, layer) for layer in layers]
    if joined := [layer for layer, parts in zip(layers, pairs, strict=True) if len(parts) > 1]:
        raise InputError(f"layer {joined[0]!r}: the paper's representations are single layers.")
    return PretrainedLayers(network, [parts[0] for parts in pairs])


def _write(folder: Path, table: str, record: dict[str, object]) -> None:
    from oneclass.files import whole_file

    for name, text in (("table.md", table), ("results.json", json.dumps(record, indent=1) + "\n")):
        with whole_file(folder / name) as file:
            file.write(text.encode())

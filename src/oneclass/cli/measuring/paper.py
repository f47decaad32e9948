"""`oneclass paper`: the paper's tasks on the data that there is, beside the paper's figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import if_stopped, progress, say, say_cache, say_traffic
from oneclass.cli.talk.parameters import Here, setting_option
from oneclass.cli.talk.writing import kept_rows
from oneclass.errors import InputError, OneclassError
from oneclass.system.host.workers import worker_count
from oneclass.system.names import plain

if TYPE_CHECKING:
    from oneclass.cluster.traffic import Traffic
    from oneclass.datasets import DataSet
    from oneclass.paper.experiment import Job, NetworkLayers
    from oneclass.paper.output import Results
    from oneclass.paper.protocol import Cell

EMBEDDED = "efficientnet-lite0:block_14@2"
TABLES = {
    "table.md": b"| task | representation | ours |",
    "table.html": b'<p class="eyebrow">oneclass paper</p>',
    "results.json": b'\n "stand_ins": [',
}
"""What the tables of a run hold, by which they are known as its own."""
DOWNLOAD, SIMULATED = "download", "simulated"
Loaders = Mapping[str, Callable[[], "DataSet"]]


@click.command(short_help="Run the paper's tasks beside its figures.")
@click.option(
    "--mnist",
    type=Here(),
    metavar="DIR|download",
    help="Folder of MNIST's four IDX files.  [default: an earlier download, or 5,000 digits]",
)
@click.option(
    "--xray",
    type=Here(),
    metavar="DIR|simulated",
    help="Freight containers: a folder of empty/ and non-empty/, or one .npz of N x 9 x 32.  "
    "[default: simulated]",
)
@click.option(
    "--faces", type=Here(), metavar="DIR", help="male/ and female/, a folder an identity in each."
)
@click.option(
    "--sexes",
    type=Here(),
    metavar="FILE",
    help="Sex of each identity, for --faces without those two.",
)
@click.option(
    "--representation",
    "representations",
    multiple=True,
    metavar="NAME",
    default=("greyscale", EMBEDDED),
    help="greyscale, which is an image's own pixels, or BACKBONE:LAYER; may be given again.  "
    f"[default: greyscale and {EMBEDDED}]",
)
@click.option(
    "--tasks", metavar="N,...", help="Of the seven tasks, such as 1,2.  [default: those with data]"
)
@click.option(
    "--trials", type=int, default=3, show_default=True, help="Training sets drawn for each task."
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="The number that chance chooses the images by.",
)
@setting_option("threads")
@setting_option("cache")
@setting_option("cluster")
@click.option(
    "-o",
    "--out",
    type=Here(),
    metavar="DIR",
    help="Folder for table.md, table.html and results.json.",
)
def paper(
    mnist: str | None,
    xray: str | None,
    faces: str | None,
    sexes: str | None,
    representations: Sequence[str],
    tasks: str | None,
    trials: int,
    seed: int,
    threads: int | None,
    cache: str | None,
    cluster: str | None,
    out: str | None,
) -> int:
    """Run the experiments of the paper that oneclass comes from, and print its figures beside ours.

    The paper: Andrews, Tanay, Morton and Griffin, Transfer Representation-Learning for Anomaly
    Detection (2016). In each task one class of images is normal and another is to be found. What
    the table's words mean is printed below it.

    Tasks run for which there is data: 1 to 4 on handwritten digits (MNIST); 5 and 6 on X-ray images
    of freight, computed ones unless you give some; 7 on faces. Where there are fewer images than in
    the paper, the sets shrink, and the table says so.
    """
    from oneclass.paper.experiment import open_representations
    from oneclass.paper.output import Results, markdown
    from oneclass.results.folders import check_tables
    from oneclass.system.files import make_folder

    for name, value, least in (("trials", trials, 1), ("seed", seed, 0)):
        if value < least:
            raise InputError(f"--{name} is {value}: expected at least {least}.")
    if out is not None:
        check_tables(Path(out), TABLES, "table of 'oneclass paper -o'")
        make_folder(Path(out))
    loaders = _loaders(mnist, xray, faces, sexes, seed)
    numbers = _tasks(tasks, loaders)
    networks = open_representations(representations)
    jobs, problems = _jobs(loaders, numbers, trials, seed)
    about = [f"{job.data.name}: {job.data.stand_in}." for job in jobs if job.data.stand_in]
    settings = {
        "seed": seed,
        "trials": trials,
        "tasks": numbers,
        "representations": list(representations),
        "data": {job.data.name: job.data.found for job in jobs},
    }
    results = Results((), about, settings)
    for job in jobs:
        try:
            with if_stopped(partial(_cut_short, results, out, cache)):
                cells = _run(job, networks, threads, cache, cluster)
            results = replace(results, cells=[*results.cells, *cells])
        except InputError as error:
            problems.append(_going_on(error))
            continue
        if out is not None:  # what is finished is on disk, whatever comes next
            _write(Path(out), results)
    if results.cells:
        click.echo(markdown(results), nl=False)
    if problems:
        raise problems[0]
    return 0


def _loaders(
    mnist: str | None, xray: str | None, faces: str | None, sexes: str | None, seed: int
) -> Loaders:
    """For each data set that can be had, how to load it."""
    from oneclass.datasets.faces import load_faces
    from oneclass.datasets.mnist import load_mnist
    from oneclass.datasets.mnist_download import find_mnist
    from oneclass.datasets.xray import load_xray
    from oneclass.datasets.xray_simulated import load_simulated_xray

    found: dict[str, Callable[[], DataSet]] = {
        "MNIST": find_mnist if mnist is None else partial(load_mnist, Path(mnist)),
        "X-RAY": partial(load_simulated_xray, seed=seed)
        if xray in (None, SIMULATED)
        else partial(load_xray, Path(xray)),
    }
    if mnist == DOWNLOAD:
        found["MNIST"] = _download_mnist
    if faces is not None:
        found["CASIA"] = partial(load_faces, Path(faces), None if sexes is None else Path(sexes))
    elif sexes is not None:
        raise InputError(f"sexes {sexes}: of whom? Give the folder of the faces, too: --faces.")
    return found


def _download_mnist() -> DataSet:
    from oneclass.datasets.mnist import load_mnist
    from oneclass.datasets.mnist_download import fetch_mnist
    from oneclass.system.downloads import user_folder

    folder = user_folder("mnist")
    say(f"MNIST: downloading what is missing, of 11.6 MB, to {folder}.")
    with progress("MNIST", unit="B") as show:
        fetch_mnist(folder, progress=show)
    return load_mnist(folder)


def _tasks(text: str | None, loaders: Loaders) -> list[int]:
    """The numbers of the tasks to run."""
    from oneclass.paper.tables import TABLE_1

    data = {str(task.number): task.data for task in TABLE_1}
    if text is None:
        return [int(number) for number, name in data.items() if name in loaders]
    numbers = [part.strip() for part in text.split(",")]
    for number in numbers:
        if number not in data:
            raise InputError(f"task {number!r}: expected numbers from 1 to {len(data)}.")
        if data[number] not in loaders:
            raise InputError(
                f"task {number} needs {data[number]} images, faces by sex: give a folder of them "
                "with --faces."
            )
    return sorted({int(number) for number in numbers})


def _jobs(
    loaders: Loaders, numbers: Sequence[int], trials: int, seed: int
) -> tuple[list[Job], list[OneclassError]]:
    """Load what the tasks need, and draw; what cannot be used does not stop the rest."""
    from oneclass.paper.experiment import draw_job
    from oneclass.paper.tables import TABLE_1

    jobs: list[Job] = []
    problems: list[OneclassError] = []
    for name in dict.fromkeys(task.data for task in TABLE_1 if task.number in numbers):
        try:
            with progress(name, quiet=loaders[name] is _download_mnist) as show:
                show.stage("getting the images")
                data = loaders[name]()
            say(data.found)
        except OneclassError as error:
            problems.append(error)
            continue
        job, too_few = draw_job(data, numbers, trials=trials, seed=seed)
        jobs += [job] if job.draws else []
        problems += too_few
    if not jobs:
        raise problems[0]
    return jobs, [_going_on(error) for error in problems]


def _run(
    job: Job,
    networks: Sequence[NetworkLayers],
    threads: int | None,
    cache: str | None,
    cluster: str | None,
) -> list[Cell]:
    from oneclass.cluster.crew import crew_of
    from oneclass.paper.experiment import run_job

    kept = None if cache is None else Path(cache)
    traffic: list[Traffic] = []
    with crew_of(cluster, worker_count(threads), traffic) as workers:
        cells = run_job(job, networks, workers=workers, cache=kept, show=progress)
    say_traffic(traffic)
    for network in dict.fromkeys(cell.network for cell in cells):
        say_cache(network.cache)
    return cells


def _cut_short(results: Results, out: str | None, cache: str | None) -> str:
    """What a run that a signal ended leaves."""
    table = "no table was written."
    if results.cells and out is not None:
        names = ", ".join(dict.fromkeys(cell.title for cell in results.cells))
        table = f"the tables in {out} are of {names} alone."
    return f"{table} {kept_rows(cache)}"


def _going_on(error: OneclassError) -> OneclassError:
    """Tell of an error at once; it ends the command when all else is done."""
    say(f"error: {plain(str(error))} The other tasks go on.")
    return error


def _write(folder: Path, results: Results) -> None:
    from oneclass.paper.output import as_json, markdown
    from oneclass.paper.page import results_page
    from oneclass.system.files import whole_file

    texts = {
        "table.md": markdown(results),
        "table.html": results_page(results),
        "results.json": json.dumps(as_json(results), indent=1) + "\n",
    }
    for name, text in texts.items():
        with whole_file(folder / name) as file:
            file.write(text.encode())

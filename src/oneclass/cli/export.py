"""`oneclass export`: a model for places where oneclass itself is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneclass.cli.talk.console import (
    DIFFERENT,
    UNREADABLE,
    if_stopped,
    progress,
    say,
    say_errors,
)
from oneclass.cli.talk.parameters import Here, OneOf, Size, misnamed, setting_option
from oneclass.cli.talk.writing import unwritten, written_whole
from oneclass.errors import InputError
from oneclass.system.host.portable import as_typed

if TYPE_CHECKING:
    from oneclass.detector.estimator import Detector


@click.command(short_help="Write a model for use without oneclass.")
@click.argument("model")
@click.option(
    "-o", "--out", required=True, type=Here(), metavar="FILE|DIR", help="File or folder to write."
)
@click.option(
    "--format",
    "kind",
    type=OneOf(["onnx", "openvino", "web"]),
    default="onnx",
    show_default=True,
    help="One ONNX file, OpenVINO's two, or a folder with a page that judges in the browser.",
)
@click.option(
    "--layout",
    type=OneOf(["NHWC", "NCHW"], case_sensitive=False),
    default="NHWC",
    show_default=True,
    help="Order of the axes of the images that it will be given.",
)
@click.option(
    "--size",
    type=Size(),
    metavar="HxW",
    help="Of every image that it will be given.  [default: any]",
)
@click.option(
    "--without-resize", is_flag=True, help="It will be given images of the network's own size."
)
@click.option(
    "--onnxruntime-web",
    "runtime",
    type=Here(),
    metavar="FILE.tgz|DIR",
    help="What computes in the page: the npm package onnxruntime-web, as 'npm pack' fetches it.",
)
@click.option(
    "--int8",
    multiple=True,
    metavar="IMAGES",
    help="For openvino: the network in int8, calibrated and measured on these normal images.",
)
@click.option(
    "--int8-limit",
    "limit",
    type=float,
    metavar="NUMBER",
    help="How far int8 may move the scores of nine images in ten, in standard deviations of the "
    "normal images' scores; beyond, nothing is written.  [default: 0.25]",
)
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
@setting_option("threads")
def export(
    model: str,
    out: str,
    kind: str,
    layout: str,
    size: tuple[int, int] | None,
    without_resize: bool,
    runtime: str | None,
    int8: Sequence[str],
    limit: float | None,
    backbone: str | None,
    threads: int | None,
) -> int:
    """Write a MODEL as one ONNX graph: from pixels to score, p-value, verdict and map.

    It runs wherever ONNX runs, without oneclass and without Python. Needs the extra export.
    """
    from oneclass.detector.files.loading import load
    from oneclass.export.assembly import Input, onnx_model
    from oneclass.export.running import check_replaces_export
    from oneclass.system.files import check_writable, has_content, whole_file

    place, takes = Path(out), Input(layout.upper(), size, without_resize)
    if wrong := misnamed(out, _ENDINGS[kind]):
        raise InputError(f"-o {wrong}")
    _check_int8(kind, int8, limit)
    if kind == "web":
        if takes != Input():
            raise InputError(
                "--format web: the page gives images of any size, NHWC. Leave out --layout, --size "
                "and --without-resize."
            )
        return _web(model, place, runtime, backbone)
    if runtime is not None:
        raise InputError("--onnxruntime-web is for --format web. Leave one of the two out.")
    if kind == "onnx" and place.suffix.lower() == ".xml":
        raise InputError(
            f"-o {place}: --format onnx writes one ONNX file. Give a name that ends in .onnx, or "
            "add --format openvino."
        )
    detector = load(model, backbone=backbone, threads=threads)
    check_writable(place, ".onnx" if kind == "onnx" else ".xml")
    check_replaces_export(place)
    with if_stopped(lambda: unwritten(place)):
        content = onnx_model(detector, takes)
    n_bytes, code, before = len(content), 0, has_content(place)
    if kind == "openvino":
        n_bytes, code = _openvino(place, content, detector, int8, limit)
    else:
        with written_whole(place), whole_file(place) as target:
            target.write(content)
    if n_bytes:
        words = ["verify", str(place), model, "IMAGES"]
        if int8:  # which moves more than the tolerance of an exact copy
            words += ["--tolerance", f"{_allowed(limit):g}"]
        say(f"{place}: {n_bytes / 1e6:.1f} MB. To compare: oneclass {as_typed(words)}")
        _say_replaced(place, before)
        if int8:
            say("Odd images move further than normal ones: there, see whether verdicts differ.")
    return code


_ENDINGS = {"onnx": ".onnx", "openvino": ".xml", "web": ""}
"""How the name of what is written ends, by its format; a page is a folder."""


def _say_replaced(place: Path, before: bool) -> None:
    """Say that an export was written over another; there is no copy, for it can be made again."""
    if before:
        say(f"what was in {place} before, an exported model, was replaced.")


def _check_int8(kind: str, images: Sequence[str], limit: float | None) -> None:
    if images and kind != "openvino":
        raise InputError("--int8 is for --format openvino. Leave one of the two out.")
    if limit is not None and not images:
        raise InputError("--int8-limit is for --int8 IMAGES. Leave it out, or give images.")
    if limit is not None and not limit > 0:
        raise InputError(f"--int8-limit is {limit}: expected a number above 0, such as 0.25.")


def _allowed(limit: float | None) -> float:
    """How far int8 may move scores, in standard deviations of normal ones."""
    from oneclass.export.quantising import DEFAULT_LIMIT

    return DEFAULT_LIMIT if limit is None else limit


def _openvino(
    file: Path, content: bytes, detector: Detector, int8: Sequence[str], limit: float | None
) -> tuple[int, int]:
    """The bytes written, none where int8 moves too much, and the exit code."""
    from oneclass.backbones.onnx_file import metadata
    from oneclass.export.assembly import METADATA_KEY
    from oneclass.export.openvino import check_name, convert, write_openvino
    from oneclass.export.quantising import quantise
    from oneclass.images.sources import gather

    check_name(file)
    record = json.loads(metadata(content, METADATA_KEY) or "{}")
    converted = convert(content)
    if not int8:
        with written_whole(file):
            return write_openvino(file, converted, record), 0
    sources = gather(list(int8))
    with if_stopped(lambda: unwritten(file)), progress("int8") as show:
        show.stage("calibrating the network")
        moved, unreadable = quantise(converted, record, detector, sources, progress=show)
    errors = [*sources.errors, *unreadable]
    say_errors(errors, of_model=True)
    say(str(moved))
    allowed = _allowed(limit)
    if moved.nine_in_ten > allowed:
        say(
            f"{file}: not written, for that is beyond the limit of {allowed:g}. Export without "
            "--int8, or raise --int8-limit and look at what 'oneclass verify' says."
        )
        return 0, DIFFERENT
    with written_whole(file):
        written = write_openvino(file, converted, {**record, "int8": moved.to_json()})
    return written, UNREADABLE if errors else 0


def _web(model: str, folder: Path, runtime: str | None, backbone: str | None) -> int:
    from oneclass.backbones.onnx_file import metadata
    from oneclass.detector.files.loading import load
    from oneclass.export.assembly import METADATA_KEY, onnx_model
    from oneclass.export.web import LICENCES, VERSION, check_page_folder, read_runtime, write_page
    from oneclass.results.folders import refuse_pictures
    from oneclass.system.files import has_content

    if runtime is None:
        raise InputError(
            "--format web: the page needs the npm package onnxruntime-web. Run 'npm pack "
            f"onnxruntime-web@{VERSION}', and give the file with --onnxruntime-web."
        )
    check_page_folder(folder)
    before = has_content(folder / LICENCES)
    if not before:
        refuse_pictures(folder, "page", what="the page")  # a server of it would give them away
    files = read_runtime(Path(runtime))
    with if_stopped(lambda: unwritten(folder)):
        content = onnx_model(load(model, backbone=backbone))
    record = json.loads(metadata(content, METADATA_KEY) or "{}")
    with written_whole(folder):
        size = write_page(folder, content, record, files)
    say(
        f"{folder}: {size / 1e6:.1f} MB. Any web server can serve it, such as: "
        f"{as_typed(['python3', '-m', 'http.server', '-d', str(folder)])}"
    )
    _say_replaced(folder, before)
    return 0

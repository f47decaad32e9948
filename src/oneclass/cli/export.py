"""`oneclass export`: a model for places where oneclass itself is not."""

from __future__ import annotations

import json
from pathlib import Path

import click

from oneclass.cli.talk.console import say
from oneclass.cli.talk.parameters import Size
from oneclass.errors import InputError


@click.command(short_help="Write a model for use without oneclass.")
@click.argument("model")
@click.option("-o", "--out", required=True, metavar="FILE|DIR", help="File or folder to write.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "openvino", "web"]),
    default="onnx",
    show_default=True,
    help="One ONNX file, OpenVINO's two, or a folder with a page that judges in the browser.",
)
@click.option(
    "--layout",
    type=click.Choice(["NHWC", "NCHW"], case_sensitive=False),
    default="NHWC",
    show_default=True,
    help="Order of the axes of the images that it will be given.",
)
@click.option("--size", type=Size(), help="Of every image that it will be given.  [default: any]")
@click.option(
    "--without-resize", is_flag=True, help="It will be given images of the network's own size."
)
@click.option(
    "--onnxruntime-web",
    "runtime",
    metavar="FILE.tgz|DIR",
    help="What computes in the page: the npm package onnxruntime-web, as 'npm pack' fetches it.",
)
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
def export(
    model: str,
    out: str,
    kind: str,
    layout: str,
    size: tuple[int, int] | None,
    without_resize: bool,
    runtime: str | None,
    backbone: str | None,
) -> int:
    """Write a MODEL as one ONNX graph: from pixels to score, p-value, verdict and map.

    It runs wherever ONNX runs, without oneclass and without Python. Needs the extra export.
    """
    from oneclass.detector.files.loading import load
    from oneclass.export.assembly import Input, onnx_model
    from oneclass.system.files import check_writable, whole_file

    place, takes = Path(out), Input(layout.upper(), size, without_resize)
    if kind == "web":
        if takes != Input():
            raise InputError(
                "--format web: the page gives images of any size, NHWC. Leave out --layout, --size "
                "and --without-resize."
            )
        return _web(model, place, runtime, backbone)
    if runtime is not None:
        raise InputError("--onnxruntime-web is for --format web. Leave one of the two out.")
    detector = load(model, backbone=backbone)
    check_writable(place)
    content = onnx_model(detector, takes)
    n_bytes = len(content)
    if kind == "openvino":
        n_bytes = _openvino(place, content)
    else:
        with whole_file(place) as target:
            target.write(content)
    say(f"{place}: {n_bytes / 1e6:.1f} MB. 'oneclass verify {place} {model} IMAGES' compares.")
    return 0


def _openvino(file: Path, content: bytes) -> int:
    from oneclass.backbones.onnx_file import metadata
    from oneclass.export.assembly import METADATA_KEY
    from oneclass.export.openvino import write_openvino

    return write_openvino(file, content, metadata(content, METADATA_KEY) or "{}")


def _web(model: str, folder: Path, runtime: str | None, backbone: str | None) -> int:
    from oneclass.backbones.onnx_file import metadata
    from oneclass.detector.files.loading import load
    from oneclass.export.assembly import METADATA_KEY, onnx_model
    from oneclass.export.web import VERSION, read_runtime, write_page

    if runtime is None:
        raise InputError(
            "--format web: the page needs the npm package onnxruntime-web. Run 'npm pack "
            f"onnxruntime-web@{VERSION}', and give the file with --onnxruntime-web."
        )
    files = read_runtime(Path(runtime))
    content = onnx_model(load(model, backbone=backbone))
    record = json.loads(metadata(content, METADATA_KEY) or "{}")
    size = write_page(folder, content, record, files)
    say(
        f"{folder}: {size / 1e6:.1f} MB. Any web server can serve it, such as "
        f"'python3 -m http.server -d {folder}'."
    )
    return 0

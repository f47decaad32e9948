"""`oneclass export`: a model as one file for places where oneclass itself is not."""

from __future__ import annotations

from pathlib import Path

import click

from oneclass.cli.console import say
from oneclass.cli.parameters import Size


@click.command(short_help="Write a model as one ONNX file, for use without oneclass.")
@click.argument("model")
@click.option("-o", "--out", required=True, metavar="FILE.onnx", help="File to write.")
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
@click.option("--backbone", help="ONNX file of the model's backbone, where it is not embedded.")
def export(
    model: str,
    out: str,
    layout: str,
    size: tuple[int, int] | None,
    without_resize: bool,
    backbone: str | None,
) -> int:
    """Write a MODEL as one ONNX graph: from pixels to score, p-value, verdict and map.

    It runs wherever ONNX runs, without oneclass and without Python. Needs the extra export.
    """
    from oneclass.detector.loading import load
    from oneclass.export.assembly import Input, onnx_model
    from oneclass.system.files import check_writable, whole_file

    file = Path(out)
    detector = load(model, backbone=backbone)
    check_writable(file)
    content = onnx_model(detector, Input(layout.upper(), size, without_resize))
    with whole_file(file) as target:
        target.write(content)
    say(f"{file}: {len(content) / 1e6:.1f} MB. 'oneclass verify {file} {model} IMAGES' compares.")
    return 0

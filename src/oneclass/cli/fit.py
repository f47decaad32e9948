"""`oneclass fit`: learn from normal images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from oneclass.cli.parameters import Size
from oneclass.console import UNREADABLE, count, progress, say, say_errors, say_ignored


@click.command(short_help="Learn from normal images.")
@click.argument("normal", nargs=-1, required=True)
@click.option("-o", "--out", "out", required=True, metavar="FILE", help="Model file to write.")
@click.option(
    "--backbone",
    default="efficientnet-lite0",
    show_default=True,
    help="An embedded network, an ONNX file, or 'greyscale' for raw pixels.",
)
@click.option(
    "--layer",
    help="Layers of the backbone, such as block_8@4 (a 4 x 4 grid); 'oneclass info' lists them.  "
    "[default: block_2@7+block_14@2]",
)
@click.option(
    "--grid",
    type=int,
    help="Average map layers to GRID x GRID positions, where --layer names no grid.",
)
@click.option(
    "--size",
    type=Size(),
    metavar="HxW",
    help="Resize images to this.  [default: the network's own]",
)
@click.option(
    "--nu",
    type=float,
    default=0.1,
    show_default=True,
    help="Bounds the share of normal images outside their half-space; above 0, at most 1.",
)
@click.option(
    "--halfspaces",
    type=int,
    help="Number of half-spaces.  [default: one per 12 images, at most 64]",
)
@click.option(
    "--false-alarms",
    type=float,
    help="Share of normal images that may be called anomalies.  [default: 0.05]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is random.")
@click.option("--threads", type=int, help="Threads to use.  [default: all cores]")
def fit(normal: Sequence[str], out: str, halfspaces: int | None, **settings: Any) -> int:
    """Learn from NORMAL images and write a model file.

    NORMAL: files, folders (searched in depth), globs, a list.txt of paths, or - for paths on
    stdin. Images that cannot be read are listed and left out.
    """
    from oneclass.detector import Detector
    from oneclass.files import check_writable

    check_writable(Path(out))
    detector = Detector(n_halfspaces=halfspaces, **settings)
    with progress("fit") as show:
        detector.fit(list(normal), progress=show)
    detector.save(out)
    learnt = detector.card["fit"]
    say_ignored(detector.ignored)
    say_errors(detector.errors)
    for warning in learnt["warnings"]:
        say(f"note: {warning}")
    say(
        f"{out}: learnt {count(learnt['n_images'], 'normal image')} as "
        f"{count(learnt['n_halfspaces'], 'half-space')} ({Path(out).stat().st_size / 1e3:.0f} kB). "
        f"About {100 * detector.card['false_alarms']:.3g} % of normal images will be called "
        "anomalies."
    )
    return UNREADABLE if detector.errors else 0

"""`oneclass demo`: try it all on real images."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Try it all on real handwritten digits.")
@click.argument("folder", default="oneclass-demo")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the images.")
def demo(folder: str, seed: int) -> int:
    """Run the main job on real handwritten digits, in FOLDER (under a minute).

    Writes PNG files of the digit 5 as normal images and a mixed folder of incoming ones, then
    runs the very commands that you would run, and says what they found.
    """
    from oneclass.demo.digits import run_demo

    run_demo(Path(folder), seed=seed)
    return 0

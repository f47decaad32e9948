"""The textures of `oneclass demo textures`: parts of real pictures, some of them damaged."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from oneclass.datasets.demonstration import write_demo

TEXTURES = ("brick", "gravel", "grass")
"""512 x 512 grey photographs, public domain (CC0), as scikit-image carries them; see NOTICE."""
SIDE = 160
"""Pixels of a part's sides."""
SEEN = 304
"""Normal parts lie left of this column, incoming ones right of it: no pixel is in both."""
N_NORMAL, N_INCOMING = 40, 12
"""Of each texture; of the incoming ones as many again have a scratch, and a stain."""
KINDS = ("good", "scratch", "stain")

Picture = NDArray[np.uint8]


def write_textures(folder: Path, *, seed: int) -> None:
    """Write `normal/` and `incoming/good/`, `scratch/`, `stain/` as PNG files.

    Raises:
        InputError: other files are in the way, or the folder cannot be written to.
    """
    rng = np.random.default_rng(seed)
    files: dict[Path, Picture] = {}
    for name in TEXTURES:
        whole = texture(name)
        for i in range(N_NORMAL):
            files[folder / "normal" / f"{name}-{i:02}.png"] = _part(whole[:, :SEEN], rng)
        for kind in KINDS:
            for i in range(N_INCOMING):
                part = damaged(_part(whole[:, SEEN:], rng), kind, rng)
                files[folder / "incoming" / kind / f"{name}-{i:02}.png"] = part
    write_demo(folder, files)


def texture(name: str) -> Picture:
    """(512, 512) uint8: one of `TEXTURES`."""
    file = resources.files("oneclass.datasets") / "data" / f"{name}.png"
    with file.open("rb") as opened, Image.open(opened) as image:
        return np.array(image)


def damaged(part: Picture, kind: str, rng: np.random.Generator) -> Picture:
    """A part with a bright scratch, with a dark stain, or as it is.

    Args:
        part: (H, W).
        kind: one of `KINDS`.
        rng: places and shapes it.
    """
    if kind == "good":
        return part
    height, width = part.shape
    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    x, y = rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height
    if kind == "scratch":
        angle, half = rng.uniform(0, np.pi), rng.uniform(0.15, 0.25) * width
        dx, dy = half * np.cos(angle), half * np.sin(angle)
        bend = rng.normal(0, 4, 2)
        line = [(x - dx, y - dy), (x + bend[0], y + bend[1]), (x + dx, y + dy)]
        draw.line(line, fill=255, width=int(rng.integers(3, 6)))
        colour, blur = 235, 0.6
    else:
        for _ in range(4):
            cx, cy = x + rng.normal(0, 5), y + rng.normal(0, 5)
            rx, ry = rng.uniform(5, 13, 2)
            draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=210)
        colour, blur = 30, 2.0
    weight = np.asarray(mask.filter(ImageFilter.GaussianBlur(blur)), np.float64) / 255
    mixed: NDArray[np.float64] = part * (1 - weight) + colour * weight
    return np.rint(mixed).astype(np.uint8)


def _part(picture: Picture, rng: np.random.Generator) -> Picture:
    """A piece at a random place."""
    top, left = (int(rng.integers(0, n - SIDE + 1)) for n in picture.shape)
    return picture[top : top + SIDE, left : left + SIDE].copy()

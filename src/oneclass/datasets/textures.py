"""The textures of `oneclass demo textures`: parts of real pictures, some of them damaged.

A promise about false alarms is one about new images that are like those learnt from, and no copies
of them. So each photograph is cut into squares that share no pixel, and chance says which of them
are learnt from: in every other respect the good incoming parts are like those.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from oneclass.datasets.demonstration import write_demo

TEXTURES = ("brick", "gravel", "grass")
"""512 x 512 grey photographs, public domain (CC0), as scikit-image carries them; see NOTICE."""
SIDE = 85
"""Pixels of a part's sides; six by six fit into a photograph."""
N_NORMAL, N_INCOMING = 24, 12
"""Parts of each texture, all different; each incoming one is there good, scratched and stained."""
KINDS = ("good", "scratch", "stain")

Picture = NDArray[np.uint8]


def write_textures(folder: Path, *, seed: int) -> None:
    """Write `normal/` and `incoming/good/`, `scratch/`, `stain/` as PNG files.

    Raises:
        InputError: other files are in the way, or the folder cannot be written to.
    """
    write_demo(folder, {folder / name: part for name, part in texture_parts(seed=seed).items()})


def texture_parts(*, seed: int) -> dict[str, Picture]:
    """(SIDE, SIDE) uint8 by the names that `write_textures` gives them."""
    rng = np.random.default_rng(seed)
    files: dict[str, Picture] = {}
    for name in TEXTURES:
        parts = rng.permutation(squares(texture(name)))
        for i, part in enumerate(parts[:N_NORMAL]):
            files[f"normal/{name}-{i:02}.png"] = part
        for kind in KINDS:
            for i, part in enumerate(parts[N_NORMAL : N_NORMAL + N_INCOMING]):
                files[f"incoming/{kind}/{name}-{i:02}.png"] = damaged(part, kind, rng)
    return files


def texture(name: str) -> Picture:
    """(512, 512) uint8: one of `TEXTURES`."""
    file = resources.files("oneclass.datasets") / "data" / f"{name}.png"
    with file.open("rb") as opened, Image.open(opened) as image:
        return np.array(image)


def squares(picture: Picture) -> Picture:
    """(n, SIDE, SIDE): the squares of a picture, row by row; what is left at its edges is lost."""
    down, across = (n // SIDE for n in picture.shape)
    inner = picture[: down * SIDE, : across * SIDE]
    return inner.reshape(down, SIDE, across, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)


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

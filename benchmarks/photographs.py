"""Photographs for benchmarks: made here, 1600 x 1200 pixels, with the detail that cameras see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1600, 1200
SHEET = 2400


def sheet(seed: int) -> NDArray[np.uint8]:
    """(SHEET, SHEET, 3) of texture whose amplitude falls as 1 / frequency, as nature's does."""
    random = np.random.default_rng(seed)
    along, down = np.fft.rfftfreq(SHEET), np.fft.fftfreq(SHEET)[:, None]
    frequency = np.maximum(np.hypot(along, down), 1 / SHEET)
    planes = []
    for _ in range(3):
        spectrum = np.fft.rfft2(random.normal(size=(SHEET, SHEET)).astype(np.float32)) / frequency
        plane = np.fft.irfft2(spectrum, (SHEET, SHEET))
        planes.append(128 + 30 * (plane - plane.mean()) / plane.std())
    grey = np.mean(planes, axis=0)
    noise = random.normal(0, 4, (SHEET, SHEET, 3))
    coloured = [0.7 * grey + 0.3 * plane for plane in planes]
    return (np.stack(coloured, axis=2) + noise).clip(0, 255).astype(np.uint8)


def photograph(sheets: list[NDArray[np.uint8]], seed: int, *, odd: bool = False) -> Image.Image:
    """A part with eight holes on a textured ground; an odd one is scratched, too."""
    random = np.random.default_rng(seed)
    ground = sheets[random.integers(len(sheets))]
    top, left = random.integers(0, SHEET - HEIGHT), random.integers(0, SHEET - WIDTH)
    picture = Image.fromarray(ground[top : top + HEIGHT, left : left + WIDTH])
    draw = ImageDraw.Draw(picture)
    x, y = random.integers(150, 250, 2)
    draw.rectangle((x, y, x + 1150, y + 750), fill=(180, 176, 170), outline=(60, 60, 60), width=8)
    for column in range(4):
        for row in (0, 1):
            a, b = x + 150 + 260 * column, y + 180 + 330 * row
            draw.ellipse((a, b, a + 90, b + 90), fill=(40, 42, 45))
    if odd:
        a, b = x + random.integers(100, 900), y + random.integers(100, 600)
        c, d = random.integers(60, 160, 2) * random.choice([-1, 1], 2)
        draw.line((a, b, a + c, b + d), fill=(90, 85, 80), width=6)
    grain = np.asarray(picture).astype(np.int16)
    grain += random.integers(-6, 7, (HEIGHT, WIDTH, 1), dtype=np.int16)
    return Image.fromarray(grain.clip(0, 255).astype(np.uint8))


def write_photographs(folder: Path, n: int, *, odd: bool = False, first: int = 0) -> list[Path]:
    """Write n JPEG files of quality 85; the same arguments make the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    sheets = [sheet(seed) for seed in range(3)]
    paths = [folder / f"{i:05}.jpg" for i in range(first, first + n)]
    for i, path in enumerate(paths, first):
        if not path.exists():
            photograph(sheets, i, odd=odd).save(path, quality=85)
    return paths

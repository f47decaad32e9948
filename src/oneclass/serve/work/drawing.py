"""What people look at: the picture, where it is odd, and boxes around that."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oneclass.detector.estimator import Detector
from oneclass.detector.regions import regions
from oneclass.errors import ImageError
from oneclass.images import read
from oneclass.images.scale import PixelRange, PixelScale, choose_scale
from oneclass.images.sources import Sources
from oneclass.results.overlay import CALM, heat_layer, overlay, picture, visible

AT_A_TIME = threading.BoundedSemaphore(2)
"""Drawings under way: each holds a decoded picture."""
SMALL = 256
LARGEST = 2400
BOX_FROM = 1.0
"""In units of the model's heat scale: where a box is drawn around."""
MARGIN = 0.5


@dataclass(frozen=True)
class Box:
    """A box around odd positions, in shares of the picture's width and height."""

    left: float
    top: float
    width: float
    height: float


def picture_of(file: Path, name: str, detector: Detector, *, large: bool) -> bytes:
    """The picture as a PNG, up to 512 pixels long; or a JPEG of up to 2,400 pixels.

    Raises:
        ImageError: the file cannot be read.
    """
    with AT_A_TIME:
        pixels = _read(file, name)
        if not large:
            return _coded(picture(pixels, detector.pixel_scale), "PNG")
        image = visible(pixels, detector.pixel_scale)
        del pixels
        image.thumbnail((LARGEST, LARGEST))
        return _coded(image, "PNG" if max(image.size) <= 512 else "JPEG")


def small_of(file: Path, name: str) -> bytes:
    """A small picture of an image that no model has seen, as a PNG of at most `SMALL` pixels.

    Raises:
        ImageError: the file cannot be read.
    """
    with AT_A_TIME:
        pixels = _read(file, name)
        found, depth = PixelRange.of(pixels), str(pixels.dtype)
        if depth == "float32" and found.low == found.high:  # any scale shows one value
            scale = PixelScale(depth, 0.0, max(abs(found.high), 1.0))
        else:
            scale = choose_scale(depth, found.low, found.high)
        image = visible(pixels, scale)
        del pixels
        image.thumbnail((SMALL, SMALL))
        return _coded(image, "PNG")


def heat_of(file: Path, name: str, detector: Detector, *, size: int = 512) -> bytes:
    """The heat alone, transparent where nothing is odd, as a PNG in the picture's shape.

    Raises:
        ImageError: the file cannot be read.
        InputError: the model's layers have no map.
    """
    with AT_A_TIME:
        pixels = _read(file, name)
        height, width = pixels.shape[:2]
        del pixels
        factor = size / max(height, width)
        shape = (max(1, round(width * factor)), max(1, round(height * factor)))
        return _coded(heat_layer(map_of(file, name, detector), detector.heat_scale, shape), "PNG")


def overlay_of(file: Path, name: str, detector: Detector) -> bytes:
    """The heat drawn over the picture, as `oneclass score --heatmaps` writes it, as a PNG.

    Raises:
        ImageError: the file cannot be read.
        InputError: the model's layers have no map.
    """
    with AT_A_TIME:
        drawn = picture(_read(file, name), detector.pixel_scale)
        heat = map_of(file, name, detector)
        return _coded(overlay(drawn, heat, detector.heat_scale), "PNG")


def map_of(file: Path, name: str, detector: Detector) -> NDArray[np.float64]:
    """(h, w) float64, the anomaly map.

    Raises:
        ImageError: the file cannot be read.
        InputError: the model's layers have no map.
    """
    for result in detector.explain_each(Sources([file], [name])):
        if isinstance(result, ImageError):
            raise result
        return result.anomaly_map
    raise AssertionError("one image has one result")


def npy_of(anomaly_map: NDArray[np.float64]) -> bytes:
    """A map as the bytes of a .npy file."""
    out = io.BytesIO()
    np.save(out, anomaly_map, allow_pickle=False)
    return out.getvalue()


def boxes(anomaly_map: NDArray[np.float64], heat_scale: float, most: int = 8) -> list[Box]:
    """Boxes around what is odder than normal images usually are, the oddest first.

    Args:
        anomaly_map: (h, w) float64.
        heat_scale: of the model, above 0.
        most: boxes.
    """
    height, width = anomaly_map.shape
    found = regions(anomaly_map, heat_scale * BOX_FROM)[:most]
    return [
        Box(left / width, top / height, (right - left) / width, (bottom - top) / height)
        for left, top, right, bottom in (region.box for region in found)
    ]


def _read(file: Path, name: str) -> NDArray[Any]:
    try:
        return read(file)
    except ImageError as error:
        raise ImageError(name, error.reason, error.detail) from None


def _coded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "JPEG":
        image.convert("RGB").save(out, kind, quality=88)
    else:
        image.save(out, kind)
    return out.getvalue()


__all__ = [
    "CALM",
    "Box",
    "boxes",
    "heat_of",
    "map_of",
    "npy_of",
    "overlay_of",
    "picture_of",
    "small_of",
]
